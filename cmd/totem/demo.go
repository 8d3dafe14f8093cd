package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/lorntech/totem/internal/app"
)

type demoCmd struct {
	app.Config
	Days int    `help:"Days of history." default:"14"`
	Seed uint64 `help:"Another seed, other people." default:"57"`
}

func (c *demoCmd) Run(ctx context.Context, log *slog.Logger, parsed *flagsSet) error {
	if c.Days < 0 || c.Days > 400 {
		return errors.New("--days: must be 0 to 400")
	}
	if !parsed.data { // what the demo makes goes with it, unless somebody says where to keep it
		c.Data = ""
	}
	return app.Demo(ctx, c.Config, app.DemoOptions{Days: c.Days, Seed: c.Seed, Out: os.Stdout, Bar: os.Stderr, Log: log})
}
