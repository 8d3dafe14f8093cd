package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"golang.org/x/time/rate"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
)

// EmbeddedConfig configures an embedded broker. Listen may be empty: then
// clients connect only through EstablishPipe.
type EmbeddedConfig struct {
	Listen    string      // host:port; port 0 takes a free port
	ListenTLS string      // another one, with TLS
	TLS       *tls.Config // for ListenTLS
	Network   *catalogue.Network
	Foreign   Foreign // nil: there are no real devices
	Auth      Authenticator
	// AllowAnonymous accepts clients of this machine without a username.
	AllowAnonymous bool
	Handler        Handler
	// Denied takes messages that their sender may not publish, with a reason
	// (DeniedTopic, DeniedSender); it must acknowledge them. Without it such
	// messages are acknowledged and dropped.
	Denied func(d Delivery, reason string)
	// OnSubscribe is called with each filter to which a client subscribes, or
	// is still subscribed after it has resumed its session; it must return
	// quickly.
	OnSubscribe func(filter string)
	// OnListenerEnd is called where the listener ends without Close.
	OnListenerEnd func(error)
	// OnPresence is called for every connection that begins and ends; it must
	// return quickly.
	OnPresence func(p Principal, connected bool)
	Log        *slog.Logger
	Limits     Limits
}

// Embedded is an MQTT 3.1.1 broker in this process. It stores nothing on disk:
// after a restart, retained topics must be published again.
type Embedded struct {
	cfg    EmbeddedConfig
	limits Limits
	rules  atomic.Pointer[rules]
	server *mqtt.Server
	stats  counters
	seldom rate.Sometimes // limits what a stranger can make us log

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	// deliver is held while messages go to subscribers, while a client
	// subscribes and while it resumes its session. So all subscribers get messages
	// in the same order, and on a retained topic the retained message comes last.
	deliver  sync.Mutex
	order    int64             // under deliver
	retained map[string][]byte // by topic; under deliver

	guesses keys.Guesses // limits checks of passwords

	epoch atomic.Uint64 // counts changes that take somebody's access away

	mu           sync.Mutex
	listeners    []net.Listener        // Listen's and ListenTLS's; nil where there is none
	waiting      map[*session]struct{} // connections not authenticated yet
	live         map[string]*session   // by client id
	perPrincipal map[owner]int         // live connections
	accounts     map[owner]*account    // accounts of principals that have connections
	begun        uint64                // number of connections so far
	open         int                   // deliveries not acknowledged
	closing      bool
	settled      chan struct{} // closed when closing and open is 0
}

var _ Broker = (*Embedded)(nil)

// NewEmbedded returns a broker; Start accepts clients.
func NewEmbedded(cfg EmbeddedConfig) (*Embedded, error) {
	if cfg.Network == nil || cfg.Auth == nil || cfg.Handler == nil || cfg.Log == nil {
		return nil, errors.New("embedded broker: a network, an authenticator, a handler and a log are needed")
	}
	e := &Embedded{
		cfg:          cfg,
		limits:       cfg.Limits.withDefaults(),
		seldom:       rate.Sometimes{First: 10, Interval: 10 * time.Second},
		retained:     map[string][]byte{},
		waiting:      map[*session]struct{}{},
		live:         map[string]*session{},
		perPrincipal: map[owner]int{},
		accounts:     map[owner]*account{},
		settled:      make(chan struct{}),
	}
	e.SetRules(cfg.Network, cfg.Foreign)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.server = mqtt.New(e.options())
	// mochi publishes as a client of its own, and lists it among the connected
	// ones. We remove it there: a client that connected with the same id would end it.
	e.server.Clients.Delete(mqtt.InlineClientId)
	if err := e.server.AddHook(&guard{broker: e}, nil); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return e, nil
}

// SetRules changes who owns which topics. The caller ends the connections of
// those who may no longer be connected (DisconnectWhere).
func (e *Embedded) SetRules(n *catalogue.Network, f Foreign) { e.rules.Store(&rules{n, f}) }

