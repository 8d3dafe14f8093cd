package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/bills"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/downlink"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/wire"
)

// Options are what the commands differ in; they are no settings.
type Options struct {
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
	Anonymous bool             // the demo: whoever is on this machine may play any device
}

// App is a running Totem: the whole service in one process.
type App struct {
	Network *catalogue.Network
	Rights  *rights.Keeper
	Keys    *keys.Ring
	Admin   string // the admin token
	HTTP    net.Addr
	MQTT    net.Addr // nil with an outside broker

	cfg        Config
	opt        Options
	ledger     *ledger.Ledger
	foreign    *wire.Foreign
	pipeline   *ingest.Pipeline
	enrolments *ingest.Enrolments
	catalogues catalogue.History
	live       *live.State
	down       *downlink.Downlink
	follower   *follower
	maker      *series.Maker
	shipper    *series.Shipper // nil without InfluxDB
	waits      *decisionWaits
	broker     brokerRunner
	auth       *brokerAuth
	metrics    *metrics

	ctx      context.Context
	cancel   context.CancelFunc
	settings bills.Settings
	closes   []func(context.Context) error // last in, first out
}

// brokerRunner is either broker, started and asked how it is.
type brokerRunner interface {
	broker.Broker
	Ready() error
}

// Start opens the data folder and starts every part. What was started is
// stopped again where a later part fails.
func Start(ctx context.Context, cfg Config, opt Options) (_ *App, err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	a := &App{cfg: cfg, opt: opt, metrics: newMetrics()}
	a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(context.WithoutCancel(ctx)))
		}
	}()
	if a.Network, err = cfg.LoadCatalogue(); err != nil {
		return nil, err
	}
	plans, err := cfg.loadPlans(a.Network)
	if err != nil {
		return nil, err
	}
	if a.settings, err = bills.LoadSettings(a.Network, cfg.Billing); err != nil {
		return nil, err
	}
	if a.foreign, err = wire.NewForeign(a.Network); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{a.openData, func(ctx context.Context) error { return a.ledger.PutPlans(ctx, plans) }, a.openRights, a.openSeries, a.openBroker, a.openFollowers, a.openHTTP} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Close stops every part in reverse order of its start, and waits for it.
func (a *App) Close(ctx context.Context) error {
	var errs []error
	for i := len(a.closes) - 1; i >= 0; i-- {
		errs = append(errs, a.closes[i](ctx))
	}
	a.cancel()
	a.closes = nil
	return errors.Join(errs...)
}

func (a *App) onClose(f func(context.Context) error) { a.closes = append(a.closes, f) }

// run starts a goroutine that ends, and is waited for, when the app closes.
func (a *App) run(f func(context.Context)) {
	ctx, cancel := context.WithCancel(a.ctx)
	var wg sync.WaitGroup
	wg.Go(func() { f(ctx) })
	a.onClose(func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	})
}

func (a *App) openData(ctx context.Context) error {
	if err := os.MkdirAll(a.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	unlock, err := ledger.Lock(a.cfg.Data)
	if err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return unlock() })
	if a.ledger, err = ledger.Open(ctx, a.cfg.Data); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return a.ledger.Close() })
	if a.Keys, err = openKeys(ctx, a.cfg.Data, a.Network, a.ledger); err != nil {
		return err
	}
	if err := a.noteCatalogue(ctx); err != nil {
		return err
	}
	a.Admin, err = ensureAdmin(ctx, a.cfg, a.ledger)
	return err
}

func (a *App) openRights(ctx context.Context) (err error) {
	if a.Rights, err = rights.Open(ctx, a.Network, a.ledger, a.opt.Now); err != nil {
		return err
	}
	a.Rights.SetBillable(catalogue.EverBillable(a.catalogues))
	return nil
}

// openBroker opens the way in. The broker publishes for parts that are opened
// with it, and hands over only once all of them run.
func (a *App) openBroker(ctx context.Context) (err error) {
	a.auth = &brokerAuth{network: a.Network, ledger: a.ledger, now: a.opt.Now, anyone: a.opt.Anonymous}
	if err := a.auth.load(ctx); err != nil {
		return err
	}
	publish := func(topic string, payload []byte, retain bool) error { return a.broker.Publish(topic, payload, retain) }
	if a.down, err = downlink.Open(ctx, downlink.Config{
		Network: a.Network, Keys: a.Keys, Rights: a.Rights, Store: a.ledger, Publish: publish, Now: a.opt.Now, Log: a.opt.Log,
		OnList:    a.metrics.lists.issued,
		OnCommand: func(d catalogue.DeviceID) { a.live.DeviceChanged(d) },
		OnSize: func(d *catalogue.Device, size int) {
			a.live.DeviceAlarm(ingest.AlarmListTooLarge, d, size > a.cfg.ListMaxBytes, fmt.Sprintf("its allowlist has %d bytes, more than the settings allow (%d): must so many badges open this door?", size, a.cfg.ListMaxBytes))
		},
	}); err != nil {
		return err
	}
	if a.live, err = live.Open(ctx, live.Config{
		Network: a.Network, Store: a.ledger, Publish: publish, Online: a.down.Returned, Lists: a.down.SetForm, Applied: func(d catalogue.DeviceID, v string) { a.metrics.lists.applied(d, v, a.opt.Now()) }, Now: a.opt.Now, Log: a.opt.Log,
	}); err != nil {
		return err
	}
	a.tellEvents(a.Rights.InForce())
	a.Rights.OnChange(a.tellEvents)
	a.follower = newFollower(a.catalogues, a.ledger, a.Rights, a.live, a.maker.Wake, a.opt)
	newest, err := a.ledger.NewestArrival(ctx)
	if err != nil {
		return err
	}
	a.enrolments = ingest.NewEnrolments(a.Keys)
	a.pipeline = ingest.New(ingest.Config{
		Network: a.Network, Keys: a.Keys, Store: store{a.ledger}, Foreign: a.foreign, Enrolments: a.enrolments, Moves: moves(a.Network, a.ledger), Index: a.Rights.Index, Newest: newest,
		Publish: publish, OnCommit: a.committed, Now: a.opt.Now, Log: a.opt.Log, Metrics: measured{a.metrics, a.waits},
	})
	a.run(a.pipeline.Run) // ends after the broker: what was handed over is committed first
	if err := a.startBroker(); err != nil {
		return err
	}
	a.onClose(a.broker.Close)
	return nil
}

