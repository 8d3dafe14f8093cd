package presence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/presence"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// fake is a store in memory: a chain of reads, and what the follower wrote.
type fake struct {
	chain  []arrival
	cursor int64

	touched map[visit.Subject]ledger.Touched
	visits  map[tenancy.MemberID][]ledger.Visit
	stays   map[visit.Subject][]visit.Stay
	places  map[visit.Subject]ledger.Presence

	erased  map[visit.Subject]bool
	broken  visit.Subject // its reads cannot be loaded
	full    atomic.Bool   // commits fail
	commits int
}

type arrival struct {
	who  visit.Subject
	read visit.Read
	at   time.Time
}

func newFake() *fake {
	return &fake{
		touched: map[visit.Subject]ledger.Touched{},
		visits:  map[tenancy.MemberID][]ledger.Visit{},
		stays:   map[visit.Subject][]visit.Stay{},
		places:  map[visit.Subject]ledger.Presence{},
		erased:  map[visit.Subject]bool{},
	}
}

func (f *fake) arrive(who visit.Subject, r visit.Read, at time.Time) {
	f.chain = append(f.chain, arrival{who, r, at})
}

func (f *fake) Moves(_ context.Context, who visit.Subject, from, to time.Time) ([]visit.Read, error) {
	if who == f.broken {
		return nil, errors.New("a damaged row")
	}
	var list []visit.Read
	for _, a := range f.chain {
		if a.who == who && !a.read.At.Before(from) && !a.read.At.After(to) {
			list = append(list, a.read)
		}
	}
	slices.SortFunc(list, func(a, b visit.Read) int { return a.At.Compare(b.At) })
	return list, nil
}

func (f *fake) Head(context.Context) (int64, error)           { return int64(len(f.chain)), nil }
func (f *fake) Cursor(context.Context, string) (int64, error) { return f.cursor, nil }
func (f *fake) Portion(n int) int                             { return n }
func (f *fake) Rest(context.Context, time.Duration)           {}

func (f *fake) TouchedAfter(_ context.Context, seq int64, n int) ([]ledger.Touched, int64, error) {
	upTo := min(seq+int64(n), int64(len(f.chain)))
	var list []ledger.Touched
	for _, a := range f.chain[seq:upTo] {
		list = append(list, ledger.Touched{Subject: a.who, From: a.read.At, To: a.read.At, Received: a.at})
	}
	return list, upTo, nil
}

func (f *fake) Touched(_ context.Context, n int) ([]ledger.Touched, error) {
	var list []ledger.Touched
	for _, t := range f.touched {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b ledger.Touched) int { return b.To.Compare(a.To) })
	if n == 0 {
		return list, nil
	}
	return list[:min(n, len(list))], nil
}

func (f *fake) WaitingSince(_ context.Context, cursor int64) (since time.Time, _ error) {
	note := func(t time.Time) {
		if since.IsZero() || t.Before(since) {
			since = t
		}
	}
	for _, t := range f.touched {
		note(t.Received)
	}
	for _, a := range f.chain[cursor:] {
		note(a.at)
	}
	return since, nil
}

func (f *fake) Presences(context.Context, time.Time) ([]ledger.Presence, error) {
	var list []ledger.Presence
	for _, p := range f.places {
		list = append(list, p)
	}
	return list, nil
}

func (f *fake) Commit(_ context.Context, change func(presence.Tx) error) error {
	if f.full.Load() {
		return errors.New("disk full")
	}
	f.commits++
	return change(f)
}

func (f *fake) StillThere(who visit.Subject) (bool, error) { return !f.erased[who], nil }

func (f *fake) Touch(t ledger.Touched) error {
	if former, ok := f.touched[t.Subject]; ok {
		if former.From.Before(t.From) {
			t.From = former.From
		}
		if former.To.After(t.To) {
			t.To = former.To
		}
	}
	f.touched[t.Subject] = t
	return nil
}

