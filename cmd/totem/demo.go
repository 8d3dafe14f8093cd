package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/demo"
	"github.com/lorntech/totem/internal/settings"
)

type demoCmd struct {
	settings.Config
	Days int    `help:"Days of history." default:"14"`
	Seed uint64 `help:"Seed of the simulation: another seed makes other people." default:"57"`
}

func (c *demoCmd) Run(ctx context.Context, log *slog.Logger, parsed *flagsSet, out *printer) error {
	if c.Days < 0 || c.Days > 400 {
		return cli.Wrong("--days: must be 0 to 400")
	}
	if !parsed.data { // The demo deletes its data folder at its end, unless --data names one.
		c.Data = ""
	}
	return demo.Run(ctx, c.Config, demo.Options{Days: c.Days, Seed: c.Seed, Out: out, Bar: os.Stderr, Log: log})
}
