// Package mqttload is a small MQTT 3.1.1 client that publishes with QoS 1 as
// fast as a broker acknowledges, with a bounded number of messages on the way.
//
// It serves benchmarks, simulators and tests: it does not reconnect, sends
// nothing again, and ends with its connection. A service uses package broker.
package mqttload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a client connects. Zero fields take their defaults.
type Options struct {
	ClientID   string // empty: the broker chooses
	Username   string
	Password   string
	Window     int           // messages on the way at most, up to 60,000; default 200
	KeepAlive  time.Duration // whole seconds; default 60 s, negative: none
	Persistent bool          // keeps the session of the client id
	WillTopic  string        // with a will where not empty
	Will       []byte
	// Routes are handlers by filter for a session that has its subscriptions:
	// what waited for it comes at once.
	Routes map[string]Message
}

// Message is a handler of what a subscription brings. It must not block for long.
type Message func(topic string, payload []byte)

// Client is a connected client. Its methods are safe for concurrent use.
type Client struct {
	conn    net.Conn
	options Options

	writing sync.Mutex // writes to conn
	mu      sync.Mutex
	out     []byte // to be written

	wake chan struct{}
	done chan struct{} // closed when the connection has ended
	once sync.Once
	err  error // why it ended; read after done

	free  chan uint16    // packet ids not on the way
	sent  []atomic.Int64 // by packet id: when, in Unix nanoseconds; 0: not on the way
	acked atomic.Pointer[func(time.Duration)]
	total atomic.Uint64

	subs    sync.Mutex
	routes  []route
	pending map[uint16]chan byte // SUBACK return codes
	nextSub uint16
	present bool
	silent  atomic.Bool
}

type route struct {
	filter string
	handle Message
}

// ErrRefused says that the broker refused a subscription.
var ErrRefused = errors.New("the broker refused the subscription")

// ConnectError is a CONNACK's refusal, with its return code.
type ConnectError struct{ Code byte }

// Error says what the code means.
func (e *ConnectError) Error() string {
	switch e.Code {
	case 1:
		return "the broker does not speak MQTT 3.1.1"
	case 2:
		return "the broker refused the client id"
	case 3:
		return "the broker is not available"
	case 4, 5:
		return "the broker refused the username or password"
	}
	return fmt.Sprintf("the broker refused the connection with code %d", e.Code)
}

// Dial connects over TCP with the default options.
func Dial(ctx context.Context, addr, clientID, user, pass string) (*Client, error) {
	return DialOptions(ctx, addr, Options{ClientID: clientID, Username: user, Password: pass})
}

// DialOptions connects over TCP.
func DialOptions(ctx context.Context, addr string, o Options) (*Client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	return Connect(ctx, nc, o)
}

// Connect speaks MQTT on a connection, which it closes in the end, also when it fails.
func Connect(ctx context.Context, nc net.Conn, o Options) (*Client, error) {
	if o.Window <= 0 {
		o.Window = 200
	}
	o.Window = min(o.Window, 60_000)
	if o.KeepAlive == 0 {
		o.KeepAlive = time.Minute
	}
	c := &Client{conn: nc, options: o, wake: make(chan struct{}, 1), done: make(chan struct{}),
		free: make(chan uint16, o.Window), sent: make([]atomic.Int64, o.Window+1), pending: map[uint16]chan byte{}}
	for id := 1; id <= o.Window; id++ {
		c.free <- uint16(id)
	}
	for filter, handle := range o.Routes {
		c.routes = append(c.routes, route{filter, handle})
	}
	in := bufio.NewReaderSize(nc, 32<<10)
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err := c.handshake(in)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	go c.read(in)
	go c.write()
	return c, nil
}

func (c *Client) handshake(in *bufio.Reader) error {
	if _, err := c.conn.Write(connect(&c.options)); err != nil {
		return err
	}
	head, body, err := readPacket(in, nil)
	switch {
	case err != nil:
		return err
	case head != 0x20 || len(body) != 2:
		return errors.New("the broker did not answer CONNECT with CONNACK")
	case body[1] != 0:
		return &ConnectError{body[1]}
	}
	c.present = body[0]&1 != 0
	return nil
}

// SessionPresent says whether the broker had a session of this client id.
func (c *Client) SessionPresent() bool { return c.present }

// OnAck has f called for each acknowledged message with the time it took,
// before its place in the window is free again.
func (c *Client) OnAck(f func(took time.Duration)) { c.acked.Store(&f) }

// Acked counts acknowledged messages.
func (c *Client) Acked() uint64 { return c.total.Load() }

// Publish sends with QoS 1. It blocks while the window is full.
func (c *Client) Publish(topic string, payload []byte) error {
	return c.publish(topic, payload, 0x32)
}

// PublishRetained does as Publish and asks the broker to keep the message.
func (c *Client) PublishRetained(topic string, payload []byte) error {
	return c.publish(topic, payload, 0x33)
}

func (c *Client) publish(topic string, payload []byte, head byte) error {
	var id uint16
	select {
	case id = <-c.free:
	case <-c.done:
		return c.err
	}
	c.sent[id].Store(time.Now().UnixNano())
	c.mu.Lock()
	c.out = appendPublish(c.out, head, id, topic, payload)
	c.mu.Unlock()
	c.signal()
	return nil
}

