package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/certs"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/settings"
)

// endpoint is where a running service answers.
type endpoint struct {
	URL string `name:"url" help:"The running service; default: the address of TOTEM_HTTP, or http://127.0.0.1:8080." env:"TOTEM_URL" placeholder:"URL"`
	CA  string `name:"ca" help:"File of the authority that signed its certificate, where that is a private one, as PEM." env:"TOTEM_CA" placeholder:"FILE"`
}

// find fills in the URL where none is given, and returns how to reach the service.
func (p *endpoint) find() (*http.Transport, error) {
	if p.URL == "" {
		p.URL = settings.LocalURL(os.Getenv("TOTEM_HTTP"))
	}
	if !strings.Contains(p.URL, "://") {
		p.URL = "http://" + p.URL
	}
	t, err := certs.Transport(p.CA)
	if err != nil {
		return nil, fmt.Errorf("--ca (TOTEM_CA): %w", err)
	}
	return t, nil
}

// address names the running service that a command asks.
type address struct {
	endpoint
	Token string `help:"A token for it; default: the admin token of the data folder." env:"TOTEM_TOKEN" placeholder:"TOKEN"`
	Data  string `help:"Data folder, for its admin token." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
}

// service is the address of a service, and the time zone of its catalogue.
type service struct {
	address
	Catalogue string `help:"Catalogue file of the service, for its time zone." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
}

func (s *address) client() (cli.Client, error) {
	t, err := s.find()
	if err != nil {
		return cli.Client{}, err
	}
	c := cli.Client{URL: s.URL, Token: s.Token, Transport: t}
	if c.Token != "" {
		return c, nil
	}
	file := (&settings.Config{Data: s.Data}).AdminTokenFile()
	data, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("--token (TOTEM_TOKEN) is not given, and --data (TOTEM_DATA) holds no admin token: %w", err)
	}
	c.Token = strings.TrimSpace(string(data))
	return c, nil
}

// sheet holds the flags of commands that can print CSV.
type sheet struct {
	CSV    bool   `name:"csv" help:"As CSV."`
	Locale string `help:"Of the CSV: en, or fr with semicolons and decimal commas, as French spreadsheets open it." enum:"en,fr" default:"en"`
}

// show writes the CSV where --csv is given, and otherwise lets draw print the
// table.
func (s *sheet) show(
	ctx context.Context,
	out io.Writer,
	c cli.Client,
	path string,
	q url.Values,
	draw func() error,
) error {
	if !s.CSV {
		return draw()
	}
	q.Set("locale", s.Locale)
	return c.Copy(ctx, out, path, q, "text/csv")
}

// period holds the flags of a stretch of time: local dates or instants.
type period struct {
	From string `help:"Start: a local date or time, or an instant, as 2026-11-01, 2026-11-01 08:00 or 2026-11-01T08:00:00+01:00; default: --days ago." placeholder:"TIME"`
	To   string `help:"End, not included; default: now." placeholder:"TIME"`
	Days int    `help:"Days before --to, where --from is not given." default:"7"`
}

func (p *period) span(zone *time.Location, now time.Time) (from, to time.Time, err error) {
	to = now.In(zone).Truncate(time.Minute) // figures are of whole minutes
	if p.To != "" {
		if to, err = parseTime("--to", p.To, zone); err != nil {
			return from, to, err
		}
	}
	from = to.AddDate(0, 0, -p.Days)
	if p.From != "" {
		from, err = parseTime("--from", p.From, zone)
	}
	return from, to, err
}

// stretch is a period in the network's time zone.
type stretch struct {
	zone     *time.Location
	from, to time.Time
}

// end returns until when a list of events reaches. It is empty where --to is not given, so that the list includes the
// present minute.
func (p *period) end(in stretch) string {
	if p.To == "" {
		return ""
	}
	return in.to.Format(time.RFC3339)
}

// clientFor returns the client for a question about a period, and the period.
func (s *service) clientFor(p *period) (c cli.Client, in stretch, err error) {
	if in.zone, err = s.zone(); err != nil {
		return c, in, err
	}
	if in.from, in.to, err = p.span(in.zone, time.Now()); err != nil {
		return c, in, err
	}
	c, err = s.client()
	return c, in, err
}

func parseTime(flag, s string, zone *time.Location) (time.Time, error) {
	for _, local := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(local, s, zone); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, cli.Wrong(
			"%s: %q is not a date like 2026-11-01, a local time like 2026-11-01 08:00, or an instant like 2026-11-01T08:00:00+01:00",
			flag,
			s,
		)
	}
	return t.In(zone), nil
}

