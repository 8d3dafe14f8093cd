package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/settings"
)

type catalogueCmd struct {
	Check   catalogueCheckCmd   `cmd:"" help:"Check a catalogue file; show what is in it, what it changes, and what that affects."`
	Apply   catalogueApplyCmd   `cmd:"" help:"Put a changed catalogue file in force in the running service. A renamed space names its former id under was:."`
	Show    catalogueShowCmd    `cmd:"" help:"Print the catalogue in force, or the one at an instant, as its file was written."`
	History catalogueHistoryCmd `cmd:"" help:"List the catalogues of a service: from when each holds and what it changed."`
}

type catalogueCheckCmd struct {
	File        string `arg:"" optional:"" help:"The YAML file; default: the built-in network." placeholder:"FILE"`
	Data        string `help:"Data folder of a service (it may be running) to compare the file with." env:"TOTEM_DATA" placeholder:"DIR"`
	DatabaseURL string `name:"database-url" help:"The PostgreSQL database of a service to compare the file with." env:"TOTEM_DATABASE_URL" placeholder:"URL"`
	Since       string `help:"When it would begin to hold: a local day or an instant; default: now." placeholder:"DAY"`
	At          string `help:"Compare with the catalogue of this local time or instant, not with the one in force." placeholder:"TIME"`
}

func (c *catalogueCheckCmd) Run(ctx context.Context, out *printer) error {
	if c.Data == "" && c.DatabaseURL == "" && (c.Since != "" || c.At != "") {
		return cli.Wrong("--since and --at compare with a service: name its data folder with --data (TOTEM_DATA)")
	}
	n, changes, err := admin.CheckCatalogue(ctx,
		settings.Config{Catalogue: c.File, CatalogueSince: c.Since, Data: c.Data, DatabaseURL: c.DatabaseURL},
		os.Stderr,
	)
	if err != nil && !errors.Is(err, admin.ErrNoService) {
		return err
	}
	for _, line := range n.Remarks() {
		fmt.Fprintln(os.Stderr, "remark:", line)
	}
	if err := printSummary(out, n); err != nil || c.Data == "" && c.DatabaseURL == "" {
		return err
	}
	if err != nil {
		fmt.Fprintln(out, "There is no catalogue to compare with:", err)
		return nil
	}
	if c.At == "" {
		printLines(out, "Differences from the catalogue in force", changes.Differences)
		printLines(out, "Touches", changes.Touches)
		printWarnings(changes.Warnings)
		return nil
	}
	v, err := catalogueAt(ctx, place{Data: c.Data, DatabaseURL: c.DatabaseURL}.ledger(), c.At)
	if err == nil {
		printLines(out, "Differences from catalogue "+describe(v), catalogue.Differences(v.Network, n))
	}
	return err
}

func printWarnings(lines []string) {
	for _, line := range lines {
		fmt.Fprintln(os.Stderr, "warning:", line)
	}
}

func printLines(out io.Writer, title string, lines []string) {
	fmt.Fprintf(out, "%s: %d\n", title, len(lines))
	for _, line := range lines {
		fmt.Fprintln(out, " ", line)
	}
}

type catalogueApplyCmd struct {
	address
	File   string `arg:"" help:"The YAML file." placeholder:"FILE"`
	Since  string `help:"When it begins to hold: a local day or time, or an instant; default: now. What it changes in the past is computed again; catalogues that held after that instant are replaced." placeholder:"DAY"`
	DryRun bool   `help:"Show what it would change, and change nothing."`
}

func (c *catalogueApplyCmd) Run(ctx context.Context, out *printer) error {
	p, err := catalogues.FromFile(c.File, c.Since)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	changes, err := client.ApplyCatalogue(ctx,
		api.NewCatalogue{Name: p.Name, Text: string(p.Text), Plans: p.Plans, Since: p.Since},
		c.DryRun,
	)
	var refused *cli.Refused
	if errors.As(err, &refused) && len(refused.Errors) > 0 {
		for _, e := range refused.Errors {
			fmt.Fprintln(os.Stderr, e.Message)
		}
		return errors.New(refused.Detail)
	}
	if err != nil {
		return err
	}
	printLines(out, "Changed", changes.Differences)
	printLines(out, "Touches", changes.Touches)
	printWarnings(changes.Warnings)
	switch {
	case changes.Unchanged:
		fmt.Fprintln(out, "The service already has this catalogue from that time on: nothing was changed.")
	case c.DryRun:
		fmt.Fprintln(out, "Nothing was changed: this was a dry run.")
	default:
		fmt.Fprintf(out,
			"In force as catalogue %d, from %s.\n",
			changes.N,
			changes.Since.In(p.Network.Zone.Location()).Format(time.DateTime),
		)
	}
	return nil
}

type catalogueShowCmd struct {
	place
	At string `help:"The catalogue of this local time or instant; default: the one in force." placeholder:"TIME"`
}

func (c *catalogueShowCmd) Run(ctx context.Context, out *printer) error {
	v, err := catalogueAt(ctx, c.ledger(), c.At)
	if err == nil {
		_, err = out.Write(v.Text)
	}
	return err
}

// catalogueAt returns the catalogue of a local time or an instant; empty: the one in force.
func catalogueAt(ctx context.Context, ledger, at string) (*admin.CatalogueVersion, error) {
	list, err := admin.CatalogueHistory(ctx, ledger)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, admin.ErrNoService
	}
	t := time.Now()
	if at != "" {
		if t, err = parseTime("--at", at, list[len(list)-1].Network.Zone.Location()); err != nil {
			return nil, err
		}
	}
	return admin.CatalogueAt(list, t), nil
}

type catalogueHistoryCmd struct {
	place
	At string `help:"Only the one that held at this local time or instant." placeholder:"TIME"`
}

func (c *catalogueHistoryCmd) Run(ctx context.Context, out *printer) error {
	if c.At != "" {
		v, err := catalogueAt(ctx, c.ledger(), c.At)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, describe(v))
		return nil
	}
	list, err := admin.CatalogueHistory(ctx, c.ledger())
	if err != nil {
		return err
	}
	for i := range list {
		fmt.Fprintln(out, describe(&list[i]))
		if i > 0 {
			for _, line := range catalogue.Differences(list[i-1].Network, list[i].Network) {
				fmt.Fprintln(out, "  ", line)
			}
		}
	}
	return nil
}

func describe(v *admin.CatalogueVersion) string {
	local := func(t time.Time) string {
		return t.In(v.Network.Zone.Location()).Format("2006-01-02 15:04:05")
	}
	since := "the beginning"
	if v.Since.Unix() > 0 {
		since = local(v.Since)
	}
	text := fmt.Sprintf("%d  from %s, recorded %s by %s, %s", v.N, since, local(v.At), v.By, v.Name)
	if !v.Holds {
		text += " (replaced by a later one)"
	}
	return text
}

func printSummary(out io.Writer, n *catalogue.Network) error {
	w := tabwriter.NewWriter(out, 2, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "site\tbuildings\tspaces\tdoors\tdevices\tarea m²\tlettable m²\t")
	for _, r := range n.Summary() {
		fmt.Fprintf(w,
			"%s\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t\n",
			r.Site,
			r.Buildings,
			r.Spaces,
			r.Doors,
			r.Devices,
			r.AreaM2,
			r.LettableM2,
		)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is valid.\n", n.Name)
	return nil
}
