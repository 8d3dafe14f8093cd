// Package life simulates the people of the buildings: agents who arrive, badge
// at every door on their way, work, meet, eat, forget to badge out, and go
// home, on a calendar with weekends and holidays. Its results agree with each
// other: a door, a counter and the truth file describe the same movements.
//
// A day depends only on the world, the seed and the date. The package sends
// nothing (package sim does) and decides nothing that a reader would (Decide is
// asked).
package life

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/tenancy"
)

// Decide answers a badge as a reader with a current allowlist would.
type Decide func(uid []byte, door catalogue.DoorID, direction catalogue.Direction, at time.Time) (granted bool,
	reason access.Reason)

// Step is one person passing one door or opening: a badge where there is a
// reader that they use, and where they are afterwards.
type Step struct {
	At        time.Time
	Member    tenancy.MemberID
	UID       []byte
	Door      catalogue.DoorID // empty: an opening without a door
	Direction catalogue.Direction
	Badged    bool // false: they followed somebody in, or there is no reader
	Granted   bool
	Reason    access.Reason
	From, To  catalogue.SpaceID // To equals From where the door stayed shut.
}

// Stay is a part of the truth: a person was in a space, itself and not below
// it, in [From, To).
type Stay struct {
	Member tenancy.MemberID  `json:"member"`
	Space  catalogue.SpaceID `json:"space"`
	From   time.Time         `json:"from"`
	To     time.Time         `json:"to"`
}

// Town holds the people and buildings in which days are simulated.
type Town struct {
	network *catalogue.Network
	seed    uint64
	decide  Decide
	people  []person
	doors   map[catalogue.SpaceID][]*catalogue.Door // doors that lead into a space
	readers map[catalogue.DoorID]map[catalogue.Direction]bool
	rooms   map[catalogue.SiteID]map[catalogue.SpaceKind][]catalogue.SpaceID
	cal     map[catalogue.SiteID]catalogue.Calendar
	events  map[catalogue.Day][]tenancy.Event // events by the local day on which they begin
	// Forgetful is the percentage of exits that are not badged.
	Forgetful int
	seats     map[catalogue.SpaceID]int // offices that a tenant has
	lived     map[catalogue.Day]*day    // the days that were simulated last
}

// day is one simulated day: it may go on past midnight.
type day struct {
	steps []Step
	stays []Stay
}

// person is an agent: their badge, where they work, how often they come.
type person struct {
	id    tenancy.MemberID
	uid   []byte
	site  catalogue.SiteID
	works []catalogue.SpaceID // one of them is chosen each day
	comes float64             // probability on a working day
	night bool                // member of the staff who makes rounds
}

// New returns the town of a world. A member without a badge or a lease stays at
// home.
func New(w *people.World, seed uint64, decide Decide) *Town {
	t := &Town{
		network:   w.Network,
		seed:      seed,
		decide:    decide,
		doors:     map[catalogue.SpaceID][]*catalogue.Door{},
		cal:       map[catalogue.SiteID]catalogue.Calendar{},
		events:    map[catalogue.Day][]tenancy.Event{},
		readers:   map[catalogue.DoorID]map[catalogue.Direction]bool{},
		rooms:     map[catalogue.SiteID]map[catalogue.SpaceKind][]catalogue.SpaceID{},
		Forgetful: 5,
		seats:     map[catalogue.SpaceID]int{},
		lived:     map[catalogue.Day]*day{},
	}
	n := w.Network
	for i := range n.Doors {
		t.doors[n.Doors[i].To] = append(t.doors[n.Doors[i].To], &n.Doors[i])
		t.readers[n.Doors[i].ID] = map[catalogue.Direction]bool{}
	}
	for _, d := range n.Devices {
		if d.Kind == catalogue.Reader {
			t.readers[d.Door][d.Direction] = true
		}
	}
	for i := range n.Sites {
		t.cal[n.Sites[i].ID] = n.Calendar(&n.Sites[i])
		t.rooms[n.Sites[i].ID] = map[catalogue.SpaceKind][]catalogue.SpaceID{}
	}
	for _, s := range n.Spaces {
		t.rooms[s.Site][s.Kind] = append(t.rooms[s.Site][s.Kind], s.ID)
	}
	for _, e := range w.Events {
		if day := n.Zone.At(e.StartsAt).Day; len(e.Spaces) > 0 {
			t.events[day] = append(t.events[day], e)
		}
	}
	for _, list := range t.events { // people go to events that they are invited to rather than to public ones
		slices.SortStableFunc(list, func(a, b tenancy.Event) int { return cmp.Compare(rank(a), rank(b)) })
	}
	t.assignPeople(w)
	return t
}

// rank orders events: the smaller the invited circle, the lower.
func rank(e tenancy.Event) int {
	if e.Audience == tenancy.Public {
		return 1 << 20
	}
	return len(e.Invited)
}

// assignPeople chooses everybody's badge and place of work.
func (t *Town) assignPeople(w *people.World) {
	cards := map[tenancy.MemberID][]byte{}
	for _, c := range w.Cards {
		if _, has := cards[c.Member]; !has || c.Status == tenancy.Active {
			cards[c.Member] = c.UID
		}
	}
	plans := map[tenancy.PlanID]tenancy.Plan{}
	for _, p := range w.Plans {
		plans[p.ID] = p
	}
	for _, m := range w.Members {
		uid := cards[m.ID]
		if uid == nil {
			continue
		}
		if len(m.StaffSites) > 0 {
			t.people = append(t.people, person{id: m.ID, uid: uid, site: m.StaffSites[0], comes: 0.9, night: true,
				works: t.rooms[m.StaffSites[0]][catalogue.Common]})
			continue
		}
		p := person{id: m.ID, uid: uid}
		for _, l := range w.Leases {
			if serves := l.Members == nil && l.Tenant == m.Tenant ||
				slices.Contains(l.Members, m.ID); serves &&
				l.Status == tenancy.Active {
				t.addLease(&p, l, t.included(l, plans))
			}
		}
		if len(p.works) > 0 {
			t.people = append(t.people, p)
		}
	}
}

