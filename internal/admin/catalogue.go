package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/settings"
)

// CatalogueVersion is one catalogue of a ledger's history.
type CatalogueVersion struct {
	N         int
	Since, At time.Time
	Name, By  string
	Text      []byte
	Network   *catalogue.Network
	Holds     bool // it holds at some instant: no later one replaced it wholly
}

// CatalogueHistory lists the catalogues of the service with a ledger.
func CatalogueHistory(ctx context.Context, place string) (list []CatalogueVersion, err error) {
	l, err := ledger.OpenExisting(ctx, place)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	texts, err := l.Catalogues(ctx)
	if err != nil {
		return nil, err
	}
	told, err := catalogues.Read(ctx, l)
	if err != nil {
		return nil, err
	}
	holds := map[int]bool{}
	for _, v := range told.Recorded.Versions() {
		holds[v.N] = true
	}
	for _, c := range texts {
		n, err := catalogue.Parse(c.Name, c.Text)
		if err != nil {
			return nil, err
		}
		list = append(list, CatalogueVersion{c.N, c.Since, c.At, c.Name, c.By, c.Text, n, holds[c.N]})
	}
	return list, nil
}

// CatalogueAt returns the catalogue of a list that held at an instant.
func CatalogueAt(list []CatalogueVersion, t time.Time) *CatalogueVersion {
	var found *CatalogueVersion
	for i := range list {
		if v := &list[i]; v.Holds && (found == nil || !v.Since.After(t)) {
			found = v
		}
	}
	return found
}

// ErrNoService is returned where no service has run with a data folder yet.
var ErrNoService = errors.New(
	"no service has run with this data folder yet, or only one of a version that did not record catalogues",
)

// CheckCatalogue reads a catalogue file and returns what it would change in the service of cfg if it held from
// cfg.CatalogueSince on. It writes warnings to warn.
func CheckCatalogue(
	ctx context.Context,
	cfg settings.Config,
	warn io.Writer,
) (n *catalogue.Network, out catalogues.Summary, err error) {
	p, err := catalogues.FromFile(cfg.Catalogue, cfg.CatalogueSince)
	if err != nil {
		return nil, out, err
	}
	for _, w := range foreign.Warnings(p.Network) {
		fmt.Fprintln(warn, "warning:", w)
	}
	if cfg.Ledger() == "" {
		return p.Network, out, nil
	}
	l, err := ledger.OpenExisting(ctx, cfg.Ledger())
	if err != nil {
		return nil, out, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	before, err := catalogues.Read(ctx, l)
	if err != nil {
		return nil, out, err
	}
	last := before.Recorded.Last()
	if last == nil {
		return p.Network, out, ErrNoService
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	since, err := p.StartsAt(now)
	if err != nil {
		return nil, out, fmt.Errorf("--since: %w", err)
	}
	change, err := before.Put(since, now, p.Network)
	if err != nil {
		return nil, out, err
	}
	if err := catalogues.CheckReferences(ctx, l, change, now); err != nil {
		return nil, out, err
	}
	out = catalogues.Summarize(before, change, p.Network, since, now)
	return p.Network, out, nil
}
