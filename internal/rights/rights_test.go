package rights_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

const (
	office     = catalogue.SpaceID("metz-bureau-101")
	officeDoor = catalogue.DoorID("metz-bureau-101-door")
)

// noon is a Monday at noon in Metz.
var noon = time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)

// scene is a keeper over a real ledger, with a clock that the test sets.
type scene struct {
	*rights.Keeper
	t      *testing.T
	ledger *ledger.Ledger
	now    time.Time
	n      *catalogue.Network
}

func newScene(t *testing.T) *scene {
	t.Helper()
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &scene{t: t, ledger: l, now: noon, n: n}
	s.reopen()
	return s
}

// reopen loads the rights from the ledger, as a start does.
func (s *scene) reopen() {
	s.t.Helper()
	k, err := rights.Open(s.t.Context(), catalogue.Always(s.n), s.ledger, func() time.Time { return s.now })
	if err != nil {
		s.t.Fatal(err)
	}
	s.Keeper = k
}

func (s *scene) apply(changes ...rights.Change) {
	s.t.Helper()
	if err := s.Apply(s.t.Context(), "admin", changes...); err != nil {
		s.t.Fatal(err)
	}
}

func put(v any) rights.Change { return rights.Change{Put: v} }

func remove(kind rights.Kind, id string) rights.Change {
	return rights.Change{Delete: &rights.Key{Kind: kind, ID: id}}
}

func badge(n byte) tenancy.CredentialHash { return tenancy.CredentialHash{n} }

func card(id tenancy.CredentialID, m tenancy.MemberID, n byte) tenancy.Credential {
	return tenancy.Credential{
		ID:      id,
		Member:  m,
		Kind:    tenancy.Card,
		Status:  tenancy.Active,
		Lookup:  badge(n),
		ForList: badge(n + 100),
	}
}

var (
	plan = tenancy.Plan{ID: "office", Name: "Office", Schedule: tenancy.Always, RoundingMinutes: 1, VatPct: 20}
	deal = tenancy.Lease{
		ID: "forge-101", Tenant: "forge", Site: "metz", Spaces: []catalogue.SpaceID{office}, Plan: "office",
		StartsOn: catalogue.Date(2026, 1, 1), Status: tenancy.Active, RentCentsMonth: 45000,
	}
)

// furnish gives the tenant forge an office, with Nadia (badge 1) and Otto
// (badge 2).
func (s *scene) furnish() {
	s.t.Helper()
	s.apply(
		put(tenancy.Tenant{ID: "forge", Name: "Forge", Site: "metz", Kind: tenancy.Company}),
		put(tenancy.Member{ID: "nadia", Tenant: "forge", Name: "Nadia"}),
		put(tenancy.Member{ID: "otto", Tenant: "forge", Name: "Otto"}),
		put(card("nadia-card", "nadia", 1)), put(card("otto-card", "otto", 2)),
		put(plan), put(deal),
	)
}

func (s *scene) ask(x *access.Index, n byte, at time.Time) access.Answer {
	q := access.Question{Credential: badge(n), Door: officeDoor, Direction: catalogue.In, At: at}
	return x.Decide(q, nil)
}

func (s *scene) mustAnswer(n byte, want access.Reason) {
	s.t.Helper()
	if got := s.ask(s.Index(), n, s.now); got.Reason != want {
		s.t.Errorf("badge %d: %s, want %s", n, got.Reason, want)
	}
}

// count returns how many acts the audit chain has, and holds it to be intact.
func (s *scene) count() int64 {
	s.t.Helper()
	a, err := s.ledger.Verify(s.t.Context(), nil)
	if err != nil || !a.OK {
		s.t.Fatalf("the audit chain: %+v %v", a, err)
	}
	return a.Entries
}

func TestAChangeIsInForceWhenApplyReturns(t *testing.T) {
	s := newScene(t)
	seen := 0
	s.OnChange(func(f *rights.InForce) {
		seen++
		if f != s.InForce() {
			t.Error("the listener was called with rights that are not in force")
		}
	})
	s.mustAnswer(1, access.UnknownCredential)
	s.furnish()
	s.mustAnswer(1, access.Lease)
	if seen != 1 || s.count() != 7 {
		t.Errorf("%d calls, %d acts", seen, s.count())
	}
	s.reopen()
	s.mustAnswer(1, access.Lease)
	s.apply(remove(rights.KindCredential, "nadia-card"))
	s.mustAnswer(1, access.UnknownCredential)
	s.mustAnswer(2, access.Lease)
}

