package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/bench"
	"github.com/lorntech/totem/internal/cli"
)

type benchCmd struct {
	Only     []string      `help:"Parts to measure: decide, latency, postgres, throughput, sensors, usage, live, bills, changes, backup, start, isolation; default: all." placeholder:"PART"`
	For      time.Duration `help:"How long each load lasts." default:"5s"`
	Reads    int           `help:"Reads in the ledger for the cold start; 10000000 takes a quarter of an hour to create." default:"100000"`
	Size     int           `help:"Percent of the usual loads: 5 shows in a minute that everything runs; its figures are rough." default:"100"`
	Dir      string        `help:"Folder for the ledgers, on the disk to be measured; default: a temporary one." placeholder:"DIR"`
	Database string        `name:"database-url" help:"An empty PostgreSQL database for the part postgres." placeholder:"URL"`
}

func (c *benchCmd) Run(ctx context.Context, out *printer) error {
	for _, p := range c.Only {
		if !slices.Contains(bench.Names(), p) {
			return cli.Wrong("--only: %q must be one of %s", p, strings.Join(bench.Names(), ", "))
		}
	}
	if c.For < time.Second || c.Reads < 0 || c.Size < 1 || c.Size > 100 {
		return cli.Wrong("--for must be 1s or more, --reads 0 or more, --size 1 to 100")
	}
	return bench.Run(
		ctx,
		out,
		bench.Options{Only: c.Only, For: c.For, Reads: c.Reads, Size: c.Size, Dir: c.Dir, Database: c.Database},
	)
}
