package access_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// The tests' towns: Metz (where Good Friday is a holiday) and Nancy (where it
// is not), each a hall with a coworking behind it; in Metz an office behind
// the coworking too, and a studio that nobody may enter twice.
func towns(t testing.TB) *catalogue.Network {
	t.Helper()
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	n := catalogue.Network{Name: "LORnTECH", Zone: zone,
		Sites: []catalogue.Site{{ID: "metz", Holidays: catalogue.Moselle}, {ID: "nancy", Holidays: catalogue.French}}}
	space := func(site, name, parent string, k catalogue.SpaceKind, a catalogue.AntiPassback) {
		id := catalogue.SpaceID(site + "-" + name)
		s := catalogue.Space{ID: id, Building: catalogue.BuildingID(site), Kind: k, AntiPassback: a}
		from := catalogue.Outside
		if parent != "" {
			s.Parent = catalogue.SpaceID(site + "-" + parent)
			from = s.Parent
		}
		n.Spaces = append(n.Spaces, s)
		n.Doors = append(n.Doors, catalogue.Door{ID: catalogue.DoorID(id) + "-door", From: from, To: id})
	}
	for _, site := range []string{"metz", "nancy"} {
		n.Buildings = append(n.Buildings, catalogue.Building{ID: catalogue.BuildingID(site), Site: catalogue.SiteID(site)})
		space(site, "hall", "", catalogue.Common, "")
		space(site, "coworking", "hall", catalogue.Coworking, "")
	}
	space("metz", "office", "coworking", catalogue.PrivateOffice, "")
	space("metz", "studio", "hall", catalogue.Studio, catalogue.Enforce)
	space("metz", "booth", "studio", catalogue.Studio, "")
	space("metz", "fablab", "hall", catalogue.FabLab, catalogue.Alert)
	n.Doors = append(n.Doors, catalogue.Door{ID: "metz-studio-back-door", From: "metz-hall", To: "metz-studio"})
	return catalogue.New(n)
}

// badges numbers the holders: the hash of a badge is its holder's number.
var badges = []string{
	"alice",
	"bob",
	"carol",
	"dan",
	"erin",
	"remi",
	"stella",
	"visitor",
	"gone-visitor",
	"lost",
	"revoked",
	"dated",
}

func badge(holder string) (h tenancy.CredentialHash) {
	h[0] = byte(1 + slices.Index(badges, holder))
	return h
}

