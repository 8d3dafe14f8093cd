// Package access decides who may pass (rules 4). At each change it compiles all
// rights into an immutable Index; asking the Index is arithmetic, without
// locks, allocations or I/O:
//
//	answer := index.Decide(question, whereabouts)
//
// It also computes what a reader may decide by itself (Entries) and which doors
// public events hold open (Unlocks). Where rights are stored, and how a reader
// is informed, is for its callers.
package access

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Reason is why a read is granted or refused: the codes of rules 4.1 and 4.9.
type Reason string

// The reasons.
const (
	Egress              Reason = "egress"
	DeviceDisabled      Reason = "device-disabled"
	Stale               Reason = "stale"
	UnknownCredential   Reason = "unknown-credential"
	CredentialLost      Reason = "credential-lost"
	CredentialRevoked   Reason = "credential-revoked"
	CredentialOutOfDate Reason = "credential-out-of-date"
	Lockdown            Reason = "lockdown"
	Staff               Reason = "staff"
	Lease               Reason = "lease"
	Pass                Reason = "pass"
	Event               Reason = "event"
	AntiPassback        Reason = "anti-passback"
	OutsideHours        Reason = "outside-hours"
	LeaseSuspended      Reason = "lease-suspended"
	LeaseNotStarted     Reason = "lease-not-started"
	LeaseEnded          Reason = "lease-ended"
	NoRight             Reason = "no-right"
	// Unavailable refuses where the ledger cannot tell where a member is:
	// nobody enters a space marked for anti-passback on a guess.
	Unavailable Reason = "unavailable"
)

const (
	// staleAfter is how far a read's clock may be from ours (rules 2.9).
	staleAfter = 10 * time.Second
	// againWithin is how long the same door may be badged again in spite of anti-passback (rules 4.8).
	againWithin = 30 * time.Second
	// dayBegins is the local second at which anti-passback forgets: 04:00.
	dayBegins = 4 * 3600
)

// Question is one badge at one door.
type Question struct {
	Credential tenancy.CredentialHash // its lookup hash
	Door       catalogue.DoorID
	Direction  catalogue.Direction
	At         time.Time // t of rules 4: the read's at
	Received   time.Time // zero: a check, which is never stale
	Offline    bool      // the reader has decided by itself
	Disabled   bool      // the reader is disabled
}

// Position is where a granted read left a member.
type Position struct {
	Space catalogue.SpaceID // or catalogue.Outside
	Door  catalogue.DoorID
	At    time.Time
}

// Whereabouts reports where members are. It is asked only at doors into spaces
// that are marked for anti-passback.
type Whereabouts interface {
	// Last returns where the member's last granted read at or before t left
	// them. It returns an error where that cannot be known.
	Last(m tenancy.MemberID, t time.Time) (Position, bool, error)
}

// Answer is the result of Decide. Lease is the lease that grants, or the one
// that explains the refusal; Subject is the credential's holder, zero where it
// is unknown.
type Answer struct {
	Granted       bool
	Reason        Reason
	Lease         tenancy.LeaseID
	Subject       visit.Subject
	PassbackAlert bool // granted, but an alarm is due: entered twice without leaving
}

// Decide answers a question by rules 4.1: the first rule that applies decides. w
// may be nil: then anti-passback is not tested.
func (x *Index) Decide(q Question, w Whereabouts) Answer {
	unix := q.At.UnixMilli()
	cred := x.credential(q.Credential)
	if len(x.formers) > 0 && (q.Offline || q.Received.IsZero()) { // about the past: the badge's holder at that time
		cred = x.holder(q.Credential, unix)
	}
	var a Answer
	if cred != nil {
		a.Subject = cred.subject()
	}
	if q.Direction == catalogue.Out {
		a.Granted, a.Reason = true, Egress
		return a
	}
	if a.Reason = x.refuseBefore(&q, cred, unix); a.Reason != "" {
		return a
	}
	door := x.doors[q.Door]
	if door == nil {
		a.Reason = NoRight
		return a
	}
	if x.lockedDown(door.site, &q) && !cred.responder() {
		a.Reason = Lockdown
		return a
	}
	x.decideByRights(&a, cred, door, unix)
	if a.Granted && door.passback != catalogue.NoAntiPassback && w != nil {
		x.passback(&a, &q, cred, door, w)
	}
	return a
}

// refuseBefore tests points 2 and 3 of rules 4.1: the reader, the clock, the credential.
func (x *Index) refuseBefore(q *Question, c *credential, unix int64) Reason {
	switch {
	case q.Disabled:
		return DeviceDisabled
	case !q.Offline && !q.Received.IsZero() && q.Received.Sub(q.At).Abs() > staleAfter:
		return Stale
	case c == nil:
		return UnknownCredential
	case c.status == lost:
		return CredentialLost
	case c.status == revoked:
		return CredentialRevoked
	case unix < c.from || unix >= c.to:
		return CredentialOutOfDate
	}
	return ""
}

