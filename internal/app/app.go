// Package app starts the service and ends it: it opens the ledger, the broker and
// every part that does the work, connects them, and closes them in the opposite
// order:
//
//	a, err := app.Start(ctx, cfg, options)
//
// It decides and computes nothing itself. Type shell holds what stays open while the service runs. Type house holds
// what is built from one catalogue: when the catalogue changes, the house is closed and another one is opened
// (docs/decisions/0014-changed-catalogues.md).
package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/presence"
	"github.com/lorntech/totem/internal/readers"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/settings"
	"github.com/lorntech/totem/internal/signin"
	"github.com/lorntech/totem/internal/webhooks"
)

// Config is the settings of the service.
type Config = settings.Config

// Options hold what differs between the commands that start the service; settings are in Config.
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
	// MQTTTLS and HTTPTLS are the addresses with TLS; nil: there is none.
	MQTTTLS, HTTPTLS net.Addr

	Config   Config
	opt      Options
	Ledger   *ledger.Ledger
	Broker   brokerRunner
	listener net.Listener // of HTTP
	auth     *brokerAuth
	metrics  *metrics
	front    front

	commandsSeen int64 // entry of the audit chain up to which stepCommands has looked
	gate         gate

	ctx    context.Context
	cancel context.CancelFunc
	closes stack // closes the data folder
	ways   stack // closes the broker and the listener
	failed chan error
	// moved is set where the catalogue that was recorded last has changed doors or closing times, so that visits must be
	// computed again.
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

	Foreign    *foreign.Devices
	Pipeline   *ingest.Pipeline
	enrolments *ingest.Enrolments
	chronicle  catalogue.Chronicle
	Catalogues catalogue.History // the history of catalogues, in the spaces' present names
	Live       *live.State
	Readers    *readers.Updater
	Presence   *presence.Follower
	webhooks   *webhooks.Deliverer
	maker      *series.Maker
	shipper    *series.Shipper // nil without InfluxDB
	Waits      *decisionWaits
	settings   billing.Settings
	signIn     *signin.Settings // nil: with tokens only

	tokens atomic.Pointer[func(string)] // tells the API of a token that has changed

	core      stack // closes the parts that decide
	followers stack // closes the parts that follow the ledger
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
	sh := &shell{Config: cfg, opt: opt, metrics: newMetrics(), failed: make(chan error, 1)}
	sh.ctx, sh.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a := &App{house: &house{shell: sh}}
	sh.change = a.ChangeCatalogue
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := a.debug(); err != nil {
		return nil, err
	}
	file, err := catalogues.FromFile(cfg.Catalogue, cfg.CatalogueSince)
	if err != nil {
		return nil, settings.Unread("--catalogue (TOTEM_CATALOGUE)", err)
	}
	if err := a.openData(ctx); err != nil {
		return nil, err
	}
	if err := a.adoptFile(ctx, file); err != nil {
		return nil, err
	}
	if a.Admin, err = ensureAdmin(ctx, a.Config, a.Ledger); err != nil {
		return nil, err
	}
	if err := a.house.open(ctx); err != nil {
		return nil, err
	}
	a.gate.pass(a.house)
	if err := a.startBroker(); err != nil {
		return nil, err
	}
	a.ways.add("broker", a.Broker.Close)
	a.house.follow()
	if err := a.listen(); err != nil {
		return nil, err
	}
	return a, a.noteServing(ctx)
}

// Close stops every part in reverse order of its start, and waits for it.
func (a *App) Close(ctx context.Context) error {
	a.replacing.Lock() // a change of the catalogue is finished first
	defer a.replacing.Unlock()
	var listener stack
	if n := len(a.ways); n > 1 { // no request is answered by a part that is being closed
		listener, a.ways = a.ways[1:], a.ways[:1]
	}
	err := errors.Join(
		listener.close(ctx),
		a.followers.close(ctx),
		a.ways.close(ctx),
		a.core.close(ctx),
		a.closes.close(ctx),
	)
	a.cancel()
	return err
}
