package access

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Compiler holds what does not change with rights: which doors lead to which
// spaces, and the sites' calendars.
type Compiler struct {
	network *catalogue.Network
	marks   marker
	doors   []door
	sites   map[catalogue.SiteID]int
	atSite  []bits                     // doors of each site
	toward  map[catalogue.SpaceID]bits // doors that lead to a space or to a space crossed to reach it
	ofKind  map[kindAt]bits            // doors that lead to any space of a kind at a site
}

type kindAt struct {
	kind catalogue.SpaceKind
	site catalogue.SiteID // empty: any site
}

// NewCompiler returns a compiler of rights for a network: what does not depend on
// rights is computed once.
func NewCompiler(n *catalogue.Network) *Compiler {
	c := &Compiler{
		network: n,
		marks:   marker{maphash.MakeSeed()},
		sites:   map[catalogue.SiteID]int{},
		toward:  map[catalogue.SpaceID]bits{},
		ofKind:  map[kindAt]bits{},
	}
	calendars := make([]catalogue.Calendar, len(n.Sites))
	for i := range n.Sites {
		c.sites[n.Sites[i].ID] = i
		c.atSite = append(c.atSite, newBits(len(n.Doors)))
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
		c.atSite[site].set(i)
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
func (c *Compiler) Compile(book *tenancy.Book, lockdowns []tenancy.Lockdown) *Index {
	x := &Index{
		network: c.network,
		atSite:  c.atSite,
		marks:   c.marks,
		doors:   make(map[catalogue.DoorID]*door, len(c.doors)),
	}
	own := slices.Clone(c.doors)
	for i := range own {
		x.doors[own[i].id] = &own[i]
	}
	for _, k := range lockdowns {
		if site, ok := c.sites[k.Site]; ok {
			x.lockdowns = append(x.lockdowns, lockdown{site: site, from: k.From, to: k.To})
		}
	}
	p := c.compilePeople(book)
	leases := c.compileLeases(p, book)
	c.compileEvents(p, book, own)
	c.compileCredentials(x, p, book, leases)
	return x
}

// people finds members by id and by tenant while an index is compiled.
type people struct {
	byID    map[tenancy.MemberID]*member
	tenants map[tenancy.TenantID][]*member
}

func (c *Compiler) compilePeople(book *tenancy.Book) people {
	n := book.Size().Members
	all := make([]member, 0, n) // one allocation for all of them: it never grows
	p := people{
		byID:    make(map[tenancy.MemberID]*member, n),
		tenants: make(map[tenancy.TenantID][]*member, book.Size().Tenants),
	}
	for m := range book.MembersUnordered() {
		all = append(all, member{id: m.ID, responder: slices.Contains(m.Roles, tenancy.Responder)})
		cm := &all[len(all)-1]
		for _, s := range m.StaffSites {
			if n, ok := c.sites[s]; ok {
				if cm.staff == nil {
					cm.staff = newBits(len(c.network.Sites))
				}
				cm.staff.set(n)
			}
		}
		p.byID[m.ID] = cm
		p.tenants[m.Tenant] = append(p.tenants[m.Tenant], cm)
	}
	return p
}

// compileLeases attaches each lease to the members it serves, and returns the
// leases by tenant.
func (c *Compiler) compileLeases(p people, book *tenancy.Book) map[tenancy.TenantID][]*compiled {
	byTenant := map[tenancy.TenantID][]*compiled{}
	schedules := map[tenancy.ScheduleID]*schedule{}
	words := (len(c.network.Doors) + 63) / 64
	pieces := c.pieces(book)
	all, sets := make([]compiled, len(pieces)), make(bits, len(pieces)*words)
	for i, piece := range pieces {
		l, plan := *piece.lease, *piece.plan
		cl := &all[i]
		*cl = compiled{
			id:       l.ID,
			doors:    sets[:words:words],
			active:   l.Status == tenancy.Active,
			startsOn: l.StartsOn,
			endsOn:   math.MaxInt32,
			since:    piece.since,
			until:    piece.until,
			terms:    piece.lease,
			plan:     piece.plan,
		}
		sets = sets[words:]
		for _, id := range l.Spaces {
			cl.doors.add(c.toward[id])
		}
		if l.EndsOn != nil {
			cl.endsOn = *l.EndsOn
		}
		site := l.Site
		if plan.Roaming {
			site = ""
		}
		for _, k := range plan.Includes {
			cl.doors.add(c.ofKind[kindAt{k, site}])
		}
		if schedules[plan.Schedule] == nil {
			schedules[plan.Schedule] = c.compileSchedule(book, plan.Schedule)
		}
		cl.schedule = schedules[plan.Schedule]
		cl.mark = c.marks.lease(cl)
		p.serve(l, cl)
		byTenant[l.Tenant] = append(byTenant[l.Tenant], cl)
	}
	return byTenant
}

// compilePass finds which spaces a pass opens, and by which leases of its
// host's tenant.
func (c *Compiler) compilePass(book *tenancy.Book, v tenancy.Pass, leases map[tenancy.TenantID][]*compiled) *pass {
	out := &pass{id: v.ID, doors: newBits(len(c.network.Doors))}
	host, _ := book.Member(v.Host)
	for _, id := range v.Spaces {
		sp := c.network.Space(id)
		if sp == nil {
			continue
		}
		s := passSpace{doors: c.toward[id], staff: slices.Contains(host.StaffSites, sp.Site)}
		for _, l := range leases[host.Tenant] {
			if book.Gives(l.terms, l.plan, id) {
				s.leases = append(s.leases, l)
			}
		}
		if s.staff || len(s.leases) > 0 {
			out.doors.add(s.doors)
		}
		out.spaces = append(out.spaces, s)
	}
	return out
}

// serve gives a lease to the members it serves: those it names, else all of its tenant.
func (p people) serve(l tenancy.Lease, cl *compiled) {
	if l.Members == nil {
		for _, m := range p.tenants[l.Tenant] {
			m.leases = append(m.leases, cl)
		}
		return
	}
	for _, id := range l.Members {
		if m := p.byID[id]; m != nil {
			m.leases = append(m.leases, cl)
		}
	}
}

// compileSchedule compiles a schedule; one that does not exist has no window.
func (c *Compiler) compileSchedule(book *tenancy.Book, id tenancy.ScheduleID) *schedule {
	if id == tenancy.Always {
		s := &schedule{always: true}
		s.mark = c.marks.schedule(s)
		return s
	}
	s, _ := book.Schedule(id)
	out := &schedule{closedHolidays: s.Holidays == tenancy.ClosedOnHolidays}
	for _, w := range s.Windows {
		for _, d := range w.Days {
			out.days[d] = append(out.days[d], span{int32(w.From) * 60, int32(w.To) * 60})
		}
	}
	out.mark = c.marks.schedule(out)
	return out
}

func (c *Compiler) compileEvents(p people, book *tenancy.Book, doors []door) {
	for e := range book.Events() {
		ce := &event{id: e.ID, doors: c.spaces(e.Spaces), from: e.StartsAt.UnixMilli(), to: e.EndsAt.UnixMilli()}
		if e.Audience == tenancy.Public {
			for i := range doors {
				if ce.doors.has(i) {
					doors[i].public = append(doors[i].public, ce)
				}
			}
			continue
		}
		for _, id := range e.Invited {
			if m := p.byID[id]; m != nil {
				m.events = append(m.events, ce)
			}
		}
	}
}

func (c *Compiler) compileCredentials(x *Index, p people, book *tenancy.Book, leases map[tenancy.TenantID][]*compiled) {
	n := book.Size().Credentials + book.Size().Passes
	x.credentials, x.forList = make([]credential, 0, n), make([]tenancy.CredentialHash, 0, n)
	for cr := range book.CredentialsUnordered() {
		cc := credential{
			lookup: cr.Lookup,
			from:   bound(cr.ValidFrom, math.MinInt64),
			to:     bound(cr.ValidTo, math.MaxInt64),
			since:  bound(cr.Since, math.MinInt64),
			member: p.byID[cr.Member],
		}
		switch cr.Status {
		case tenancy.Active:
		case tenancy.Lost:
			cc.status = lost
		default:
			cc.status = revoked
		}
		x.credentials, x.forList = append(x.credentials, cc), append(x.forList, cr.ForList)
	}
	c.compileFormers(x, p, book)
	for v := range book.Passes() {
		cc := credential{
			lookup: v.Lookup,
			from:   v.ValidFrom.UnixMilli(),
			to:     v.ValidTo.UnixMilli(),
			pass:   c.compilePass(book, v, leases),
		}
		if v.Deleted {
			cc.status = revoked
		}
		x.passes += c.marks.pass(&v)
		x.credentials, x.forList = append(x.credentials, cc), append(x.forList, v.ForList)
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

// compileFormers adds the former holders of badges to the index: a read that was made before a
// badge changed hands is decided for the holder of that time.
func (c *Compiler) compileFormers(x *Index, p people, book *tenancy.Book) {
	for list := range book.Formers() {
		if x.formers == nil {
			x.formers = map[tenancy.CredentialHash][]former{}
		}
		for _, f := range list {
			m := p.byID[f.Member]
			if m == nil && f.Member != "" { // deleted since but not erased: the badge was still theirs then
				m = &member{id: f.Member}
			}
			x.formers[f.Lookup] = append(x.formers[f.Lookup], former{f.Until.UnixMilli(),
				credential{lookup: f.Lookup, from: math.MinInt64, to: math.MaxInt64, since: math.MinInt64, member: m}})
		}
	}
}

func bound(t *time.Time, none int64) int64 {
	if t == nil {
		return none
	}
	return t.UnixMilli()
}
