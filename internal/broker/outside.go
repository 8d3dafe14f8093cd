package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// OutsideConfig configures the client of an outside broker.
type OutsideConfig struct {
	// URL is mqtt://user:pass@host:1883 or mqtts://…; ?ca=FILE names the PEM
	// file of the authorities to trust instead of the system's.
	URL string
	// ClientID names the session that the broker keeps for us. Two services
	// with the same id would end each other's connections without end.
	ClientID string
	// Sites are the sites whose messages are taken; none: every site's.
	Sites []catalogue.SiteID
	// Foreign are further filters: those of real devices that speak their own payloads.
	Foreign []string
	Handler Handler
	// OnUp is called for each connection once its subscriptions are accepted:
	// what was not published in the meantime must be published again. It may
	// block.
	OnUp func()
	// May is called before each attempt to connect again. It returns an error while
	// this process may not: another process may have taken over the session and all
	// of this one's work. nil: this process may always connect again.
	May func(ctx context.Context) error
	Log *slog.Logger
}

// Limits of an outside broker's client.
const (
	outsideQueue     = 8192             // publications waiting to be sent
	outsideWindow    = 1000             // publications sent and not acknowledged by the broker
	outsideInbox     = 64 << 20         // bytes received and not yet passed to the handler
	outsideReconnect = 5 * time.Second  // longest wait between attempts, plus up to a second
	outsideRetrySubs = 30 * time.Second // wait after a refused subscription
	outsideTimeout   = 10 * time.Second // time for the network and for an answer
	// A connection that a router has forgotten still looks open. After this time
	// without a message Totem pings the broker, and after the same time without an
	// answer it closes the connection. Meanwhile doors decide by their lists.
	outsideKeepAlive = 5 * time.Second
)

// Outside is the client of a broker elsewhere. It has a persistent session, and
// acknowledges a message when the handler calls Ack. After a connection has
// ended, the broker sends again what was not acknowledged.
//
// The broker decides who may publish what, and must queue for this client
// without loss: Mosquitto drops messages beyond max_queued_messages (1,000 by
// default; 0 for unlimited is broken in several 2.0.x) and sends only
// max_inflight_messages (20) ahead of acknowledgements. Acknowledgements are
// sent in the order of commits, which may differ from that of arrival.
type Outside struct {
	cfg    OutsideConfig
	client mqtt.Client
	jitter time.Duration
	inbox  *queue[mqtt.Message] // from the broker to the handler
	acks   *queue[mqtt.Message] // from the handler to the broker
	out    chan publication     // from Publish to the broker
	window chan mqtt.Token      // sent, not acknowledged by the broker

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu      sync.Mutex
	up      bool          // connected and subscribed
	changed chan struct{} // closed and replaced when up changes
	attempt int           // counts connections opened and lost
	closed  bool
	failure string // error of the last attempt, so as to log each error once
	rivals  rivalry
	open    int // deliveries not acknowledged
	idle    chan struct{}
}

type publication struct {
	topic   string
	payload []byte
	retain  bool
}

var _ Broker = (*Outside)(nil)

// NewOutside checks the settings; Start connects.
func NewOutside(cfg OutsideConfig) (*Outside, error) {
	if cfg.Handler == nil || cfg.Log == nil || cfg.ClientID == "" {
		return nil, errors.New("outside broker: a client id, a handler and a log are needed")
	}
	o := &Outside{cfg: cfg, out: make(chan publication, outsideQueue), changed: make(chan struct{}),
		window: make(chan mqtt.Token, outsideWindow), idle: make(chan struct{}, 1), jitter: rand.N(time.Second),
		inbox: newQueue[mqtt.Message](outsideInbox), acks: newQueue[mqtt.Message](0)}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	opts, err := o.options()
	if err != nil {
		return nil, fmt.Errorf("--mqtt-url (TOTEM_MQTT_URL): %w", err)
	}
	o.client = mqtt.NewClient(opts)
	return o, nil
}

