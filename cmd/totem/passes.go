package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/cli"
)

type passCmd struct {
	Create passCreateCmd `cmd:"" help:"Create a visitor's pass and print its token, once; --png writes its QR code."`
	Delete passDeleteCmd `cmd:"" help:"End a pass: its token opens nothing from now on."`
}

type passCreateCmd struct {
	service
	ID    string   `arg:"" optional:"" help:"The pass's id; default: one is made."`
	Host  string   `help:"The member whom the visitor comes to see." required:"" placeholder:"MEMBER"`
	Name  string   `help:"The visitor's name." required:""`
	Space []string `help:"A space to visit; may be repeated." required:"" placeholder:"SPACE"`
	From  string   `help:"From this local time or instant on, as 2026-11-01 08:00; default: now." placeholder:"TIME"`
	To    string   `help:"Until then; default: the end of the local day on which it begins." placeholder:"TIME"`
	PNG   string   `name:"png" help:"A new file for the QR code." placeholder:"FILE"`
}

func (c *passCreateCmd) Run(ctx context.Context, out *printer) (err error) {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	from, to, err := c.times(zone, time.Now())
	if err != nil {
		return err
	}
	if c.ID == "" {
		c.ID = "pass-" + uuid.NewString()[:8]
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	// The file first: where it cannot be written, the token would be lost.
	var file *os.File
	if c.PNG != "" {
		if file, err = os.OpenFile(c.PNG, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return fmt.Errorf("--png: %w", err)
		}
		defer func() {
			if err = errors.Join(err, file.Close()); err != nil {
				err = errors.Join(err, os.Remove(c.PNG))
			}
		}()
	}
	token, err := client.CreatePass(ctx, cli.NewPass{
		ID: c.ID, Host: c.Host, Name: c.Name, Spaces: c.Space, ValidFrom: from, ValidTo: to,
	})
	if err != nil {
		return err
	}
	if file != nil {
		err = cli.WriteQR(file, token)
	}
	fmt.Fprintf(
		out,
		"%s, from %s to %s\n%s\n",
		c.ID,
		from.Format("2006-01-02 15:04"),
		to.Format("2006-01-02 15:04"),
		token,
	)
	return err
}

// times returns when the pass begins and ends, in the network's time zone.
func (c *passCreateCmd) times(zone *time.Location, now time.Time) (from, to time.Time, err error) {
	from = now.In(zone).Truncate(time.Minute)
	if c.From != "" {
		if from, err = parseTime("--from", c.From, zone); err != nil {
			return from, to, err
		}
	}
	if c.To != "" {
		to, err = parseTime("--to", c.To, zone)
		return from, to, err
	}
	return from, time.Date(from.Year(), from.Month(), from.Day()+1, 0, 0, 0, 0, zone), nil
}

type passDeleteCmd struct {
	service
	ID string `arg:"" help:"The pass."`
}

func (c *passDeleteCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.DeletePass(ctx, c.ID)
}
