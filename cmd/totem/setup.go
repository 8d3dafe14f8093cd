package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/doctor"
	"github.com/lorntech/totem/internal/settings"
)

type initCmd struct {
	Dir string `arg:"" help:"A new or empty folder." default:"."`
	Yes bool   `help:"Ask nothing: take the usual answers."`
}

func (c *initCmd) Run(ctx context.Context, out *printer) error {
	a := admin.Usual()
	if !c.Yes {
		var err error
		a, err = typed(ctx, func() (admin.Answers, error) { return admin.Ask(os.Stdin, out) })
		if err != nil { // nothing is written
			return err
		}
	}
	return admin.Init(c.Dir, a, out)
}

type doctorCmd struct {
	settings.Config
	JSON bool `name:"json" help:"As JSON, for scripts."`
}

// Run prints all findings; it fails where something is wrong.
func (c *doctorCmd) Run(ctx context.Context, out *printer) error {
	list := doctor.Examine(ctx, c.Config)
	bad := 0
	for _, f := range list {
		if f.State == doctor.Wrong {
			bad++
		}
	}
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(list); err != nil {
			return err
		}
	} else {
		for _, f := range list {
			fmt.Fprintf(out, "%-5s  %-11s  %s\n", f.State, f.What, f.Says)
			if f.Do != "" {
				fmt.Fprintf(out, "%-5s  %-11s  → %s\n", "", "", f.Do)
			}
		}
	}
	if bad > 0 {
		return errors.New(plural(bad))
	}
	return nil
}

func plural(bad int) string {
	if bad == 1 {
		return "one thing is wrong"
	}
	return fmt.Sprintf("%d things are wrong", bad)
}
