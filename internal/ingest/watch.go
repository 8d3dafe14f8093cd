package ingest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// Outcome is what became of a message.
type Outcome string

// The outcomes.
const (
	OutcomeCommitted Outcome = "committed"
	OutcomeRepeated  Outcome = "repeated"
	OutcomeRejected  Outcome = "rejected"
	OutcomeIgnored   Outcome = "ignored" // old, or nothing that concerns Totem
)

// Arrival is one message for somebody who watches: who sent what, how it was
// understood, and what became of it. It contains no credential and no name.
type Arrival struct {
	At      time.Time // of its arrival
	Topic   string
	From    string // the username that sent it; empty where the broker does not tell
	Site    catalogue.SiteID
	Device  catalogue.DeviceID // empty: no device of the catalogue
	Adapter string
	What    wire.What
	Said    time.Time // the message's own at
	Values  *Values   // of an observation
	Granted *bool     // of a badge
	Reason  string    // of a badge's decision, or why it was rejected
	Payload []byte    // of a rejected or ignored message, truncated
	Outcome Outcome
}

const (
	// watcherQueue is how many arrivals may wait for one watcher; more are
	// dropped.
	watcherQueue = 512
	// watchedPayload is how much of a payload is shown.
	watchedPayload = 2000
)

// watchers are the clients that watch what arrives. The pipeline never waits
// for them, and while there are none they cost one atomic load.
type watchers struct {
	n    atomic.Int32
	mu   sync.Mutex
	list map[chan Arrival]struct{}
}

// Watch delivers what arrives from now on, until cancel is called; a slow
// watcher misses some.
func (p *Pipeline) Watch() (arrivals <-chan Arrival, cancel func()) {
	w := &p.watch
	c := make(chan Arrival, watcherQueue)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list == nil {
		w.list = map[chan Arrival]struct{}{}
	}
	w.list[c] = struct{}{}
	w.n.Add(1)
	return c, sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.list, c)
		w.n.Add(-1)
	})
}

func (w *watchers) tell(a Arrival) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.list {
		select {
		case c <- a:
		default:
		}
	}
}

func (w *watchers) committed(batch []*item) {
	if w.n.Load() == 0 {
		return
	}
	for _, it := range batch {
		w.tell(it.arrival())
	}
}

func (w *watchers) ignored(d Delivery, now time.Time) {
	if w.n.Load() == 0 {
		return
	}
	it := &item{Delivery: d, received: now}
	a := it.arrival()
	a.Outcome, a.Payload = OutcomeIgnored, payloadShown(d.Payload, nil)
	w.tell(a)
}

// notUnderstood shows the watchers a message in which its device's adapter found nothing that
// a device of this kind sends.
func (w *watchers) notUnderstood(it *item, d *catalogue.Device) {
	if w.n.Load() == 0 {
		return
	}
	one := *it
	one.device = d
	a := one.arrival()
	a.Outcome, a.Payload = OutcomeIgnored, payloadShown(it.Payload, d)
	a.Reason = "it contains nothing that a " + string(d.Kind) + " sends, as far as its adapter understands"
	w.tell(a)
}

func (it *item) arrival() Arrival {
	a := Arrival{At: it.received, Topic: it.Topic, From: it.From, Outcome: OutcomeCommitted}
	if d := it.device; d != nil {
		a.Site, a.Device, a.Adapter = d.Site, d.ID, d.Adapter
	}
	if m := it.msg; m != nil {
		a.What, a.Said = m.Topic.What, m.At
		if m.Badge == nil {
			a.Values = &it.vals
		}
	}
	switch {
	case it.refused != "":
		a.Outcome, a.Reason, a.Payload = OutcomeRejected, it.refused, payloadShown(it.Payload, it.device)
	case it.repeated:
		a.Outcome = OutcomeRepeated
	case it.read != nil:
		granted := it.read.Moved()
		a.Granted, a.Reason = &granted, string(it.read.Reason)
	}
	return a
}

// payloadShown returns what operators see of a payload.
func payloadShown(payload []byte, d *catalogue.Device) []byte {
	payload = wire.Conceal(payload, d)
	return payload[:min(len(payload), watchedPayload)]
}