func (f *fake) Made(t ledger.Touched) error               { delete(f.touched, t.Subject); return nil }
func (f *fake) SetCursor(_ string, seq int64) error       { f.cursor = seq; return nil }
func (f *fake) PutPresence(p ledger.Presence) error       { f.places[p.Subject] = p; return nil }
func within(t, from, to time.Time) bool                   { return !t.Before(from) && t.Before(to) }
func (f *fake) member(id tenancy.MemberID) []ledger.Visit { return f.visits[id] }

func (f *fake) ReplaceVisits(m tenancy.MemberID, from, to time.Time, visits []ledger.Visit) error {
	f.visits[m] = append(
		slices.DeleteFunc(f.visits[m], func(v ledger.Visit) bool { return within(v.From, from, to) }),
		visits...)
	return nil
}

func (f *fake) ReplaceStays(who visit.Subject, from, to time.Time, stays []visit.Stay) error {
	f.stays[who] = append(
		slices.DeleteFunc(f.stays[who], func(s visit.Stay) bool { return within(s.From, from, to) }),
		stays...)
	return nil
}

// building is a hall off the street with a coworking behind it.
func building() *visit.Places {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		panic(err)
	}
	week := catalogue.Week{{Days: []catalogue.Weekday{1, 2, 3, 4, 5}, From: 8 * 60, To: 20 * 60}}
	return visit.NewPlaces(catalogue.Always(catalogue.New(catalogue.Network{
		Name:      "n",
		Zone:      zone,
		Sites:     []catalogue.Site{{ID: "metz", Holidays: catalogue.Moselle, Opening: week}},
		Buildings: []catalogue.Building{{ID: "b", Site: "metz"}},
		Spaces: []catalogue.Space{
			{ID: "hall", Building: "b", Kind: catalogue.Common},
			{ID: "cowork", Building: "b", Kind: catalogue.Coworking, Parent: "hall"},
		},
		Doors: []catalogue.Door{
			{ID: "street", From: catalogue.Outside, To: "hall"},
			{ID: "glass", From: "hall", To: "cowork"},
		},
	})))
}

var monday = time.Date(2026, 10, 19, 7, 0, 0, 0, time.UTC)

func read(i int, at time.Time, door catalogue.DoorID, dir catalogue.Direction) visit.Read {
	return visit.Read{ID: uuid.UUID{14: byte(i >> 8), 15: byte(i)}, At: at, Door: door, Direction: dir}
}

type placed struct {
	who   visit.Subject
	space catalogue.SpaceID
}

func follower(store *fake, now func() time.Time, log *bytes.Buffer) (*presence.Follower, *[]placed) {
	var seen []placed
	return presence.New(presence.Config{
		Store: store, Places: building(), Now: now, Log: slog.New(slog.NewTextHandler(log, nil)), Changed: func() {},
		Tenant: func(tenancy.MemberID) tenancy.TenantID { return "atelier" },
		Placed: func(who visit.Subject, space catalogue.SpaceID, _, _ time.Time) {
			seen = append(seen, placed{who, space})
		},
	}), &seen
}

