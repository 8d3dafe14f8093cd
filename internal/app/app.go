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
	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/presence"
	"github.com/lorntech/totem/internal/readers"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/settings"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/wire"
)

// Config is the settings of the service.
type Config = settings.Config

// Options are how the commands differ; they are not settings.
type Options struct {
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
	Anonymous bool             // the demo: every client on this machine may act as any device
}

// App is a running Totem: the whole service in one process.
type App struct {
	*house               // for the catalogue in force; ChangeCatalogue replaces it
	replacing sync.Mutex // allows one change of the catalogue at a time
}

// shell holds what stays while catalogues change: the data folder, the broker,
// the listener.
type shell struct {
	Admin string // id of the admin token
	HTTP  net.Addr
	MQTT  net.Addr // nil with an outside broker

	cfg      Config
	opt      Options
	ledger   *ledger.Ledger
	broker   brokerRunner
	listener net.Listener // of HTTP
	auth     *brokerAuth
	metrics  *metrics
	front    front
	gate     gate

	ctx    context.Context
	cancel context.CancelFunc
	closes stack // closes the data folder
	ways   stack // closes the broker and the listener
	failed chan error
	// moved is set when the catalogue recorded last changed doors or closing
	// times.
	moved bool
	// change is App's ChangeCatalogue.
	change func(context.Context, api.NewCatalogue, bool) (api.CatalogueChanged, error)
}

// house holds everything that is made from one catalogue.
type house struct {
	*shell
	Network *catalogue.Network
	Rights  *rights.Keeper
	Keys    *keys.Ring

	foreign    *foreign.Devices
	pipeline   *ingest.Pipeline
	enrolments *ingest.Enrolments
	chronicle  catalogue.Chronicle
	catalogues catalogue.History // the history of catalogues, in the spaces' present names
	live       *live.State
	down       *readers.Updater
	follower   *presence.Follower
	maker      *series.Maker
	shipper    *series.Shipper // nil without InfluxDB
	waits      *decisionWaits
	settings   billing.Settings

	core      stack // closes the parts that decide
	followers stack // closes the parts that follow the ledger
}

// brokerRunner is what both brokers have: they are started and report whether
// they work.
type brokerRunner interface {
	broker.Broker
	Ready() error
}

// Start opens the data folder and starts every part. If a later part fails, the
// earlier ones are stopped again.
func Start(ctx context.Context, cfg Config, opt Options) (_ *App, err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	sh := &shell{cfg: cfg, opt: opt, metrics: newMetrics(), failed: make(chan error, 1)}
	sh.ctx, sh.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a := &App{house: &house{shell: sh}}
	sh.change = a.ChangeCatalogue
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(context.WithoutCancel(ctx)))
		}
	}()
	file, err := catalogues.FromFile(cfg.Catalogue, cfg.CatalogueSince)
	if err != nil {
		return nil, err
	}
	if err := a.openData(ctx); err != nil {
		return nil, err
	}
	if err := a.adoptFile(ctx, file); err != nil {
		return nil, err
	}
	if a.Admin, err = ensureAdmin(ctx, a.cfg, a.ledger); err != nil {
		return nil, err
	}
	if err := a.house.open(ctx); err != nil {
		return nil, err
	}
	a.gate.pass(a.house)
	if err := a.startBroker(); err != nil {
		return nil, err
	}
	a.ways.add("broker", a.broker.Close)
	a.house.follow()
	return a, a.listen()
}

// Close stops every part in reverse order of its start, and waits for it.
func (a *App) Close(ctx context.Context) error {
	a.replacing.Lock() // a change of the catalogue is finished first
	defer a.replacing.Unlock()
	var listener stack
	if n := len(a.ways); n > 1 { // no request is answered by a part that is being closed
		listener, a.ways = a.ways[1:], a.ways[:1]
	}
	err := errors.Join(listener.close(ctx), a.followers.close(ctx), a.ways.close(ctx), a.core.close(ctx), a.closes.close(ctx))
	a.cancel()
	return err
}

func (a *shell) openData(ctx context.Context) error {
	if err := os.MkdirAll(a.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	unlock, err := ledger.Lock(a.cfg.Data)
	if err != nil {
		return err
	}
	a.closes.add("lock of the data folder", func(context.Context) error { return unlock() })
	if a.ledger, err = ledger.Open(ctx, a.cfg.Data); err != nil {
		return err
	}
	a.closes.add("ledger", func(context.Context) error { return a.ledger.Close() })
	return nil
}

// open opens the parts that decide by the house's catalogue.
func (a *house) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{a.openKeys, a.openRights, a.openSeries, a.openCore} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a *house) openKeys(ctx context.Context) (err error) {
	a.Keys, err = openKeys(ctx, a.cfg.Data, a.Network, a.ledger)
	return err
}

func (a *house) openRights(ctx context.Context) (err error) {
	if a.Rights, err = rights.Open(ctx, a.catalogues, a.ledger, a.opt.Now); err != nil {
		return err
	}
	return nil
}

