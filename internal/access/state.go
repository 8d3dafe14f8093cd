package access

import (
	"hash/maphash"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// ListState returns a number for everything on which a door's allowlists depend besides their
// period: who may pass, when and why, a lockdown, and the passes that must be refused. Where
// two indexes of one [Compiler] have the same number for a door, Entries answers the same for
// it in every period, and it need not be asked. (Different states have the same number once in
// 2^64.) It returns false for an unknown door.
func (x *Index) ListState(id catalogue.DoorID) (uint64, bool) {
	d := x.doors[id]
	if d == nil {
		return 0, false
	}
	x.listing.Do(x.layOutCandidates)
	return x.states[d.n], true
}

// marker computes numbers for parts of an index. Those of one door are added up, so that their
// order does not matter.
type marker struct{ seed maphash.Seed }

// of returns the number of a value.
func of[T comparable](m marker, v T) uint64 { return maphash.Comparable(m.seed, v) }

// These are the parts that a number stands for. Each has a type of its own, so that equal
// values of two parts have different numbers.
type (
	credentialMark struct {
		forList   tenancy.CredentialHash
		from, to  int64
		responder bool
	}
	leaseMark struct {
		active           bool
		startsOn, endsOn catalogue.Day
		since, until     int64
		schedule         uint64
	}
	spanMark struct {
		day int
		span
	}
	eventMark    struct{ from, to int64 }
	scheduleMark struct{ always, closedHolidays bool }
	passMark     struct {
		forList tenancy.CredentialHash
		deleted bool
		claims  uint64
	}
	lockdownMark struct{}
	staffMark    struct{ credential uint64 }
	pairMark     struct{ credential, right uint64 } // a right of a credential
)

func (m marker) lease(l *compiled) uint64 {
	return of(m, leaseMark{l.active, l.startsOn, l.endsOn, l.since, l.until, l.schedule.mark})
}

func (m marker) schedule(s *schedule) uint64 {
	sum := of(m, scheduleMark{s.always, s.closedHolidays})
	for day, spans := range s.days {
		for _, v := range spans {
			sum += of(m, spanMark{day, v})
		}
	}
	return sum
}

func (m marker) event(e *event) uint64 { return of(m, eventMark{e.from, e.to}) }

func (m marker) pass(v *tenancy.Pass) uint64 {
	return of(m, passMark{v.ForList, v.Deleted, maphash.Bytes(m.seed, v.Claims)})
}

// stateOf adds what a credential on allowlists may do to the states of the doors. It returns
// the credential's own number.
func (x *Index) stateOf(n uint32) uint64 {
	c := &x.credentials[n]
	own := of(x.marks, credentialMark{x.forList[n], c.from, c.to, c.responder()})
	add := func(doors bits, mark uint64) {
		for i := range doors.all {
			x.states[i] += mark
		}
	}
	if c.pass != nil {
		for i := range c.pass.spaces {
			s := &c.pass.spaces[i]
			mark := own
			if s.staff {
				mark = of(x.marks, staffMark{own})
			}
			add(s.doors, mark)
			for _, l := range s.leases {
				add(s.doors, of(x.marks, pairMark{own, l.mark}))
			}
		}
	}
	if c.member == nil {
		return own
	}
	for site := range x.atSite {
		if c.member.staff.has(site) {
			add(x.atSite[site], of(x.marks, staffMark{own}))
		}
	}
	for _, l := range c.member.leases {
		if l.active {
			add(l.doors, of(x.marks, pairMark{own, l.mark}))
		}
	}
	for _, e := range c.member.events {
		add(e.doors, of(x.marks, pairMark{own, x.marks.event(e)}))
	}
	return own
}

// addShared adds to the states of the doors what does not belong to one credential: passes
// that are to be refused, lockdowns, and public events, which let every credential pass.
func (x *Index) addShared(everybody uint64) {
	locked := of(x.marks, lockdownMark{})
	for _, d := range x.doors {
		x.states[d.n] += x.passes
		if x.lockedDown(d.site, &Question{}) {
			x.states[d.n] += locked
		}
		for _, e := range d.public {
			x.states[d.n] += of(x.marks, pairMark{everybody, x.marks.event(e)})
		}
	}
}
