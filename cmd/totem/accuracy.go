package main

import (
	"context"
	"os"
	"time"

	"github.com/lorntech/totem/firmware-sim/sim"
	"github.com/lorntech/totem/internal/accuracy"
	"github.com/lorntech/totem/internal/cli"
)

type accuracyCmd struct {
	Days    int    `help:"Days to simulate." default:"31"`
	Seed    uint64 `help:"Seed of the simulation: another seed makes other people." default:"57"`
	Forget  int    `help:"Percent of exits that are not badged." default:"5" placeholder:"PERCENT"`
	Sync    int    `help:"Days after which a device's clock is set right; 0: never." default:"1" placeholder:"DAYS"`
	Drift   int    `help:"Seconds a day by which device clocks drift." default:"2" placeholder:"SECONDS"`
	Perfect bool   `help:"Simulate a perfect network: nothing is late, repeated or lost."`
}

func (c *accuracyCmd) Run(ctx context.Context, out *printer) error {
	if c.Days < 1 || c.Days > 80 || c.Sync < 0 || c.Drift < 0 || c.Drift > 600 || c.Forget < 0 || c.Forget > 100 {
		return cli.Wrong("--days must be 1 to 80, --forget 0 to 100, --sync 0 or more, --drift 0 to 600")
	}
	o := accuracy.Options{Days: c.Days, Seed: c.Seed, Forget: c.Forget, Faults: accuracy.Faulty(c.Sync), Bar: os.Stderr}
	o.Faults.Drift = time.Duration(c.Drift) * time.Second
	if c.Perfect {
		o.Faults = sim.Faults{}
	}
	return accuracy.Run(ctx, out, o)
}
