package tenancy_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/tenancy"
)

// leaseOf returns a book in which the lease l1 has a history: from the
// beginning, from a past day and from a day to come.
func leaseOf(t *testing.T) (b *tenancy.Book, today catalogue.Day) {
	t.Helper()
	b = filled(t)
	today = date(t, "2026-10-20")
	b.SetToday(today)
	at := instant(t, "2026-10-20T10:00:00Z")
	for _, v := range []struct {
		from   catalogue.Day
		status tenancy.Status
		ends   string
	}{{date(t, "2026-10-01"), tenancy.Suspended, "2027-08-31"}, {date(t, "2026-11-01"), tenancy.Active, "2027-06-30"}} {
		l, _ := b.Lease("l1")
		ends := date(t, v.ends)
		l.Status, l.EndsOn = v.status, &ends
		mustPut(t, b.PutLeaseFrom(l, tenancy.When{From: v.from, At: at, By: "test"}))
		at = at.AddDate(0, 0, 1) // on one day the second would replace the first
	}
	return b, today
}

func TestALeaseIsWhatItsVersionsSayOfADay(t *testing.T) {
	b, today := leaseOf(t)
	h := b.LeaseTerms("l1")
	for day, status := range map[string]tenancy.Status{
		"2026-09-30": tenancy.Active, "2026-10-01": tenancy.Suspended, "2026-10-31": tenancy.Suspended,
		"2026-11-01": tenancy.Active,
	} {
		l := tenancy.LeaseOn(h, date(t, day))
		if l == nil || l.Status != status || *l.EndsOn != date(t, "2027-06-30") {
			t.Errorf("%s: %+v", day, l)
		}
		if got := l.ActiveOn(date(t, day)); got != (status == tenancy.Active) {
			t.Errorf("%s: active %t", day, got)
		}
	}
	if l, ok := b.Lease("l1"); !ok || l.Status != tenancy.Suspended || b.Today() != today {
		t.Errorf("today: %+v, %t", l, ok)
	}
	if !b.SetToday(date(t, "2026-11-01")) || b.SetToday(date(t, "2026-11-02")) {
		t.Error("what holds changes on 1 November, and not on the 2nd")
	}
	if l, _ := b.Lease("l1"); l.Status != tenancy.Active {
		t.Errorf("in November: %+v", l)
	}
	for i, v := range tenancy.LeaseVersions(h) {
		if *v.Value.EndsOn != date(t, "2027-06-30") {
			t.Errorf("version %d does not have the dates as last written: %+v", i, v.Value)
		}
	}
	if tenancy.WriteDay(dated.Beginning) != "beginning" || tenancy.WriteDay(today) != "2026-10-20" {
		t.Error("days are written otherwise")
	}
}

func TestOnlyWhatHasNotBegunIsTakenBack(t *testing.T) {
	b, _ := leaseOf(t)
	before := b.LeaseTerms("l1")
	versions := before.Versions()
	last := versions[len(versions)-1]
	now := instant(t, "2026-10-22T10:00:00Z")
	if err := b.TakeLeaseBack("l1", versions[1].N, now); !errors.Is(err, tenancy.ErrBegun) {
		t.Errorf("a version that holds already: %v", err)
	}
	if err := b.TakeLeaseBack("l1", 99, now); !errors.Is(err, tenancy.ErrNotFound) {
		t.Errorf("a version that is not there: %v", err)
	}
	if err := b.TakeLeaseBack("l1", last.N, now); err != nil {
		t.Fatal(err)
	}
	after := b.LeaseTerms("l1")
	if l := tenancy.LeaseOn(after, date(t, "2026-11-01")); l.Status != tenancy.Suspended {
		t.Errorf("what was taken back still holds: %+v", l)
	}
	day, differ := tenancy.Differs(before, after)
	if !differ || day != date(t, "2026-11-01") {
		t.Errorf("they differ: %t, from %s on", differ, day)
	}
	if day, differ := tenancy.Differs(before, before); differ {
		t.Errorf("a history differs from itself on %s", day)
	}
	plan, _ := b.Plan("flex")
	plan.HourlyRateCents = 450
	mustPut(t, b.PutPlanFrom(plan, tenancy.When{From: date(t, "2026-12-01"), At: now, By: "test"}))
	pv := b.PlanTerms("flex").Versions()
	if err := b.TakePlanBack("flex", pv[len(pv)-1].N, now); err != nil || len(b.PlanTerms("flex").Versions()) != 1 {
		t.Errorf("%v, %d versions left", err, len(b.PlanTerms("flex").Versions()))
	}
}