// TestAllChangesOrNone: one that does not fit leaves book, doors and chain as
// they were.
func TestAllChangesOrNone(t *testing.T) {
	s := newScene(t)
	s.furnish()
	before, acts := s.InForce(), s.count()
	var field *tenancy.FieldError
	err := s.Apply(t.Context(), "admin", remove(rights.KindCredential, "nadia-card"), put(card("x", "nobody", 9)))
	if !errors.As(err, &field) || field.Field != "member" {
		t.Errorf("%v", err)
	}
	var conflict *tenancy.ConflictError
	if err := s.Apply(t.Context(), "admin", remove(rights.KindPlan, "office")); !errors.As(err, &conflict) {
		t.Errorf("%v", err)
	}
	no := errors.New("no")
	forbidden := rights.Change{Put: plan, Expect: func(*tenancy.Book) error { return no }}
	if err := s.Apply(t.Context(), "admin", forbidden); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	for _, c := range []rights.Change{put(42), remove("nonsense", "x"), {TakeBack: &rights.Version{Key: rights.Key{Kind: rights.KindEvent}}}} {
		if err := s.Apply(t.Context(), "admin", c); err == nil {
			t.Errorf("%+v was applied", c)
		}
	}
	if s.InForce() != before || s.count() != acts {
		t.Error("a refused change left something behind")
	}
	s.mustAnswer(1, access.Lease)
	if err := s.Check(put(card("x", "nobody", 9))); err == nil {
		t.Error("Check finds nothing wrong")
	}
	if err := s.Check(put(card("x", "otto", 9))); err != nil || s.InForce() != before {
		t.Errorf("%v", err)
	}
}

// failing is a ledger that writes nothing.
type failing struct{ *ledger.Ledger }

func (failing) Write(context.Context, func(*ledger.Tx) error) error { return errors.New("disk full") }

func TestWhatIsNotCommittedIsNotInForce(t *testing.T) {
	s := newScene(t)
	s.furnish()
	k, err := rights.Open(t.Context(), catalogue.Always(s.n), failing{s.ledger}, func() time.Time { return s.now })
	if err != nil {
		t.Fatal(err)
	}
	k.OnChange(func(*rights.InForce) { t.Error("a listener was called") })
	if err := k.Apply(t.Context(), "admin", remove(rights.KindCredential, "nadia-card")); err == nil {
		t.Fatal("applied")
	}
	if got := s.ask(k.Index(), 1, s.now); got.Reason != access.Lease {
		t.Errorf("%+v", got)
	}
	if err := k.SetLockdown(t.Context(), "admin", "metz", true, "fire"); err == nil || k.InForce().LockedDown("metz") {
		t.Errorf("locked down without a commit: %v", err)
	}
}

func TestAKeeperThatEndedChangesNothing(t *testing.T) {
	s := newScene(t)
	s.End()
	if err := s.Apply(t.Context(), "admin", put(plan)); !errors.Is(err, rights.ErrEnded) {
		t.Errorf("%v", err)
	}
}

func TestALockdownLocksTheDoorsOfItsSite(t *testing.T) {
	s := newScene(t)
	s.furnish()
	lock := func(active bool) {
		t.Helper()
		if err := s.SetLockdown(t.Context(), "admin", "metz", active, "drill"); err != nil {
			t.Fatal(err)
		}
	}
	lock(true)
	lock(true) // again: it goes on
	s.mustAnswer(1, access.Lockdown)
	s.reopen()
	s.mustAnswer(1, access.Lockdown)
	if !s.InForce().LockedDown("metz") || s.InForce().LockedDown("nancy") {
		t.Error("which site is locked down")
	}
	s.now = noon.Add(time.Minute)
	lock(false)
	s.mustAnswer(1, access.Lease)
	if n := len(s.InForce().Lockdowns); n != 1 {
		t.Errorf("%d lockdowns are remembered", n)
	}
	s.now = noon.AddDate(0, 0, 101) // what happened 100 days ago explains no read any more
	lock(true)
	if n := len(s.InForce().Lockdowns); n != 1 {
		t.Errorf("%d lockdowns are remembered", n)
	}
	s.count()
}

// TestVersionsBeginWithTheirDay: a lease's end that is planned closes the door
// when its day begins, and not before.
func TestVersionsBeginWithTheirDay(t *testing.T) {
	s := newScene(t)
	s.furnish()
	suspended, day := deal, catalogue.Date(2026, 11, 25)
	suspended.Status = tenancy.Suspended
	s.apply(rights.Change{Put: suspended, From: &day})
	s.mustAnswer(1, access.Lease)
	s.now = time.Date(2026, 11, 24, 22, 59, 0, 0, time.UTC)
	s.mustAnswer(1, access.Lease)
	s.now = s.now.Add(2 * time.Minute) // after midnight in Metz
	s.mustAnswer(1, access.LeaseSuspended)
	rolled := 0
	s.OnChange(func(*rights.InForce) { rolled++ })
	s.Roll()
	s.Roll()
	if rolled != 1 || s.InForce().Book.Today() != day {
		t.Errorf("%d times, %v", rolled, s.InForce().Book.Today())
	}
	s.reopen()
	s.mustAnswer(1, access.LeaseSuspended)
}