// options returns mochi's options. mochi logs whole packets with their
// payloads: its log is discarded, and ours records what matters.
func (e *Embedded) options() *mqtt.Options {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClients = math.MaxInt64 // admit counts them
	c.MaximumPacketSize = uint32(e.limits.PacketBytes)
	c.MaximumClientWritesPending = int32(e.limits.PendingWrites)
	c.MaximumInflight = 8192
	c.MaximumMessageExpiryInterval = 0              // decisions and commands carry their own expiry
	c.MaximumSessionExpiryInterval = math.MaxUint32 // forgetSessions does it
	c.MinimumProtocolVersion = 4
	c.MaximumQos = 1
	c.SharedSubAvailable = 0
	return &mqtt.Options{
		Capabilities:             c,
		InlineClient:             true,
		Logger:                   slog.New(slog.DiscardHandler),
		ClientNetReadBufferSize:  4 << 10,
		SysTopicResendInterval:   10 * 365 * 86400, // reading memory statistics every second stops the world
		ClientNetWriteBufferSize: 4 << 10,
	}
}

// Start listens and serves until Close. After an error nothing runs.
func (e *Embedded) Start() error {
	listeners := make([]net.Listener, 2)
	for i, addr := range []string{e.cfg.Listen, e.cfg.ListenTLS} {
		if addr == "" {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			for _, open := range listeners[:i] {
				closeListener(open)
			}
			name := []string{"--mqtt-listen (TOTEM_MQTT_LISTEN)", "--mqtt-tls-listen (TOTEM_MQTT_TLS_LISTEN)"}[i]
			return fmt.Errorf("%s: %w", name, err)
		}
		listeners[i] = l
	}
	e.mu.Lock()
	e.listeners = listeners
	e.mu.Unlock()
	if err := e.server.Serve(); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	e.tasks.Go(e.forgetSessions)
	for i, config := range []*tls.Config{nil, e.cfg.TLS} {
		if l := listeners[i]; l != nil {
			e.tasks.Go(func() { e.acceptLoop(l, config) })
		}
	}
	return nil
}

func closeListener(l net.Listener) {
	if l != nil {
		_ = l.Close()
	}
}

// Addr returns the address it listens on; nil without one or before Start.
func (e *Embedded) Addr() net.Addr { return e.addr(0) }

// AddrTLS is Addr for clients with TLS.
func (e *Embedded) AddrTLS() net.Addr { return e.addr(1) }

func (e *Embedded) addr(i int) net.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i >= len(e.listeners) || e.listeners[i] == nil {
		return nil
	}
	return e.listeners[i].Addr()
}

// Publish sends to subscribers (Broker.Publish).
func (e *Embedded) Publish(topic string, payload []byte, retain bool) error {
	if e.ctx.Err() != nil {
		return ErrClosed
	}
	e.deliver.Lock()
	defer e.deliver.Unlock()
	if retain {
		e.publishLatest(topic, payload)
		return nil
	}
	if err := e.server.Publish(topic, payload, false, 1); err != nil {
		return fmt.Errorf("publish to the embedded broker: %w", err)
	}
	return nil
}

// Close stops taking messages, waits until ctx ends for the delivered ones to
// be acknowledged, and ends every connection. No wills are delivered, since it
// is the broker that goes away.
func (e *Embedded) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return nil
	}
	e.closing = true
	if e.open == 0 {
		close(e.settled)
	}
	for _, l := range e.listeners {
		closeListener(l)
	}
	e.mu.Unlock()

	var err error
	select {
	case <-e.settled:
	case <-ctx.Done():
		err = fmt.Errorf("embedded broker: closed before all messages were committed: %w", ctx.Err())
	}
	e.closeConnections()
	e.cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		e.tasks.Wait()
		_ = e.server.Close()
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("embedded broker: a connection has not ended: %w", ctx.Err()))
	}
	return err
}

func (e *Embedded) closeConnections() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.waiting {
		s.close()
	}
	for _, s := range e.live {
		s.close()
	}
}

func (e *Embedded) logSometimes(msg string, args ...any) {
	e.seldom.Do(func() { e.cfg.Log.Warn(msg, args...) })
}
