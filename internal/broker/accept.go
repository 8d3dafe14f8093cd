package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// acceptLoop accepts connections until the listener ends; with TLS where there are
// settings for it.
func (e *Embedded) acceptLoop(l net.Listener, config *tls.Config) {
	for {
		nc, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			e.mu.Lock()
			closing := e.closing
			e.mu.Unlock()
			if !closing && e.cfg.OnListenerEnd != nil {
				e.cfg.OnListenerEnd(err)
			}
			return
		case err != nil: // out of file descriptors, for example: that passes
			e.logSometimes("mqtt listener", "err", err)
			select {
			case <-time.After(50 * time.Millisecond):
			case <-e.ctx.Done():
				return
			}
			continue
		}
		local := isLocal(nc.RemoteAddr())
		if config != nil {
			nc = tls.Server(nc, config)
		}
		e.attach(nc, local)
	}
}

// EstablishPipe connects a client in this process; it counts as a client of
// this machine.
func (e *Embedded) EstablishPipe() net.Conn {
	ours, theirs := net.Pipe()
	e.attach(ours, true)
	return theirs
}

// attach serves a connection in a goroutine of its own, or closes it if the
// broker is closing. If there are too many connections, an older one makes room
// for it (makeRoom).
func (e *Embedded) attach(nc net.Conn, local bool) {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		e.stats.refused.Add(1)
		_ = nc.Close()
		return
	}
	e.makeRoom(addressOf(nc))
	_ = nc.SetReadDeadline(time.Now().Add(e.limits.ConnectTimeout))
	s := newSession(e, nc, local)
	e.begun++
	s.number, s.accepted = e.begun, time.Now()
	e.waiting[s] = struct{}{}
	e.mu.Unlock()
	e.tasks.Go(func() { e.serve(s) })
}

// freshTimes is how many times as many unauthenticated connections there may be while they are
// fresh.
const freshTimes = 3

// makeRoom ends one unauthenticated connection if there are too many: the oldest of
// this address if it has too many, or else, if all addresses together have too many,
// the oldest of the address that has the most. e.mu is held.
func (e *Embedded) makeRoom(address string) {
	count := map[string]int{}
	for s := range e.waiting {
		count[s.address]++
	}
	if oldest := e.oldestWaiting(address); e.tooMany(count[address], e.limits.PerAddress, oldest) {
		e.end(oldest)
		return
	}
	from := address
	for a, n := range count {
		if n > count[from] {
			from = a
		}
	}
	if oldest := e.oldestWaiting(from); e.tooMany(len(e.waiting), e.limits.Unauthenticated, oldest) {
		e.end(oldest)
	}
}

// tooMany reports whether the oldest of n unauthenticated connections must be ended.
func (e *Embedded) tooMany(n, most int, oldest *session) bool {
	return oldest != nil && (n >= most && time.Since(oldest.accepted) > e.limits.Fresh || n >= freshTimes*most)
}

// oldestWaiting returns the unauthenticated connection of an address that began first; nil: it
// has none.
func (e *Embedded) oldestWaiting(address string) (oldest *session) {
	for s := range e.waiting {
		if s.address == address && (oldest == nil || s.number < oldest.number) {
			oldest = s
		}
	}
	return oldest
}

// end ends an unauthenticated connection.
func (e *Embedded) end(s *session) {
	delete(e.waiting, s)
	e.stats.refused.Add(1)
	s.close()
}

// addressOf returns a connection's remote address without the port.
func addressOf(nc net.Conn) string {
	host, _, err := net.SplitHostPort(nc.RemoteAddr().String())
	if err != nil {
		return nc.RemoteAddr().String()
	}
	return host
}

// serve runs a connection to its end. Its will is delivered before anybody can
// connect in its place.
func (e *Embedded) serve(s *session) {
	e.contain(s, func() {
		var fault packets.Code
		if err := e.server.EstablishConnection("tcp", s.conn); errors.As(err, &fault) && s.admitted {
			e.logSometimes("mqtt connection ended", "principal", s.principal.Name, "reason", fault.Reason)
		}
	})
	s.release()
	s.close()
	e.contain(s, func() {
		if s.admitted && s.will != nil && !s.goodbye.Load() && e.accept() {
			e.stats.wills.Add(1)
			e.handOver(&inbound{session: s}, Delivery{Topic: s.will.TopicName, Payload: s.will.Payload, Will: true})
		}
	})
	e.contain(s, func() {
		if s.present.Load() && e.cfg.OnPresence != nil {
			e.cfg.OnPresence(s.principal, false)
		}
	})
	e.leave(s)
	close(s.done)
	<-s.conn.done
}

// contain recovers from a panic, which ends this connection only.
func (e *Embedded) contain(s *session, run func()) {
	defer func() {
		if r := recover(); r != nil {
			e.stats.panics.Add(1)
			e.cfg.Log.Error("mqtt connection ended by an internal error",
				"principal", s.principal.Name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	run()
}
