package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/settings"
)

// RotateListKey adds a list key in a data folder, whose service may be running.
// Lists hash with all keys in order.
func RotateListKey(cfg settings.Config) (id string, err error) {
	return keys.RotateList(cfg.KeysFile())
}

// RotateKey creates the next key of a site in a data folder, whose service may
// be running: the service loads it at once, or when it starts.
func RotateKey(ctx context.Context, cfg settings.Config, site catalogue.SiteID) (present, next string, err error) {
	l, err := ledger.OpenExisting(ctx, cfg.Ledger())
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	h, err := catalogues.HistoryOf(ctx, cfg, l)
	if err != nil {
		return "", "", err
	}
	if (*h.Last()).Site(site) == nil {
		return "", "", fmt.Errorf("the catalogue has no site %q", site)
	}
	return keys.Rotate(cfg.KeysFile(), site)
}