// Subscribe has handle called for each message on the filter's topics, from
// the connection's goroutine. It returns once the broker has answered.
func (c *Client) Subscribe(ctx context.Context, filter string, handle Message) error {
	c.subs.Lock()
	// Beyond the window, so as not to meet a publication's id.
	c.nextSub++
	id := uint16(c.options.Window) + c.nextSub
	if id == 0 {
		c.nextSub, id = 1, uint16(c.options.Window)+1
	}
	answer := make(chan byte, 1)
	c.pending[id] = answer
	c.routes = append(c.routes, route{filter, handle})
	c.subs.Unlock()

	c.mu.Lock()
	c.out = appendSubscribe(c.out, id, filter)
	c.mu.Unlock()
	c.signal()
	select {
	case code := <-answer:
		if code > 2 {
			return fmt.Errorf("%w to %s", ErrRefused, filter)
		}
		return nil
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Drain waits until everything published is acknowledged.
func (c *Client) Drain(ctx context.Context) error {
	taken := make([]uint16, 0, c.options.Window)
	defer func() {
		for _, id := range taken {
			c.free <- id
		}
	}()
	for range c.options.Window {
		select {
		case id := <-c.free:
			taken = append(taken, id)
		case <-c.done:
			return c.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Done is closed when the connection has ended; Err then says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the connection ended; nil while it has not.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close says goodbye and closes the connection.
func (c *Client) Close() error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	c.mu.Lock()
	c.out = append(c.out, 0xe0, 0)
	c.mu.Unlock()
	_, err := c.flush(nil)
	c.end(net.ErrClosed)
	return err
}

// Silence sends nothing from now on, not even pings, as a client does whose
// machine has stopped.
func (c *Client) Silence() { c.silent.Store(true) }

// Cut closes the connection without a goodbye, as a power cut does.
func (c *Client) Cut() { c.end(net.ErrClosed) }

func (c *Client) end(err error) {
	c.once.Do(func() {
		c.err = fmt.Errorf("mqtt: connection ended: %w", err)
		_ = c.conn.Close()
		close(c.done)
	})
}

func (c *Client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write sends what is gathered, and pings when idle.
func (c *Client) write() {
	every := c.options.KeepAlive * 2 / 3
	if every < 0 {
		every = 365 * 24 * time.Hour
	}
	ping := time.NewTicker(every)
	defer ping.Stop()
	var spare []byte
	for {
		select {
		case <-c.done:
			return
		case <-ping.C:
			c.mu.Lock()
			c.out = append(c.out, 0xc0, 0)
			c.mu.Unlock()
		case <-c.wake:
		}
		if c.silent.Load() {
			continue
		}
		var err error
		if spare, err = c.flush(spare); err != nil {
			c.end(err)
			return
		}
	}
}

// flush writes what is gathered, which spare's memory takes the place of.
func (c *Client) flush(spare []byte) ([]byte, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	out := c.out
	c.out = spare[:0]
	c.mu.Unlock()
	if len(out) == 0 {
		return out, nil
	}
	_, err := c.conn.Write(out)
	return out, err
}

// read handles what the broker sends until the connection ends.
func (c *Client) read(in *bufio.Reader) {
	var body []byte
	for {
		head, b, err := readPacket(in, body)
		if err != nil {
			c.end(err)
			return
		}
		body = b[:0]
		c.handle(head, b)
	}
}

func (c *Client) handle(head byte, b []byte) {
	switch head >> 4 {
	case 3:
		c.message(head, b)
	case 4:
		if len(b) == 2 {
			c.puback(uint16(b[0])<<8 | uint16(b[1]))
		}
	case 9:
		if len(b) == 3 {
			id := uint16(b[0])<<8 | uint16(b[1])
			c.subs.Lock()
			if answer, ok := c.pending[id]; ok {
				delete(c.pending, id)
				answer <- b[2]
			}
			c.subs.Unlock()
		}
	}
}

func (c *Client) puback(id uint16) {
	if id == 0 || int(id) >= len(c.sent) {
		return
	}
	at := c.sent[id].Swap(0)
	if at == 0 {
		return // acknowledged twice
	}
	c.total.Add(1)
	if f := c.acked.Load(); f != nil {
		(*f)(time.Duration(time.Now().UnixNano() - at))
	}
	c.free <- id
}

// message gives a publication to the routes that match and acknowledges it.
func (c *Client) message(head byte, b []byte) {
	qos := head >> 1 & 3
	if len(b) < 2 {
		return
	}
	n := 2 + (int(b[0])<<8 | int(b[1]))
	rest := n
	if qos > 0 {
		rest += 2
	}
	if len(b) < rest {
		return
	}
	topic, payload := string(b[2:n]), append([]byte(nil), b[rest:]...)
	c.subs.Lock()
	routes := c.routes
	c.subs.Unlock()
	for _, r := range routes {
		if r.handle != nil && matches(r.filter, topic) {
			r.handle(topic, payload)
		}
	}
	if qos == 1 {
		c.mu.Lock()
		c.out = append(c.out, 0x40, 2, b[n], b[n+1])
		c.mu.Unlock()
		c.signal()
	}
}

// matches says whether a filter covers a topic.
func matches(filter, topic string) bool {
	for {
		f, fRest, fMore := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, tRest, tMore := strings.Cut(topic, "/")
		switch {
		case f != "+" && f != t:
			return false
		case !fMore:
			return !tMore
		case !tMore:
			return fRest == "#"
		}
		filter, topic = fRest, tRest
	}
}
