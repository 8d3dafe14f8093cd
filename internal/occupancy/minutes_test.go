package occupancy_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
)

// grid is the smallest step of time in these tests: the plain reading below looks at each.
const grid = 500 * time.Millisecond

// drawEvidence makes messages of a space around an hour that holds a 04:00.
func drawEvidence(t *rapid.T, zone *catalogue.Zone) (*occupancy.Evidence, time.Time) {
	day := catalogue.Date(2026, 10, rapid.IntRange(23, 26).Draw(t, "day"))
	start := zone.Instant(day, 3*3600+1800)
	at := func() time.Time {
		return start.Add(time.Duration(rapid.IntRange(-3600*2, 3600*2).Draw(t, "at")) * grid)
	}
	id := func() uuid.UUID { return uuid.UUID{byte(rapid.IntRange(0, 255).Draw(t, "id")), 1} }
	timing := func() occupancy.Timing {
		return occupancy.Timing{Hold: time.Duration(rapid.IntRange(1, 3000).Draw(t, "hold")) * grid,
			OffDelay: time.Duration(rapid.SampledFrom([]int{0, 0, 7, 400}).Draw(t, "off")) * grid}
	}
	sensors := func(name string, most int) []occupancy.Sensor {
		var out []occupancy.Sensor
		for range rapid.IntRange(0, 2).Draw(t, name) {
			s := occupancy.Sensor{Timing: timing()}
			for range rapid.IntRange(0, 6).Draw(t, "messages") {
				s.Said = append(s.Said, occupancy.Said{At: at(), ID: id(), Value: rapid.IntRange(0, most).Draw(t, "value")})
			}
			out = append(out, s)
		}
		return out
	}
	e := &occupancy.Evidence{Counters: sensors("counters", 3), Desks: sensors("desks", 1), YesNo: sensors("yesno", 1)}
	for range rapid.IntRange(0, 2).Draw(t, "flows") {
		f := occupancy.FlowSensor{Timing: occupancy.Timing{Hold: timing().Hold}}
		for range rapid.IntRange(0, 6).Draw(t, "messages") {
			f.Said = append(f.Said,
				occupancy.FlowSaid{
					At:  at(),
					ID:  id(),
					In:  rapid.IntRange(0, 3).Draw(t, "in"),
					Out: rapid.IntRange(0, 3).Draw(t, "out"),
				},
			)
		}
		e.Flows = append(e.Flows, f)
	}
	e.Zeros = occupancy.Zeros(zone, start.Add(-24*time.Hour), start.Add(24*time.Hour))
	if rapid.Bool().Draw(t, "badges") {
		e.Badges.Known = at()
		for range rapid.IntRange(0, 4).Draw(t, "stays") {
			from := at()
			e.Badges.Stays = append(e.Badges.Stays,
				catalogue.Interval{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "stay")) * grid)},
			)
		}
		for range rapid.IntRange(0, 2).Draw(t, "silences") {
			from := at()
			e.Badges.Silent = append(e.Badges.Silent,
				catalogue.Interval{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "silence")) * grid)},
			)
		}
	}
	return e, start.Truncate(time.Minute)
}

// state returns rules 9.2 read plainly: what is so at t.
func state(e *occupancy.Evidence, t time.Time) (n int, known bool) {
	one := func(s occupancy.Sensor) (int, bool) {
		var last *occupancy.Said
		for i := range s.Said {
			v := &s.Said[i]
			if !v.At.After(t) &&
				(last == nil || v.At.After(last.At) || v.At.Equal(last.At) && slices.Compare(v.ID[:], last.ID[:]) > 0) {
				last = v
			}
		}
		if last == nil || !t.Before(last.At.Add(s.Hold)) {
			return 0, false
		}
		if s.OffDelay > 0 && !t.Before(last.At.Add(s.OffDelay)) {
			return 0, true
		}
		return last.Value, true
	}
	sum := func(list []occupancy.Sensor) (n int, known bool) {
		known = len(list) > 0
		for _, s := range list {
			v, ok := one(s)
			n, known = n+v, known && ok
		}
		return n, known
	}
	if n, ok := sum(e.Counters); ok {
		return n, true
	}
	if n, ok := flows(e, t); ok {
		return n, true
	}
	if b := e.Badges; !b.Known.IsZero() && !t.Before(b.Known) &&
		!slices.ContainsFunc(b.Silent, func(s catalogue.Interval) bool { return within(s, t) }) {
		for _, s := range b.Stays {
			if within(s, t) {
				n++
			}
		}
		return n, true
	}
	if n, ok := sum(e.Desks); ok {
		return n, true
	}
	no := len(e.YesNo) > 0
	for _, s := range e.YesNo {
		v, ok := one(s)
		if ok && v > 0 {
			return 1, true
		}
		no = no && ok
	}
	return 0, no
}

