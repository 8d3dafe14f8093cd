package downlink

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
)

// events is what the readers were last told: which doors are held open until
// when, and which sites are locked down.
type events struct {
	held   map[catalogue.DoorID]time.Time
	locked map[catalogue.SiteID]bool
	due    time.Time
}

func newEvents() *events {
	return &events{held: map[catalogue.DoorID]time.Time{}, locked: map[catalogue.SiteID]bool{}}
}

// next is when an event begins or ends.
func (e *events) next(now time.Time) (time.Time, bool) {
	return e.due, e.due.After(now)
}

// updateLockdowns tells the readers of a site that a lockdown began or ended.
func (d *Downlink) updateLockdowns(force *rights.InForce, now time.Time) {
	for i := range d.cfg.Network.Sites {
		site := d.cfg.Network.Sites[i].ID
		on := force.LockedDown(site)
		if on == d.events.locked[site] {
			continue
		}
		d.events.locked[site] = on
		for _, r := range d.readers {
			if r.dev.Site == site {
				d.say(r, lockKind(on), 0, now.Add(lockLife))
			}
		}
	}
}

// lockLife is how long a lockdown or its end may still reach a reader: a
// reader that was away is told again when it comes back.
const lockLife = time.Hour

func lockKind(on bool) string {
	if on {
		return "lockdown"
	}
	return "release"
}

// updateEvents unlocks the doors of public events that run, and releases
// those that no longer do. A lockdown forbids unlocks; its end restores them.
func (d *Downlink) updateEvents(force *rights.InForce, now time.Time) {
	d.events.due = time.Time{}
	for door, readers := range d.byDoor {
		until := d.heldUntil(force, door, now)
		was, held := d.events.held[door]
		locked := d.events.locked[d.cfg.Network.Door(door).Site]
		switch {
		case !until.IsZero() && (!held || !until.Equal(was)):
			d.events.held[door] = until
			d.sayAll(readers, "unlock", until.Sub(now), now.Add(commandLife))
		case until.IsZero() && held:
			delete(d.events.held, door)
			if !locked { // the lockdown command has ended it already
				d.sayAll(readers, "release", 0, now.Add(lockLife))
			}
		}
	}
}

// heldUntil is the end of the public events that hold the door open now; zero
// where none does. It also notes when the next one begins or ends.
func (d *Downlink) heldUntil(force *rights.InForce, door catalogue.DoorID, now time.Time) time.Time {
	if d.events.locked[d.cfg.Network.Door(door).Site] {
		return time.Time{}
	}
	var until time.Time
	for _, span := range force.Index.Unlocks(door) {
		d.events.note(span.From, now)
		d.events.note(span.To, now)
		if !span.From.After(now) && span.To.After(now) && span.To.After(until) {
			until = span.To
		}
	}
	return until
}

func (e *events) note(at, now time.Time) {
	if at.After(now) && (e.due.IsZero() || at.Before(e.due)) {
		e.due = at
	}
}

func (d *Downlink) sayAll(readers []*reader, kind string, open time.Duration, notAfter time.Time) {
	for _, r := range readers {
		d.say(r, kind, open, notAfter)
	}
}

func (d *Downlink) say(r *reader, kind string, open time.Duration, notAfter time.Time) {
	if err := d.command(r, kind, open, notAfter); err != nil {
		d.cfg.Log.Warn("command not sent", "device", r.dev.ID, "kind", kind, "error", err)
	}
}

// greetReader repeats to one reader what is in force.
func (d *Downlink) greetReader(id catalogue.DeviceID) {
	now := d.cfg.Now().UTC().Truncate(time.Millisecond)
	dev := d.cfg.Network.Device(id)
	if dev == nil {
		return
	}
	for _, r := range d.byDoor[dev.Door] {
		if r.dev.ID != id {
			continue
		}
		if d.events.locked[dev.Site] {
			d.say(r, "lockdown", 0, now.Add(lockLife))
		} else if until, held := d.events.held[dev.Door]; held && until.After(now) {
			d.say(r, "unlock", until.Sub(now), now.Add(commandLife))
		}
	}
}
