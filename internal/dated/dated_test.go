package dated_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/dated"
)

type terms struct{ Rent, Rate int }

type history = dated.History[int, terms]

func at(day int) time.Time { return time.Date(2026, 10, day, 12, 0, 0, 0, time.UTC) }

func put(h history, from, rent, rate, day int) history {
	return h.Put(dated.Change[int, terms]{From: from, Value: &terms{rent, rate}, At: at(day)}, nil)
}

func want(t *testing.T, h history, days map[int]terms) {
	t.Helper()
	for day, x := range days {
		if got := h.On(day); got == nil || *got != x {
			t.Errorf("on %d: %v, want %v", day, got, x)
		}
	}
}

func TestTheFirstVersionHoldsFromTheBeginning(t *testing.T) {
	h := put(history{}, 20, 45, 3, 1)
	want(t, h, map[int]terms{1: {45, 3}, 20: {45, 3}})
	if (history{}).On(5) != nil {
		t.Error("something holds of what was never recorded")
	}
}

func TestAChangeIsCarriedWhereNothingElseWasSaid(t *testing.T) {
	h := put(put(put(history{}, 0, 45, 3, 1), 30, 50, 3, 2), 10, 45, 4, 3)
	want(t, h, map[int]terms{9: {45, 3}, 10: {45, 4}, 30: {50, 4}})
	if got := h.Versions()[2].Carried; !reflect.DeepEqual(got, []string{"Rate"}) {
		t.Errorf("carried: %v", got)
	}
	h = h.Take(at(4), func(c *dated.Change[int, terms]) bool { return c.N == 3 })
	want(t, h, map[int]terms{10: {45, 3}, 30: {50, 3}})
	was := h.AsKnown(func(when time.Time, _ int64) bool { return !when.After(at(3)) })
	want(t, was, map[int]terms{10: {45, 4}, 30: {50, 4}})
}

func TestWhatIsReplacedNeverWas(t *testing.T) {
	h := put(put(history{}, 0, 45, 3, 1), 30, 50, 3, 1)
	h = h.Put(
		dated.Change[int, terms]{From: 5, Value: &terms{450, 3}, At: at(1)},
		func(c *dated.Change[int, terms]) bool { return c.N == 1 },
	)
	// The rent that was to rise on the 30th was set otherwise: it stays. The first is mended for all days.
	want(t, h, map[int]terms{1: {450, 3}, 29: {450, 3}, 30: {50, 3}})
	h = put(h, 5, 450, 6, 2)
	want(t, h, map[int]terms{4: {450, 3}, 5: {450, 6}, 30: {50, 6}})
}

func TestWhatIsReplacedAtTheBeginningLeavesWhatWasThereBefore(t *testing.T) {
	h := put(put(history{}, 0, 45, 3, 1), 0, 450, 3, 2) // mended from the beginning
	h = h.Put(
		dated.Change[int, terms]{From: 20, Value: &terms{500, 3}, At: at(2)},
		func(c *dated.Change[int, terms]) bool { return c.At.Equal(at(2)) },
	)
	want(t, h, map[int]terms{0: {45, 3}, 19: {45, 3}, 20: {500, 3}})
}

func TestDiffersFindsTheFirstDay(t *testing.T) {
	equal := func(_ int, x, y *terms) bool { return (x == nil) == (y == nil) && (x == nil || *x == *y) }
	a := put(history{}, 0, 45, 3, 1)
	if day, ok := dated.Differs(a, put(a, 12, 46, 3, 2), equal); !ok || day != 12 {
		t.Errorf("differs on %d, %t", day, ok)
	}
	if _, ok := dated.Differs(a, put(a, 12, 45, 3, 2), equal); ok {
		t.Error("a change that changes nothing differs")
	}
}

// An oracle that keeps what each day is, day by day, knows nothing of versions.
func TestVersionsAgreeWithDaysWrittenOneByOne(t *testing.T) {
	const days = 40
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 13))
		var h history
		var plain [days]terms
		var begins [days]bool // a version begins here
		for step := range 1 + r.IntN(8) {
			from := r.IntN(days)
			if step == 0 {
				from = 0
			}
			x := plain[from] // as people do: what holds, altered
			if r.IntN(2) == 0 {
				x.Rent = r.IntN(4)
			}
			if r.IntN(2) == 0 || step == 0 {
				x.Rate = r.IntN(4)
			}
			h = put(h, from, x.Rent, x.Rate, 1+step)
			old := plain[from]
			begins[from] = true
			same := true
			for d := from; d < days; d++ {
				if d > from && begins[d] {
					same = false
				}
				if same {
					plain[d] = x
					continue
				}
				if plain[d].Rent == old.Rent {
					plain[d].Rent = x.Rent
				}
				if plain[d].Rate == old.Rate {
					plain[d].Rate = x.Rate
				}
			}
		}
		for d := range days {
			if got := h.On(d); got == nil || *got != plain[d] {
				t.Fatalf("seed %d, day %d: %v, want %v", seed, d, got, plain[d])
			}
		}
	}
}
