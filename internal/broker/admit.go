package broker

import (
	"context"
	"net"
	"time"

	"github.com/google/uuid"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// admit authenticates a CONNECT and makes room for its client id. It returns
// the CONNACK code of a refusal, or 0.
func (e *Embedded) admit(s *session, cl *mqtt.Client, pk packets.Packet) byte {
	for {
		epoch := e.epoch.Load()
		p, ok := e.authenticate(s, pk)
		if !ok {
			e.logSometimes(
				"mqtt connection refused",
				"reason",
				"wrong username or password",
				"remote",
				s.conn.RemoteAddr().String(),
			)
			if wait := e.guesses.Wrong(s.address, time.Now()); wait > 0 { // a client that guesses waits for each answer
				select {
				case <-time.After(wait):
				case <-s.ctx.Done():
				}
			}
			return connackNotAllowed
		}
		s.admit(p, string(pk.Connect.Username))
		if s.clientID = pk.Connect.ClientIdentifier; s.clientID == "" {
			s.clientID = ownID(p, s.username)
		}
		if !e.rules.Load().mayUseID(p, s.username, s.clientID) {
			e.logSometimes(
				"mqtt connection refused",
				"reason",
				"the client id is neither the username nor the username and a colon before anything",
				"principal",
				p.Name,
				"client",
				printable(s.clientID),
				"remote",
				s.conn.RemoteAddr().String(),
			)
			return connackIdentifier
		}
		code, again := e.enter(s, epoch)
		if again {
			continue // secrets changed in the meantime: check whether this one did
		}
		if code != 0 {
			return code
		}
		break
	}
	if !s.waitForPrevious() {
		e.leave(s)
		e.cfg.Log.Warn(
			"mqtt connection refused",
			"reason",
			"the former connection has not ended",
			"principal",
			s.principal.Name,
		)
		return connackUnavailable
	}
	if cl.Properties.Will.Flag == 1 {
		will := cl.Properties.Will
		s.will = &will
		cl.Properties.Will = mqtt.Will{}
	}
	cl.ID, s.admitted = s.clientID, true
	return 0
}

func (e *Embedded) authenticate(s *session, pk packets.Packet) (Principal, bool) {
	if !pk.Connect.UsernameFlag || len(pk.Connect.Username) == 0 {
		if !e.cfg.AllowAnonymous || !s.local || pk.Connect.PasswordFlag {
			return Principal{}, false
		}
		p, ok := e.cfg.Auth.Authenticate("", nil)
		p.Anonymous = true
		return p, ok
	}
	p, ok := e.cfg.Auth.Authenticate(string(pk.Connect.Username), pk.Connect.Password)
	return p, ok && !p.Anonymous
}

// ownID returns a client id for a client that brought none.
func ownID(p Principal, username string) string {
	if p.Anonymous {
		return "anonymous:" + uuid.NewString()
	}
	return username + ":" + uuid.NewString()
}

// enter makes s the connection of its client id, unless the rules of who may
// connect have changed since epoch.
func (e *Embedded) enter(s *session, epoch uint64) (code byte, again bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.epoch.Load() != epoch {
		return 0, true
	}
	prev := e.live[s.clientID]
	if e.closing || prev == nil && len(e.live) >= e.limits.Clients {
		return connackUnavailable, false
	}
	if prev != nil && prev.principal.owner() != s.principal.owner() {
		return connackIdentifier, false
	}
	if prev == nil && !s.principal.Anonymous && e.perPrincipal[s.principal.owner()] >= e.limits.PerPrincipal {
		return connackUnavailable, false
	}
	s.prev, s.entered = prev, true
	e.live[s.clientID] = s
	e.perPrincipal[s.principal.owner()]++
	delete(e.waiting, s)
	return 0, false
}

// waitForPrevious ends the connections that s replaces, and waits until they have
// ended; it reports false if they do not end in time. Without it mochi would clean
// up after the old connection once the new one runs, and remove the new one too.
func (s *session) waitForPrevious() bool {
	ctx, cancel := context.WithTimeout(s.ctx, s.broker.limits.TakeoverTimeout)
	defer cancel()
	for p := s.prev; p != nil; p = p.prev {
		p.close()
		select {
		case <-p.done:
		case <-ctx.Done():
			return false
		}
	}
	s.prev = nil
	return true
}

// leave removes s from the broker's tables. A former connection of the same client id
// that has not ended gets its place back.
func (e *Embedded) leave(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, s)
	if !s.entered || s.ended {
		return
	}
	s.ended = true
	if n := e.perPrincipal[s.principal.owner()] - 1; n > 0 {
		e.perPrincipal[s.principal.owner()] = n
	} else {
		delete(e.perPrincipal, s.principal.owner())
		delete(e.accounts, s.principal.owner())
	}
	if e.live[s.clientID] != s {
		return
	}
	delete(e.live, s.clientID)
	if s.prev != nil && !s.prev.ended {
		e.live[s.clientID] = s.prev
	}
}

// isLocal reports whether the client is on this machine.
func isLocal(a net.Addr) bool {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.IP.IsLoopback()
	}
	return false
}