// town returns the tests' rights. Alice's company leases the office in working
// hours; Bob's coworks in both towns around the clock; Carol's lease names her
// alone; Dan, of Carol's company, has nothing; Erin's company has leases of
// all fates. Rémi is a responder, Stella staff in Metz.
func town(t testing.TB) (*catalogue.Network, *tenancy.Book) {
	t.Helper()
	n := towns(t)
	b := tenancy.NewBook(n)
	putPeople(t, b)
	putPlans(t, b)
	putLeases(t, b)
	putVisitorsAndEvents(t, b)
	return n, b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func putPeople(t testing.TB, b *tenancy.Book) {
	t.Helper()
	for _, id := range []tenancy.TenantID{"atelier", "nomads", "named", "fates"} {
		check(t, b.PutTenant(tenancy.Tenant{ID: id, Name: "T", Site: "metz", Kind: "company"}))
	}
	tenants := map[string]tenancy.TenantID{
		"alice":   "atelier",
		"bob":     "nomads",
		"carol":   "named",
		"dan":     "named",
		"erin":    "fates",
		"remi":    "atelier",
		"stella":  "named",
		"lost":    "atelier",
		"revoked": "atelier",
		"dated":   "atelier",
	}
	for _, who := range badges {
		tenant, ok := tenants[who]
		if !ok {
			continue
		}
		m := tenancy.Member{ID: tenancy.MemberID(who), Tenant: tenant, Name: "M"}
		c := tenancy.Credential{
			ID:      tenancy.CredentialID(who),
			Member:  m.ID,
			Kind:    "card",
			Status:  tenancy.Active,
			Lookup:  badge(who),
			ForList: badge(who),
		}
		switch who {
		case "remi":
			m.Roles = []tenancy.MemberRole{tenancy.Responder}
		case "stella":
			m.StaffSites = []catalogue.SiteID{"metz"}
		case "lost", "revoked":
			c.Status = tenancy.Status(who)
		case "dated":
			from, to := paris(t, "2026-10-19 12:00:00"), paris(t, "2026-10-19 14:00:00")
			c.ValidFrom, c.ValidTo = &from, &to
		}
		check(t, b.PutMember(m))
		check(t, b.PutCredential(c))
	}
}

func putPlans(t testing.TB, b *tenancy.Book) {
	t.Helper()
	weekdays := []catalogue.Weekday{1, 2, 3, 4, 5}
	check(t,
		b.PutSchedule(
			tenancy.Schedule{
				ID:       "working",
				Holidays: "closed",
				Windows:  catalogue.Week{{Days: weekdays, From: 8 * 60, To: 20 * 60}},
			},
		),
	)
	check(t,
		b.PutSchedule(
			tenancy.Schedule{
				ID:       "nights",
				Holidays: "open",
				Windows: catalogue.Week{
					{Days: []catalogue.Weekday{0, 6}, From: 2 * 60, To: 3 * 60},
					{Days: weekdays, From: 22 * 60, To: 24 * 60},
				},
			},
		),
	)
	cowork := []catalogue.SpaceKind{catalogue.Coworking}
	check(t, b.PutPlan(tenancy.Plan{ID: "office", Name: "P", Schedule: "working"}))
	check(t, b.PutPlan(tenancy.Plan{ID: "roaming", Name: "P", Schedule: tenancy.Always, Includes: cowork, Roaming: true}))
	check(t, b.PutPlan(tenancy.Plan{ID: "local", Name: "P", Schedule: tenancy.Always, Includes: cowork}))
	check(t, b.PutPlan(tenancy.Plan{ID: "night", Name: "P", Schedule: "nights"}))
}

func putLeases(t testing.TB, b *tenancy.Book) {
	t.Helper()
	ended := day(t, "2026-08-31")
	for _, l := range []tenancy.Lease{
		{ID: "l-office", Tenant: "atelier", Plan: "office", Spaces: []catalogue.SpaceID{"metz-office", "metz-studio", "metz-fablab"}},
		{ID: "l-roaming", Tenant: "nomads", Plan: "roaming"},
		{ID: "l-named", Tenant: "named", Plan: "local", Members: []tenancy.MemberID{"carol"}},
		{ID: "f-ended", Tenant: "fates", Plan: "local", EndsOn: &ended, Status: tenancy.Suspended, Spaces: []catalogue.SpaceID{"metz-office", "metz-studio", "metz-fablab", "metz-hall"}},
		{ID: "f-later", Tenant: "fates", Plan: "local", StartsOn: day(t, "2026-11-02"), Status: tenancy.Suspended, Spaces: []catalogue.SpaceID{"metz-office", "metz-studio", "metz-hall"}},
		{ID: "f-suspended", Tenant: "fates", Plan: "night", Status: tenancy.Suspended, Spaces: []catalogue.SpaceID{"metz-office", "metz-hall"}},
		{ID: "f-night", Tenant: "fates", Plan: "night", Spaces: []catalogue.SpaceID{"metz-hall"}},
	} {
		l.Site = "metz"
		if l.StartsOn == 0 {
			l.StartsOn = day(t, "2026-01-01")
		}
		if l.Status == "" {
			l.Status = tenancy.Active
		}
		check(t, b.PutLease(l))
	}
}

func putVisitorsAndEvents(t testing.TB, b *tenancy.Book) {
	t.Helper()
	check(t,
		b.PutPass(
			tenancy.Pass{
				ID:        "visitor",
				Host:      "alice",
				Name:      "V",
				Spaces:    []catalogue.SpaceID{"metz-coworking"},
				Lookup:    badge("visitor"),
				ForList:   badge("visitor"),
				ValidFrom: paris(t, "2026-10-19 09:00:00"),
				ValidTo:   paris(t, "2026-10-19 18:00:00"),
			},
		),
	)
	check(t,
		b.PutPass(
			tenancy.Pass{
				ID:        "gone-visitor",
				Host:      "alice",
				Name:      "V",
				Spaces:    []catalogue.SpaceID{"metz-coworking"},
				Lookup:    badge("gone-visitor"),
				ForList:   badge("gone-visitor"),
				ValidFrom: paris(t, "2026-10-19 09:00:00"),
				ValidTo:   paris(t, "2026-10-19 18:00:00"),
			},
		),
	)
	check(t, b.DeletePass("gone-visitor"))
	check(t,
		b.PutEvent(
			tenancy.Event{
				ID:       "dinner",
				Title:    "E",
				Spaces:   []catalogue.SpaceID{"metz-studio"},
				Audience: "invited",
				Invited:  []tenancy.MemberID{"dan"},
				StartsAt: paris(t, "2026-10-19 19:00:00"),
				EndsAt:   paris(t, "2026-10-19 22:00:00"),
			},
		),
	)
	check(t,
		b.PutEvent(tenancy.Event{ID: "fair", Title: "E", Spaces: []catalogue.SpaceID{"nancy-coworking"}, Audience: "public",
			StartsAt: paris(t, "2026-10-20 10:00:00"), EndsAt: paris(t, "2026-10-20 17:00:00")}),
	)
}

// paris reads a wall clock in the sites' zone.
func paris(t testing.TB, wall string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05.999", wall, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func day(t testing.TB, s string) catalogue.Day {
	t.Helper()
	d, err := catalogue.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func compile(t testing.TB, lockdowns ...tenancy.Lockdown) *access.Index {
	t.Helper()
	n, b := town(t)
	return access.NewCompiler(n).Compile(b, lockdowns)
}
