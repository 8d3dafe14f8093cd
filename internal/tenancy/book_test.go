package tenancy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

func TestWhatIsSoundFits(t *testing.T) {
	cases := map[string]func(e *entities){
		"as it stands":                        func(*entities) {},
		"a lease of neither spaces nor kinds": func(e *entities) { e.lease.Spaces, e.plan.Includes = nil, nil },
		"a lease of one day":                  func(e *entities) { e.lease.EndsOn = &e.lease.StartsOn },
		"a lease without end":                 func(e *entities) { e.lease.EndsOn = nil },
		"a lease for all members":             func(e *entities) { e.lease.Members = nil },
		"a suspended lease":                   func(e *entities) { e.lease.Status = tenancy.Suspended },
		"a plan around the clock":             func(e *entities) { e.plan.Schedule = tenancy.Always },
		"windows that overlap":                func(e *entities) { e.hours.Windows = append(e.hours.Windows, e.hours.Windows[0]) },
		"a window to the day's end":           func(e *entities) { e.hours.Windows[0].To = 24 * 60 },
		"a schedule that is never open":       func(e *entities) { e.hours.Windows = nil },
		"a member without an address":         func(e *entities) { e.alice.Email = "" },
		"a public event, nobody invited":      func(e *entities) { e.event.Audience, e.event.Invited = "public", nil },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			e := sound(t)
			spoil(e)
			if err := e.put(tenancy.NewBook(network(t))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatDoesNotFitIsRefusedByItsField(t *testing.T) {
	early := instant(t, "2020-01-01T00:00:00Z")
	cases := []struct {
		field string
		spoil func(e *entities)
	}{
		{"id", func(e *entities) { e.tenant.ID = "Atelier" }},
		{"id", func(e *entities) { e.tenant.ID = "live" }},
		{"id", func(e *entities) { e.tenant.ID = tenancy.TenantID(strings.Repeat("a", 65)) }},
		{"name", func(e *entities) { e.tenant.Name = "" }},
		{"site", func(e *entities) { e.tenant.Site = "paris" }},
		{"kind", func(e *entities) { e.tenant.Kind = "club" }},

		{"id", func(e *entities) { e.alice.ID = "" }},
		{"tenant", func(e *entities) { e.alice.Tenant = "nobody" }},
		{"name", func(e *entities) { e.alice.Name = "" }},
		{"email", func(e *entities) { e.alice.Email = "alice" }},
		{"roles[0]", func(e *entities) { e.alice.Roles = []tenancy.MemberRole{"boss"} }},
		{"roles[1]", func(e *entities) { e.alice.Roles = []tenancy.MemberRole{tenancy.Responder, tenancy.Responder} }},
		{"staff_sites[1]", func(e *entities) { e.alice.StaffSites = []catalogue.SiteID{"metz", "paris"} }},
		{"staff_sites[1]", func(e *entities) { e.alice.StaffSites = []catalogue.SiteID{"metz", "metz"} }},

		{"id", func(e *entities) { e.card.ID = "-" }},
		{"member", func(e *entities) { e.card.Member = "nobody" }},
		{"kind", func(e *entities) { e.card.Kind = "ring" }},
		{"status", func(e *entities) { e.card.Status = tenancy.Suspended }},
		{"valid_to", func(e *entities) { e.card.ValidFrom, e.card.ValidTo = &early, &early }},
		{"uid", func(e *entities) { e.card.Lookup = tenancy.CredentialHash{} }},

		{"id", func(e *entities) { e.hours.ID = "Hours" }},
		{"holidays", func(e *entities) { e.hours.Holidays = "" }},
		{"windows[1].to", func(e *entities) { e.hours.Windows[1].To = e.hours.Windows[1].From }},
		{"windows[0].days", func(e *entities) { e.hours.Windows[0].Days = nil }},
		{"windows[0].days[1]", func(e *entities) { e.hours.Windows[0].Days = []catalogue.Weekday{1, 1} }},

		{"id", func(e *entities) { e.plan.ID = "a b" }},
		{"name", func(e *entities) { e.plan.Name = strings.Repeat("x", 201) }},
		{"includes[0]", func(e *entities) { e.plan.Includes = []catalogue.SpaceKind{"cellar"} }},
		{"includes[1]", func(e *entities) { e.plan.Includes = []catalogue.SpaceKind{catalogue.Cafe, catalogue.Cafe} }},
		{"schedule", func(e *entities) { e.plan.Schedule = "never" }},
		{"included_minutes", func(e *entities) { e.plan.IncludedMinutes = -1 }},
		{"hourly_rate_cents", func(e *entities) { e.plan.HourlyRateCents = -1 }},
		{"rounding_minutes", func(e *entities) { e.plan.RoundingMinutes = -1 }},
		{"grace_minutes", func(e *entities) { e.plan.GraceMinutes = -1 }},
		{"daily_cap_minutes", func(e *entities) { e.plan.DailyCapMinutes = -1 }},
		{"inferred_cap_minutes", func(e *entities) { e.plan.InferredCapMinutes = -1 }},
		{"vat_pct", func(e *entities) { e.plan.VatPct = -0.1 }},
		{"vat_pct", func(e *entities) { e.plan.VatPct = 100.1 }},

		{"id", func(e *entities) { e.lease.ID = "é" }},
		{"tenant", func(e *entities) { e.lease.Tenant = "nobody" }},
		{"site", func(e *entities) { e.lease.Site = "paris" }},
		{"spaces[1]", func(e *entities) { e.lease.Spaces = []catalogue.SpaceID{"hall", "cellar"} }},
		{"spaces[1]", func(e *entities) { e.lease.Spaces = []catalogue.SpaceID{"hall", "hall"} }},
		{"spaces[0]", func(e *entities) { e.lease.Spaces = []catalogue.SpaceID{catalogue.Outside} }},
		{"plan", func(e *entities) { e.lease.Plan = "gold" }},
		{"ends_on", func(e *entities) { day := e.lease.StartsOn - 1; e.lease.EndsOn = &day }},
		{"status", func(e *entities) { e.lease.Status = tenancy.Lost }},
		{"members[0]", func(e *entities) { e.lease.Members = []tenancy.MemberID{"nobody"} }},
		{"members[0]", func(e *entities) { e.lease.Members = []tenancy.MemberID{"bob"} }}, // of another tenant
		{"members[1]", func(e *entities) { e.lease.Members = []tenancy.MemberID{"alice", "alice"} }},
		{"rent_cents_month", func(e *entities) { e.lease.RentCentsMonth = -1 }},

		{"id", func(e *entities) { e.pass.ID = "LIVE" }},
		{"host", func(e *entities) { e.pass.Host = "nobody" }},
		{"name", func(e *entities) { e.pass.Name = "" }},
		{"spaces", func(e *entities) { e.pass.Spaces = nil }},
		{"spaces[0]", func(e *entities) { e.pass.Spaces = []catalogue.SpaceID{"cellar"} }},
		{"valid_to", func(e *entities) { e.pass.ValidTo = e.pass.ValidFrom }},

		{"id", func(e *entities) { e.event.ID = "" }},
		{"title", func(e *entities) { e.event.Title = "" }},
		{"spaces", func(e *entities) { e.event.Spaces = nil }},
		{"ends_at", func(e *entities) { e.event.EndsAt = e.event.StartsAt }},
		{"audience", func(e *entities) { e.event.Audience = "all" }},
		{"invited[0]", func(e *entities) { e.event.Invited = []tenancy.MemberID{"nobody"} }},
		{"invited[1]", func(e *entities) { e.event.Invited = []tenancy.MemberID{"bob", "bob"} }},
	}
	for _, c := range cases {
		t.Run(c.field, func(t *testing.T) {
			e := sound(t)
			c.spoil(e)
			err := e.put(tenancy.NewBook(network(t)))
			var wrong *tenancy.FieldError
			if !errors.As(err, &wrong) || wrong.Field != c.field {
				t.Fatalf("got %v, want an error of %s", err, c.field)
			}
			// The same over a book that holds the sound ones: nothing half-written.
			b := filled(t)
			before := contentOf(b)
			_ = e.put(b)
			mustHold(t, b, before)
		})
	}
}

func TestAlwaysIsBuiltIn(t *testing.T) {
	b := filled(t)
	for name, err := range map[string]error{
		"put":    b.PutSchedule(tenancy.Schedule{ID: tenancy.Always, Holidays: "open"}),
		"delete": b.DeleteSchedule(tenancy.Always),
	} {
		if _, ok := errors.AsType[*tenancy.ConflictError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := b.Schedule(tenancy.Always); !ok {
		t.Error("always is not there")
	}
	if n := len(slices.Collect(b.Schedules())); n != 1 {
		t.Errorf("%d schedules are listed, want that one which was put", n)
	}
}

func TestAUidBelongsToOneCredential(t *testing.T) {
	b := filled(t)
	second := sound(t).card
	second.ID = "second"
	wantConflict(t, b.PutCredential(second), "uid")

	stolen := second
	stolen.Lookup = hash(2) // the visitor's token
	wantConflict(t, b.PutCredential(stolen), "uid")
	token := sound(t).pass
	token.ID, token.Lookup = "another", hash(1)
	wantConflict(t, b.PutPass(token), "token")

	// A uid that its credential no longer has is free again; so is one whose credential is gone.
	moved := sound(t).card
	moved.Lookup = hash(9)
	mustPut(t, b.PutCredential(moved))
	mustPut(t, b.PutCredential(second))
	mustPut(t, b.DeleteCredential("second"))
	moved.Lookup = hash(1)
	mustPut(t, b.PutCredential(moved))
}

func TestACredentialsMemberNeverChanges(t *testing.T) {
	b := filled(t)
	card := sound(t).card
	card.Member = "bob"
	wantConflict(t, b.PutCredential(card), "member")
	card.Member, card.Status = "alice", tenancy.Lost
	mustPut(t, b.PutCredential(card))
}

func TestAMemberNamedByALeaseKeepsTheTenant(t *testing.T) {
	b := filled(t)
	alice, bob := sound(t).alice, sound(t).bob
	alice.Tenant, bob.Tenant = "other", "atelier"
	wantConflict(t, b.PutMember(alice), "tenant")
	mustPut(t, b.PutMember(bob))
}

func TestWhatIsReferredToCannotBeDeleted(t *testing.T) {
	b := filled(t)
	before := contentOf(b)
	for _, c := range []struct {
		what string
		err  error
		by   string
	}{
		{"a tenant of a member", b.DeleteTenant("atelier"), `member "alice"`},
		{"a credential's member", b.DeleteMember("alice"), `credential "card"`},
		{"an invited member", b.DeleteMember("bob"), `event "meetup"`},
		{"a plan's schedule", b.DeleteSchedule("hours"), `plan "flex"`},
		{"a lease's plan", b.DeletePlan("flex", time.Unix(1, 0)), `lease "l1"`},
	} {
		var conflict *tenancy.ConflictError
		if !errors.As(c.err, &conflict) || !strings.Contains(conflict.Error(), c.by) {
			t.Errorf("%s: %v does not name %s", c.what, c.err, c.by)
		}
	}
	mustHold(t, b, before)

	mustPut(t, b.DeleteCredential("card"))
	wantConflict(t, b.DeleteMember("alice"), "") // the pass
	mustPut(t, b.DeletePass("visitor"))
	wantConflict(t, b.DeleteMember("alice"), "") // the lease
	mustPut(t, b.DeleteLease("l1", time.Unix(1, 0)))
	mustPut(t, b.DeleteMember("alice"))
	mustPut(t, b.DeleteTenant("atelier"))
	mustPut(t, b.DeletePlan("flex", time.Unix(1, 0)))
	mustPut(t, b.DeleteSchedule("hours"))
	mustPut(t, b.DeleteEvent("meetup"))
	mustPut(t, b.DeleteMember("bob"))
}

func TestATenantWithALeaseStays(t *testing.T) {
	b := filled(t)
	l := sound(t).lease
	l.ID, l.Tenant, l.Members = "l2", "other", nil
	mustPut(t, b.PutLease(l))
	mustPut(t, b.DeleteEvent("meetup"))
	mustPut(t, b.DeleteMember("bob"))
	wantConflict(t, b.DeleteTenant("other"), "")
}

func TestWhatIsNotThereCannotBeDeleted(t *testing.T) {
	b := filled(t)
	for _, err := range []error{
		b.DeleteTenant("x"), b.DeleteMember("x"), b.DeleteCredential("x"), b.DeleteSchedule("x"),
		b.DeletePlan("x", time.Unix(1, 0)), b.DeleteLease("x", time.Time{}), b.DeletePass("x"), b.DeleteEvent("x"),
	} {
		if !errors.Is(err, tenancy.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
}

func TestADeletedPassStaysToAnswerForItsToken(t *testing.T) {
	b := filled(t)
	mustPut(t, b.DeletePass("visitor"))
	if p, ok := b.Pass("visitor"); !ok || !p.Deleted || p.Lookup != hash(2) {
		t.Fatalf("the pass is %+v, %v", p, ok)
	}
	if err := b.DeletePass("visitor"); !errors.Is(err, tenancy.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	// It outlives its host, without the visitor's name, over a restart too.
	mustPut(t, b.DeleteCredential("card"))
	mustPut(t, b.DeleteLease("l1", time.Unix(1, 0)))
	mustPut(t, b.DeleteMember("alice"))
	again, err := contentOf(b).reload(network(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*tenancy.Book{b, again} {
		if p, ok := b.Pass("visitor"); !ok || !p.Deleted || p.Name != "" || p.Lookup != hash(2) {
			t.Errorf("the pass is %+v, %v", p, ok)
		}
	}
}

func TestACloneGoesItsOwnWay(t *testing.T) {
	b := filled(t)
	before := contentOf(b)
	c := b.Clone()
	mustHold(t, c, before)
	mustPut(t, c.DeleteCredential("card"))
	mustPut(t, c.DeletePass("visitor"))
	mustPut(t, c.DeleteLease("l1", time.Unix(1, 0)))
	mustPut(t, c.DeleteEvent("meetup"))
	mustPut(t, c.DeleteMember("alice"))
	mustPut(t, c.DeleteTenant("atelier"))
	mustHold(t, b, before)
	double := sound(t).card
	double.ID = "double"
	wantConflict(t, b.PutCredential(double), "uid")
}

func mustPut(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantConflict(t *testing.T, err error, field string) {
	t.Helper()
	var conflict *tenancy.ConflictError
	if !errors.As(err, &conflict) || conflict.Field != field {
		t.Errorf("got %v, want a conflict of %q", err, field)
	}
}
