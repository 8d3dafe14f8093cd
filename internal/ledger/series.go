package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
)

const dayMinutes = 24 * 60

// Dirty is a stretch of a space's minutes [From, To) to be computed again.
type Dirty struct {
	ID       int64
	Space    catalogue.SpaceID
	From, To int64 // minutes since 1970
}

// Final returns the minute before which the series is final, because its
// messages are deleted.
func (l *Ledger) Final(ctx context.Context) (int64, error) { return l.Cursor(ctx, cursorEvidence) }

// MarkDirty marks a space's minutes in [from, to) to be computed again.
func (tx *Tx) MarkDirty(space catalogue.SpaceID, from, to time.Time) error {
	err := tx.run(
		"INSERT INTO series_dirty (space, from_minute, to_minute) VALUES (?, ?, ?)",
		string(space),
		occupancy.MinuteOf(from),
		occupancy.MinuteAfter(to),
	)
	if err != nil {
		return fmt.Errorf("ledger: mark minutes that must be computed again: %w", err)
	}
	return nil
}

// DirtyMinutes lists what is marked, the oldest mark first.
func (l *Ledger) DirtyMinutes(ctx context.Context, limit int) ([]Dirty, error) {
	return list(ctx, l.reads, "list dirty minutes", func(rows *sql.Rows) (d Dirty, err error) {
		err = rows.Scan(&d.ID, &d.Space, &d.From, &d.To)
		return d, err
	}, "SELECT id, space, from_minute, to_minute FROM series_dirty ORDER BY id LIMIT ?",
		limit)
}

// ClearDirty removes the marks up to an id: their minutes are computed.
func (tx *Tx) ClearDirty(upTo int64) error {
	return tx.run("DELETE FROM series_dirty WHERE id <= ?", upTo)
}

// SeriesDays reads a space's days [from, to), oldest first.
func (l *Ledger) SeriesDays(
	ctx context.Context,
	space catalogue.SpaceID,
	from, to int64,
	yield func(day int64, body []byte) error,
) error {
	rows, err := l.reads.QueryContext(ctx,
		"SELECT day, body FROM series_days WHERE space = ? AND day >= ? AND day < ? ORDER BY day",
		string(space),
		from,
		to,
	)
	n := 0
	err = each(rows, err, func(rows *sql.Rows) error {
		if n++; n%8 == 0 {
			runtime.Gosched() // a year of every space takes long: badges go first
		}
		var day int64
		var body sql.RawBytes
		if err := rows.Scan(&day, &body); err != nil {
			return err
		}
		return yield(day, body)
	})
	if err != nil {
		return fmt.Errorf("read the series of %s: %w", space, err)
	}
	return nil
}

// SeriesRuns reads a space's days [from, to) as runs of minutes, oldest first.
// Where keep is set the caller may keep the runs, else they are valid until
// yield returns. A day that cannot be decoded is left out, and noted to be
// computed again (Damaged).
func (l *Ledger) SeriesRuns(
	ctx context.Context,
	space catalogue.SpaceID,
	from, to int64,
	keep bool,
	yield func(day int64, runs []occupancy.Run),
) error {
	var buffer []occupancy.Run
	return l.SeriesDays(ctx, space, from, to, func(day int64, body []byte) error {
		if keep {
			buffer = nil
		}
		runs, err := occupancy.ReadRuns(buffer[:0], body)
		if err != nil {
			l.noteDamaged(space, day)
			return nil //nolint:nilerr // it is made again; the others are read
		}
		buffer = runs
		yield(day, runs)
		return nil
	})
}

// DamagedDay is a day of a space's series that cannot be decoded.
type DamagedDay struct {
	Space catalogue.SpaceID
	Day   int64 // since 1970
}

func (l *Ledger) noteDamaged(space catalogue.SpaceID, day int64) {
	l.damage.Lock()
	defer l.damage.Unlock()
	if l.damaged == nil {
		l.damaged = map[DamagedDay]bool{}
	}
	l.damaged[DamagedDay{space, day}] = true
}