func within(s catalogue.Interval, t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

func flows(e *occupancy.Evidence, t time.Time) (n int, known bool) {
	known = len(e.Flows) > 0
	var all []occupancy.FlowSaid
	for _, f := range e.Flows {
		holds := false
		for _, v := range f.Said {
			if !v.At.After(t) {
				all = append(all, v)
				holds = holds || t.Before(v.At.Add(f.Hold))
			}
		}
		known = known && holds
	}
	slices.SortFunc(all, func(a, b occupancy.FlowSaid) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	var zero time.Time
	for _, z := range e.Zeros {
		if !z.After(t) {
			zero = z
		}
	}
	for _, v := range all {
		if !v.At.Before(zero) {
			n = max(0, n+v.In-v.Out)
		}
	}
	return n, known
}

// distinct drops messages that share a device, an instant and an id: those are repeats.
func distinct(e *occupancy.Evidence) {
	same := func(a, b time.Time, x, y uuid.UUID) bool { return a.Equal(b) && x == y }
	for _, list := range [][]occupancy.Sensor{e.Counters, e.Desks, e.YesNo} {
		for i := range list {
			var out []occupancy.Said
			for _, v := range list[i].Said {
				if !slices.ContainsFunc(out, func(o occupancy.Said) bool { return same(o.At, v.At, o.ID, v.ID) }) {
					out = append(out, v)
				}
			}
			list[i].Said = out
		}
	}
	for i := range e.Flows {
		var out []occupancy.FlowSaid
		for _, v := range e.Flows[i].Said {
			all := slices.Concat(out)
			for k := range i {
				all = append(all, e.Flows[k].Said...)
			}
			if !slices.ContainsFunc(all, func(o occupancy.FlowSaid) bool { return same(o.At, v.At, o.ID, v.ID) }) {
				out = append(out, v)
			}
		}
		e.Flows[i].Said = out
	}
}

func TestMinutesAgreeWithAPlainReading(t *testing.T) {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		e, start := drawEvidence(t, zone)
		distinct(e)
		from := occupancy.MinuteOf(start)
		runs := e.Minutes(from, from+60)
		if n := occupancy.Length(runs); n != 60 {
			t.Fatalf("%d minutes", n)
		}
		at := start
		for _, r := range runs {
			for range r.Minutes {
				if want := plainMinute(e, at); r.Minute != want {
					t.Fatalf("%s: %+v, plainly %+v", at, r.Minute, want)
				}
				at = at.Add(time.Minute)
			}
		}
	})
}

func plainMinute(e *occupancy.Evidence, at time.Time) occupancy.Minute {
	var m occupancy.Minute
	for t := at; t.Before(at.Add(time.Minute)); t = t.Add(grid) {
		n, known := state(e, t)
		if !known {
			continue
		}
		m.Known += int32(grid.Milliseconds())
		m.Person += int64(n) * grid.Milliseconds()
		m.Peak = max(m.Peak, int32(n))
		if n > 0 {
			m.Occupied += int32(grid.Milliseconds())
		}
	}
	return m
}

func TestMinutesDependOnTheSetOfMessagesNotTheirOrder(t *testing.T) {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		e, start := drawEvidence(t, zone)
		distinct(e)
		from := occupancy.MinuteOf(start)
		want := e.Minutes(from, from+60)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for _, list := range [][]occupancy.Sensor{e.Counters, e.Desks, e.YesNo} {
			for i := range list {
				list[i].Said = disorder(rng, list[i].Said)
			}
		}
		for i := range e.Flows {
			e.Flows[i].Said = disorder(rng, e.Flows[i].Said)
		}
		if d := cmp.Diff(want, e.Minutes(from, from+60)); d != "" {
			t.Fatal(d)
		}
		// In pieces it is the same.
		cut := from + int64(rapid.IntRange(0, 60).Draw(t, "cut"))
		joined := e.Minutes(from, cut)
		for _, r := range e.Minutes(cut, from+60) {
			joined = occupancy.AppendRun(joined, r)
		}
		if d := cmp.Diff(want, joined); d != "" {
			t.Fatal(d)
		}
	})
}

