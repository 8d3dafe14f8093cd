package main

import (
	"context"
	"net/url"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/cli"
)

type hoursCmd struct {
	Show    hoursShowCmd    `cmd:"" default:"withargs" help:"The measured hours of a month."`
	Explain hoursExplainCmd `cmd:"" help:"Explain a member's day, down to the badges."`
}

type hoursShowCmd struct {
	service
	Month  string `help:"The month, as 2026-10; default: the current one." placeholder:"MONTH"`
	By     string `help:"tenant, member or day." enum:"tenant,member,day" default:"tenant"`
	Tenant string `help:"Only of this tenant." placeholder:"TENANT"`
	known
	sheet
}

// known selects figures as they were known at some earlier time.
type known struct {
	AsKnown string `help:"Use the plans, leases and corrections recorded up to this instant, or the end of this local day; badges and catalogue are the current ones." placeholder:"TIME"`
}

func (c *hoursShowCmd) Run(ctx context.Context, out *printer) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	if c.Month == "" {
		c.Month = time.Now().In(zone).Format("2006-01")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	q := nonEmpty(map[string]string{"month": c.Month, "by": c.By, "as_known": c.AsKnown})
	if c.Tenant != "" {
		q.Set("tenant", c.Tenant)
	}
	return c.show(ctx, out, client, cli.HoursPath, q, func() error { return cli.Hours(ctx, client, out, q) })
}

type hoursExplainCmd struct {
	service
	Member string `arg:"" help:"The member."`
	Day    string `arg:"" help:"The local day, as 2026-10-07."`
	known
}

func (c *hoursExplainCmd) Run(ctx context.Context, out *printer) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	return cli.Explain(ctx, client, out, c.Member, c.Day, c.AsKnown, zone)
}

type statementsCmd struct {
	List       statementsListCmd       `cmd:"" help:"Issued statements; as CSV every line of each."`
	Issue      statementsIssueCmd      `cmd:"" help:"Issue a month's statements; look first with --dry-run."`
	Show       statementsShowCmd       `cmd:"" help:"One statement as a page that prints on A4, as JSON or as CSV."`
	Accounting statementsAccountingCmd `cmd:"" help:"Issued statements as the entries of a sales journal (FEC), for an accounting package."`
}

type statementsListCmd struct {
	service
	Month  string `help:"As 2026-10; default: all." placeholder:"MONTH"`
	Tenant string `help:"Only of this tenant." placeholder:"TENANT"`
	sheet
}

func (c *statementsListCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	q := nonEmpty(map[string]string{"month": c.Month, "tenant": c.Tenant})
	return c.show(ctx, out, client, cli.StatementsPath, q, func() error { return cli.Statements(ctx, client, out, q) })
}

type statementsIssueCmd struct {
	service
	Month  string `arg:"" help:"As 2026-10."`
	Tenant string `help:"Only of this tenant." placeholder:"TENANT"`
	DryRun bool   `help:"Show what would be issued, and issue nothing."`
	known
}

func (c *statementsIssueCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return cli.Issue(ctx,
		client,
		out,
		cli.IssueRequest{Month: c.Month, Tenant: c.Tenant, DryRun: c.DryRun, AsKnown: c.AsKnown},
	)
}

type statementsShowCmd struct {
	service
	ID     string `arg:"" help:"The statement, as s-000001."`
	As     string `help:"html, json or csv." enum:"html,json,csv" default:"html"`
	Locale string `help:"fr or en: of the page, and of the CSV." enum:"fr,en" default:"fr"`
}

func (c *statementsShowCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	accept := map[string]string{"html": "text/html", "json": "application/json", "csv": "text/csv"}[c.As]
	return client.Copy(ctx,
		out,
		cli.StatementsPath+"/"+url.PathEscape(c.ID),
		url.Values{"locale": {c.Locale}},
		accept,
	)
}

type statementsAccountingCmd struct {
	service
	Month string `help:"Statements of this month; default: all." placeholder:"MONTH"`
	From  string `help:"Issued on this day or later, as 2026-01-01." placeholder:"DAY"`
	To    string `help:"Issued on this day or before." placeholder:"DAY"`
}

func (c *statementsAccountingCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.Copy(ctx,
		out,
		cli.AccountingPath,
		nonEmpty(map[string]string{"month": c.Month, "from": c.From, "to": c.To}),
		"text/plain",
	)
}

type rentsCmd struct {
	List rentsListCmd `cmd:"" default:"withargs" help:"What rents the use of spaces suggests, and why."`
	Set  rentsSetCmd  `cmd:"" help:"Set a space's rent per m² from a day on; audited."`
}

type rentsSetCmd struct {
	service
	Space  string `arg:"" help:"The space's id."`
	Rent   string `arg:"" help:"In € per m² and month, as 11.50."`
	From   string `help:"From this local day on, past or to come; default: today." placeholder:"DAY"`
	Reason string `help:"Why: it is kept with the rent." required:""`
}

func (c *rentsSetCmd) Run(ctx context.Context, out *printer) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	from := time.Now().In(zone).Format(time.DateOnly)
	if c.From != "" {
		day, err := catalogue.ParseDay(c.From)
		if err != nil {
			return cli.Wrong("--from: %q is not a day like 2026-11-01", c.From)
		}
		from = day.String()
	}
	cents, err := cli.Cents(c.Rent)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	set, err := client.SetRent(ctx, c.Space, cents, from, c.Reason)
	if err != nil {
		return err
	}
	set.Show(out, c.Space)
	return nil
}

type rentsListCmd struct {
	service
	period
	Site       string `help:"Only of this site." placeholder:"SITE"`
	Kind       string `help:"Only spaces of this kind." placeholder:"KIND"`
	By         string `help:"space, kind or site." enum:"space,kind,site" default:"space"`
	Target     string `help:"The use at which a rent stays as it is; default: from the billing settings, else 0.6." placeholder:"PART"`
	Elasticity string `help:"How strongly a rent follows use; default: from the billing settings, else 0.5." placeholder:"NUMBER"`
	MaxChange  string `help:"The largest change of a rent; default: from the billing settings, else 0.1." placeholder:"PART"`
	Floor      string `help:"Lowest suggestion, in cents per m² and month; default: from the billing settings." placeholder:"CENTS"`
	IndexCap   string `help:"Change of the ILAT index, as 0.02: suggestions rise no further; default: from the billing settings." placeholder:"PART"`
	sheet
}

func (c *rentsListCmd) Run(ctx context.Context, out *printer) error {
	client, in, err := c.clientFor(&c.period)
	if err != nil {
		return err
	}
	q := nonEmpty(
		map[string]string{
			"from":       in.from.Format(time.RFC3339),
			"to":         in.to.Format(time.RFC3339),
			"site":       c.Site,
			"kind":       c.Kind,
			"by":         c.By,
			"target":     c.Target,
			"elasticity": c.Elasticity,
			"max_change": c.MaxChange,
			"index_cap":  c.IndexCap,
			"floor":      c.Floor,
		},
	)
	return c.show(ctx, out, client, cli.CalibrationPath, q, func() error { return cli.Rents(ctx, client, out, q) })
}

type charterCmd struct{ service }

func (c *charterCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return cli.Charter(ctx, client, out)
}
