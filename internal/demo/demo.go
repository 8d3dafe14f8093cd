// Package demo runs the newcomer's command: four simulated buildings with recent
// history and live people, in one process.
//
//	err := demo.Run(ctx, cfg, demo.Options{Days: 14, Seed: 57, Out: os.Stdout, Bar: os.Stderr, Log: log})
//
// The people are package people's, their devices firmware-sim's; the service is
// the real one (package app).
package demo

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/firmware-sim/sim"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/settings"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// Options describe the demo's simulation.
type Options struct {
	Days int
	Seed uint64
	Out  io.Writer // where the text for newcomers is written
	Bar  io.Writer // where the progress bar is drawn
	Log  *slog.Logger
}

// closeTime is how long an orderly end may take.
const closeTime = 15 * time.Second

// window is how many messages of the history may be unacknowledged at once.
const window = 2000

// Run runs four simulated buildings: history through the real pipeline, then
// live, until ctx ends. Without a data folder it uses a temporary one and
// deletes it.
func Run(ctx context.Context, cfg settings.Config, o Options) (err error) {
	fmt.Fprintf(
		o.Out,
		"Four buildings are set up, and %d days of their people simulated: half a minute or so.\n",
		o.Days+1,
	)
	if cfg.Data == "" { // before Check, which would fill in the default of serve
		dir, err := os.MkdirTemp("", "totem-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		cfg.Data = dir
	}
	a, err := app.Start(ctx, cfg, app.Options{Log: o.Log, Anonymous: true})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		err = errors.Join(err, a.Close(stop))
	}()
	if a.MQTT == nil {
		return errors.New("the demo brings its own broker: unset --mqtt-url (TOTEM_MQTT_URL)")
	}
	now := time.Now()
	today := a.Network.Zone.At(now).Day
	world := people.New(a.Network, o.Seed, today)
	if err := Settle(ctx, a, world); err != nil {
		return err
	}
	s, err := simulate(ctx, a, world, today, now, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	debug.FreeOSMemory() // sending two weeks in seconds leaves more garbage than a service ever has
	introduce(o.Out, a, cfg.Data, o.Log, world)
	live := make(chan error, 1)
	go func() { live <- s.Live(ctx, liveConfig(a, o.Log)) }()
	return <-live
}

// Settle creates the world's people and their rights in one change.
func Settle(ctx context.Context, a *app.App, w *people.World) error {
	hash := func(c wire.Credential) people.Hashes {
		return people.Hashes{Lookup: wire.HashCredential(a.Keys.Lookup(), c), ForList: wire.HashCredential(a.Keys.List(), c)}
	}
	entities := w.Entities(
		func(uid []byte) people.Hashes { return hash(wire.Credential{Bytes: uid}) },
		func(token string) people.Hashes { return hash(wire.Credential{QR: true, Bytes: []byte(token)}) },
	)
	changes := make([]rights.Change, len(entities))
	for i, v := range entities {
		changes[i].Put = v
	}
	if err := a.Rights.Apply(ctx, "demo", changes...); err != nil {
		return fmt.Errorf("create the demo's people: %w", err)
	}
	return nil
}

// simulate sends the history, with a progress bar, and returns the simulation
// so that it can go on live.
func simulate(
	ctx context.Context,
	a *app.App,
	w *people.World,
	today catalogue.Day,
	now time.Time,
	o Options,
) (*sim.Sim, error) {
	bar := progress.New(o.Bar, o.Days+1, "simulating the last weeks")
	defer bar.Finish()
	s, err := sim.New(sim.Config{World: w, Seed: o.Seed, Progress: func(days, _, _ int) { bar.Set(days) }})
	if err != nil {
		return nil, err
	}
	c, err := mqttclient.DialOptions(ctx, a.MQTT.String(), mqttclient.Options{ClientID: "demo-history", Window: window})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	began := time.Now()
	sum, err := s.History(ctx, c, today-catalogue.Day(o.Days), today, now)
	if err != nil {
		return nil, err
	}
	if _, err := a.CaughtUp(ctx); err != nil {
		return nil, err
	}
	bar.Finish()
	fmt.Fprintf(o.Out, "%d days of history: %d messages, %d badges (%d refused) through the pipeline in %s.\n",
		sum.Days, sum.Messages, sum.Badges, sum.Refused, time.Since(began).Round(100*time.Millisecond))
	return s, nil
}

func liveConfig(a *app.App, log *slog.Logger) sim.LiveConfig {
	keys := map[catalogue.SiteID]ed25519.PublicKey{}
	for _, site := range a.Network.Sites {
		if k, ok := a.Keys.Site(site.ID); ok {
			keys[site.ID] = k.Public()
		}
	}
	return sim.LiveConfig{
		SiteKeys: keys,
		ListKey:  a.Keys.List(),
		Now:      time.Now,
		Log:      log,
		Connect: func(ctx context.Context) (sim.Link, error) {
			c, err := mqttclient.DialOptions(ctx, a.MQTT.String(), mqttclient.Options{ClientID: "demo-live", Window: window})
			if err != nil {
				return nil, err
			}
			return sim.Dialled{Client: c}, nil
		},
	}
}

// introduceRoles prints a link to the page for each role.
func introduceRoles(out io.Writer, a *app.App, log *slog.Logger, url string, w *people.World) {
	if len(w.Tenants) == 0 || len(a.Network.Sites) == 0 {
		return
	}
	site, tenant := a.Network.Sites[0], payer(w)
	fmt.Fprintln(out, "\nThe page as others see it (each in a private window: one browser has one session):")
	for _, r := range []struct{ who, role, more string }{
		{"the manager of " + site.City, "manager", fmt.Sprintf(`,"sites":[%q]`, site.ID)},
		{"billing", "billing", ""},
		{"a tenant, " + tenant.Name, "tenant", fmt.Sprintf(`,"tenant":%q`, tenant.ID)},
		{"the hall of " + site.City, "display", fmt.Sprintf(`,"sites":[%q]`, site.ID)},
	} {
		token, err := createToken(a, url, r.role, r.more)
		if err != nil {
			log.Warn("could not make a link for a role", "role", r.role, "error", err)
			continue
		}
		fmt.Fprintf(out, "  %s/connexion?token=%s  (%s)\n", url, token, r.who)
	}
}

// payer returns a tenant who pays by the hour, whose bill is worth explaining.
func payer(w *people.World) tenancy.Tenant {
	for _, l := range w.Leases {
		byTheHour := slices.ContainsFunc(w.Plans,
			func(p tenancy.Plan) bool { return p.ID == l.Plan && p.HourlyRateCents > 0 },
		)
		i := slices.IndexFunc(w.Tenants, func(t tenancy.Tenant) bool { return t.ID == l.Tenant })
		if byTheHour && l.Status == tenancy.Active && l.EndsOn == nil && i >= 0 {
			return w.Tenants[i]
		}
	}
	return w.Tenants[0]
}

// createToken creates a token as an admin would.
func createToken(a *app.App, url, role, more string) (string, error) {
	req, err := http.NewRequest(http.MethodPut,
		url+"/v1/tokens/demo-"+role,
		strings.NewReader(fmt.Sprintf(`{"role":%q%s}`, role, more)),
	)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+a.Admin)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var t struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&t); err != nil {
		return "", fmt.Errorf("%s: %w", res.Status, err)
	}
	if t.Token == "" {
		return "", errors.New(res.Status)
	}
	return t.Token, nil
}

