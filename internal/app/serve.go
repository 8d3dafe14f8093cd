package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

// closeTime is how long an orderly end may take.
const closeTime = 15 * time.Second

// Serve runs the whole service until ctx ends.
func Serve(ctx context.Context, cfg Config, log *slog.Logger) error {
	a, err := Start(ctx, cfg, Options{Log: log})
	if err != nil {
		return err
	}
	a.logStart()
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-a.failed:
	}
	log.Info("stopping")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	return errors.Join(failed, a.Close(stop))
}

func (a *App) logStart() {
	log := a.opt.Log
	log.Info("totem is ready", "http", "http://"+a.HTTP.String(), "docs", "http://"+a.HTTP.String()+"/docs", "data", a.cfg.Data)
	if a.MQTT != nil {
		log.Info("embedded broker listens", "mqtt", a.MQTT.String())
	} else {
		log.Info("outside broker", "connected", a.broker.Ready() == nil)
	}
	switch n := len(a.cfg.AdminToken); {
	case n == 0:
		log.Info("the admin token is in a file", "file", a.cfg.AdminTokenFile())
	case n < shortToken:
		log.Warn("the admin token is short enough to be guessed; use one like the output of openssl rand -hex 32", "setting", "TOTEM_ADMIN_TOKEN")
	}
}

// Tokens shorter than shortToken can be found by trying; serve warns of them.
const shortToken = 16

// Variables returns the environment variables of the settings.
func Variables() []string {
	var names []string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("env"))
	}
	return names
}

// TokenRequest describes a token to create.
type TokenRequest struct {
	ID, Role, Tenant string
	Sites            []catalogue.SiteID
	Life             time.Duration // 0: without end
}

// CreateToken creates a token in a data folder, whose service may be running,
// and returns it. The token itself is stored nowhere.
func CreateToken(ctx context.Context, cfg Config, r TokenRequest) (token string, err error) {
	if err := cfg.Check(); err != nil {
		return "", err
	}
	l, err := openExisting(ctx, cfg.Data)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	h, err := cfg.historyOf(ctx, l)
	if err != nil {
		return "", err
	}
	if err := r.check(*h.Last()); err != nil {
		return "", err
	}
	token = keys.NewSecret()
	now := time.Now().UTC()
	t := ledger.Token{ID: r.ID, Role: r.Role, Sites: r.Sites, Tenant: tenancy.TenantID(r.Tenant), Hash: keys.HashSecret(token)}
	if r.Life > 0 {
		end := now.Add(r.Life)
		t.ExpiresAt = &end
	}
	return token, l.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.PutToken(t); err != nil {
			return err
		}
		return tx.AddAct(&ingest.Act{At: now, Actor: "cli", Action: "put", Target: "token/" + r.ID, Body: t.Terms()})
	})
}

func (r TokenRequest) check(n *catalogue.Network) error {
	if !catalogue.ValidID(r.ID) {
		return fmt.Errorf("id: %q is not an id: lower-case letters, digits and hyphens, at most 64", r.ID)
	}
	for _, s := range r.Sites {
		if n.Site(s) == nil {
			return fmt.Errorf("--sites: the catalogue has no site %q", s)
		}
	}
	if r.Role == "manager" && len(r.Sites) == 0 {
		return errors.New("--sites: a manager's token needs at least one site")
	}
	if r.Role == "tenant" && r.Tenant == "" {
		return errors.New("--tenant: a tenant's token needs its tenant")
	}
	return nil
}

func openExisting(ctx context.Context, dir string) (*ledger.Ledger, error) {
	if _, err := os.Stat(filepath.Join(dir, ledger.FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--data (TOTEM_DATA): %s does not contain a ledger", dir)
	}
	return ledger.Open(ctx, dir)
}
