package readers

import (
	"errors"
	"time"

	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/wire"
)

// A reader is always sent the whole state of its door: locked down, held open
// until an instant, or neither. It is sent at every change, when the reader
// connects, and when Totem starts. "Neither" is sent as a release. A reader gets
// it if it was sent another state before, or if Totem does not know what the
// reader was sent.

// state is the state of a reader's door. The zero state is neither locked down
// nor held open.
type state struct {
	locked bool
	until  time.Time // held open
	event  bool      // by an event, whose end is announced; a remote unlock ends by itself
}

func (s state) neither() bool { return !s.locked && s.until.IsZero() }

func (s state) equal(o state) bool { return s.locked == o.locked && s.until.Equal(o.until) }

// told is what a reader was sent last.
type told struct {
	state
	known bool // something was sent since Totem started, and its publication succeeded
	// sure is set where the reader has certainly received it: it was sent when
	// the reader had just connected.
	sure bool
	// free is set where the reader is certainly not locked down: it has
	// received something else since it connected.
	free  bool
	at    time.Time // when it was sent
	again time.Time // when a failed publication is tried again
}

const (
	// lockLife is how long a lockdown or a release may still reach a reader:
	// one that was away is sent its state again when it returns.
	lockLife = time.Hour
	// sayAgain is how long after a failed publication it is tried again.
	sayAgain = time.Second
	// justTold is the time after a reader was sent its state during which a status
	// does not mean that the reader was away.
	justTold = 10 * time.Second
)

// greeting is why a reader is sent its state again.
type greeting int

const (
	connects greeting = iota + 1 // it has just subscribed to its commands, or was away
	// returns: it sent its first status, or one after a restart. A reader that was sent its
	// state within justTold is not sent it again for that.
	returns
)

// updateStates informs every reader whose state has changed, and those that
// have just connected; with again, all of them.
func (d *Updater) updateStates(force *rights.InForce, now time.Time, again bool) {
	d.telling.Lock()
	defer d.telling.Unlock()
	d.mu.Lock()
	greeted := d.greeted
	d.greeted = map[catalogue.DeviceID]greeting{}
	for door, until := range d.unlocked {
		if !until.After(now) || force.LockedDown(d.cfg.Network.Door(door).Site) { // a lockdown ends unlocks
			delete(d.unlocked, door)
		}
	}
	d.mu.Unlock()
	d.due = time.Time{}
	for _, r := range d.readers {
		if r.dev.Adapter != "" { // it speaks its own payloads
			continue
		}
		want := d.stateOf(force, r, now)
		d.noteDue(want.until, now)
		r.forgetExpired(now)
		connected := greeted[r.dev.ID] == connects ||
			greeted[r.dev.ID] == returns && (!r.told.sure || !r.told.equal(want) || now.Sub(r.told.at) >= justTold)
		if !connected && !again && r.told.known && r.told.equal(want) {
			continue
		}
		if connected && want.neither() && r.told.known && r.told.sure && r.told.neither() {
			continue
		}
		if !connected && r.told.again.After(now) {
			d.noteDue(r.told.again, now)
			continue
		}
		d.sendState(r, want, now, connected)
	}
}

// forgetExpired clears expired remote unlocks: a reader that was sent to open
// until an instant closes after it by itself.
func (r *reader) forgetExpired(now time.Time) {
	if t := &r.told; t.known && !t.locked && !t.event && !t.until.IsZero() && !t.until.After(now) {
		t.state = state{}
	}
}

// sendState sends a state to a reader. What could not be published is sent again.
func (d *Updater) sendState(r *reader, want state, now time.Time, connected bool) {
	var err error
	// If the door is to be held open, a reader that may still be locked down is sent a
	// release before the unlock.
	if !want.locked && !want.neither() && !r.told.free {
		err = d.command(r, wire.Release, 0, now.Add(lockLife))
	}
	if err == nil {
		switch {
		case want.locked:
			err = d.command(r, wire.Lockdown, 0, now.Add(lockLife))
		case want.neither():
			err = d.command(r, wire.Release, 0, now.Add(lockLife))
		default:
			err = d.command(r, wire.Unlock, want.until.Sub(now), now.Add(commandLife))
		}
	}
	if err != nil {
		// Without a connection there is nothing to add: the broker's client logs that already.
		if r.told.again.IsZero() && !errors.Is(err, broker.ErrNotConnected) {
			d.cfg.Log.Warn("could not send a reader the state of its door; trying again", "device", r.dev.ID, "error", err)
		}
		r.told = told{again: now.Add(sayAgain)}
		d.noteDue(r.told.again, now)
		return
	}
	r.told = told{state: want, known: true, sure: connected, free: !want.locked && (connected || r.told.free), at: now}
}

// stateOf returns the present state of a reader's door. It also notes when an
// event begins or ends.
func (d *Updater) stateOf(force *rights.InForce, r *reader, now time.Time) state {
	if force.LockedDown(r.dev.Site) {
		return state{locked: true}
	}
	until := d.eventUntil(force, r.dev.Door, now)
	s := state{until: until, event: !until.IsZero()}
	if r.dev.Direction == catalogue.In {
		d.mu.Lock()
		remote := d.unlocked[r.dev.Door]
		d.mu.Unlock()
		s.until = later(s.until, remote)
	}
	for _, span := range force.Index.Unlocks(r.dev.Door) {
		d.noteDue(span.From, now)
		d.noteDue(span.To, now)
	}
	return s
}

// eventUntil returns the end of the public events that hold a door open now; zero
// where none does.
func (d *Updater) eventUntil(force *rights.InForce, door catalogue.DoorID, now time.Time) time.Time {
	var until time.Time
	for _, span := range force.Index.Unlocks(door) {
		if !span.From.After(now) && span.To.After(now) && span.To.After(until) {
			until = span.To
		}
	}
	return until
}

// noteDue remembers the earliest instant at which something is due.
func (d *Updater) noteDue(at, now time.Time) {
	if at.After(now) && (d.due.IsZero() || at.Before(d.due)) {
		d.due = at
	}
}
