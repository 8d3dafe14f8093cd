package broker

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// session is one connection and what we know of it. Its principal is written
// once, before mochi accepts the client.
type session struct {
	broker   *Embedded
	number   uint64 // in the order in which they began
	accepted time.Time
	conn     *conn
	local    bool // the client is on this machine
	address  string

	ctx  context.Context // ends with the connection
	stop context.CancelFunc
	done chan struct{} // closed when nothing of the connection runs any more

	admitted  bool
	principal Principal
	username  string
	clientID  string
	prev      *session   // the connection of the same client id that this one replaces
	entered   bool       // under broker.mu: counted
	ended     bool       // under broker.mu: counted no more
	will      *mqtt.Will // the will, unless the client disconnects properly
	account   *account
	latest    *latest // retained messages that wait for the client

	goodbye atomic.Bool   // DISCONNECT was received
	present atomic.Bool   // OnPresence was told
	resumed chan struct{} // closed when the messages that were queued for the client have been sent

	subscribeID uint16 // the packet id to answer a SUBSCRIBE or UNSUBSCRIBE with

	// Guarded by broker.deliver:
	delivering bool              // this connection holds broker.deliver
	newest     map[string]uint16 // packet id of the last message sent on each retained topic
}

func newSession(e *Embedded, nc net.Conn, local bool) *session {
	s := &session{
		broker:  e,
		local:   local,
		address: addressOf(nc),
		done:    make(chan struct{}),
		resumed: make(chan struct{}),
		latest:  newLatest(),
	}
	s.ctx, s.stop = context.WithCancel(e.ctx)
	s.conn = newConn(nc, e.limits)
	s.conn.session = s
	return s
}

// sessionOf returns the session behind a client of mochi, also of one that is
// away.
func sessionOf(cl *mqtt.Client) *session {
	if c, ok := cl.Net.Conn.(*conn); ok {
		return c.session
	}
	return nil
}

// admit stores who the connection belongs to.
func (s *session) admit(p Principal, username string) {
	s.principal, s.username, s.account = p, username, s.broker.accountOf(p)
}

// share returns the Share of the connection's deliveries: its principal's name, so that
// all connections with one secret have the same; for an anonymous client its client id.
func (s *session) share() string {
	if s.principal.Anonymous {
		return s.clientID
	}
	return s.principal.Name
}

// close ends the connection from our side; its goroutine cleans up.
func (s *session) close() {
	s.stop()
	_ = s.conn.Close()
}

// slow counts a connection that was ended because the client did not read.
func (s *session) slow() {
	s.broker.stats.slow.Add(1)
	s.stop()
}

// weigh returns how much a message counts while it is not acknowledged.
func (s *session) weigh(payload []byte) int64 {
	return min(1<<10+int64(len(payload)), s.account.most)
}

// hold takes broker.deliver for this connection until release.
func (s *session) hold() {
	s.broker.deliver.Lock()
	s.delivering = true
}

// release gives broker.deliver back if this connection has it.
func (s *session) release() {
	if s.delivering {
		s.delivering = false
		s.broker.deliver.Unlock()
	}
}
