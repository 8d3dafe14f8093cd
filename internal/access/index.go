package access

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/visit"
)

// Index is the rights at one moment, compiled. It is immutable.
type Index struct {
	network     *catalogue.Network
	doors       map[catalogue.DoorID]*door
	credentials []credential
	slots       []uint32 // a hash table: 1 + an index into credentials, 0 is empty
	lockdowns   []lockdown
	members     map[lease.MemberID]*member
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

// credential is a member's, or a pass's token.
type credential struct {
	lookup, forList lease.Hash
	status          lease.Status
	from, to        int64 // Unix milliseconds, [from, to)
	subject         visit.Subject
	member          *member
	pass            bits // doors; nil: no pass
}

func (c *credential) responder() bool { return c.member != nil && c.member.responder }

type member struct {
	id        lease.MemberID
	staff     bits // sites
	responder bool
	leases    []*compiled // by id
	events    []*event    // invited to
}

// compiled is a lease with its plan and schedule.
type compiled struct {
	id               lease.ID
	doors            bits
	active           bool
	startsOn, endsOn catalogue.Day
	schedule         *schedule
}

type event struct {
	id       lease.EventID
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

// schedule is windows by weekday; always has none to be outside of.
type schedule struct {
	always         bool
	closedHolidays bool
	days           [7][]span // by time.Weekday
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

// credential finds a credential by its hash; nil where it is unknown.
func (x *Index) credential(h lease.Hash) *credential {
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

// Compiler knows what does not change with rights: which doors lead to which
// spaces, and the sites' calendars.
type Compiler struct {
	network *catalogue.Network
	doors   []door
	sites   map[catalogue.SiteID]int
	toward  map[catalogue.SpaceID]bits // doors that lead to a space or to what must be crossed
	ofKind  map[kindAt]bits            // the same for all spaces of a kind at a site
}

type kindAt struct {
	kind catalogue.SpaceKind
	site catalogue.SiteID // empty: any
}

// NewCompiler prepares a network.
func NewCompiler(n *catalogue.Network) *Compiler {
	c := &Compiler{network: n, sites: map[catalogue.SiteID]int{}, toward: map[catalogue.SpaceID]bits{}, ofKind: map[kindAt]bits{}}
	calendars := make([]catalogue.Calendar, len(n.Sites))
	for i := range n.Sites {
		c.sites[n.Sites[i].ID] = i
		calendars[i] = n.Calendar(&n.Sites[i])
	}
	into := map[catalogue.SpaceID][]int{}
	for i, d := range n.Doors {
		site := c.sites[d.Site]
		dd := door{id: d.ID, n: i, to: d.To, site: site, calendar: calendars[site]}
		if s := n.Space(d.To); s != nil {
			dd.passback = s.AntiPassback
		}
		c.doors = append(c.doors, dd)
		into[d.To] = append(into[d.To], i)
	}
	for _, s := range n.Spaces {
		b := newBits(len(n.Doors))
		for _, crossed := range n.Chain(s.ID) {
			for _, d := range into[crossed] {
				b.set(d)
			}
		}
		c.toward[s.ID] = b
		c.kind(s.Kind, s.Site).add(b)
		c.kind(s.Kind, "").add(b)
	}
	return c
}

func (c *Compiler) kind(k catalogue.SpaceKind, site catalogue.SiteID) bits {
	key := kindAt{k, site}
	if c.ofKind[key] == nil {
		c.ofKind[key] = newBits(len(c.network.Doors))
	}
	return c.ofKind[key]
}

func (c *Compiler) spaces(ids []catalogue.SpaceID) bits {
	b := newBits(len(c.network.Doors))
	for _, id := range ids {
		b.add(c.toward[id])
	}
	return b
}

// Compile makes the index of a book and its lockdowns.
func (c *Compiler) Compile(book *lease.Book, lockdowns []lease.Lockdown) *Index {
	x := &Index{network: c.network, doors: make(map[catalogue.DoorID]*door, len(c.doors)), members: map[lease.MemberID]*member{}}
	own := slices.Clone(c.doors)
	for i := range own {
		x.doors[own[i].id] = &own[i]
	}
	for _, k := range lockdowns {
		if site, ok := c.sites[k.Site]; ok {
			x.lockdowns = append(x.lockdowns, lockdown{site: site, from: k.From, to: k.To})
		}
	}
	tenants := c.compileMembers(x, book)
	c.compileLeases(x, book, tenants)
	c.compileEvents(x, book, own)
	c.compileCredentials(x, book)
	return x
}

func (c *Compiler) compileMembers(x *Index, book *lease.Book) map[lease.TenantID][]*member {
	tenants := map[lease.TenantID][]*member{}
	for m := range book.Members() {
		cm := &member{id: m.ID, responder: slices.Contains(m.Roles, lease.Responder), staff: newBits(len(c.network.Sites))}
		for _, s := range m.StaffSites {
			if n, ok := c.sites[s]; ok {
				cm.staff.set(n)
			}
		}
		x.members[m.ID] = cm
		tenants[m.Tenant] = append(tenants[m.Tenant], cm)
	}
	return tenants
}

func (c *Compiler) compileLeases(x *Index, book *lease.Book, tenants map[lease.TenantID][]*member) {
	schedules := map[lease.ScheduleID]*schedule{}
	for l := range book.Leases() { // by id, so that each member's come by id
		plan, _ := book.Plan(l.Plan)
		cl := &compiled{id: l.ID, doors: c.spaces(l.Spaces), active: l.Status == lease.Active, startsOn: l.StartsOn, endsOn: math.MaxInt32}
		if l.EndsOn != nil {
			cl.endsOn = *l.EndsOn
		}
		site := l.Site
		if plan.Roaming {
			site = ""
		}
		for _, k := range plan.Includes {
			cl.doors.add(c.kind(k, site))
		}
		if schedules[plan.Schedule] == nil {
			schedules[plan.Schedule] = compileSchedule(book, plan.Schedule)
		}
		cl.schedule = schedules[plan.Schedule]
		if l.Members == nil {
			for _, m := range tenants[l.Tenant] {
				m.leases = append(m.leases, cl)
			}
		}
		for _, id := range l.Members {
			if m := x.members[id]; m != nil {
				m.leases = append(m.leases, cl)
			}
		}
	}
}

// compileSchedule lays a schedule out; one that does not exist has no window.
func compileSchedule(book *lease.Book, id lease.ScheduleID) *schedule {
	if id == lease.Always {
		return &schedule{always: true}
	}
	s, _ := book.Schedule(id)
	out := &schedule{closedHolidays: s.Holidays == "closed"}
	for _, w := range s.Windows {
		for _, d := range w.Days {
			out.days[d] = append(out.days[d], span{int32(w.From) * 60, int32(w.To) * 60})
		}
	}
	return out
}

func (c *Compiler) compileEvents(x *Index, book *lease.Book, doors []door) {
	for e := range book.Events() {
		ce := &event{id: e.ID, doors: c.spaces(e.Spaces), from: e.StartsAt.UnixMilli(), to: e.EndsAt.UnixMilli()}
		if e.Audience == "public" {
			for i := range doors {
				if ce.doors.has(i) {
					doors[i].public = append(doors[i].public, ce)
				}
			}
			continue
		}
		for _, id := range e.Invited {
			if m := x.members[id]; m != nil {
				m.events = append(m.events, ce)
			}
		}
	}
}

func (c *Compiler) compileCredentials(x *Index, book *lease.Book) {
	for cr := range book.Credentials() {
		x.credentials = append(x.credentials, credential{
			lookup: cr.Lookup, forList: cr.ForList, status: cr.Status, from: bound(cr.ValidFrom, math.MinInt64), to: bound(cr.ValidTo, math.MaxInt64),
			subject: visit.Subject{Member: cr.Member}, member: x.members[cr.Member],
		})
	}
	for p := range book.Passes() {
		status := lease.Active
		if p.Deleted {
			status = lease.Revoked
		}
		x.credentials = append(x.credentials, credential{
			lookup: p.Lookup, forList: p.ForList, status: status, from: p.ValidFrom.UnixMilli(), to: p.ValidTo.UnixMilli(),
			subject: visit.Subject{Pass: p.ID}, pass: c.spaces(p.Spaces),
		})
	}
	size := 16
	for size < 2*len(x.credentials) {
		size *= 2
	}
	x.slots = make([]uint32, size)
	mask := uint64(size - 1)
	for n := range x.credentials {
		i := binary.LittleEndian.Uint64(x.credentials[n].lookup[:8]) & mask
		for x.slots[i] != 0 {
			i = (i + 1) & mask
		}
		x.slots[i] = uint32(n) + 1
	}
}

func bound(t *time.Time, none int64) int64 {
	if t == nil {
		return none
	}
	return t.UnixMilli()
}

func compareHashes(a, b lease.Hash) int { return strings.Compare(string(a[:]), string(b[:])) }
