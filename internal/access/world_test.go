package access_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

var (
	days = []string{
		"2026-03-29",
		"2026-04-03",
		"2026-04-06",
		"2026-10-25",
		"2026-11-01",
		"2026-11-11",
		"2026-12-25",
		"2026-12-26",
		"2027-03-28",
		"2026-10-21",
	}
	clocks = []string{"00:00", "02:00", "03:00", "04:00", "08:00", "12:00", "18:00", "20:00", "24:00"}
	kinds  = []catalogue.SpaceKind{catalogue.Common, catalogue.Coworking, catalogue.PrivateOffice, catalogue.FabLab}
)

// drawNetwork draws two sites, one of them in Moselle, with a tree of spaces each.
func drawNetwork(t *rapid.T) *catalogue.Network {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	n := catalogue.Network{Name: "world", Zone: zone}
	for s, h := range []catalogue.Holidays{catalogue.Moselle, catalogue.French} {
		site := catalogue.SiteID(fmt.Sprintf("site-%d", s))
		b := catalogue.BuildingID(site) + "-b"
		n.Sites = append(n.Sites, catalogue.Site{ID: site, Holidays: h})
		n.Buildings = append(n.Buildings, catalogue.Building{ID: b, Site: site})
		var ids []catalogue.SpaceID
		for i := range rapid.IntRange(1, 5).Draw(t, "spaces") {
			sp := catalogue.Space{
				ID:       catalogue.SpaceID(fmt.Sprintf("%s-%d", site, i)),
				Building: b,
				Kind:     rapid.SampledFrom(kinds).Draw(t, "kind"),
				AntiPassback: rapid.SampledFrom(
					[]catalogue.AntiPassback{"", catalogue.Alert, catalogue.Enforce},
				).Draw(t, "anti-passback"),
			}
			from := catalogue.Outside
			if i > 0 {
				if k := rapid.IntRange(-1, i-1).Draw(t, "parent"); k >= 0 {
					sp.Parent = ids[k]
					from = ids[k]
				}
			}
			ids = append(ids, sp.ID)
			n.Spaces = append(n.Spaces, sp)
			n.Doors = append(n.Doors, catalogue.Door{ID: catalogue.DoorID(sp.ID) + "-door", From: from, To: sp.ID})
		}
	}
	return catalogue.New(n)
}

func drawInstant(t *rapid.T, zone *catalogue.Zone) time.Time {
	day := rapid.SampledFrom(days).Draw(t, "day")
	d, err := catalogue.ParseDay(day)
	if err != nil {
		t.Fatal(err)
	}
	m, err := catalogue.ParseMinute(rapid.SampledFrom(clocks).Draw(t, "clock"))
	if err != nil {
		t.Fatal(err)
	}
	edge := zone.Instant(d, int(m)*60)
	off := rapid.SampledFrom(
		[]time.Duration{0, -time.Millisecond, time.Millisecond, -time.Second, time.Hour, -time.Hour, 37 * time.Minute},
	).Draw(t, "off")
	return edge.Add(off)
}

func sample[T any](t *rapid.T, label string, from []T) []T {
	var out []T
	for _, v := range from {
		if rapid.Bool().Draw(t, label) {
			out = append(out, v)
		}
	}
	return out
}

// some draws a few of the spaces, at least one.
func some(t *rapid.T, spaces []catalogue.SpaceID) []catalogue.SpaceID {
	from := rapid.IntRange(0, len(spaces)-1).Draw(t, "first space")
	return spaces[from:min(len(spaces), from+2)]
}

func hashOf(i int) (h tenancy.CredentialHash) {
	h[0], h[8] = byte(i%3), byte(i+1) // collisions in the first eight bytes, on purpose
	return h
}

type drawn struct {
	n         *catalogue.Network
	book      *tenancy.Book
	lockdowns []tenancy.Lockdown
	people    []tenancy.MemberID
	hashes    int
	edges     []time.Time // at which some right begins or ends
}

// seldom returns true in one of four or fewer.
func seldom(t *rapid.T, label string) bool {
	return rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, label)
}

// span draws the bounds of a right.
func (w *drawn) span(t *rapid.T, hours int) (from, to time.Time) {
	from = drawInstant(t, w.n.Zone)
	to = from.Add(time.Duration(rapid.IntRange(1, hours).Draw(t, "hours")) * time.Hour)
	w.edges = append(w.edges, from, to)
	return from, to
}

