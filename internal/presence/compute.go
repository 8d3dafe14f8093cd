package presence

import (
	"context"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/visit"
)

// Computed holds the visits computed for one subject. Visits have no tenant yet.
type Computed struct {
	From, To time.Time // the visits begin in [From, To)
	Visits   []ledger.Visit

	touched ledger.Touched
	reads   int // number of reads that they were computed from
	stays   []visit.Stay
}

// Compute computes the visits around a subject's new reads, from the reads
// between two boundaries that no visit reaches across.
func Compute(ctx context.Context, reads Reads, places *visit.Places, t ledger.Touched) (Computed, error) {
	c := Computed{touched: t}
	list, from, to, err := segment(ctx, reads, places, t)
	if err != nil {
		return c, err
	}
	c.From, c.To, c.reads = from, to, len(list)
	for _, v := range visit.Make(places, list) {
		c.Visits = append(c.Visits, ledger.Visit{ID: places.ID(v), Space: v.Space, From: v.From, To: v.To, Ended: v.Ended})
	}
	c.stays = visit.Stays(places, list)
	return c, nil
}

// computeSafely calls Compute and turns a panic into an error.
func computeSafely(ctx context.Context, reads Reads, places *visit.Places, t ledger.Touched) (c Computed, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault: %v", r)
		}
	}()
	return Compute(ctx, reads, places, t)
}

// segment loads the reads between the two boundaries around the new ones. It
// also returns the stretch in which the visits computed from them begin.
func segment(
	ctx context.Context,
	reads Reads,
	places *visit.Places,
	t ledger.Touched,
) (list []visit.Read, from, to time.Time, err error) {
	for back := lookBack; ; back *= 2 {
		begin, end := t.From.Add(-back), t.To.Add(back)
		list, err = reads.Moves(ctx, t.Subject, begin, end)
		if err != nil {
			return nil, from, to, err
		}
		first, last, ok := visit.Between(places, list, t.From, t.To, begin, end)
		if !ok {
			continue
		}
		from, to = begin, end
		if first > 0 { // not list[first].At: a read before it, which moved nobody after all, may have begun a visit
			from = t.From
			if first < len(list) && list[first].At.Before(from) {
				from = list[first].At
			}
		}
		if last < len(list) {
			to = list[last].At
		}
		return list[first:last], from, to, nil
	}
}
