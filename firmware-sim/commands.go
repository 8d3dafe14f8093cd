package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/firmware-sim/sim"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/certs"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/people"
)

// world holds the flags that choose the simulated people.
type world struct {
	Catalogue string `help:"Catalogue file; default: the four LORnTECH sites." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
	Seed      uint64 `help:"Another seed makes other people and other days." default:"57"`
}

func (w *world) load(today time.Time) (*people.World, error) {
	n, err := catalogue.Default()
	if w.Catalogue != "" {
		var data []byte
		if data, err = os.ReadFile(w.Catalogue); err == nil {
			n, err = catalogue.Parse(w.Catalogue, data)
		}
	}
	if err != nil {
		return nil, err
	}
	return people.New(n, w.Seed, n.Zone.At(today).Day), nil
}

// trusted holds the flag of the authority behind certificates.
type trusted struct {
	CA string `name:"ca" help:"File of the authority that signed the certificates, where that is a private one, as PEM." env:"TOTEM_CA" placeholder:"FILE"`
}

func (t trusted) transport() (*http.Transport, error) {
	transport, err := certs.Transport(t.CA)
	if err != nil {
		return nil, fmt.Errorf("--ca (TOTEM_CA): %w", err)
	}
	return transport, nil
}

// dial connects to a broker: host:1883, or mqtts://host:8883 for TLS.
func (t trusted) dial(ctx context.Context, broker string, o mqttclient.Options) (*mqttclient.Client, error) {
	addr, secure := strings.CutPrefix(broker, "mqtts://")
	if secure {
		transport, err := t.transport()
		if err != nil {
			return nil, err
		}
		if o.TLS = transport.TLSClientConfig; o.TLS == nil {
			o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	return mqttclient.DialOptions(ctx, strings.TrimPrefix(addr, "mqtt://"), o)
}

// service holds the flags that name the Totem to talk to.
type service struct {
	client *http.Client // made for the first request
	trusted
	API   string `help:"Address of the service's API: gateways' secrets and keys are fetched from it. Without it the broker must accept anonymous clients, as the demo's does." placeholder:"URL"`
	Token string `help:"An admin token for --api." env:"TOTEM_ADMIN_TOKEN" placeholder:"TOKEN"`
}

// air holds the flags of the broker and of the network's faults.
type air struct {
	service
	Broker string             `help:"Address of the broker; with TLS: mqtts://host:8883." default:"127.0.0.1:1883" placeholder:"HOST:PORT"`
	Window int                `help:"How many messages may be unacknowledged at once." default:"500"`
	Sites  []catalogue.SiteID `name:"site" help:"Only these sites; default: all."`
}

type faults struct {
	Loss    float64       `help:"Percent of sensor messages that never arrive." placeholder:"PERCENT"`
	Repeat  float64       `help:"Percent of messages that come twice." placeholder:"PERCENT"`
	Reorder time.Duration `help:"A message may arrive after messages sent up to this much later." placeholder:"TIME"`
	Offline time.Duration `help:"Once a day each reader is offline for this long." placeholder:"TIME"`
	Drift   time.Duration `help:"Each clock gains or loses this much a day." placeholder:"TIME"`
	Dead    int           `help:"Number of sensors that never send anything." placeholder:"N"`
	Forget  int           `help:"Percent of exits that are not badged." default:"5" placeholder:"PERCENT"`
}

func (f faults) check() error {
	for name, v := range map[string]float64{"--loss": f.Loss, "--repeat": f.Repeat, "--forget": float64(f.Forget)} {
		if v < 0 || v > 100 {
			return cli.Wrong("%s: must be 0 to 100", name)
		}
	}
	for name, v := range map[string]time.Duration{"--reorder": f.Reorder, "--offline": f.Offline, "--drift": f.Drift} {
		if v < 0 {
			return cli.Wrong("%s: must not be negative", name)
		}
	}
	if f.Dead < 0 {
		return cli.Wrong("--dead: must not be negative")
	}
	return nil
}

func (f faults) radio() sim.Faults {
	return sim.Faults{Loss: f.Loss, Repeat: f.Repeat, Reorder: f.Reorder, Offline: f.Offline, Drift: f.Drift, Dead: f.Dead}
}

type historyCmd struct {
	world
	air
	faults
	Days  int    `help:"Number of whole days." default:"14"`
	To    string `help:"Last day, as 2026-10-31; default: yesterday." placeholder:"DAY"`
	Truth string `help:"File for the truth: who really was where, one JSON object a line." placeholder:"FILE"`
}

func (c *historyCmd) Run(ctx context.Context, log *slog.Logger) (err error) {
	if c.Days < 1 || c.Days > 400 {
		return cli.Wrong("--days: must be 1 to 400")
	}
	if err := c.check(); err != nil {
		return err
	}
	now := time.Now()
	w, err := c.load(now)
	if err != nil {
		return err
	}
	last := w.Today - 1
	if c.To != "" {
		if last, err = catalogue.ParseDay(c.To); err != nil {
			return cli.Wrong("--to: %v", err)
		}
	}
	truth, done, err := openTruth(c.Truth)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	bar := progress.New(os.Stderr, c.Days, "living")
	defer bar.Finish()
	s, err := sim.New(
		sim.Config{
			World:     w,
			Seed:      c.Seed,
			Faults:    c.radio(),
			Truth:     truth,
			Forgetful: &c.Forget,
			Progress:  func(d, _, _ int) { bar.Set(d) },
		},
	)
	if err != nil {
		return err
	}
	links, err := c.connect(ctx, w, log)
	if err != nil {
		return err
	}
	defer links.close()
	began := time.Now()
	sum, err := s.History(ctx, links, last-catalogue.Day(c.Days)+1, last, now)
	if err != nil {
		return err
	}
	took := time.Since(began)
	_, err = fmt.Fprintf(os.Stdout,
		"%d days, %d messages, %d badges (%d refused), %d stays in %s: %.0f messages a second, all acknowledged.\n",
		sum.Days,
		sum.Messages,
		sum.Badges,
		sum.Refused,
		sum.Stays,
		took.Round(10*time.Millisecond),
		float64(sum.Messages)/took.Seconds(),
	)
	return err
}

// openTruth opens the truth file; it returns nil where no name is given.
func openTruth(name string) (io.Writer, func() error, error) {
	if name == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, fmt.Errorf("--truth: %w", err)
	}
	return f, f.Close, nil
}

type liveCmd struct {
	world
	air
}

func (c *liveCmd) Run(ctx context.Context, log *slog.Logger) error {
	w, err := c.load(time.Now())
	if err != nil {
		return err
	}
	if c.API == "" {
		log.Warn(
			"without --api the readers know no keys: they badge and send, but obey nothing and decide nothing by themselves",
		)
	}
	links, err := c.connect(ctx, w, log)
	if err != nil {
		return err
	}
	links.close() // each site has a connection of its own
	log.Info("simulating; Ctrl-C ends it", "broker", c.Broker, "sites", links.sites)
	ended := make(chan error, len(links.sites))
	for _, site := range links.sites {
		one, err := sim.New(sim.Config{World: w, Seed: c.Seed})
		if err != nil {
			return err
		}
		go func() {
			ended <- one.Live(ctx, sim.LiveConfig{Sites: []catalogue.SiteID{site}, SiteKeys: links.keys,
				ListKey: links.listKey, Now: time.Now, Log: log,
				Connect: func(ctx context.Context) (sim.Link, error) { return links.dial(ctx, site) }})
		}()
	}
	var errs []error
	for range links.sites {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// links holds the connection of every site: its gateway's, or an anonymous one.
type links struct {
	air     *air
	sites   []catalogue.SiteID
	secrets map[catalogue.SiteID]secret
	keys    map[catalogue.SiteID]ed25519.PublicKey
	listKey []byte
	open    map[catalogue.SiteID]*mqttclient.Client
}

func (a *air) connect(ctx context.Context, w *people.World, log *slog.Logger) (*links, error) {
	if a.Window < 1 || a.Window > 60000 {
		return nil, cli.Wrong("--window: must be 1 to 60000")
	}
	l := &links{
		air:     a,
		sites:   a.Sites,
		secrets: map[catalogue.SiteID]secret{},
		keys:    map[catalogue.SiteID]ed25519.PublicKey{},
		open:    map[catalogue.SiteID]*mqttclient.Client{},
	}
	for _, s := range l.sites {
		if w.Network.Site(s) == nil {
			return nil, cli.Wrong("--site: the catalogue has no site %q", s)
		}
	}
	for _, s := range w.Network.Sites {
		if len(a.Sites) == 0 {
			l.sites = append(l.sites, s.ID)
		}
	}
	if a.API != "" {
		if err := l.fetch(ctx, w); err != nil {
			return nil, err
		}
		log.Info("the gateways have new secrets", "sites", l.sites)
	}
	for _, s := range l.sites {
		c, err := l.dial(ctx, s)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("--broker %s: %w", a.Broker, err)
		}
		l.open[s] = c.Client
	}
	return l, nil
}

func (l *links) dial(ctx context.Context, site catalogue.SiteID) (sim.Dialled, error) {
	o := mqttclient.Options{Window: l.air.Window, ClientID: "firmware-sim-" + string(site)}
	if s, ok := l.secrets[site]; ok {
		o.Username, o.Password, o.ClientID = s.Username, s.Password, s.Username+":firmware-sim"
	}
	c, err := l.air.dial(ctx, l.air.Broker, o)
	return sim.Dialled{Client: c}, err
}

// Publish sends a message over its site's connection; messages of sites that
// were left out are dropped.
func (l *links) Publish(topic string, payload []byte) error {
	c := l.open[siteOf(topic)]
	if c == nil {
		return nil
	}
	return c.Publish(topic, payload)
}

func siteOf(topic string) catalogue.SiteID {
	const prefix = len("totem/v1/")
	rest := topic[prefix:]
	return catalogue.SiteID(rest[:slices.Index([]byte(rest), '/')])
}

// Drain waits until every site's messages are acknowledged.
func (l *links) Drain(ctx context.Context) error {
	var errs []error
	for _, c := range l.open {
		errs = append(errs, c.Drain(ctx))
	}
	return errors.Join(errs...)
}

func (l *links) close() {
	for _, c := range l.open {
		_ = c.Close() // what matters was delivered
	}
}