func (s *service) zone() (*time.Location, error) {
	n, err := catalogues.Load(s.Catalogue)
	if err != nil {
		return nil, err
	}
	return n.Zone.Location(), nil
}

type usageCmd struct {
	service
	period
	By   string `help:"space, kind, building, site or hour-of-week." enum:"space,kind,building,site,hour-of-week" default:"site"`
	Site string `help:"Only of this site." placeholder:"SITE"`
	Kind string `help:"Only spaces of this kind." placeholder:"KIND"`
	sheet
}

func (c *usageCmd) Run(ctx context.Context, out *printer) error {
	client, in, err := c.clientFor(&c.period)
	if err != nil {
		return err
	}
	q := cli.UsageQuery{From: in.from, To: in.to, By: c.By, Site: c.Site, Kind: c.Kind}
	return c.show(ctx, out, client, cli.UsagePath, q.Values(), func() error { return cli.Usage(ctx, client, out, q) })
}

type occupancyCmd struct {
	service
	period
	Space string `arg:"" help:"The space."`
	Every string `help:"Time covered by each line: 15m, 1h, 1d." default:"1h"`
	sheet
}

func (c *occupancyCmd) Run(ctx context.Context, out *printer) error {
	client, in, err := c.clientFor(&c.period)
	if err != nil {
		return err
	}
	q := cli.OccupancyQuery{Space: c.Space, Every: c.Every, From: in.from, To: in.to}
	return c.show(ctx, out,
		client,
		cli.OccupancyPath,
		q.Values(),
		func() error { return cli.Occupancy(ctx, client, out, q) },
	)
}

type devicesCmd struct {
	List    devicesListCmd    `cmd:"" default:"withargs" help:"All devices, with when they were last heard."`
	Secret  devicesSecretCmd  `cmd:"" help:"Make a device's new secret and print it, once; the former one ends."`
	Unknown devicesUnknownCmd `cmd:"" help:"Who sends and is not in the catalogue, with lines for it."`
	Watch   devicesWatchCmd   `cmd:"" help:"Show what arrives on the broker and from whom, decoded, and what is rejected and why."`
}

type devicesWatchCmd struct {
	service
	Device   string `arg:"" optional:"" help:"Only this device."`
	Rejected bool   `help:"Only what is rejected."`
}

func (c *devicesWatchCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return cli.Watch(ctx, client, out, cli.WatchQuery{Device: c.Device, Rejected: c.Rejected})
}

type seriesCmd struct {
	Rebuild seriesRebuildCmd `cmd:"" help:"Compute the series again from the ledger, and send it to InfluxDB again if one is set."`
	Check   seriesCheckCmd   `cmd:"" help:"Compare what InfluxDB has with the ledger, day by day and space by space."`
}

type seriesRebuildCmd struct {
	settings.Config
	whole
}

func (c *seriesRebuildCmd) Run(ctx context.Context, out *printer) error {
	from, to, err := c.bounds(&c.Config)
	if err != nil {
		return err
	}
	return admin.RebuildSeries(ctx, c.Config, from, to, out, os.Stderr)
}

// whole holds the flags of a stretch of time that may be unbounded.
type whole struct {
	From string `help:"Start: a local date or time, or an instant; default: the beginning." placeholder:"TIME"`
	To   string `help:"End, not included; default: now." placeholder:"TIME"`
}

func (p *whole) bounds(cfg *settings.Config) (from, to time.Time, err error) {
	n, err := catalogues.Load(cfg.Catalogue)
	if err != nil {
		return from, to, err
	}
	zone := n.Zone.Location()
	from, to = time.Unix(0, 0).In(zone), time.Now().In(zone)
	if p.To != "" {
		if to, err = parseTime("--to", p.To, zone); err != nil {
			return from, to, err
		}
	}
	if p.From != "" {
		from, err = parseTime("--from", p.From, zone)
	}
	return from, to, err
}

type seriesCheckCmd struct {
	settings.Config
	whole
}

func (c *seriesCheckCmd) Run(ctx context.Context, out *printer) error {
	from, to, err := c.bounds(&c.Config)
	if err != nil {
		return err
	}
	return admin.CheckSeries(ctx, c.Config, from, to, out)
}

// nonEmpty returns the parameters that have a value.
func nonEmpty(of map[string]string) url.Values {
	q := url.Values{}
	for name, v := range of {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}
