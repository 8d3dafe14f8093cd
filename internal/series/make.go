package series

import (
	"context"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
)

// stretch is the minutes [from, to) of a space, to be computed.
type stretch struct {
	space    catalogue.SpaceID
	from, to int64
}

// makeDue computes the minutes that are marked, and those that have passed.
func (m *Maker) makeDue(ctx context.Context) (more bool, err error) {
	l := m.cfg.Ledger
	now := occupancy.MinuteOf(m.cfg.Now())
	made, err := l.Cursor(ctx, cursorMinute)
	if err != nil {
		return false, err
	}
	dirty, err := l.DirtyMinutes(ctx, dirtyPage)
	if err != nil || len(dirty) == 0 && made == now {
		return false, err
	}
	floor, err := l.Final(ctx)
	if err != nil {
		return false, err
	}
	if made > now {
		m.cfg.Log.Warn("the clock has gone back; the series continues from now", "minutes", made-now)
	}
	if made == 0 || made > now {
		made = now
	}
	upTo := min(now, made+pieceMinutes)
	work := m.places.stretches(dirty, floor, made, upTo)
	var failed []stretch
	for len(work) > 0 {
		n := takeForCommit(work, int64(l.Portion(writeMinutes)))
		skipped, err := m.write(ctx, work[:n])
		if err != nil {
			return false, err
		}
		failed = append(failed, skipped...)
		work = work[n:]
	}
	err = l.Write(ctx, func(tx *ledger.Tx) error {
		if len(dirty) > 0 {
			if err := tx.ClearDirty(dirty[len(dirty)-1].ID); err != nil {
				return err
			}
		}
		for _, w := range failed { // to be tried again
			if err := tx.MarkDirty(w.space, occupancy.MinuteTime(w.from), occupancy.MinuteTime(w.to)); err != nil {
				return err
			}
		}
		return tx.SetCursor(cursorMinute, upTo)
	})
	return len(failed) == 0 && len(dirty) == dirtyPage || upTo < now, err
}

// takeForCommit returns how many stretches one commit computes.
func takeForCommit(work []stretch, most int64) int {
	var minutes int64
	for i, w := range work {
		if minutes += w.to - w.from; minutes >= most {
			return i + 1
		}
	}
	return len(work)
}

// write computes stretches from the ledger and commits them. It skips and
// returns those of spaces that cannot be computed.
func (m *Maker) write(ctx context.Context, work []stretch) (skipped []stretch, err error) {
	type product struct {
		stretch
		runs []occupancy.Run
	}
	var done []product
	for _, w := range work {
		began := time.Now()
		runs, err := m.evaluate(ctx, w)
		m.cfg.Ledger.Rest(ctx, time.Since(began))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m.setFault(w.space, err)
		if err != nil {
			skipped = append(skipped, w)
			continue
		}
		done = append(done, product{w, runs})
		m.made.Add(w.to - w.from)
	}
	return skipped, m.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		for _, p := range done {
			if err := tx.PutMinutes(p.space, p.from, p.runs, m.cfg.Outbox); err != nil {
				return err
			}
		}
		return nil
	})
}

// evaluate computes the minutes of one stretch; it turns a panic into an error.
func (m *Maker) evaluate(ctx context.Context, w stretch) (runs []occupancy.Run, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault: %v", r)
		}
	}()
	e, err := m.places.evidence(ctx, m.cfg.Ledger, w)
	if err != nil {
		return nil, err
	}
	return e.Minutes(w.from, w.to), nil
}
