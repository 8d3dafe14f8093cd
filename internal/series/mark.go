package series

import (
	"context"
	"errors"
	"time"

	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
)

// attend checks once every attendEvery that InfluxDB accepts points, and that it still has
// what was sent: if the mark is gone, InfluxDB was wiped, and everything is queued again.
// While there is a fault, attend checks before each attempt: when nothing is queued, no
// other request would show that the fault is over.
func (s *Shipper) attend(ctx context.Context) error {
	now := s.now()
	if _, fault := s.Status(); fault == nil && now.Sub(s.attended).Abs() < attendEvery {
		return nil
	}
	mark, err := s.ledger.Cursor(ctx, cursorMark)
	if err != nil {
		return err
	}
	next := now.Truncate(markEvery)
	var unread error
	if mark != 0 {
		there, err := s.influx.Marked(ctx, time.Unix(mark, 0))
		switch {
		case errors.Is(err, errRefused):
			unread = err
		case err != nil:
			return err
		case !there:
			s.log.Warn("InfluxDB has lost what was sent to it; all of it is sent again")
			if err := RewindAll(ctx, s.ledger); err != nil {
				return err
			}
			s.informed = false
		}
	}
	if err := s.influx.Mark(ctx, next); err != nil {
		return err
	}
	s.attended = now
	if unread != nil && !s.unread { // a token that may only write is enough for the copy
		s.log.Warn("cannot read InfluxDB: if it is wiped, Totem does not notice", "error", unread)
		s.unread = true
	}
	if mark == next.Unix() {
		return nil
	}
	return s.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.SetCursor(cursorMark, next.Unix()) })
}

// endOfTime is later than any minute of a series.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// RewindAll queues everything again, for an InfluxDB that has nothing.
func RewindAll(ctx context.Context, l *ledger.Ledger) error {
	if err := Rewind(ctx, l, time.Unix(0, 0), endOfTime); err != nil {
		return err
	}
	return l.Write(ctx, func(tx *ledger.Tx) error { return tx.SetCursor(cursorMark, 0) })
}

// Rewind queues everything in [from, to) again.
func Rewind(ctx context.Context, l *ledger.Ledger, from, to time.Time) error {
	spaces, err := l.SeriesSpaces(ctx)
	if err != nil {
		return err
	}
	for _, space := range spaces {
		err := l.Write(ctx, func(tx *ledger.Tx) error {
			return tx.AllToOutbox(space, occupancy.MinuteOf(from), occupancy.MinuteAfter(to))
		})
		if err != nil {
			return err
		}
	}
	return l.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.SetCursor(cursorShipped, 0); err != nil {
			return err
		}
		if err := tx.PutSnapshot(infoSnapshot, ledger.Snapshot{Body: []byte("{}")}); err != nil {
			return err
		}
		return tx.SetCursor(cursorDecisions, 0)
	})
}