func TestAPlannedVersionCanBeTakenBack(t *testing.T) {
	s := newScene(t)
	s.furnish()
	dearer, day := deal, catalogue.Date(2027, 1, 1)
	dearer.RentCentsMonth = 46000
	s.apply(rights.Change{Put: dearer, From: &day})
	later := plan
	later.VatPct = 10
	s.apply(rights.Change{Put: later, From: &day})
	leases, plans := s.InForce().Book.LeaseTerms("forge-101"), s.InForce().Book.PlanTerms("office")
	take := func(kind rights.Kind, id string, n int) rights.Change {
		return rights.Change{TakeBack: &rights.Version{Key: rights.Key{Kind: kind, ID: id}, N: n}}
	}
	l, p := leases.Changes(), plans.Changes()
	s.apply(take(rights.KindLease, "forge-101", l[len(l)-1].N), take(rights.KindPlan, "office", p[len(p)-1].N))
	s.reopen()
	if v := tenancy.LeaseOn(s.InForce().Book.LeaseTerms("forge-101"), day); v == nil || v.RentCentsMonth != 45000 {
		t.Errorf("%+v", v)
	}
	if err := s.Apply(t.Context(), "admin", take(rights.KindLease, "forge-101", 99)); err == nil {
		t.Error("a version that does not exist was taken back")
	}
	s.count()
}

// TestABadgeThatChangesHandsKeepsItsPast: reads of before belong to the first
// holder.
func TestABadgeThatChangesHandsKeepsItsPast(t *testing.T) {
	s := newScene(t)
	s.furnish()
	s.now = noon.Add(time.Hour)
	s.apply(remove(rights.KindCredential, "nadia-card"))
	s.now = noon.Add(2 * time.Hour)
	s.apply(put(card("otto-second", "otto", 1)))
	s.reopen()
	for at, want := range map[time.Time]tenancy.MemberID{noon: "nadia", noon.Add(3 * time.Hour): "otto"} {
		q := access.Question{Credential: badge(1), Door: officeDoor, Direction: catalogue.In, At: at, Offline: true}
		if got := s.Index().Decide(q, nil); got.Subject.Member != want {
			t.Errorf("at %v: %+v", at, got)
		}
	}
}