// openCore opens the parts that answer readers. The broker publishes for parts
// that are opened before it, and hands over messages only once all of them run.
func (a *house) openCore(ctx context.Context) (err error) {
	publish := func(topic string, payload []byte, retain bool) error { return a.broker.Publish(topic, payload, retain) }
	if a.down, err = readers.Open(ctx, readers.Config{
		Network: a.Network, Keys: a.Keys, Rights: a.Rights, Store: a.ledger, Publish: publish, Now: a.opt.Now, Log: a.opt.Log,
		OnList:    a.metrics.lists.issued,
		OnCommand: func(d catalogue.DeviceID) { a.live.DeviceChanged(d) },
		OnSize: func(d *catalogue.Device, size int) {
			a.live.DeviceAlarm(ingest.AlarmListTooLarge, d, size > a.cfg.ListMaxBytes, fmt.Sprintf("its allowlist has %d bytes, more than the settings allow (%d): do so many badges need to open this door?", size, a.cfg.ListMaxBytes))
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
	a.openPresence()
	newest, err := a.ledger.NewestArrival(ctx)
	if err != nil {
		return err
	}
	a.enrolments = ingest.NewEnrolments(a.Keys)
	a.pipeline = ingest.New(ingest.Config{
		Network: a.Network, Keys: a.Keys, Store: store{a.ledger}, Foreign: a.foreign, Enrolments: a.enrolments, Moves: moves(a.catalogues, a.ledger), Newest: newest,
		Rights: func() ingest.Rights { return a.Rights.InForce() }, DeviceAt: a.deviceAt, Former: a.formerDevice, LeftIn: a.leftIn(),
		Publish: publish, OnCommit: a.committed, Now: a.opt.Now, Log: a.opt.Log, Metrics: measured{a.metrics, a.waits},
	})
	a.core.run(a.ctx, "pipeline", a.pipeline.Run) // closed after the broker: what was handed over is committed first
	return nil
}

// openPresence opens the follower of visits.
func (a *house) openPresence() {
	a.follower = presence.New(presence.Config{
		Store:  presenceStore{a.ledger},
		Places: visit.NewPlaces(a.catalogues),
		Tenant: func(id tenancy.MemberID) tenancy.TenantID {
			m, _ := a.Rights.InForce().Book.Member(id)
			return m.Tenant
		},
		Placed:  a.live.SetPresence,
		Changed: a.maker.Wake,
		Moved:   a.moved,
		Now:     a.opt.Now,
		Log:     a.opt.Log,
	})
	a.moved = false
}

func (a *house) committed(c ingest.Committed) {
	a.live.Committed(c)
	if len(c.Reads) > 0 {
		a.follower.Wake()
	}
	a.maker.Wake()
}

// tellEvents passes the times of events in each space to the live state.
func (a *house) tellEvents(f *rights.InForce) {
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

func (a *house) startBroker() error {
	a.auth = &brokerAuth{ledger: a.ledger, now: a.opt.Now, anyone: a.opt.Anonymous}
	a.auth.network.Store(a.Network)
	if err := a.auth.load(a.ctx); err != nil {
		return err
	}
	handle := func(d broker.Delivery) {
		a.gate.through(func(h *house) { h.pipeline.Handle(a.ctx, ingest.Delivery(d)) })
	}
	if a.cfg.MQTTURL != "" {
		out, err := broker.NewOutside(broker.OutsideConfig{URL: a.cfg.MQTTURL, ClientID: a.Keys.ClientID(), Foreign: a.foreign.Filters(), Handler: handle, OnUp: func() { a.gate.through((*house).brokerUp) }, Log: a.opt.Log})
		if err != nil {
			return err
		}
		a.broker = outside{out}
		return out.Start(a.ctx)
	}
	emb, err := broker.NewEmbedded(broker.EmbeddedConfig{
		Listen: a.cfg.MQTTListen, Network: a.Network, Foreign: a.foreign, Auth: a.auth, AllowAnonymous: a.opt.Anonymous, Handler: handle, Log: a.opt.Log,
		OnListenerEnd: func(err error) { a.endService(fmt.Errorf("the MQTT listener has ended: %w", err)) },
		OnSubscribe:   func(filter string) { a.gate.through(func(h *house) { h.subscribed(filter) }) },
		Denied: func(d broker.Delivery, reason string) {
			a.gate.through(func(h *house) { h.pipeline.RejectDenied(a.ctx, ingest.Delivery(d), reason) })
		},
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
func (a *house) subscribed(filter string) {
	for i := range a.Network.Devices {
		d := &a.Network.Devices[i]
		if d.Kind == catalogue.Reader && foreign.Covers(filter, wire.Topic{Site: d.Site, Device: d.ID, What: wire.Command}.String()) {
			a.down.Connected(d.ID)
		}
	}
}

// brokerUp publishes again what an outside broker may have missed.
func (a *house) brokerUp() {
	a.clearGone()
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

// follow starts the parts that follow the ledger.
func (a *house) follow() {
	if a.shipper != nil {
		a.followers.run(a.ctx, "shipping to InfluxDB", a.shipper.Run)
	}
	for _, p := range []struct {
		name string
		run  func(context.Context)
	}{
		{"series", a.maker.Run},
		{"decision times", a.keepWaits},
		{"visits", a.follower.Run},
		{"hours", a.keepHours},
		{"live state", a.live.Run},
		{"readers", a.down.Run},
		{"purge", a.janitor},
		{"days", a.keepDay},
		{"clock", a.watchClock},
		{"keys", a.watchKeys},
	} {
		a.followers.run(a.ctx, p.name, p.run)
	}
	a.front.open(a.ctx, api.New(a.apiConfig()))
}

func (a *App) listen() error {
	l, err := net.Listen("tcp", a.cfg.HTTP)
	if err != nil {
		return fmt.Errorf("--http (TOTEM_HTTP): %w", err)
	}
	a.HTTP, a.listener = l.Addr(), l
	srv := &http.Server{Handler: &a.front, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(a.opt.Log.Handler(), slog.LevelDebug)}
	var serving stack
	serving.run(a.ctx, "http server", func(context.Context) {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.endService(fmt.Errorf("the http server has ended: %w", err)) // nobody would see that the API is gone
		}
	})
	a.ways.add("http listener", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		a.front.endStreams()
		err := srv.Shutdown(ctx)
		if err != nil {
			err = srv.Close()
		}
		return errors.Join(err, serving.close(ctx))
	})
	return nil
}