// lockedDown reports whether the site is in lockdown now; for a read that the reader
// decided by itself, whether it was at the read's time.
func (x *Index) lockedDown(site int, q *Question) bool {
	for i := range x.lockdowns {
		k := &x.lockdowns[i]
		if k.site != site {
			continue
		}
		if k.to == nil && (!q.Offline || !q.At.Before(k.from)) {
			return true
		}
		if q.Offline && k.to != nil && !q.At.Before(k.from) && q.At.Before(*k.to) {
			return true
		}
	}
	return false
}

// decideByRights applies points 5 and 6 of rules 4.1: it looks for a right that opens the door, in
// the order given there, and where there is none sets the reason of the refusal.
func (x *Index) decideByRights(a *Answer, c *credential, d *door, unix int64) {
	a.Reason = NoRight
	if c.member != nil && c.member.staff.has(d.site) {
		a.Granted, a.Reason = true, Staff
		return
	}
	if c.member != nil && x.byLease(a, c.member, d, unix) {
		return
	}
	if c.pass != nil &&
		c.pass.opens(d, unix, x.network.Zone.AtUnix(floorSecond(unix)).Day) { // refuseBefore has tested its dates
		a.Granted, a.Reason, a.Lease = true, Pass, ""
		return
	}
	if x.byEvent(c, d, unix) {
		a.Granted, a.Reason, a.Lease = true, Event, ""
	}
}

// byLease looks for a lease that grants, lowest id first; where none does, a
// carries the best reason why (rules 4.9).
func (x *Index) byLease(a *Answer, m *member, d *door, unix int64) bool {
	a.Reason = NoRight
	best := 0
	var local catalogue.Local
	found := false // most badges at a door have no lease there: then nobody needs the local time
	for _, l := range m.leases {
		if !l.doors.has(d.n) || !l.holds(unix) {
			continue
		}
		if !found {
			local, found = x.network.Zone.AtUnix(floorSecond(unix)), true
		}
		reason, rank := l.refusalAt(local, d.calendar.Holidays)
		if rank == granted {
			a.Granted, a.Reason, a.Lease = true, Lease, l.id
			return true
		}
		if rank > best {
			best, a.Reason, a.Lease = rank, reason, l.id
		}
	}
	return false
}

// granted is the rank of a grant: greater than that of any refusal.
const granted = 5

// refusalAt returns why a lease does not grant at a local time, and the rank of that
// reason: the higher the better.
func (l *compiled) refusalAt(t catalogue.Local, holidays catalogue.HolidaySet) (Reason, int) {
	switch {
	case t.Day < l.startsOn:
		return LeaseNotStarted, 2
	case t.Day > l.endsOn:
		return LeaseEnded, 1
	case !l.active:
		return LeaseSuspended, 3
	case !l.schedule.contains(t, holidays):
		return OutsideHours, 4
	}
	return Lease, granted
}

func (x *Index) byEvent(c *credential, d *door, unix int64) bool {
	for _, e := range d.public {
		if e.from <= unix && unix < e.to {
			return true
		}
	}
	if c.member == nil {
		return false
	}
	for _, e := range c.member.events {
		if e.from <= unix && unix < e.to && e.doors.has(d.n) {
			return true
		}
	}
	return false
}

// passback tests the anti-passback of a granted read (rules 4.8).
func (x *Index) passback(a *Answer, q *Question, c *credential, d *door, w Whereabouts) {
	if c.member == nil || a.Reason == Staff || c.responder() {
		return
	}
	last, ok, err := w.Last(c.member.id, q.At)
	if err != nil {
		a.Granted, a.Reason, a.Lease = false, Unavailable, ""
		return
	}
	if !ok || last.At.Before(x.dayBegan(q.At)) || !x.network.Within(last.Space, d.to) {
		return
	}
	if last.Door == q.Door && q.At.Sub(last.At) <= againWithin {
		return
	}
	if d.passback == catalogue.Enforce {
		a.Granted, a.Reason, a.Lease = false, AntiPassback, ""
		return
	}
	a.PassbackAlert = true
}

// dayBegan returns the last 04:00 local time at or before t.
func (x *Index) dayBegan(t time.Time) time.Time {
	day := x.network.Zone.At(t).Day
	if began := x.network.Zone.Instant(day, dayBegins); !began.After(t) {
		return began
	}
	return x.network.Zone.Instant(day-1, dayBegins)
}

// floorSecond returns the Unix second of a Unix millisecond, rounded down also
// before 1970.
func floorSecond(ms int64) int64 {
	s := ms / 1000
	if ms%1000 < 0 {
		s--
	}
	return s
}
