package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

type serveCmd struct{ app.Config }

func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	return app.Serve(ctx, c.Config, log)
}

type catalogueCmd struct {
	Check   catalogueCheckCmd   `cmd:"" help:"Check a catalogue file and show what is in it, and what it would change."`
	History catalogueHistoryCmd `cmd:"" help:"The catalogues that a service ran with, from when each holds, and what it changed."`
}

type catalogueCheckCmd struct {
	File string `arg:"" optional:"" help:"The YAML file; default: the built-in network." placeholder:"FILE"`
	Data string `help:"Data folder of a service: what differs from the catalogue in force there." placeholder:"DIR"`
}

func (c *catalogueCheckCmd) Run(ctx context.Context) error {
	n, err := (&app.Config{Catalogue: c.File}).LoadCatalogue()
	if err != nil {
		return err
	}
	for _, w := range wire.Warnings(n) {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	if err := printSummary(n); err != nil || c.Data == "" {
		return err
	}
	list, err := app.CatalogueHistory(ctx, app.Config{Data: c.Data})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Println("No service has run with this data folder since catalogues are recorded.")
		return nil
	}
	changes := catalogue.Differences(list[len(list)-1].Network, n)
	fmt.Printf("Other than in the catalogue in force: %d\n", len(changes))
	for _, line := range changes {
		fmt.Println(" ", line)
	}
	return nil
}

type catalogueHistoryCmd struct {
	Data string `help:"Data folder of the service." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
}

func (c *catalogueHistoryCmd) Run(ctx context.Context) error {
	list, err := app.CatalogueHistory(ctx, app.Config{Data: c.Data})
	if err != nil {
		return err
	}
	for i, v := range list {
		since := "the beginning"
		if v.Since.Unix() > 0 {
			since = v.Since.In(v.Network.Zone.Location()).Format("2006-01-02 15:04:05")
		}
		fmt.Printf("%d  from %s, recorded %s, %s\n", v.N, since, v.At.In(v.Network.Zone.Location()).Format("2006-01-02 15:04:05"), v.Name)
		if i > 0 {
			for _, line := range catalogue.Differences(list[i-1].Network, v.Network) {
				fmt.Println("  ", line)
			}
		}
	}
	return nil
}

func printSummary(n *catalogue.Network) error {
	w := tabwriter.NewWriter(os.Stdout, 2, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "site\tbuildings\tspaces\tdoors\tdevices\tarea m²\tlettable m²\t")
	for _, r := range n.Summary() {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t\n", r.Site, r.Buildings, r.Spaces, r.Doors, r.Devices, r.AreaM2, r.LettableM2)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("%s is sound.\n", n.Name)
	return nil
}

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, once."`
}

type tokenCreateCmd struct {
	ID        string             `arg:"" help:"The token's id, a slug."`
	Role      string             `help:"admin, manager, billing, tenant or display." enum:"admin,manager,billing,tenant,display" required:""`
	Sites     []catalogue.SiteID `help:"A manager's sites."`
	Tenant    string             `help:"A tenant token's tenant."`
	Expires   time.Duration      `help:"Time until it expires, like 720h; default: never."`
	Data      string             `help:"Data folder of the service." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
	Catalogue string             `help:"Catalogue file of the service." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
}

func (c *tokenCreateCmd) Run(ctx context.Context) error {
	cfg := app.Config{Data: c.Data, Catalogue: c.Catalogue}
	token, err := app.CreateToken(ctx, cfg, app.TokenRequest{ID: c.ID, Role: c.Role, Sites: c.Sites, Tenant: c.Tenant, Life: c.Expires})
	if err != nil {
		return err
	}
	fmt.Println(token)
	return nil
}

type keysCmd struct {
	Rotate     keysRotateCmd     `cmd:"" help:"Replace the key that a site signs with, once all of its readers know the next one."`
	RotateList keysRotateListCmd `cmd:"" help:"Make a key for lists over those before it; each reader is given it with its next secret."`
}

type keysRotateListCmd struct {
	Data string `help:"Data folder of the service, which may be running." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
}

func (c *keysRotateListCmd) Run() error {
	id, err := app.RotateListKey(c.Data)
	if err != nil {
		return err
	}
	fmt.Printf("Readers that are given a secret from now on hash with %s too; others go on as before. Keep a copy of keys.json.\n", id)
	return nil
}

type keysRotateCmd struct {
	Site      catalogue.SiteID `arg:"" help:"The site's id."`
	Data      string           `help:"Data folder of the service, which may be running." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
	Catalogue string           `help:"Catalogue file of the service." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
}

func (c *keysRotateCmd) Run() error {
	present, next, err := app.RotateKey(app.Config{Data: c.Data, Catalogue: c.Catalogue}, c.Site)
	if err != nil {
		return err
	}
	fmt.Printf("The next key of %s is %s. %s signs until every reader has said that it knows the next one: see keys in GET /v1/devices?site=%s. Keep a copy of keys.json.\n", c.Site, next, present, c.Site)
	return nil
}

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Walk the chain, hold what decides to its acts, make some visits again: was anything altered?"`
}

type auditVerifyCmd struct {
	Data      string `help:"Data folder of the service, which may be running." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
	Catalogue string `help:"Catalogue file of the service." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
}

func (c *auditVerifyCmd) Run(ctx context.Context) error {
	a, err := app.VerifyAudit(ctx, app.Config{Data: c.Data, Catalogue: c.Catalogue})
	if err != nil {
		return err
	}
	if !a.OK {
		return fmt.Errorf("it does not hold, at entry %d: %s", a.BrokenAt, a.Why)
	}
	fmt.Printf("The chain holds: %d entries, %d of them with content that was rightfully erased.\n", a.Entries, a.Erased)
	return nil
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println("totem", app.Version())
	return nil
}