// steps runs the follower until nothing is left to do.
func steps(t interface{ Fatal(...any) }, f *presence.Follower) {
	for more := true; more; {
		var err error
		if more, err = f.Step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func shown[V any](list []V, show func(V) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = show(v)
	}
	slices.Sort(out)
	return out
}

// TestLateReadsMakeTheVisitsOfAllReads lets reads arrive in any order and any
// groups: what is stored in the end are the visits of all reads.
func TestLateReadsMakeTheVisitsOfAllReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := newFake()
		f, _ := follower(store, func() time.Time { return monday.AddDate(0, 0, 9) }, &bytes.Buffer{})
		who := visit.Subject{Member: "alice"}
		var all []visit.Read
		for i := range rapid.IntRange(1, 30).Draw(t, "reads") {
			at := monday.Add(time.Duration(rapid.IntRange(0, 7*24*60).Draw(t, "minute")) * time.Minute)
			door := rapid.SampledFrom([]catalogue.DoorID{"street", "glass"}).Draw(t, "door")
			r := read(i, at, door, rapid.SampledFrom([]catalogue.Direction{catalogue.In, catalogue.Out}).Draw(t, "direction"))
			if slices.ContainsFunc(all, func(o visit.Read) bool { return o.At.Equal(at) }) {
				continue
			}
			all = append(all, r)
			store.arrive(who, r, at)
			if rapid.Bool().Draw(t, "a step") {
				steps(t, f)
			}
		}
		steps(t, f)
		places := building()
		want := shown(
			visit.Make(places, all),
			func(v visit.Visit) string { return fmt.Sprint(v.Space, v.From, v.To, v.Ended, places.ID(v)) },
		)
		got := shown(
			store.member("alice"),
			func(v ledger.Visit) string { return fmt.Sprint(v.Space, v.From, v.To, v.Ended, v.ID) },
		)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("visits: -want +got\n%s", diff)
		}
		wantStays := shown(visit.Stays(places, all), func(s visit.Stay) string { return fmt.Sprint(s) })
		if diff := cmp.Diff(wantStays,
			shown(store.stays[who], func(s visit.Stay) string { return fmt.Sprint(s) }),
		); diff != "" {
			t.Errorf("stays: -want +got\n%s", diff)
		}
		for _, v := range store.member("alice") {
			if v.Tenant != "atelier" {
				t.Errorf("a visit of tenant %q", v.Tenant)
			}
		}
	})
}

func TestWhereSomebodyIsIsKnownBeforeOldReadsAreVisits(t *testing.T) {
	store := newFake()
	f, seen := follower(store, func() time.Time { return monday.Add(2 * time.Hour) }, &bytes.Buffer{})
	store.arrive(visit.Subject{Member: "alice"}, read(1, monday, "street", catalogue.In), monday)
	store.arrive(visit.Subject{Member: "old"}, read(2, monday.AddDate(0, 0, -30), "street", catalogue.In), monday)
	store.arrive(visit.Subject{Pass: "p"}, read(3, monday, "glass", catalogue.In), monday)
	steps(t, f)
	want := []placed{{visit.Subject{Member: "alice"}, "hall"}, {visit.Subject{Pass: "p"}, "cowork"}}
	if !slices.Equal(*seen, want) {
		t.Errorf("placed %+v, want %+v", *seen, want)
	}
	if len(store.visits["alice"]) != 1 || len(store.visits["old"]) != 1 || len(store.visits) != 2 {
		t.Errorf("a pass makes no visits, members do: %+v", store.visits)
	}
	if len(store.stays[visit.Subject{Pass: "p"}]) != 1 {
		t.Errorf("a pass makes stays: %+v", store.stays)
	}
}

// TestADamagedPersonHoldsUpNobody has one person's reads fail: everybody else's
// visits and places go on, the fault is named without the person, and it ends
// when the reads can be loaded.
func TestADamagedPersonHoldsUpNobody(t *testing.T) {
	store, now, log := newFake(), monday.Add(time.Hour), &bytes.Buffer{}
	f, seen := follower(store, func() time.Time { return now }, log)
	store.broken = visit.Subject{Member: "alice"}
	store.arrive(visit.Subject{Member: "alice"}, read(1, monday, "street", catalogue.In), monday)
	store.arrive(visit.Subject{Member: "remi"}, read(2, monday, "street", catalogue.In), monday.Add(time.Second))
	steps(t, f)
	if len(store.visits["remi"]) != 1 || len(*seen) != 1 {
		t.Fatalf("remi: visits %v, placed %v", store.visits["remi"], *seen)
	}
	faults := strings.Join(f.Faults(), " ")
	if !strings.Contains(faults, "1 people") || strings.Contains(faults+log.String(), "alice") {
		t.Errorf("faults %q, log %q", faults, log)
	}
	asOf, err := f.CaughtUp(t.Context())
	if err != nil || !asOf.Equal(monday.Add(-time.Millisecond)) {
		t.Errorf("visits are complete up to %s, %v", asOf, err)
	}
	store.broken = visit.Subject{}
	steps(t, f)
	if len(store.visits["alice"]) != 0 {
		t.Error("she was not left alone for a minute")
	}
	now = now.Add(2 * time.Minute)
	steps(t, f)
	if asOf, err := f.CaughtUp(t.Context()); err != nil || !asOf.IsZero() || len(store.visits["alice"]) != 1 ||
		len(f.Faults()) != 0 {
		t.Errorf("afterwards: as of %s, %v, visits %v, faults %v", asOf, err, store.visits["alice"], f.Faults())
	}
}