// addLease adds the spaces of a lease to those in which a person works: their own
// office on most days, while it has a seat left; spaces that the plan includes
// now and then, most of all a coworking.
func (t *Town) addLease(p *person, l tenancy.Lease, included []catalogue.SpaceID) {
	if p.site != "" && p.site != l.Site {
		return
	}
	p.site = l.Site
	if len(l.Spaces) == 0 {
		for _, id := range included {
			if s := t.network.Space(id); s.Kind == catalogue.Coworking {
				p.works = append(p.works, slices.Repeat([]catalogue.SpaceID{id}, 1+s.Capacity*s.Capacity/12)...)
			} else {
				p.works = append(p.works, id)
			}
		}
		p.comes = max(p.comes, 0.92)
		return
	}
	for _, id := range l.Spaces {
		if t.seats[id] < t.network.Space(id).Capacity {
			t.seats[id]++
			p.works = append(p.works, slices.Repeat([]catalogue.SpaceID{id}, 3)...)
			p.comes = 0.75
			return
		}
	}
	p.works, p.comes = append(p.works, included...), max(p.comes,
		0.15,
	) // no seat: they come now and then, to meet the others
}

// included returns the spaces of a lease's site whose kinds its plan includes.
func (t *Town) included(l tenancy.Lease, plans map[tenancy.PlanID]tenancy.Plan) []catalogue.SpaceID {
	var spaces []catalogue.SpaceID
	for _, k := range plans[l.Plan].Includes {
		spaces = append(spaces, t.rooms[l.Site][k]...)
	}
	return spaces
}

// rng returns the random source of a person and a day.
func (t *Town) rng(day catalogue.Day, i int) *rand.Rand {
	return rand.New(rand.NewPCG(t.seed^uint64(day)<<20, uint64(i)*0x9e3779b97f4a7c15+1))
}

// Day simulates one local day. It returns every step in order of time, and where everybody truly was. Steps that
// people of the day before take after midnight are among them.
func (t *Town) Day(d catalogue.Day) ([]Step, []Stay) {
	start, end := t.network.Zone.Start(d), t.network.Zone.Start(d+1)
	var steps []Step
	for _, s := range t.live(d - 1).steps {
		if !s.At.Before(start) {
			steps = append(steps, s)
		}
	}
	var stays []Stay
	for _, l := range []*day{t.live(d - 1), t.live(d)} {
		for _, s := range l.stays { // a stay that goes on past midnight is one stay on each day
			s.From, s.To = latest(s.From, start), earliest(s.To, end)
			if s.From.Before(s.To) {
				stays = append(stays, s)
			}
		}
	}
	for _, s := range t.live(d).steps {
		if s.At.Before(end) {
			steps = append(steps, s)
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return steps, stays
}

// Midnight returns how many people are in each space when a day begins.
func (t *Town) Midnight(d catalogue.Day) map[catalogue.SpaceID]int {
	start, inside := t.network.Zone.Start(d), map[catalogue.SpaceID]int{}
	for _, s := range t.live(d - 1).stays {
		if s.From.Before(start) && s.To.After(start) {
			inside[s.Space]++
		}
	}
	return inside
}

func (t *Town) live(d catalogue.Day) *day {
	if t.lived[d] == nil {
		for old := range t.lived {
			if old < d-1 || old > d+1 {
				delete(t.lived, old)
			}
		}
		out := &day{}
		for i := range t.people {
			w := walk{t: t, p: &t.people[i], rng: t.rng(d, i), where: catalogue.Outside}
			if w.plan(d) {
				out.steps = append(out.steps, w.steps...)
				out.stays = append(out.stays, w.stays...)
			}
		}
		slices.SortStableFunc(out.steps, func(a, b Step) int { return a.At.Compare(b.At) })
		t.lived[d] = out
	}
	return t.lived[d]
}

// Rounds returns the step that a member of a site's staff takes now, so that
// something happens at any hour: in by the entrance, or out again.
func (t *Town) Rounds(site catalogue.SiteID, n int, at time.Time) (Step, bool) {
	var staff []*person
	for i := range t.people {
		if t.people[i].night && t.people[i].site == site {
			staff = append(staff, &t.people[i])
		}
	}
	hall := t.hall(site)
	if len(staff) == 0 || hall == nil {
		return Step{}, false
	}
	p := staff[n/2%len(staff)]
	s := Step{
		At:        at,
		Member:    p.id,
		UID:       p.uid,
		Door:      hall.ID,
		Direction: catalogue.In,
		Badged:    true,
		From:      hall.From,
		To:        hall.To,
	}
	if n%2 == 1 {
		s.Direction, s.From, s.To = catalogue.Out, hall.To, hall.From
	}
	s.Badged = t.readers[hall.ID][s.Direction]
	return s, true
}

// hall returns a site's first door from outside that has a reader inwards.
func (t *Town) hall(site catalogue.SiteID) *catalogue.Door {
	for i := range t.network.Doors {
		if d := &t.network.Doors[i]; d.Site == site && d.From == catalogue.Outside && t.readers[d.ID][catalogue.In] {
			return d
		}
	}
	return nil
}