// disorder repeats some and shuffles all.
func disorder[T any](rng *rand.Rand, list []T) []T {
	out := slices.Clone(list)
	for _, v := range list {
		if rng.IntN(3) == 0 {
			out = append(out, v)
		}
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func TestRunsAreReadAsWrittenAndSplicedLikeArrays(t *testing.T) {
	draw := func(t *rapid.T, name string) []occupancy.Run {
		var runs []occupancy.Run
		for range rapid.IntRange(0, 8).Draw(t, name) {
			m := occupancy.Minute{
				Known: int32(rapid.SampledFrom([]int{0, 1, 59_999, 60_000}).Draw(t, "known")),
				Peak:  int32(rapid.IntRange(0, 300).Draw(t, "peak")),
			}
			m.Occupied = int32(rapid.IntRange(0, int(m.Known)).Draw(t, "occupied"))
			m.Person = int64(rapid.SampledFrom([]int{0, 17, int(m.Peak) * 60_000}).Draw(t, "person"))
			runs = occupancy.AppendRun(runs, occupancy.Run{Minutes: rapid.IntRange(1, 700).Draw(t, "minutes"), Minute: m})
		}
		return runs
	}
	flat := func(runs []occupancy.Run) (out []occupancy.Minute) {
		for _, r := range runs {
			for range r.Minutes {
				out = append(out, r.Minute)
			}
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "runs"), draw(t, "put")
		again, err := occupancy.ReadRuns(nil, occupancy.AppendRuns(nil, a))
		if err != nil || !slices.Equal(a, again) {
			t.Fatalf("%v became %v: %v", a, again, err)
		}
		at := rapid.IntRange(0, 1500).Draw(t, "at")
		want, put := flat(a), flat(b)
		for len(want) < at+len(put) {
			want = append(want, occupancy.Minute{})
		}
		copy(want[at:], put)
		if got := flat(occupancy.Splice(a, at, b)); !slices.Equal(got, want) {
			t.Fatalf("splice at %d: %v, want %v", at, got, want)
		}
	})
}

func FuzzReadRuns(f *testing.F) {
	f.Add(
		occupancy.AppendRuns(nil,
			[]occupancy.Run{{Minutes: 3, Minute: occupancy.Minute{Known: 60_000, Occupied: 5, Person: 7, Peak: 2}}},
		),
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		runs, err := occupancy.ReadRuns(nil, b)
		if err != nil {
			return
		}
		again, err := occupancy.ReadRuns(nil, occupancy.AppendRuns(nil, runs))
		if err != nil || !slices.Equal(runs, again) {
			t.Errorf("%v became %v: %v", runs, again, err)
		}
	})
}

func TestTotalsThatGoBack(t *testing.T) {
	for _, c := range []struct {
		name     string
		old, now occupancy.Totals
		in, out  int
		reset    bool
	}{
		{"forward", occupancy.Totals{In: 10, Out: 4}, occupancy.Totals{In: 15, Out: 6}, 5, 2, false},
		{"begun at zero again", occupancy.Totals{In: 9000, Out: 8990}, occupancy.Totals{In: 3, Out: 1}, 3, 1, false},
		{"rolled over at 2^16", occupancy.Totals{In: 65_530, Out: 65_000}, occupancy.Totals{In: 4, Out: 65_002}, 10, 2, false},
		{"rolled over at 2^32", occupancy.Totals{In: 1<<32 - 2, Out: 7}, occupancy.Totals{In: 1, Out: 7}, 3, 0, false},
		{"replaced by a used one", occupancy.Totals{In: 90_000, Out: 90_000}, occupancy.Totals{In: 41_000, Out: 40_000}, 0, 0, true},
		{"a jump nobody can have walked", occupancy.Totals{In: 1, Out: 1}, occupancy.Totals{In: 60_000, Out: 1}, 0, 0, true},
	} {
		in, out, reset := c.now.Since(&c.old)
		if in != c.in || out != c.out || reset != c.reset {
			t.Errorf("%s: %d in, %d out, reset %t", c.name, in, out, reset)
		}
	}
	first := occupancy.Totals{In: 500, Out: 1}
	if in, out, reset := first.Since(nil); in != 0 || out != 0 || reset {
		t.Error("the first totals say nothing of since when")
	}
}
