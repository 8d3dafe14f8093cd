// Package accuracy measures how far the figures are from the truth. It sends
// weeks of the simulator, with faults, through the whole service, and compares
// the service's answers with what really happened, which the simulator has
// written down.
package accuracy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/firmware-sim/sim"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/demo"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/people"
)

// Options describe the simulation.
type Options struct {
	Days   int
	Seed   uint64
	Faults sim.Faults
	Forget int // percentage of exits that are not badged
	Bar    io.Writer
}

// Faulty returns the faults with which accuracy is measured: a tenth of all messages
// arrive twice, all are out of order, readers are offline for hours, clocks drift by
// two seconds a day and are set right every sync days (0: never).
func Faulty(sync int) sim.Faults {
	return sim.Faults{Repeat: 10, Reorder: 2 * time.Hour, Offline: 3 * time.Hour, Drift: 2 * time.Second, Sync: sync}
}

// set describes, for the report, how often the simulated clocks are set right.
func (o Options) set() string {
	switch o.Faults.Sync {
	case 0:
		return "never set right"
	case 1:
		return "set right daily"
	}
	return fmt.Sprintf("set right every %d days", o.Faults.Sync)
}

// window is how many messages may be unacknowledged at once.
const window = 2000

// lived is a service that has received some simulated weeks, and the truth
// about them.
type lived struct {
	app      *app.App
	network  *catalogue.Network
	world    *people.World
	truth    []life.Stay
	messages int
	from, to catalogue.Day
	client   cli.Client
}

// Run simulates the days and writes a report.
func Run(ctx context.Context, out io.Writer, o Options) (err error) {
	dir, err := os.MkdirTemp("", "totem-accuracy-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l, err := live(ctx, dir, o)
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		err = errors.Join(err, l.app.Close(stop))
	}()
	fmt.Fprintf(
		out,
		"%d days from %s, %d messages, seed %d; repeated %.0f %%, in disorder by up to %s, readers away %s a day, clocks off by %s a day and %s, %d %% of exits not badged.\n",
		o.Days,
		l.from,
		l.messages,
		o.Seed,
		o.Faults.Repeat,
		o.Faults.Reorder,
		o.Faults.Offline,
		o.Faults.Drift,
		o.set(),
		o.Forget,
	)
	if err := l.usage(ctx, out); err != nil {
		return err
	}
	return l.hours(ctx, out)
}

func live(ctx context.Context, dir string, o Options) (*lived, error) {
	a, err := app.Start(ctx,
		app.Config{Data: dir, HTTP: "127.0.0.1:0", MQTTListen: "127.0.0.1:0"},
		app.Options{Log: slog.New(slog.DiscardHandler), Anonymous: true},
	)
	if err != nil {
		return nil, err
	}
	l := &lived{app: a, network: a.Network, client: cli.Client{URL: "http://" + a.HTTP.String(), Token: a.Admin}}
	if err := l.sendHistory(ctx, o); err != nil {
		return nil, errors.Join(err, a.Close(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// sendHistory sends the whole days before today through the service.
func (l *lived) sendHistory(ctx context.Context, o Options) error {
	l.to = l.network.Zone.At(time.Now()).Day
	l.from = l.to - catalogue.Day(o.Days)
	l.world = people.New(l.network, o.Seed, l.to)
	if err := demo.Settle(ctx, l.app, l.world); err != nil {
		return err
	}
	bar := progress.New(o.Bar, o.Days, "living")
	defer bar.Finish()
	var truth bytes.Buffer
	s, err := sim.New(
		sim.Config{
			World:     l.world,
			Seed:      o.Seed,
			Faults:    o.Faults,
			Truth:     &truth,
			Forgetful: &o.Forget,
			Progress:  func(days, _, _ int) { bar.Set(days) },
		},
	)
	if err != nil {
		return err
	}
	c, err := mqttclient.DialOptions(ctx, l.app.MQTT.String(), mqttclient.Options{ClientID: "accuracy", Window: window})
	if err != nil {
		return err
	}
	defer c.Close()
	sum, err := s.History(ctx, c, l.from, l.to-1, l.network.Zone.Start(l.to))
	if err != nil {
		return err
	}
	l.messages = sum.Messages
	for dec := json.NewDecoder(&truth); ; {
		var st life.Stay
		if err := dec.Decode(&st); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read where people really were: %w", err)
		}
		l.truth = append(l.truth, st)
	}
}

// span returns the simulated time as query parameters.
func (l *lived) span() url.Values {
	at := func(d catalogue.Day) string { return l.network.Zone.Start(d).Format(time.RFC3339) }
	return url.Values{"from": {at(l.from)}, "to": {at(l.to)}}
}