func TestDuringPairsWhatHeldOfLeasesAndPlans(t *testing.T) {
	b, _ := leaseOf(t)
	plan, _ := b.Plan("flex")
	plan.HourlyRateCents = 450
	mustPut(t, b.PutPlanFrom(plan, tenancy.When{From: date(t, "2026-10-15"), At: instant(t, "2026-10-22T10:00:00Z")}))
	type pair struct {
		status tenancy.Status
		rate   int
	}
	pairs := func(first, last string) (list []pair) {
		for l, p := range b.During(date(t, first), date(t, last)) {
			list = append(list, pair{l.Status, p.HourlyRateCents})
		}
		return list
	}
	for _, c := range []struct {
		first, last string
		want        []pair
	}{
		{"2026-09-01", "2026-09-30", []pair{{tenancy.Active, 300}}},
		{"2026-10-14", "2026-10-15", []pair{{tenancy.Suspended, 300}, {tenancy.Suspended, 450}}},
		{"2026-10-31", "2026-11-01", []pair{{tenancy.Suspended, 450}, {tenancy.Active, 450}}},
	} {
		if got := pairs(c.first, c.last); !slices.Equal(got, c.want) {
			t.Errorf("%s to %s: %v, want %v", c.first, c.last, got, c.want)
		}
	}
	plans, leases := 0, 0
	for range b.AllPlanTerms() {
		plans++
	}
	for range b.AllLeaseTerms() {
		leases++
	}
	if plans == 0 || leases != 1 {
		t.Errorf("%d plans, %d leases", plans, leases)
	}
}

func TestAnErasedPersonIsInNoVersion(t *testing.T) {
	b, _ := leaseOf(t)
	b.ForgetMember("alice")
	for _, v := range b.LeaseTerms("l1").Versions() {
		if slices.Contains(v.Value.Members, "alice") {
			t.Errorf("version %d names her", v.N)
		}
	}
	if l, _ := b.Lease("l1"); slices.Contains(l.Members, "alice") {
		t.Error("what holds today names her")
	}
}

func TestFormerHoldersAreOrderedAndForgotten(t *testing.T) {
	b := filled(t)
	day := func(n int) time.Time { return instant(t, "2026-10-01T00:00:00Z").AddDate(0, 0, n) }
	b.AddFormer(tenancy.Former{Lookup: hash(9), Member: "bob", Until: day(2)})
	b.AddFormer(tenancy.Former{Lookup: hash(9), Member: "alice", Until: day(1)})
	if list := b.FormersOf(hash(9)); len(list) != 2 || list[0].Member != "alice" {
		t.Fatalf("the earliest is not first: %+v", list)
	}
	left := b.ForgetFormer("alice")
	if len(left) != 1 || left[0].Member != "" || !left[0].Until.Equal(day(1)) {
		t.Errorf("left: %+v", left)
	}
	for list := range b.Formers() {
		for _, f := range list {
			if f.Member == "alice" {
				t.Errorf("still named: %+v", f)
			}
		}
	}
}

func TestALeaseGivesItsSpacesAndWhatIsReachedAcrossThem(t *testing.T) {
	b := filled(t)
	l, _ := b.Lease("l1")
	plan, _ := b.Plan("flex")
	if !b.Gives(&l, &plan, "office") || !b.Gives(&l, &plan, "hall") {
		t.Error("the office and the hall before it are given")
	}
	l.Spaces = nil
	if b.Gives(&l, &plan, "office") || !b.Gives(&l, &plan, "coworking") {
		t.Error("without the office, only what the plan includes is given")
	}
	plan.Includes = nil
	if b.Gives(&l, &plan, "hall") {
		t.Error("nothing is given, and the hall is")
	}
	if b.In(network(t)).Gives(&l, &plan, "hall") {
		t.Error("another network gives what the lease does not")
	}
}