func TestNothingIsWrittenOfWhoWasErased(t *testing.T) {
	store := newFake()
	f, _ := follower(store, func() time.Time { return monday }, &bytes.Buffer{})
	who := visit.Subject{Member: "alice"}
	store.arrive(who, read(1, monday, "street", catalogue.In), monday)
	store.erased[who] = true
	steps(t, f)
	if len(store.visits)+len(store.stays)+len(store.places)+len(store.touched) != 0 {
		t.Errorf("written: %+v", store)
	}
	store.touched[who] = ledger.Touched{Subject: who, From: monday, To: monday}
	steps(t, f)
	if len(store.visits)+len(store.touched) != 0 {
		t.Errorf("written after it was marked: %+v", store)
	}
}

func TestAFailedCommitLosesNothing(t *testing.T) {
	store := newFake()
	f, seen := follower(store, func() time.Time { return monday }, &bytes.Buffer{})
	store.arrive(visit.Subject{Member: "alice"}, read(1, monday, "street", catalogue.In), monday)
	store.full.Store(true)
	if _, err := f.Step(t.Context()); err == nil || len(*seen) != 0 || store.cursor != 0 {
		t.Fatalf("a failed commit: %v, placed %v, cursor %d", err, *seen, store.cursor)
	}
	store.full.Store(false)
	steps(t, f)
	if len(store.visits["alice"]) != 1 {
		t.Errorf("visits: %v", store.visits)
	}
}

// TestMovedDoorsLocateEverybodyAgain begins with people whose places were noted
// with other doors.
func TestMovedDoorsLocateEverybodyAgain(t *testing.T) {
	store := newFake()
	who := visit.Subject{Member: "alice"}
	store.arrive(who, read(1, monday, "glass", catalogue.In), monday)
	store.cursor = 1
	store.places[who] = ledger.Presence{Subject: who, Space: "attic", Until: monday.AddDate(0, 0, 1)}
	f := presence.New(presence.Config{
		Store:   store,
		Places:  building(),
		Moved:   true,
		Now:     func() time.Time { return monday },
		Log:     slog.New(slog.DiscardHandler),
		Changed: func() {},
		Tenant:  func(tenancy.MemberID) tenancy.TenantID { return "" },
		Placed:  func(visit.Subject, catalogue.SpaceID, time.Time, time.Time) {},
	})
	steps(t, f)
	if got := store.places[who].Space; got != "cowork" {
		t.Errorf("she is in %q", got)
	}
	commits := store.commits
	steps(t, f)
	if store.commits != commits {
		t.Error("it locates everybody each time")
	}
}

func TestRunFollowsWhatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFake()
		f, _ := follower(store, func() time.Time { return monday }, &bytes.Buffer{})
		store.arrive(visit.Subject{Member: "alice"}, read(1, monday, "street", catalogue.In), monday)
		store.full.Store(true) // the first step fails and is tried again
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.Run(ctx); close(done) }()
		synctest.Wait()
		store.full.Store(false)
		f.Wake()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(store.visits["alice"]) != 1 {
			t.Errorf("visits after a second: %v", store.visits)
		}
		cancel()
		<-done
	})
}

func TestCaughtUpSaysSinceWhenItWaits(t *testing.T) {
	store := newFake()
	f, _ := follower(store, func() time.Time { return monday }, &bytes.Buffer{})
	store.arrive(visit.Subject{Member: "alice"}, read(1, monday, "street", catalogue.In), monday)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	asOf, err := f.CaughtUp(ctx)
	if !errors.Is(err, context.Canceled) || !asOf.Equal(monday.Add(-time.Millisecond)) {
		t.Errorf("without a step: as of %s, %v", asOf, err)
	}
}
