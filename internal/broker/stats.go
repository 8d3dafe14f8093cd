package broker

import (
	"sync/atomic"

	"github.com/lorntech/totem/internal/catalogue"
)

type counters struct {
	received, acknowledged, denied, wills atomic.Uint64
	refused, dropped, slow, panics        atomic.Uint64
}

// Stats are an embedded broker's counts since it was made, and its present state.
type Stats struct {
	Connections    int    // live sessions
	Sessions       int    // sessions, live and away
	Unacknowledged int    // deliveries handed over and not acknowledged yet
	Retained       int    // topics with a retained message
	Received       uint64 // publications received
	Acknowledged   uint64 // publications answered with PUBACK or PUBREC
	Denied         uint64 // publications and wills that their sender may not publish
	Wills          uint64 // wills taken from clients that went away, allowed or denied
	Refused        uint64 // connections that were refused
	Dropped        uint64 // messages that a client did not take in time
	Slow           uint64 // connections ended because the client did not read
	Panics         uint64 // connections ended by a fault of the broker
}

// Stats returns the counts.
func (e *Embedded) Stats() Stats {
	e.deliver.Lock()
	retained := len(e.retained)
	e.deliver.Unlock()
	e.mu.Lock()
	live, open := len(e.live), e.open
	e.mu.Unlock()
	c := &e.stats
	return Stats{
		Connections: live, Sessions: e.server.Clients.Len(), Unacknowledged: open,
		Retained: retained,
		Received: c.received.Load(), Acknowledged: c.acknowledged.Load(), Denied: c.denied.Load(), Wills: c.wills.Load(),
		Refused: c.refused.Load(), Dropped: c.dropped.Load(), Slow: c.slow.Load(), Panics: c.panics.Load(),
	}
}

// Connected reports whether the device has a live connection of its own.
func (e *Embedded) Connected(d catalogue.DeviceID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.perPrincipal[owner{name: string(d)}] > 0
}
