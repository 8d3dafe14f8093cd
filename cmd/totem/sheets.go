package main

import (
	"context"

	"github.com/lorntech/totem/internal/cli"
)

type importCmd struct {
	service
	File           string `arg:"" help:"A CSV file, or the zip of an export." type:"existingfile"`
	DryRun         bool   `help:"Show what would change, and change nothing."`
	AcceptWarnings bool   `help:"Import although there are warnings."`
	Tenant         string `help:"The tenant of the people, where the file has no such column." placeholder:"TENANT"`
	Kind           string `help:"tenants, members, badges, schedules, plans, leases, passes or events; default: guessed from the columns." placeholder:"KIND"`
}

func (c *importCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	q := nonEmpty(map[string]string{"tenant": c.Tenant, "kind": c.Kind})
	if c.AcceptWarnings {
		q.Set("accept", "warnings")
	}
	if c.DryRun {
		q.Set("dry_run", "true")
	}
	return cli.Import(ctx, client, out, c.File, q)
}

type exportCmd struct {
	service
	File string `arg:"" help:"The zip to write; only its owner may read it."`
}

func (c *exportCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return cli.Export(ctx, client, out, c.File)
}