// Damaged returns the days that could not be decoded since it was last called.
func (l *Ledger) Damaged() []DamagedDay {
	l.damage.Lock()
	defer l.damage.Unlock()
	list := slices.Collect(maps.Keys(l.damaged))
	l.damaged = nil
	return list
}

// SeriesSpaces lists the spaces that have any minute.
func (l *Ledger) SeriesSpaces(ctx context.Context) ([]catalogue.SpaceID, error) {
	return list(ctx, l.reads, "list the series", func(rows *sql.Rows) (id catalogue.SpaceID, err error) {
		err = rows.Scan(&id)
		return id, err
	}, `WITH RECURSIVE s(space) AS (SELECT min(space) FROM series_days UNION ALL
		SELECT (SELECT min(space) FROM series_days WHERE space > s.space) FROM s WHERE s.space IS NOT NULL) SELECT space FROM s WHERE space IS NOT NULL`)
}

// PutMinutes writes runs of minutes into a space's series from a minute on and,
// where an outbox is kept, queues the hours that this changes.
func (tx *Tx) PutMinutes(space catalogue.SpaceID, from int64, runs []occupancy.Run, outbox bool) error {
	to := from + int64(occupancy.Length(runs))
	for day := from / dayMinutes; day*dayMinutes < to; day++ {
		start := day * dayMinutes
		a, b := max(from, start), min(to, start+dayMinutes)
		err := tx.putDay(space, day, int(a-start), occupancy.Cut(runs, int(a-from), int(b-from)), outbox)
		if err != nil {
			return fmt.Errorf("ledger: store the minutes of space %s: %w", space, err)
		}
	}
	return nil
}

// putDay writes runs into one day. A day that cannot be decoded starts empty,
// and all of it is marked.
func (tx *Tx) putDay(space catalogue.SpaceID, day int64, at int, runs []occupancy.Run, outbox bool) error {
	var body []byte
	err := tx.row("SELECT body FROM series_days WHERE space = ? AND day = ?", []any{string(space), day}, &body)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	fresh := err != nil
	have, err := occupancy.ReadRuns(nil, body)
	if err != nil {
		have, fresh = nil, true
		start := occupancy.MinuteTime(day * dayMinutes)
		if err := tx.MarkDirty(space, start, start.Add(24*time.Hour)); err != nil {
			return err
		}
	}
	next := occupancy.Splice(have, at, runs)
	if !fresh && slices.Equal(have, next) {
		return nil
	}
	if outbox {
		for hour := at / 60; hour*60 < at+occupancy.Length(runs); hour++ {
			if !fresh && slices.Equal(occupancy.Cut(have, hour*60, hour*60+60), occupancy.Cut(next, hour*60, hour*60+60)) {
				continue
			}
			if err := tx.ToOutbox(space, day*24+int64(hour)); err != nil {
				return err
			}
		}
	}
	return tx.run(
		"INSERT INTO series_days (space, day, body) VALUES (?, ?, ?) ON CONFLICT (space, day) DO UPDATE SET body = excluded.body",
		string(space),
		day,
		occupancy.AppendRuns(nil, next),
	)
}

// FirstMinute returns the beginning of the series' first day, in minutes since 1970;
// false where there is no series.
func (l *Ledger) FirstMinute(ctx context.Context) (minute int64, there bool, err error) {
	var day sql.NullInt64
	err = l.reads.QueryRowContext(ctx, "SELECT min(day) FROM series_days").Scan(&day)
	return day.Int64 * dayMinutes, day.Valid, err
}

// FirstMessage returns the earliest instant of which the ledger has messages;
// now where it has none.
func (l *Ledger) FirstMessage(ctx context.Context) (time.Time, error) {
	var first sql.NullInt64
	err := l.reads.QueryRowContext(ctx, `SELECT min(at) FROM (SELECT min(from_at) AS at FROM stays UNION ALL
		SELECT min(at) FROM observations WHERE what IN ('count', 'occupancy', 'flow') AND at > 0) first`).Scan(&first)
	if err != nil || !first.Valid {
		return time.Now().UTC(), err
	}
	return at(first.Int64), nil
}
