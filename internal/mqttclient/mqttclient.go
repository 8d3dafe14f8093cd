// Package mqttclient is a small MQTT 3.1.1 client that publishes with QoS 1 as
// fast as a broker acknowledges, with a limited number of unacknowledged
// messages:
//
//	c, err := mqttclient.Dial(ctx, "127.0.0.1:1883", "gateway", secret)
//
// It serves benchmarks, simulators and tests: it does not reconnect, sends
// nothing again, and ends with its connection. A service uses package broker.
package mqttclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure a connection. Zero fields take their defaults.
type Options struct {
	ClientID   string // empty: the broker chooses
	Username   string
	Password   string
	Window     int           // most unacknowledged messages, up to 60,000; default 200
	KeepAlive  time.Duration // keep alive, in whole seconds; default 60 s, negative: none
	Persistent bool          // keeps the session of the client id
	WillTopic  string        // will; none where the topic is empty
	Will       []byte
	// Routes are handlers by filter for a session that already has its
	// subscriptions: what waited for it arrives at once.
	Routes map[string]Message
	TLS    *tls.Config // DialOptions speaks TLS by it; nil: in clear
}

// Message handles what a subscription brings. It must not block for long.
type Message func(topic string, payload []byte)

// Client is a connected client. Its methods are safe for concurrent use.
type Client struct {
	conn    net.Conn
	options Options

	writing sync.Mutex // held while out is written to conn
	mu      sync.Mutex
	out     []byte // to be written; guarded by mu

	wake chan struct{} // wakes the goroutine that writes to conn
	done chan struct{} // closed when the connection has ended
	once sync.Once
	err  error // why it ended; read after done

	free  chan uint16    // free packet ids
	sent  []atomic.Int64 // by packet id: when it was sent, in Unix nanoseconds; 0: free
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

// ErrRefused is returned where the broker refuses a subscription.
var ErrRefused = errors.New("the broker refused the subscription")

// ConnectError is a refusal in a CONNACK, with its return code.
type ConnectError struct{ Code byte }

// Error returns what the code means.
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

// DialOptions connects over TCP, with TLS where the options have it.
func DialOptions(ctx context.Context, addr string, o Options) (*Client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	if o.TLS != nil {
		config := o.TLS.Clone()
		config.ServerName, _, _ = net.SplitHostPort(addr)
		secure := tls.Client(nc, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, fmt.Errorf("mqtt: %w", err)
		}
		nc = secure
	}
	return Connect(ctx, nc, o)
}

// Connect speaks MQTT on a connection, which it closes in the end, also when it
// fails.
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
	in := bufio.NewReaderSize(nc, 4<<10)
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

// SessionPresent reports whether the broker had a session of this client id.
func (c *Client) SessionPresent() bool { return c.present }

// Done returns a channel that is closed when the connection has ended; Err then
// returns why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended; nil while it has not.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close disconnects and closes the connection.
func (c *Client) Close() error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	c.mu.Lock()
	c.out = append(c.out, 0xe0, 0)
	c.mu.Unlock()
	_, err := c.flush(nil)
	c.end(net.ErrClosed)
	return err
}

// Silence stops sending, even pings, as a client whose machine has stopped.
func (c *Client) Silence() { c.silent.Store(true) }

// Cut closes the connection without DISCONNECT, as a power cut does.
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
