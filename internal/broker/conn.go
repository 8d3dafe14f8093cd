package broker

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// firstPacketBytes limits a CONNECT: mochi would otherwise allocate as much as
// its header claims before anybody is authenticated. A will of MaxPayload fits.
const firstPacketBytes = 96 << 10

var (
	errSlow      = errors.New("the client does not read")
	errNoConnect = errors.New("the first packet is not a CONNECT, or is too large")
)

// conn stands between mochi and the network. Write never waits for the network:
// mochi calls it while it holds the client's lock, and everybody who publishes to
// that client needs this lock, so one client that does not read would hold up all.
// Written packets are queued and sent by the connection's own goroutine, many in
// one call.
type conn struct {
	net.Conn
	session *session

	maxPending   int
	writeTimeout time.Duration

	mu      sync.Mutex
	pending []byte
	closed  bool
	wake    chan struct{} // capacity 1
	sent    chan struct{} // closed and replaced when something was sent
	sending int           // bytes that the flushing goroutine has taken
	done    chan struct{} // closed once the network connection is

	first firstPacket // used by the reading goroutine only
}

func newConn(nc net.Conn, l Limits) *conn {
	c := &conn{Conn: nc, maxPending: l.PendingBytes, writeTimeout: l.WriteTimeout,
		wake: make(chan struct{}, 1), sent: make(chan struct{}), done: make(chan struct{})}
	go c.flush()
	return c
}

// Read reads from the network and checks the first packet's header.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.first.checked && n > 0 {
		if bad := c.first.check(b[:n]); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// Write queues whole packets; its caller may use b again. If more bytes than the
// limit already wait for the client, it is disconnected; its session keeps what it
// has not acknowledged.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	if len(c.pending) > c.maxPending { // a single larger packet is sent alone
		c.closed, c.pending = true, nil
		c.mu.Unlock()
		c.session.slow()
		_ = c.Conn.Close() // unblocks a pending write
		c.signal()
		return 0, errSlow
	}
	c.pending = append(c.pending, b...)
	c.mu.Unlock()
	c.signal()
	return len(b), nil
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// flush sends queued packets until the connection is closed or fails.
func (c *conn) flush() {
	defer close(c.done)
	defer c.Conn.Close()
	var out []byte
	for range c.wake {
		for {
			c.mu.Lock()
			out, c.pending = c.pending, out[:0]
			c.sending = len(out)
			closed := c.closed
			close(c.sent)
			c.sent = make(chan struct{})
			c.mu.Unlock()
			if len(out) == 0 {
				if closed {
					return
				}
				break
			}
			if !c.send(out, closed) {
				return
			}
			if cap(out) > 64<<10 {
				out = nil
			}
		}
	}
}

// send writes to the network; false ends the connection.
func (c *conn) send(out []byte, closing bool) bool {
	wait := c.writeTimeout
	if closing {
		wait = min(wait, time.Second)
	}
	for len(out) > 0 { // in parts, each with its own time-out: a slow network that takes some is not cut off
		part := out[:min(len(out), writePart)]
		_ = c.Conn.SetWriteDeadline(time.Now().Add(wait))
		if _, err := c.Conn.Write(part); err != nil {
			c.mu.Lock()
			c.closed, c.pending = true, nil
			c.mu.Unlock()
			return false
		}
		out = out[len(part):]
		c.mu.Lock()
		c.sending = len(out)
		close(c.sent)
		c.sent = make(chan struct{})
		c.mu.Unlock()
	}
	return true
}

// writePart is how much is written to the network at once.
const writePart = 32 << 10

// waitBelow waits until fewer than the given number of bytes wait for the network.
// It returns false if the connection or ctx ends first.
func (c *conn) waitBelow(ctx context.Context, bytes int) bool {
	for {
		c.mu.Lock()
		waiting, closed, sent := len(c.pending)+c.sending, c.closed, c.sent
		c.mu.Unlock()
		if closed {
			return false
		}
		if waiting < bytes {
			return true
		}
		select {
		case <-sent:
		case <-c.done:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// Close sends what waits, for a second at most, and closes the connection. It
// does not wait for that.
func (c *conn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	c.signal()
	return nil
}

// SetDeadline sets the read deadline only: writing has its own time-out.
func (c *conn) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

// SetWriteDeadline does nothing: writing has its own time-out.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// firstPacket parses a stream's first fixed header as the bytes arrive.
type firstPacket struct {
	checked   bool
	at, shift int
	size      int
}

func (f *firstPacket) check(b []byte) error {
	for _, x := range b {
		if f.at++; f.at == 1 {
			if x != 0x10 {
				return errNoConnect
			}
			continue
		}
		f.size |= int(x&0x7f) << f.shift
		f.shift += 7
		if f.size > firstPacketBytes || f.at == 5 && x&0x80 != 0 {
			return errNoConnect
		}
		if x&0x80 == 0 {
			f.checked = true
			return nil
		}
	}
	return nil
}
