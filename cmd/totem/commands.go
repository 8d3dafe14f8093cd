package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/settings"
)

type serveCmd struct{ settings.Config }

func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	return app.Serve(ctx, c.Config, log)
}

type ingestCmd struct{ settings.Config }

func (c *ingestCmd) Run(ctx context.Context, log *slog.Logger) error {
	return app.Ingest(ctx, c.Config, log)
}

type apiCmd struct{ settings.Config }

func (c *apiCmd) Run(ctx context.Context, log *slog.Logger) error {
	return app.Relay(ctx, c.Config, log)
}

// place is where the ledger and the keys of a service are, which may be running.
type place struct {
	Data        string `help:"Data folder of the service." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
	DatabaseURL string `name:"database-url" help:"Its PostgreSQL database, where its ledger is in one." env:"TOTEM_DATABASE_URL" placeholder:"URL"`
	Keys        string `help:"Its file of keys, where it is elsewhere." env:"TOTEM_KEYS" placeholder:"FILE"`
}

func (p place) config(catalogue string) settings.Config {
	return settings.Config{Data: p.Data, DatabaseURL: p.DatabaseURL, Keys: p.Keys, Catalogue: catalogue}
}

func (p place) ledger() string {
	cfg := p.config("")
	return cfg.Ledger()
}

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, once."`
}

type tokenCreateCmd struct {
	ID      string             `arg:"" help:"The token's id: lower-case letters, digits and hyphens."`
	Role    string             `help:"admin, manager, billing, tenant or display." enum:"admin,manager,billing,tenant,display" required:""`
	Sites   []catalogue.SiteID `help:"A manager's sites."`
	Tenant  string             `help:"A tenant token's tenant."`
	Expires time.Duration      `help:"Time until it expires, like 720h; default: never."`
	Replace bool               `help:"End the token that has this id, and make another one; its streams and MQTT connections end within a second. That of the admin is also written to the data folder."`
	place
	Catalogue string `help:"Catalogue file of the service." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
}

func (c *tokenCreateCmd) Run(ctx context.Context, out *printer) error {
	cfg := c.config(c.Catalogue)
	token, err := admin.CreateToken(
		ctx,
		cfg,
		admin.TokenRequest{
			ID:      c.ID,
			Role:    ledger.Role(c.Role),
			Sites:   c.Sites,
			Tenant:  c.Tenant,
			Life:    c.Expires,
			Replace: c.Replace,
		},
	)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token) // it is shown once
	return err
}

type keysCmd struct {
	Rotate     keysRotateCmd     `cmd:"" help:"Replace the key that a site signs with; it changes once all of its readers know the new one."`
	RotateList keysRotateListCmd `cmd:"" help:"Make a new list key; each reader gets it with its next secret."`
}

type keysRotateListCmd struct{ place }

func (c *keysRotateListCmd) Run(out *printer) error {
	id, err := admin.RotateListKey(c.config(""))
	if err != nil {
		return err
	}
	fmt.Fprintf(out,
		"Readers that get a secret from now on also hash with %s; others go on as before. Keep a copy of keys.json.\n",
		id,
	)
	return nil
}

type keysRotateCmd struct {
	Site catalogue.SiteID `arg:"" help:"The site's id."`
	place
	Catalogue string `help:"Catalogue file of the service." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
}

func (c *keysRotateCmd) Run(ctx context.Context, out *printer) error {
	present, next, err := admin.RotateKey(ctx, c.config(c.Catalogue), c.Site)
	if err != nil {
		return err
	}
	fmt.Fprintf(
		out,
		"The next key of %s is %s. %s signs until every reader has said that it knows the next one: see keys in GET /v1/devices?site=%s. Keep a copy of keys.json.\n",
		c.Site,
		next,
		present,
		c.Site,
	)
	return nil
}

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check whether anything was altered: walk the audit chain, compare records with it, compute some visits again."`
}

type auditVerifyCmd struct {
	place
	Catalogue string `help:"Catalogue file of the service." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
}

func (c *auditVerifyCmd) Run(ctx context.Context, out *printer) error {
	a, err := admin.VerifyAudit(ctx, c.config(c.Catalogue), os.Stderr)
	if err != nil {
		return err
	}
	if !a.OK {
		return fmt.Errorf("the chain is broken at entry %d: %s", a.BrokenAt, a.Why)
	}
	fmt.Fprintf(
		out,
		"The chain is intact: %d entries; the content of %d was erased as the law asks.\n",
		a.Entries,
		a.Erased,
	)
	return nil
}

type versionCmd struct{}

func (versionCmd) Run(out *printer) error {
	commit := app.Commit()
	if commit == "" {
		commit = "unknown"
	}
	fmt.Fprintf(out, "totem %s, commit %s, %s\n", app.Version(), commit, runtime.Version())
	return nil
}