// introduce prints commands for a newcomer, in the order in which to try them. They can be pasted on a machine that has
// only Go and curl; those that need Mosquitto's tools come last.
func introduce(out io.Writer, a *app.App, data string, log *slog.Logger, w *people.World) {
	url := "http://" + a.HTTP.String()
	fmt.Fprintf(
		out,
		"\nTotem is ready, with life in every site until Ctrl-C.\n\n  page   %s/connexion?token=%s\n  token  %s\n  data   %s\n"+
			"  shell  export TOTEM_URL=%s TOTEM_TOKEN=%s TOTEM_DATA=%s\n",
		url,
		a.Admin,
		a.Admin,
		data,
		url,
		a.Admin,
		data,
	)
	introduceRoles(out, a, log, url, w)
	for _, site := range a.Network.Sites {
		opens, refused := w.Examples(site.ID)
		if opens.Device == "" || refused.Device == "" {
			continue
		}
		fmt.Fprint(out, "\nIn another terminal, in this folder:\n")
		for _, try := range []struct{ says, line string }{
			{"A badge that opens: " + opens.Why, simulated(a, site.ID, opens)},
			{"One that is refused: " + refused.Why, simulated(a, site.ID, refused)},
			{"What was refused today, and why", totem(url, a.Admin, "reads --days 1 --result refused --site "+string(site.ID))},
			{"What is free now in " + site.City, totem(url, a.Admin, "availability --site "+string(site.ID))},
			{"What was used in the last week", totem(url, a.Admin, "usage --by kind")},
			{"The same from a program of yours", fmt.Sprintf("curl -s -H 'Authorization: Bearer %s' '%s/v1/availability?site=%s'", a.Admin, url, site.ID)},
		} {
			fmt.Fprintf(out, "\n%s:\n  %s\n", try.says, try.line)
		}
		withMosquitto(out, a, site.ID, opens, refused)
		return
	}
}

// simulated is the line with which the simulator's reader badges.
func simulated(a *app.App, site catalogue.SiteID, x people.Example) string {
	return fmt.Sprintf("go run ./firmware-sim badge --broker %s %s %s %s", a.MQTT, site, x.Device, x.UID)
}

// totem returns a command line that runs totem from its source, without installing it.
func totem(url, token, args string) string {
	return "go run ./cmd/totem " + args + " --url " + url + " --token " + token
}

// withMosquitto prints the same badges for who has Mosquitto's tools.
func withMosquitto(out io.Writer, a *app.App, site catalogue.SiteID, opens, refused people.Example) {
	host, port, err := net.SplitHostPort(a.MQTT.String())
	if err != nil {
		return // it is an address that a listener has
	}
	badge := func(x people.Example, node string) string {
		return fmt.Sprintf(
			`  mosquitto_pub -h %s -p %s -q 1 -t totem/v1/%s/%s/badge -m '{"id":"'$(printf 00000000-0000-4000-%s-%%012d $(date +%%s))'","at":"'$(date -u +%%FT%%TZ)'","credential":"%s"}'`,
			host,
			port,
			site,
			x.Device,
			node,
			x.UID,
		)
	}
	fmt.Fprintf(out, "\nWith Mosquitto's tools, the readers' answers (in a terminal of its own) and both badges:\n"+
		"  mosquitto_sub -h %s -p %s -v -t 'totem/v1/%s/+/decision'\n%s\n%s\n\n",
		host, port, site, badge(opens, "8000"), badge(refused, "8001"))
}
