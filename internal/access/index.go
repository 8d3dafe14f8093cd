package access

import (
	"encoding/binary"
	mathbits "math/bits"
	"sync"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Index holds the rights of one moment, compiled. It is immutable.
type Index struct {
	network     *catalogue.Network
	doors       map[catalogue.DoorID]*door
	credentials []credential
	forList     []tenancy.CredentialHash // the hash of each credential on allowlists, in the order of credentials
	slots       []uint32                 // a hash table: 1 + an index into credentials, 0 is empty
	formers     map[tenancy.CredentialHash][]former
	lockdowns   []lockdown
	atSite      []bits // the doors of each site
	marks       marker
	passes      uint64 // a number for all passes

	listing sync.Once  // the fields below are computed when lists are first asked for
	states  []uint64   // by door: see ListState
	listed  []uint32   // active credentials by forList
	through [][]uint32 // by door, the credentials that something other than a public event may let through
}

// bits is a set of small numbers: doors, or sites.
type bits []uint64

func (b bits) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }
func (b bits) set(i int)      { b[i>>6] |= 1 << (i & 63) }

func (b bits) add(other bits) {
	for i, w := range other {
		b[i] |= w
	}
}

// all iterates the numbers in the set.
func (b bits) all(yield func(int) bool) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			if !yield(i<<6 + mathbits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

func newBits(n int) bits { return make(bits, (n+63)/64) }

type door struct {
	id       catalogue.DoorID
	n        int
	to       catalogue.SpaceID
	site     int
	calendar catalogue.Calendar
	passback catalogue.AntiPassback
	public   []*event
}

// credential is a member's credential or a pass's token.
type credential struct {
	lookup   tenancy.CredentialHash
	from, to int64 // Unix milliseconds, [from, to)
	since    int64 // when its present holder took the badge over
	member   *member
	pass     *pass
	status   status
}

// former is a holder that a badge had until an instant.
type former struct {
	until int64
	credential
}

// holder returns whose badge it was at an instant, for reads in the past.
func (x *Index) holder(h tenancy.CredentialHash, unix int64) *credential {
	list := x.formers[h]
	for i := range list {
		if unix < list[i].until {
			if list[i].member == nil { // erased: nobody is known
				return nil
			}
			return &list[i].credential
		}
	}
	if c := x.credential(h); c != nil && unix >= c.since {
		return c
	}
	return nil
}

// status is whether a credential is active, lost or revoked, in one byte.
type status uint8

const (
	active status = iota
	lost
	revoked
)

func (c *credential) responder() bool { return c.member != nil && c.member.responder }

func (c *credential) subject() visit.Subject {
	if c.pass != nil {
		return visit.Subject{Pass: c.pass.id}
	}
	if c.member != nil {
		return visit.Subject{Member: c.member.id}
	}
	return visit.Subject{}
}

// pass opens its spaces while its host's tenant still has them.
type pass struct {
	id     tenancy.PassID
	doors  bits // those that it opens at some time
	spaces []passSpace
}

// passSpace is one space of a pass.
type passSpace struct {
	doors  bits
	staff  bool        // its host is staff there
	leases []*compiled // leases of the host's tenant that give the space, or give one that is reached across it
}

// opens reports whether the pass opens a door at an instant, on its local day.
func (p *pass) opens(d *door, unix int64, day catalogue.Day) bool {
	for i := range p.spaces {
		s := &p.spaces[i]
		if !s.doors.has(d.n) {
			continue
		}
		if s.staff {
			return true
		}
		for _, l := range s.leases {
			if l.active && l.holds(unix) && l.startsOn <= day && day <= l.endsOn {
				return true
			}
		}
	}
	return false
}

type member struct {
	id        tenancy.MemberID
	staff     bits // bit set of sites; nil: none
	responder bool
	leases    []*compiled // leases by id, then by when they hold
	events    []*event    // events they are invited to
}

// compiled is one version of a lease, with one version of its plan and its
// schedule.
type compiled struct {
	id               tenancy.LeaseID
	doors            bits
	active           bool
	startsOn, endsOn catalogue.Day
	schedule         *schedule
	since, until     int64 // Unix milliseconds, [since, until): when these versions hold for doors
	terms            *tenancy.Lease
	plan             *tenancy.Plan
	mark             uint64 // see marker
}

// holds reports whether the versions hold at an instant.
func (l *compiled) holds(unix int64) bool { return l.since <= unix && unix < l.until }

type event struct {
	id       tenancy.EventID
	doors    bits
	from, to int64
}

type lockdown struct {
	site int
	from time.Time
	to   *time.Time
}

// span is a stretch of seconds of a local day.
type span struct{ from, to int32 }

// schedule holds windows by weekday; always means that there are none and every
// time is inside.
type schedule struct {
	always         bool
	closedHolidays bool
	days           [7][]span // index: time.Weekday
	mark           uint64    // see marker
}

func (s *schedule) contains(t catalogue.Local, holidays catalogue.HolidaySet) bool {
	if s.always {
		return true
	}
	for _, w := range s.days[t.Day.Weekday()] {
		if w.from <= t.Second && t.Second < w.to {
			return !s.closedHolidays || !holidays.Has(t.Day)
		}
	}
	return false
}

// credential returns a credential by its hash, nil where it is unknown.
func (x *Index) credential(h tenancy.CredentialHash) *credential {
	mask := uint64(len(x.slots) - 1)
	for i := binary.LittleEndian.Uint64(h[:8]) & mask; ; i = (i + 1) & mask {
		n := x.slots[i]
		if n == 0 {
			return nil
		}
		if c := &x.credentials[n-1]; c.lookup == h {
			return c
		}
	}
}
