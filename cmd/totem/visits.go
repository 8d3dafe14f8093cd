package main

import (
	"context"
	"time"

	"github.com/lorntech/totem/internal/cli"
)

type visitsCmd struct {
	List    visitsListCmd    `cmd:"" default:"withargs" help:"Visits, as measured and as corrected."`
	Correct visitsCorrectCmd `cmd:"" help:"Correct a visit: bills use the correction, what was measured stays beside it."`
	Undo    visitsUndoCmd    `cmd:"" help:"Undo a correction."`
}

type visitsListCmd struct {
	service
	period
	Member string `help:"Only of this member." placeholder:"MEMBER"`
	Tenant string `help:"Only of this tenant." placeholder:"TENANT"`
	Space  string `help:"Only to this space." placeholder:"SPACE"`
}

func (c *visitsListCmd) Run(ctx context.Context, out *printer) error {
	client, in, err := c.clientFor(&c.period)
	if err != nil {
		return err
	}
	q := nonEmpty(
		map[string]string{
			"member": c.Member,
			"tenant": c.Tenant,
			"space":  c.Space,
			"from":   in.from.Format(time.RFC3339),
			"to":     c.end(in),
		},
	)
	return cli.Visits(ctx, client, out, q, in.zone)
}

type visitsCorrectCmd struct {
	service
	ID     string `arg:"" help:"The visit's id, as printed by hours explain and visits list."`
	From   string `help:"Corrected start: a local time or an instant, as 2026-11-20 09:54 or 2026-11-20T09:54:00+01:00." required:"" placeholder:"TIME"`
	To     string `help:"Corrected end." required:"" placeholder:"TIME"`
	Reason string `help:"Why; it is kept with your token's id." required:""`
}

func (c *visitsCorrectCmd) Run(ctx context.Context, out *printer) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	from, err := parseTime("--from", c.From, zone)
	if err != nil {
		return err
	}
	to, err := parseTime("--to", c.To, zone)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	return cli.Correct(ctx, client, out, c.ID, cli.Correction{From: from, To: to, Reason: c.Reason}, zone)
}

type visitsUndoCmd struct {
	service
	ID string `arg:"" help:"The visit's id."`
}

func (c *visitsUndoCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return cli.Undo(ctx, client, out, c.ID)
}

type eventsCmd struct {
	resourceCmd
	Attendance eventsAttendanceCmd `cmd:"" help:"How many people were counted in an event's spaces while it ran."`
}

type eventsAttendanceCmd struct {
	service
	ID string `arg:"" help:"The event."`
}

func (c *eventsAttendanceCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return cli.Attendance(ctx, client, out, c.ID)
}