// instant draws one that is likely to matter in this world.
func (w *drawn) instant(t *rapid.T) time.Time {
	if len(w.edges) == 0 || seldom(t, "any day") {
		return drawInstant(t, w.n.Zone)
	}
	off := []time.Duration{
		0,
		time.Millisecond,
		-time.Millisecond,
		time.Second,
		time.Hour,
		37 * time.Minute,
		25 * time.Hour,
	}
	return rapid.SampledFrom(w.edges).Draw(t, "edge").Add(rapid.SampledFrom(off).Draw(t, "off the edge"))
}

func must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// drawWorld draws rights of every kind, most of which meet at few doors.
func drawWorld(t *rapid.T) drawn {
	w := drawn{n: drawNetwork(t)}
	w.book = tenancy.NewBook(w.n)
	sites := []catalogue.SiteID{"site-0", "site-1"}
	var spaces []catalogue.SpaceID
	for _, s := range w.n.Spaces {
		spaces = append(spaces, s.ID)
	}
	for i := range 2 {
		must(t,
			w.book.PutTenant(
				tenancy.Tenant{ID: tenancy.TenantID(fmt.Sprintf("t%d", i)), Name: "T", Site: "site-0", Kind: "company"},
			),
		)
	}
	for i := range 4 {
		m := tenancy.Member{
			ID:     tenancy.MemberID(fmt.Sprintf("m%d", i)),
			Tenant: tenancy.TenantID(fmt.Sprintf("t%d", i%2)),
			Name:   "M",
		}
		if seldom(t, "staff") {
			m.StaffSites = sites[:1]
		}
		if seldom(t, "responder") {
			m.Roles = []tenancy.MemberRole{tenancy.Responder}
		}
		must(t, w.book.PutMember(m))
		w.people = append(w.people, m.ID)
		c := tenancy.Credential{
			ID:      tenancy.CredentialID(m.ID),
			Member:  m.ID,
			Kind:    "card",
			Lookup:  hashOf(w.hashes),
			ForList: hashOf(w.hashes),
			Status: rapid.SampledFrom(
				[]tenancy.Status{
					tenancy.Active,
					tenancy.Active,
					tenancy.Active,
					tenancy.Active,
					tenancy.Active,
					tenancy.Lost,
					tenancy.Revoked,
				},
			).Draw(t, "status"),
		}
		if seldom(t, "bounded") {
			from, to := w.span(t, 4000)
			c.ValidFrom, c.ValidTo = &from, &to
		}
		w.hashes++
		must(t, w.book.PutCredential(c))
	}
	w.drawLeases(t, sites, spaces)
	w.drawPassesAndEvents(t, spaces)
	if seldom(t, "lockdown") {
		from, to := w.span(t, 3)
		k := tenancy.Lockdown{Site: "site-0", From: from}
		if rapid.Bool().Draw(t, "ended") {
			k.To = &to
		}
		w.lockdowns = append(w.lockdowns, k)
	}
	return w
}

func (w *drawn) drawLeases(t *rapid.T, sites []catalogue.SiteID, spaces []catalogue.SpaceID) {
	for i, h := range []tenancy.HolidayRule{tenancy.OpenOnHolidays, tenancy.ClosedOnHolidays} {
		s := tenancy.Schedule{ID: tenancy.ScheduleID(fmt.Sprintf("s%d", i)), Holidays: h}
		for range rapid.IntRange(0, 2).Draw(t, "windows") {
			from := rapid.IntRange(0, 7).Draw(t, "from")
			to := rapid.IntRange(from+1, 8).Draw(t, "to")
			f, _ := catalogue.ParseMinute(clocks[from])
			u, _ := catalogue.ParseMinute(clocks[to])
			s.Windows = append(s.Windows,
				catalogue.Window{
					Days: []catalogue.Weekday{0, 1, 2, 3, 4, 5, 6}[rapid.IntRange(0, 3).Draw(t, "days"):],
					From: f,
					To:   u,
				},
			)
		}
		must(t, w.book.PutSchedule(s))
	}
	for i, s := range []tenancy.ScheduleID{tenancy.Always, "s0", "s1"} {
		must(t, w.book.PutPlan(tenancy.Plan{ID: tenancy.PlanID(fmt.Sprintf("p%d", i)), Name: "P", Schedule: s,
			Includes: sample(t, "includes", kinds[1:]), Roaming: rapid.Bool().Draw(t, "roaming")}))
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "leases") {
		start, err := catalogue.ParseDay(rapid.SampledFrom(days).Draw(t, "starts"))
		must(t, err)
		l := tenancy.Lease{
			ID:       tenancy.LeaseID(fmt.Sprintf("l%d", i)),
			Tenant:   tenancy.TenantID(fmt.Sprintf("t%d", i%2)),
			Site:     rapid.SampledFrom(sites).Draw(t, "site"),
			Spaces:   sample(t, "space", spaces),
			Plan:     tenancy.PlanID(fmt.Sprintf("p%d", rapid.IntRange(0, 2).Draw(t, "plan"))),
			StartsOn: start,
			Status:   rapid.SampledFrom([]tenancy.Status{tenancy.Active, tenancy.Active, tenancy.Suspended}).Draw(t, "status"),
		}
		w.edges = append(w.edges, w.n.Zone.Start(start))
		if seldom(t, "ends") {
			end := start + catalogue.Day(rapid.IntRange(0, 300).Draw(t, "length"))
			l.EndsOn = &end
			w.edges = append(w.edges, w.n.Zone.Start(end+1))
		}
		if rapid.IntRange(0, 2).Draw(t, "named") == 0 {
			l.Members = []tenancy.MemberID{tenancy.MemberID(fmt.Sprintf("m%d", i%2))}
		}
		must(t, w.book.PutLease(l))
	}
}