// TestAnErasedPersonIsNowhere: no credential, no name, no act; the tenant's
// other people go on.
func TestAnErasedPersonIsNowhere(t *testing.T) {
	s := newScene(t)
	s.furnish()
	named := deal
	named.ID, named.Spaces = "forge-102", []catalogue.SpaceID{"metz-bureau-102"}
	named.Members = []tenancy.MemberID{"nadia", "otto"}
	s.apply(
		put(named),
		put(tenancy.Pass{ID: "guest", Host: "nadia", Name: "Guest", Spaces: []catalogue.SpaceID{office},
			ValidFrom: noon, ValidTo: noon.Add(time.Hour), Lookup: badge(7), ForList: badge(107)}),
		put(
			tenancy.Event{
				ID:       "fete",
				Title:    "Fête",
				Spaces:   []catalogue.SpaceID{office},
				StartsAt: noon,
				EndsAt:   noon.Add(time.Hour),
				Audience: tenancy.Invited,
				Invited:  []tenancy.MemberID{"nadia", "otto"},
			},
		),
	)
	s.mustAnswer(7, access.Pass)
	if err := s.Erase(t.Context(), "admin", "nadia"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as it is, and as a start loads it
		s.mustAnswer(1, access.UnknownCredential)
		s.mustAnswer(2, access.Lease)
		if got := s.ask(s.Index(), 7, s.now); got.Granted {
			t.Errorf("the guest of an erased host: %+v", got)
		}
		book := s.InForce().Book
		if _, there := book.Member("nadia"); there {
			t.Error("still a member")
		}
		if l, _ := book.Lease("forge-102"); slices.Contains(l.Members, "nadia") || !slices.Contains(l.Members, "otto") {
			t.Errorf("the lease names %v", l.Members)
		}
		if e, _ := book.Event("fete"); len(e.Invited) != 1 {
			t.Errorf("the event invites %v", e.Invited)
		}
		s.reopen()
	}
	err := s.ledger.LastActs(t.Context(), 1<<60, func(a ingest.Act) error {
		if strings.Contains(string(a.Body), "adia") {
			t.Errorf("an act still says %s", a.Body)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.count()
}

// TestTheRightsOfThenAnswerAsTheyDid: by the acts before an entry of the chain.
func TestTheRightsOfThenAnswerAsTheyDid(t *testing.T) {
	s := newScene(t)
	s.furnish()
	named := deal
	named.ID, named.Spaces, named.Members = "forge-102", []catalogue.SpaceID{
		"metz-bureau-102",
	}, []tenancy.MemberID{
		"nadia",
	}
	s.apply(put(named))
	entry := s.count() + 1
	s.now = noon.Add(time.Hour)
	suspended := deal
	suspended.Status = tenancy.Suspended
	s.apply(put(suspended), remove(rights.KindCredential, "otto-card"))
	s.mustAnswer(1, access.LeaseSuspended)
	then, err := s.AsOf(t.Context(), s.ledger, entry, noon)
	if err != nil {
		t.Fatal(err)
	}
	if then.Forgotten {
		t.Error("nobody was erased")
	}
	who := visit.Subject{Member: "nadia"}
	q := access.Question{Credential: then.Badge("nadia-card", who), Door: officeDoor, Direction: catalogue.In, At: noon}
	if got := then.Index.Decide(q, nil); got.Reason != access.Lease {
		t.Errorf("%+v", got)
	}
	if then.Badge("", who) != then.Badge("nadia-card", who) ||
		then.Badge("", visit.Subject{}) != (tenancy.CredentialHash{}) ||
		then.Badge("", visit.Subject{Pass: "p"}) != rights.HashOf(rights.KindPass, "p") {
		t.Error("whose badge it was")
	}
	if err := s.Erase(t.Context(), "admin", "nadia"); err != nil {
		t.Fatal(err)
	}
	if then, err = s.AsOf(t.Context(), s.ledger, entry, noon); err != nil || !then.Forgotten {
		t.Errorf("it does not say that somebody was erased: %v", err)
	}
}

func TestADraftIsCommittedWholeOrNotAtAll(t *testing.T) {
	s := newScene(t)
	s.furnish()
	d := s.Draft()
	if err := d.Put(tenancy.Member{ID: "petra", Tenant: "forge", Name: "Petra"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(card("petra-card", "petra", 3)); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(card("x", "nobody", 9)); err == nil {
		t.Error("a change that does not fit was taken")
	}
	if _, there := d.Book().Member("petra"); !there {
		t.Error("the draft does not have her")
	}
	s.mustAnswer(3, access.UnknownCredential)
	if err := s.Commit(t.Context(), "admin", d); err != nil {
		t.Fatal(err)
	}
	s.mustAnswer(3, access.Lease)
	late := s.Draft()
	if err := late.Change(remove(rights.KindCredential, "petra-card")); err != nil {
		t.Fatal(err)
	}
	s.apply(remove(rights.KindCredential, "otto-card"))
	if err := s.Commit(t.Context(), "admin", late); !errors.Is(err, rights.ErrChanged) {
		t.Errorf("%v", err)
	}
	if err := s.Commit(t.Context(), "admin", s.Draft()); err != nil {
		t.Errorf("an empty draft: %v", err)
	}
}

// TestEveryKindIsPutLoadedAndDeleted goes through the kinds, the last first.
func TestEveryKindIsPutLoadedAndDeleted(t *testing.T) {
	s := newScene(t)
	s.furnish()
	s.apply(
		put(tenancy.Schedule{ID: "hours", Holidays: tenancy.OpenOnHolidays}),
		put(tenancy.Pass{ID: "guest", Host: "otto", Name: "Guest", Spaces: []catalogue.SpaceID{office},
			ValidFrom: noon, ValidTo: noon.Add(time.Hour), Lookup: badge(7), ForList: badge(107)}),
		put(
			tenancy.Event{
				ID:       "fete",
				Title:    "Fête",
				Spaces:   []catalogue.SpaceID{office},
				StartsAt: noon,
				EndsAt:   noon.Add(time.Hour),
				Audience: tenancy.Public,
			},
		),
	)
	s.reopen()
	if z := s.InForce().Book.Size(); z.Members != 2 || z.Credentials != 2 {
		t.Errorf("%+v", z)
	}
	for _, k := range []rights.Key{
		{Kind: rights.KindEvent, ID: "fete"}, {Kind: rights.KindPass, ID: "guest"}, {Kind: rights.KindLease, ID: "forge-101"},
		{Kind: rights.KindPlan, ID: "office"}, {Kind: rights.KindSchedule, ID: "hours"},
		{Kind: rights.KindCredential, ID: "nadia-card"}, {Kind: rights.KindCredential, ID: "otto-card"},
		{Kind: rights.KindMember, ID: "nadia"}, {Kind: rights.KindMember, ID: "otto"}, {Kind: rights.KindTenant, ID: "forge"},
	} {
		s.apply(remove(k.Kind, k.ID))
		if err := s.Apply(t.Context(), "admin", remove(k.Kind, k.ID)); err == nil && k.Kind != rights.KindPass {
			t.Errorf("%v was deleted twice", k)
		}
	}
	s.reopen()
	s.mustAnswer(7, access.CredentialRevoked) // a pass is kept to answer so
	s.count()
}
