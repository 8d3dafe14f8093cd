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

// makeRoom ends unauthenticated connections if there are too many: of this address if it
// has too many, or else, if all addresses together have too many, of the address that has
// the most. e.mu is held.
func (e *Embedded) makeRoom(address string) {
	if n := e.waitingOf(address); n >= e.limits.PerAddress {
		e.endOldest(address, n >= freshTimes*e.limits.PerAddress)
		return
	}
	if len(e.waiting) < e.limits.Unauthenticated {
		return
	}
	count := map[string]int{}
	from := address
	for s := range e.waiting {
		if count[s.address]++; count[s.address] > count[from] {
			from = s.address
		}
	}
	e.endOldest(from, len(e.waiting) >= freshTimes*e.limits.Unauthenticated)
}

// waitingOf returns how many unauthenticated connections an address has.
func (e *Embedded) waitingOf(address string) (n int) {
	for s := range e.waiting {
		if s.address == address {
			n++
		}
	}
	return n
}

// endOldest ends the unauthenticated connections of an address that are no longer fresh. If
// all of them are fresh and full is set, it ends the oldest.
func (e *Embedded) endOldest(address string, full bool) {
	var oldest *session
	var ended int
	for s := range e.waiting {
		if s.address != address {
			continue
		}
		if time.Since(s.accepted) > e.limits.Fresh {
			e.end(s)
			ended++
		} else if oldest == nil || s.number < oldest.number {
			oldest = s
		}
	}
	if full && ended == 0 && oldest != nil {
		e.end(oldest)
	}
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