// arrived takes a message from the broker's client into the inbox.
func (o *Outside) arrived(_ mqtt.Client, m mqtt.Message) {
	o.inbox.put(o.ctx, m, len(m.Payload())+len(m.Topic())+256)
}

// options returns paho's options. The default handler is set before it
// connects, since the broker sends waiting messages at once; the handler only
// puts messages into the inbox.
func (o *Outside) options() (*mqtt.ClientOptions, error) {
	nodes, trust, err := parseURLs(o.cfg.URL)
	if err != nil {
		return nil, err
	}
	opts := mqtt.NewClientOptions().
		SetClientID(o.cfg.ClientID).
		SetProtocolVersion(4).
		SetCleanSession(false).
		SetStore(mqtt.NewOrderedMemoryStore()).
		SetResumeSubs(false). // we subscribe again each time, and check the answer
		SetAutoAckDisabled(true).
		SetOrderMatters(true).
		SetKeepAlive(outsideKeepAlive).
		SetPingTimeout(outsideKeepAlive).
		SetConnectTimeout(outsideTimeout).
		SetWriteTimeout(outsideTimeout).
		SetConnectRetry(true).
		SetConnectRetryInterval(2*time.Second + o.jitter).
		SetMaxReconnectInterval(outsideReconnect + o.jitter).
		SetDefaultPublishHandler(o.arrived).
		SetOnConnectHandler(func(mqtt.Client) { o.connected() }).
		SetReconnectingHandler(func(mqtt.Client, *mqtt.ClientOptions) { o.backOff(); o.awaitLeave() }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { o.lost(err) }).
		SetConnectionNotificationHandler(o.logOnce)
	opts.Servers = nodes
	opts.SetConnectionAttemptHandler(trust)
	return opts, nil
}

// Start begins to connect, and tries again for as long as it takes. It does not
// wait for the broker: Connected reports whether it is there. It ends with
// Close, not with ctx.
func (o *Outside) Start(context.Context) error {
	o.tasks.Go(o.deliverLoop)
	o.tasks.Go(o.acknowledgeLoop)
	o.tasks.Go(o.sendLoop)
	o.tasks.Go(o.settleLoop)
	o.client.Connect()
	return nil
}

// awaitLeave waits until this process may connect again.
func (o *Outside) awaitLeave() {
	for o.cfg.May != nil && o.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(o.ctx, outsideTimeout)
		err := o.cfg.May(ctx)
		cancel()
		if err == nil {
			return
		}
		o.fault("outside broker: not connected again yet", err)
		select {
		case <-time.After(time.Second):
		case <-o.ctx.Done():
		}
	}
}

// Connected reports whether messages come in and go out.
func (o *Outside) Connected() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.up
}

// connected subscribes again. paho calls it in a goroutine of its own.
func (o *Outside) connected() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.failure = ""
	o.rivals.connected(time.Now())
	o.attempt++
	attempt := o.attempt
	o.tasks.Go(func() { o.subscribeLoop(attempt) })
}

// lost notes that the connection has ended; paho opens a new one.
func (o *Outside) lost(err error) {
	if o.client.IsConnectionOpen() {
		return // paho reports the loss late: it has already opened the next connection
	}
	o.mu.Lock()
	o.attempt++
	o.setUp(false)
	tell, hidden := o.rivals.lost(time.Now(), err)
	o.mu.Unlock()
	switch {
	case tell:
		o.cfg.Log.Error("outside broker: another client uses this name, and each ends the other's connection: "+
			"give it a user of its own", "client", o.cfg.ClientID)
	case !hidden:
		o.cfg.Log.Warn("outside broker: connection lost", "err", err)
	}
}

// setUp notes whether the broker is there, and wakes whoever waits for that. It
// runs under mu.
func (o *Outside) setUp(up bool) {
	if o.up != up {
		o.up = up
		close(o.changed)
		o.changed = make(chan struct{})
	}
}