func (a *App) committed(c ingest.Committed) {
	a.live.Committed(c)
	if len(c.Reads) > 0 {
		a.follower.wake()
	}
	a.maker.Wake()
}

// tellEvents tells the live state when events run where.
func (a *App) tellEvents(f *rights.InForce) {
	events := map[catalogue.SpaceID][]occupancy.Span{}
	yesterday := a.opt.Now().AddDate(0, 0, -1)
	for e := range f.Book.Events() {
		for _, space := range e.Spaces {
			if e.EndsAt.After(yesterday) {
				events[space] = append(events[space], occupancy.Span{From: e.StartsAt, To: e.EndsAt})
			}
		}
	}
	a.live.SetEvents(events)
}

func (a *App) startBroker() error {
	handle := func(d broker.Delivery) { a.pipeline.Handle(a.ctx, ingest.Delivery(d)) }
	if a.cfg.MQTTURL != "" {
		out, err := broker.NewOutside(broker.OutsideConfig{URL: a.cfg.MQTTURL, ClientID: a.Keys.ClientID(), Foreign: a.foreign.Filters(), Handler: handle, OnUp: a.brokerUp, Log: a.opt.Log})
		if err != nil {
			return err
		}
		a.broker = outside{out}
		return out.Start(a.ctx)
	}
	emb, err := broker.NewEmbedded(broker.EmbeddedConfig{
		Listen: a.cfg.MQTTListen, Network: a.Network, Foreign: a.foreign, Auth: a.auth, AllowAnonymous: a.opt.Anonymous, Handler: handle, Log: a.opt.Log,
		OnSubscribe: a.subscribed,
		Denied:      func(d broker.Delivery, reason string) { a.pipeline.RejectDenied(a.ctx, ingest.Delivery(d), reason) },
	})
	if err != nil {
		return err
	}
	a.broker = embedded{emb}
	if err := emb.Start(); err != nil {
		return err
	}
	a.MQTT = emb.Addr()
	return nil
}

// subscribed greets the readers whose commands a client has just subscribed to.
func (a *App) subscribed(filter string) {
	for i := range a.Network.Devices {
		d := &a.Network.Devices[i]
		if d.Kind == catalogue.Reader && wire.Covers(filter, wire.Topic{Site: d.Site, Device: d.ID, What: wire.Command}.String()) {
			a.down.Connected(d.ID)
		}
	}
}

// brokerUp publishes again what an outside broker may have missed.
func (a *App) brokerUp() {
	a.down.Republish()
	a.live.Republish()
}

type embedded struct{ *broker.Embedded }

func (embedded) Ready() error { return nil }

type outside struct{ *broker.Outside }

func (o outside) Ready() error {
	if !o.Connected() {
		return broker.ErrNotConnected
	}
	return nil
}

func (a *App) openFollowers(context.Context) error {
	a.run(a.maker.Run)
	a.run(a.keepWaits)
	if a.shipper != nil {
		a.run(a.shipper.Run)
	}
	a.run(a.follower.run)
	a.run(a.keepHours)
	a.run(a.live.Run)
	a.run(a.down.Run)
	a.run(a.janitor)
	a.run(a.keepDay)
	a.run(a.watchClock)
	a.run(a.watchKeys)
	return nil
}

func (a *App) openHTTP(ctx context.Context) error {
	handler := api.New(a.apiConfig())
	l, err := net.Listen("tcp", a.cfg.HTTP)
	if err != nil {
		return fmt.Errorf("--http (TOTEM_HTTP): %w", err)
	}
	a.HTTP = l.Addr()
	streams, endStreams := context.WithCancel(a.ctx)
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return streams }, ErrorLog: slog.NewLogLogger(a.opt.Log.Handler(), slog.LevelDebug)}
	a.run(func(context.Context) {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.opt.Log.Error("http server ended", "error", err)
		}
	})
	a.onClose(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		endStreams()
		if err := srv.Shutdown(ctx); err != nil {
			return srv.Close()
		}
		return nil
	})
	return nil
}
