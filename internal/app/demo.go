package app

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/firmware-sim/sim"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/tenancy"
)

// DemoOptions describe the demo's simulation.
type DemoOptions struct {
	Days int
	Seed uint64
	Out  io.Writer // where the text for newcomers is written
	Bar  io.Writer // where the progress bar is drawn
	Log  *slog.Logger
}

// demoWindow is how many messages of the history may be unacknowledged at once.
const demoWindow = 2000

// Demo runs four simulated buildings: history through the real pipeline, then
// live, until ctx ends. Without a data folder it uses a temporary one and
// deletes it.
func Demo(ctx context.Context, cfg Config, o DemoOptions) (err error) {
	if cfg.Data == "" { // before Check, which would fill in the default of serve
		dir, err := os.MkdirTemp("", "totem-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		cfg.Data = dir
	}
	a, err := Start(ctx, cfg, Options{Log: o.Log, Anonymous: true})
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
	now := a.opt.Now()
	today := a.Network.Zone.At(now).Day
	world := people.New(a.Network, o.Seed, today)
	if err := a.Settle(ctx, world); err != nil {
		return err
	}
	s, err := a.simulate(ctx, world, today, now, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	debug.FreeOSMemory() // sending two weeks in seconds leaves more garbage than a service ever has
	a.introduce(o.Out, world)
	live := make(chan error, 1)
	go func() { live <- s.Live(ctx, a.liveConfig(o.Log)) }()
	return <-live
}

// simulate sends the history, with a progress bar, and returns the simulation
// so that it can go on live.
func (a *App) simulate(ctx context.Context, w *people.World, today catalogue.Day, now time.Time, o DemoOptions) (*sim.Sim, error) {
	bar := progress.New(o.Bar, o.Days+1, "simulating the last weeks")
	defer bar.Finish()
	s, err := sim.New(sim.Config{World: w, Seed: o.Seed, Progress: func(days, _, _ int) { bar.Set(days) }})
	if err != nil {
		return nil, err
	}
	c, err := mqttclient.DialOptions(ctx, a.MQTT.String(), mqttclient.Options{ClientID: "demo-history", Window: demoWindow})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	began := time.Now()
	sum, err := s.History(ctx, c, today-catalogue.Day(o.Days), today, now)
	if err != nil {
		return nil, err
	}
	if _, err := a.follower.CaughtUp(ctx); err != nil {
		return nil, err
	}
	bar.Finish()
	fmt.Fprintf(o.Out, "%d days of history: %d messages, %d badges (%d refused) through the pipeline in %s.\n",
		sum.Days, sum.Messages, sum.Badges, sum.Refused, time.Since(began).Round(100*time.Millisecond))
	return s, nil
}

func (a *App) liveConfig(log *slog.Logger) sim.LiveConfig {
	keys := map[catalogue.SiteID]ed25519.PublicKey{}
	for _, site := range a.Network.Sites {
		if k, ok := a.Keys.Site(site.ID); ok {
			keys[site.ID] = k.Public()
		}
	}
	return sim.LiveConfig{SiteKeys: keys, ListKey: a.Keys.List(), Now: a.opt.Now, Log: log, Connect: func(ctx context.Context) (sim.Link, error) {
		c, err := mqttclient.DialOptions(ctx, a.MQTT.String(), mqttclient.Options{ClientID: "demo-live", Window: demoWindow})
		if err != nil {
			return nil, err
		}
		return sim.Dialled{Client: c}, nil
	}}
}

// introduceRoles prints a link to the page for each role.
func (a *App) introduceRoles(out io.Writer, url string, w *people.World) {
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
		token, err := a.demoToken(url, r.role, r.more)
		if err != nil {
			a.opt.Log.Warn("could not make a link for a role", "role", r.role, "error", err)
			continue
		}
		fmt.Fprintf(out, "  %s/connexion?token=%s  (%s)\n", url, token, r.who)
	}
}

// payer returns a tenant who pays by the hour, whose bill is worth explaining.
func payer(w *people.World) tenancy.Tenant {
	for _, l := range w.Leases {
		byTheHour := slices.ContainsFunc(w.Plans, func(p tenancy.Plan) bool { return p.ID == l.Plan && p.HourlyRateCents > 0 })
		i := slices.IndexFunc(w.Tenants, func(t tenancy.Tenant) bool { return t.ID == l.Tenant })
		if byTheHour && l.Status == tenancy.Active && l.EndsOn == nil && i >= 0 {
			return w.Tenants[i]
		}
	}
	return w.Tenants[0]
}

// demoToken creates a token as an admin would.
func (a *App) demoToken(url, role, more string) (string, error) {
	req, err := http.NewRequest(http.MethodPut, url+"/v1/tokens/demo-"+role, strings.NewReader(fmt.Sprintf(`{"role":%q%s}`, role, more)))
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

// introduce prints what a newcomer may try.
func (a *App) introduce(out io.Writer, w *people.World) {
	host, port := a.MQTT.String(), ""
	for i := len(host) - 1; i >= 0; i-- {
		if host[i] == ':' {
			host, port = host[:i], host[i+1:]
			break
		}
	}
	url := "http://" + a.HTTP.String()
	fmt.Fprintf(out, "\nTotem is ready, with life in every site until Ctrl-C.\n\n  page   %s/connexion?token=%s\n  token  %s\n  data   %s\n  shell  export TOTEM_URL=%s TOTEM_TOKEN=%s TOTEM_DATA=%s\n", url, a.Admin, a.Admin, a.cfg.Data, url, a.Admin, a.cfg.Data)
	a.introduceRoles(out, url, w)
	for _, site := range a.Network.Sites {
		opens, refused := w.Examples(site.ID)
		if opens.Device == "" || refused.Device == "" {
			continue
		}
		badge := func(x people.Example, node string) string {
			return fmt.Sprintf(`  mosquitto_pub -h %s -p %s -q 1 -t totem/v1/%s/%s/badge -m '{"id":"'$(printf 00000000-0000-4000-%s-%%012d $(date +%%s))'","at":"'$(date -u +%%FT%%TZ)'","credential":"%s"}'`,
				host, port, site.ID, x.Device, node, x.UID)
		}
		fmt.Fprintf(out, "\nA badge that opens: %s.\n%s\n\nOne that is refused: %s.\n%s\n\nWhat is free now in %s:\n  curl -s -H 'Authorization: Bearer %s' '%s/v1/availability?site=%s'\n",
			opens.Why, badge(opens, "8000"), refused.Why, badge(refused, "8001"), site.City, a.Admin, url, site.ID)
		fmt.Fprintf(out, "\nWhat was used in the last week:\n  go run ./cmd/totem usage --url %s --token %s --by kind\n", url, a.Admin)
		fmt.Fprintf(out, "\nThe same badges without Mosquitto's tools:\n  go run ./firmware-sim badge --broker %s %s %s %s\n  go run ./firmware-sim badge --broker %s %s %s %s\n",
			a.MQTT, site.ID, opens.Device, opens.UID, a.MQTT, site.ID, refused.Device, refused.UID)
		fmt.Fprintf(out, "\nThe readers' answers (in another terminal):\n  mosquitto_sub -h %s -p %s -v -t 'totem/v1/%s/+/decision'\n\n", host, port, site.ID)
		return
	}
}
