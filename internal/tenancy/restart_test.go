package tenancy_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Whatever happens to a book, a restart must be able to load it: everything
// that it holds refers to what it holds.
func TestABookFitsAgainAfterAnyChanges(t *testing.T) {
	n := network(t)
	rapid.Check(t, func(t *rapid.T) {
		b := peopled(t, n)
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			before := contentOf(b)
			err := change(t, b)
			if err == nil {
				continue
			}
			var field *tenancy.FieldError
			var conflict *tenancy.ConflictError
			if !errors.As(err, &field) && !errors.As(err, &conflict) && !errors.Is(err, tenancy.ErrNotFound) {
				t.Fatalf("an error of no kind: %v", err)
			}
			if diff := gocmp.Diff(before, contentOf(b)); diff != "" {
				t.Fatalf("refused (%v), and yet:\n%s", err, diff)
			}
		}
		c := contentOf(b)
		again, err := c.reload(n)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(c, contentOf(again)); diff != "" {
			t.Fatalf("loaded otherwise:\n%s", diff)
		}
		if !slices.IsSortedFunc(c.Members, func(a, b tenancy.Member) int { return cmp.Compare(a.ID, b.ID) }) {
			t.Fatal("members do not come by id")
		}
	})
}

// peopled has three of what others refer to, so that few changes go far.
func peopled(t *rapid.T, n *catalogue.Network) *tenancy.Book {
	b := tenancy.NewBook(n)
	for i := range 3 {
		id := func(kind string) string { return fmt.Sprintf("%s-%d", kind, i) }
		for _, err := range []error{
			b.PutTenant(tenancy.Tenant{ID: tenancy.TenantID(id("t")), Name: "T", Site: "metz", Kind: "company"}),
			b.PutMember(tenancy.Member{ID: tenancy.MemberID(id("m")), Tenant: tenancy.TenantID(id("t")), Name: "M"}),
			b.PutSchedule(tenancy.Schedule{ID: tenancy.ScheduleID(id("s")), Holidays: "open"}),
			b.PutPlan(tenancy.Plan{ID: tenancy.PlanID(id("p")), Name: "P", Schedule: tenancy.ScheduleID(id("s"))}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return b
}

// pick draws one of three ids, so that most references meet.
func pick[ID ~string](t *rapid.T, kind string) ID {
	return ID(fmt.Sprintf("%s-%d", kind, rapid.IntRange(0, 2).Draw(t, kind)))
}

func members(t *rapid.T) []tenancy.MemberID {
	return rapid.SliceOfNDistinct(
		rapid.Custom(func(t *rapid.T) tenancy.MemberID { return pick[tenancy.MemberID](t, "m") }),
		0,
		2,
		rapid.ID,
	).Draw(t, "members")
}

// change makes a random change, which may well be refused.
func change(t *rapid.T, b *tenancy.Book) error {
	day := time.Date(2026, 10, 19, 8, 0, 0, 0, time.UTC)
	spaces := []catalogue.SpaceID{"hall"}
	uid := hash(byte(rapid.IntRange(1, 3).Draw(t, "uid")))
	changes := []func() error{
		func() error {
			return b.PutTenant(tenancy.Tenant{ID: pick[tenancy.TenantID](t, "t"), Name: "T", Site: "metz", Kind: "company"})
		},
		func() error {
			return b.PutMember(
				tenancy.Member{ID: pick[tenancy.MemberID](t, "m"), Tenant: pick[tenancy.TenantID](t, "t"), Name: "M"},
			)
		},
		func() error {
			return b.PutCredential(
				tenancy.Credential{
					ID:     pick[tenancy.CredentialID](t, "c"),
					Member: pick[tenancy.MemberID](t, "m"),
					Kind:   "card",
					Status: tenancy.Active,
					Lookup: uid,
				},
			)
		},
		func() error {
			return b.PutSchedule(tenancy.Schedule{ID: pick[tenancy.ScheduleID](t, "s"), Holidays: "open"})
		},
		func() error {
			return b.PutPlan(
				tenancy.Plan{ID: pick[tenancy.PlanID](t, "p"), Name: "P", Schedule: pick[tenancy.ScheduleID](t, "s")},
			)
		},
		func() error {
			l := tenancy.Lease{
				ID:     pick[tenancy.LeaseID](t, "l"),
				Tenant: pick[tenancy.TenantID](t, "t"),
				Site:   "metz",
				Plan:   pick[tenancy.PlanID](t, "p"),
				Status: tenancy.Active,
			}
			if rapid.Bool().Draw(t, "named") {
				l.Members = members(t)
			}
			return b.PutLease(l)
		},
		func() error {
			return b.PutPass(
				tenancy.Pass{
					ID:        pick[tenancy.PassID](t, "v"),
					Host:      pick[tenancy.MemberID](t, "m"),
					Name:      "V",
					Spaces:    spaces,
					ValidFrom: day,
					ValidTo:   day.Add(time.Hour),
					Lookup:    uid,
				},
			)
		},
		func() error {
			return b.PutEvent(
				tenancy.Event{
					ID:       pick[tenancy.EventID](t, "e"),
					Title:    "E",
					Spaces:   spaces,
					StartsAt: day,
					EndsAt:   day.Add(time.Hour),
					Audience: "invited",
					Invited:  members(t),
				},
			)
		},
		func() error { return b.DeleteTenant(pick[tenancy.TenantID](t, "t")) },
		func() error { return b.DeleteMember(pick[tenancy.MemberID](t, "m")) },
		func() error { return b.DeleteCredential(pick[tenancy.CredentialID](t, "c")) },
		func() error { return b.DeleteSchedule(pick[tenancy.ScheduleID](t, "s")) },
		func() error { return b.DeletePlan(pick[tenancy.PlanID](t, "p"), time.Unix(1, 0)) },
		func() error { return b.DeleteLease(pick[tenancy.LeaseID](t, "l"), time.Unix(1, 0)) },
		func() error { return b.DeletePass(pick[tenancy.PassID](t, "v")) },
		func() error { return b.DeleteEvent(pick[tenancy.EventID](t, "e")) },
	}
	return rapid.SampledFrom(changes).Draw(t, "change")()
}