// subscribeLoop tries until the subscriptions are accepted or the connection is
// gone: whoever runs the broker may grant them later.
func (o *Outside) subscribeLoop(attempt int) {
	for o.current(attempt) {
		err := o.subscribe()
		if err == nil {
			o.markSubscribed(attempt)
			return
		}
		o.fault("outside broker: subscriptions failed", err)
		select {
		case <-time.After(outsideRetrySubs):
		case <-o.ctx.Done():
			return
		}
	}
}

func (o *Outside) current(attempt int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.attempt == attempt && !o.closed
}

// markSubscribed notes that the subscriptions of the connection are accepted.
func (o *Outside) markSubscribed(attempt int) {
	o.mu.Lock()
	if o.attempt != attempt {
		o.mu.Unlock()
		return
	}
	o.setUp(true)
	hidden := o.rivals.hidden
	o.mu.Unlock()
	if !hidden {
		o.cfg.Log.Info("outside broker connected")
	}
	if o.cfg.OnUp != nil {
		o.cfg.OnUp()
	}
}

func (o *Outside) subscribe() error {
	filters := o.filters()
	wanted := make(map[string]byte, len(filters))
	for _, f := range filters {
		wanted[f] = 1
	}
	token := o.client.SubscribeMultiple(wanted, nil)
	select {
	case <-token.Done():
	case <-time.After(outsideTimeout):
		return errors.New("no answer to SUBSCRIBE")
	case <-o.ctx.Done():
		return ErrClosed
	}
	if err := token.Error(); err != nil {
		return err
	}
	// paho reports a refusal as a result, not as an error
	for filter, code := range token.(*mqtt.SubscribeToken).Result() {
		if code == 0x80 {
			return fmt.Errorf("the broker refuses the subscription to %s: its rules must let this user read it", filter)
		}
	}
	return nil
}

// filters returns the up topics of the sites.
func (o *Outside) filters() []string {
	sites := make([]string, 0, len(o.cfg.Sites)+1)
	for _, s := range o.cfg.Sites {
		sites = append(sites, string(s))
	}
	if len(sites) == 0 {
		sites = append(sites, "+")
	}
	var list []string
	for _, site := range sites {
		for _, what := range wire.UpWhats() {
			list = append(list, root+site+"/+/"+string(what))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return append(list, o.cfg.Foreign...)
}

// SetForeign changes the filters of real devices; new ones are subscribed to at
// once.
func (o *Outside) SetForeign(filters []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var gone []string
	for _, f := range o.cfg.Foreign {
		if !slices.Contains(filters, f) {
			gone = append(gone, f)
		}
	}
	o.cfg.Foreign = filters
	if !o.up || o.closed {
		return // the next connection will subscribe
	}
	if len(gone) > 0 {
		o.client.Unsubscribe(gone...)
	}
	attempt := o.attempt
	o.tasks.Go(func() { o.subscribeLoop(attempt) })
}

// backOff spreads the attempts of many services whose broker went away at the
// same moment.
func (o *Outside) backOff() {
	select {
	case <-time.After(rand.N(time.Second)):
	case <-o.ctx.Done():
	}
}

// logOnce logs why connecting fails, once for each reason.
func (o *Outside) logOnce(_ mqtt.Client, n mqtt.ConnectionNotification) {
	if f, ok := n.(mqtt.ConnectionNotificationFailed); ok {
		o.mu.Lock()
		o.rivals.attemptFailed()
		o.mu.Unlock()
		o.fault("outside broker: connecting failed, trying again", f.Reason)
	}
}

func (o *Outside) fault(msg string, err error) {
	o.mu.Lock()
	known := o.failure == err.Error() || o.closed
	o.failure = err.Error()
	o.mu.Unlock()
	if !known {
		o.cfg.Log.Warn(msg, "err", err)
	}
}
