package tenancy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// network returns one site with a hall, an open coworking space behind it and an office.
func network(t testing.TB) *catalogue.Network {
	t.Helper()
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return catalogue.New(catalogue.Network{
		Name: "LORnTECH", Zone: zone,
		Sites:     []catalogue.Site{{ID: "metz", Name: "TCRM-Blida", Holidays: catalogue.Moselle}},
		Buildings: []catalogue.Building{{ID: "metz-blida", Site: "metz"}},
		Spaces: []catalogue.Space{
			{ID: "hall", Building: "metz-blida", Kind: catalogue.Common},
			{ID: "coworking", Building: "metz-blida", Kind: catalogue.Coworking, Parent: "hall"},
			{ID: "office", Building: "metz-blida", Kind: catalogue.PrivateOffice, Parent: "hall"},
		},
		Doors: []catalogue.Door{{ID: "entrance", From: catalogue.Outside, To: "hall"}},
	})
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func date(t testing.TB, s string) catalogue.Day {
	t.Helper()
	d, err := catalogue.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func hash(n byte) (h tenancy.CredentialHash) {
	h[0] = n
	return h
}

// entities are one of each, right as they stand; tests spoil them.
type entities struct {
	tenant, other tenancy.Tenant
	alice, bob    tenancy.Member // bob is of the other tenant
	card          tenancy.Credential
	hours         tenancy.Schedule
	plan          tenancy.Plan
	lease         tenancy.Lease
	pass          tenancy.Pass
	event         tenancy.Event
}

func sound(t testing.TB) *entities {
	ends := date(t, "2027-08-31")
	weekdays := []catalogue.Weekday{1, 2, 3, 4, 5}
	return &entities{
		tenant: tenancy.Tenant{ID: "atelier", Name: "Atelier", Site: "metz", Kind: "company"},
		other:  tenancy.Tenant{ID: "other", Name: "Other", Site: "metz", Kind: "association"},
		alice: tenancy.Member{
			ID:         "alice",
			Tenant:     "atelier",
			Name:       "Alice",
			Email:      "alice@example.org",
			Roles:      []tenancy.MemberRole{},
			StaffSites: []catalogue.SiteID{},
		},
		bob: tenancy.Member{
			ID:         "bob",
			Tenant:     "other",
			Name:       "Bob",
			Roles:      []tenancy.MemberRole{tenancy.Responder},
			StaffSites: []catalogue.SiteID{"metz"},
		},
		card: tenancy.Credential{
			ID:      "card",
			Member:  "alice",
			Kind:    "card",
			Status:  tenancy.Active,
			Lookup:  hash(1),
			ForList: hash(1),
		},
		hours: tenancy.Schedule{ID: "hours", Holidays: "closed", Windows: catalogue.Week{
			{Days: weekdays, From: 8 * 60, To: 20 * 60}, {Days: []catalogue.Weekday{6}, From: 9 * 60, To: 12 * 60}}},
		plan: tenancy.Plan{
			ID:              "flex",
			Name:            "Flex",
			Includes:        []catalogue.SpaceKind{catalogue.Coworking},
			Schedule:        "hours",
			HourlyRateCents: 300,
		},
		lease: tenancy.Lease{ID: "l1", Tenant: "atelier", Site: "metz", Spaces: []catalogue.SpaceID{"office"}, Plan: "flex",
			StartsOn: date(t, "2026-09-01"), EndsOn: &ends, Status: tenancy.Active, Members: []tenancy.MemberID{"alice"}},
		pass: tenancy.Pass{
			ID:        "visitor",
			Host:      "alice",
			Name:      "Visitor",
			Spaces:    []catalogue.SpaceID{"hall"},
			ValidFrom: instant(t, "2026-10-19T08:00:00Z"),
			ValidTo:   instant(t, "2026-10-19T18:00:00Z"),
			Lookup:    hash(2),
			ForList:   hash(2),
		},
		event: tenancy.Event{
			ID:       "meetup",
			Title:    "Meetup",
			Spaces:   []catalogue.SpaceID{"hall"},
			Audience: "invited",
			Invited:  []tenancy.MemberID{"bob"},
			StartsAt: instant(t, "2026-10-19T18:00:00Z"),
			EndsAt:   instant(t, "2026-10-19T21:00:00Z"),
		},
	}
}

// put sets all of them, each after those it refers to, up to the first error.
func (e *entities) put(b *tenancy.Book) error {
	for _, put := range []func() error{
		func() error { return b.PutTenant(e.tenant) }, func() error { return b.PutTenant(e.other) },
		func() error { return b.PutMember(e.alice) }, func() error { return b.PutMember(e.bob) },
		func() error { return b.PutCredential(e.card) }, func() error { return b.PutSchedule(e.hours) },
		func() error { return b.PutPlan(e.plan) }, func() error { return b.PutLease(e.lease) },
		func() error { return b.PutPass(e.pass) }, func() error { return b.PutEvent(e.event) },
	} {
		if err := put(); err != nil {
			return err
		}
	}
	return nil
}

func filled(t testing.TB) *tenancy.Book {
	t.Helper()
	b := tenancy.NewBook(network(t))
	if err := sound(t).put(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// content is all that a book holds, to be compared.
type content struct {
	Tenants     []tenancy.Tenant
	Members     []tenancy.Member
	Credentials []tenancy.Credential
	Schedules   []tenancy.Schedule
	Plans       []tenancy.Plan
	Leases      []tenancy.Lease
	Passes      []tenancy.Pass
	Events      []tenancy.Event
}

func contentOf(b *tenancy.Book) content {
	return content{
		slices.Collect(b.Tenants()),
		slices.Collect(b.Members()),
		slices.Collect(b.Credentials()),
		slices.Collect(b.Schedules()),
		slices.Collect(b.Plans()),
		slices.Collect(b.Leases()),
		slices.Collect(b.Passes()),
		slices.Collect(b.Events()),
	}
}

// reload puts a book's content into an empty one, as a restart does.
func (c content) reload(n *catalogue.Network) (*tenancy.Book, error) {
	b := tenancy.NewBook(n)
	for _, all := range []error{
		each(c.Tenants, b.PutTenant), each(c.Members, b.PutMember), each(c.Credentials, b.PutCredential), each(c.Schedules,
			b.PutSchedule),
		each(c.Plans, b.PutPlan), each(c.Leases, b.PutLease), each(c.Passes, b.PutPass), each(c.Events, b.PutEvent),
	} {
		if all != nil {
			return nil, all
		}
	}
	return b, nil
}

func each[T any](list []T, put func(T) error) error {
	for _, v := range list {
		if err := put(v); err != nil {
			return err
		}
	}
	return nil
}

func mustHold(t testing.TB, b *tenancy.Book, want content) {
	t.Helper()
	if diff := cmp.Diff(want, contentOf(b)); diff != "" {
		t.Errorf("the book holds (-want +got):\n%s", diff)
	}
}