func (w *drawn) drawPassesAndEvents(t *rapid.T, spaces []catalogue.SpaceID) {
	for i := range rapid.IntRange(0, 2).Draw(t, "passes") {
		from, to := w.span(t, 5)
		p := tenancy.Pass{
			ID:        tenancy.PassID(fmt.Sprintf("v%d", i)),
			Host:      "m0",
			Name:      "V",
			Spaces:    some(t, spaces),
			ValidFrom: from,
			ValidTo:   to,
			Lookup:    hashOf(w.hashes),
			ForList:   hashOf(w.hashes),
			Deleted:   seldom(t, "deleted"),
		}
		w.hashes++
		must(t, w.book.PutPass(p))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "events") {
		from, to := w.span(t, 30)
		e := tenancy.Event{
			ID:       tenancy.EventID(fmt.Sprintf("e%d", i)),
			Title:    "E",
			Spaces:   some(t, spaces),
			StartsAt: from,
			EndsAt:   to,
			Audience: rapid.SampledFrom([]tenancy.Audience{tenancy.Public, tenancy.Invited}).Draw(t, "audience"),
			Invited:  w.people[:2],
		}
		must(t, w.book.PutEvent(e))
	}
}

// lastRead answers every question about whereabouts with the same position.
type lastRead struct {
	pos access.Position
	ok  bool
}

func (l lastRead) Last(tenancy.MemberID, time.Time) (access.Position, bool, error) {
	return l.pos, l.ok, nil
}

func drawQuestion(t *rapid.T, w drawn) (access.Question, lastRead) {
	at := w.instant(t)
	d := rapid.SampledFrom(w.n.Doors).Draw(t, "door")
	q := access.Question{
		Credential: hashOf(rapid.IntRange(0, w.hashes).Draw(t, "credential")),
		Door:       d.ID,
		At:         at,
		Direction: rapid.SampledFrom(
			[]catalogue.Direction{
				catalogue.In,
				catalogue.In,
				catalogue.In,
				catalogue.In,
				catalogue.In,
				catalogue.In,
				catalogue.Out,
			},
		).Draw(t, "direction"),
		Offline:  rapid.Bool().Draw(t, "offline"),
		Disabled: seldom(t, "disabled") && seldom(t, "indeed"),
	}
	if seldom(t, "received") {
		q.Received = at.Add(
			rapid.SampledFrom(
				[]time.Duration{0, 10 * time.Second, -10 * time.Second, 10001 * time.Millisecond, -10001 * time.Millisecond},
			).Draw(t, "late"),
		)
	}
	last := lastRead{ok: !seldom(t, "never seen before")}
	in := d.To
	if seldom(t, "elsewhere") {
		in = rapid.SampledFrom(w.n.Spaces).Draw(t, "was in").ID
	}
	last.pos = access.Position{
		Space: in,
		Door:  rapid.SampledFrom([]catalogue.DoorID{d.ID, "other"}).Draw(t, "was at"),
		At: at.Add(
			-rapid.SampledFrom(
				[]time.Duration{time.Hour, 0, 30 * time.Second, 30001 * time.Millisecond, 5 * time.Hour, 23 * time.Hour},
			).Draw(t, "ago"),
		),
	}
	return q, last
}
