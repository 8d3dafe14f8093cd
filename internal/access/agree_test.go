package access_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

func TestIndexAgreesWithThePlainReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		x := access.NewCompiler(w.n).Compile(w.book, w.lockdowns)
		p := plain{w.n, w.book, w.lockdowns}
		for range 10 {
			q, last := drawQuestion(t, w)
			got, want := x.Decide(q, last), p.decide(q, last)
			if got != want {
				t.Fatalf("question %+v\nlast %+v\nindex: %+v\nplain: %+v", q, last, got, want)
			}
		}
	})
}

func TestListsAgreeWithDecisions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		x := access.NewCompiler(w.n).Compile(w.book, w.lockdowns)
		from := w.instant(t)
		to := from.Add(24 * time.Hour)
		door := rapid.SampledFrom(w.n.Doors).Draw(t, "door").ID
		entries := x.Entries(door, catalogue.In, from, to)
		for range 10 {
			at := drawWithin(t, entries, from, to)
			h := hashOf(rapid.IntRange(0, w.hashes).Draw(t, "credential"))
			want := x.Decide(access.Question{Credential: h, Door: door, Direction: catalogue.In, At: at}, nil)
			got := listedAt(entries, h, at)
			if want.Granted && got != want.Reason || !want.Granted && got != "" {
				t.Fatalf("at %s the list says %q, decide %+v", at, got, want)
			}
		}
	})
}

// drawWithin draws an instant of [from, to): an edge of somebody's right, or any.
func drawWithin(t *rapid.T, entries []access.Entry, from, to time.Time) time.Time {
	if len(entries) > 0 && !seldom(t, "any instant") {
		r := rapid.SampledFrom(rapid.SampledFrom(entries).Draw(t, "whose").Rights).Draw(t, "right")
		at := rapid.SampledFrom(
			[]time.Time{r.From, r.To},
		).Draw(t, "edge").Add(rapid.SampledFrom([]time.Duration{0, -time.Millisecond}).Draw(t, "before"))
		if !at.Before(from) && at.Before(to) {
			return at
		}
	}
	return from.Add(time.Duration(rapid.Int64Range(0, to.Sub(from).Milliseconds()-1).Draw(t, "ms")) * time.Millisecond)
}

func listedAt(entries []access.Entry, h tenancy.CredentialHash, at time.Time) access.Reason {
	var found access.Reason
	for _, e := range entries {
		for _, r := range e.Rights {
			if e.Hash == h && !at.Before(r.From) && at.Before(r.To) {
				found = r.Reason
			}
		}
	}
	return found
}

func TestListsHoldNothingOutwardsAndComeSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		x := access.NewCompiler(w.n).Compile(w.book, w.lockdowns)
		from := drawInstant(t, w.n.Zone)
		for _, d := range w.n.Doors {
			if out := x.Entries(d.ID, catalogue.Out, from, from.Add(24*time.Hour)); len(out) != 0 {
				t.Fatalf("a list outwards holds %d entries", len(out))
			}
			entries := x.Entries(d.ID, catalogue.In, from, from.Add(24*time.Hour))
			for i, e := range entries {
				if i > 0 && string(entries[i-1].Hash[:]) >= string(e.Hash[:]) {
					t.Fatal("entries are not sorted by hash")
				}
				for j, r := range e.Rights {
					if !r.From.Before(r.To) || j > 0 && r.From.Before(e.Rights[j-1].To) {
						t.Fatalf("rights overlap or are empty: %+v", e.Rights)
					}
					if j > 0 && r.From.Equal(e.Rights[j-1].To) && r.Reason == e.Rights[j-1].Reason {
						t.Fatalf("one right in two parts: %+v", e.Rights)
					}
				}
			}
		}
	})
}
