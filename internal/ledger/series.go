package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
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
	err := tx.run("INSERT INTO series_dirty (space, from_minute, to_minute) VALUES (?, ?, ?)", string(space), occupancy.MinuteOf(from), occupancy.MinuteAfter(to))
	if err != nil {
		return fmt.Errorf("ledger: mark minutes: %w", err)
	}
	return nil
}

// DirtyMinutes lists what is marked, the oldest mark first.
func (l *Ledger) DirtyMinutes(ctx context.Context, limit int) ([]Dirty, error) {
	var list []Dirty
	rows, err := l.reads.QueryContext(ctx, "SELECT id, space, from_minute, to_minute FROM series_dirty ORDER BY id LIMIT ?", limit)
	err = each(rows, err, func(rows *sql.Rows) error {
		var d Dirty
		err := rows.Scan(&d.ID, &d.Space, &d.From, &d.To)
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list dirty minutes: %w", err)
	}
	return list, nil
}

// ClearDirty removes the marks up to an id: their minutes are computed.
func (tx *Tx) ClearDirty(upTo int64) error {
	return tx.run("DELETE FROM series_dirty WHERE id <= ?", upTo)
}

// ObservationsPage lists at most n observations after a seq.
func (l *Ledger) ObservationsPage(ctx context.Context, after int64, n int) ([]ingest.Observation, error) {
	var list []ingest.Observation
	rows, err := l.reads.QueryContext(ctx, selectObservations+" WHERE seq > ? ORDER BY seq LIMIT ?", after, n)
	err = each(rows, err, func(rows *sql.Rows) error {
		o, err := scanObservation(rows)
		list = append(list, *o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list observations: %w", err)
	}
	return list, nil
}

// YieldValues is called with the value of one message of a sensor.
type YieldValues func(at time.Time, id uuid.UUID, v *ingest.Values)

// FlowsInto returns a YieldValues that collects a flow counter's values in add.
func FlowsInto(add func(occupancy.FlowSaid)) YieldValues {
	return func(at time.Time, id uuid.UUID, v *ingest.Values) { add(v.Flow(at, id)) }
}

// SensorSaid returns the values that a sensor sent in [from, to), and for
// totals the one before.
func (l *Ledger) SensorSaid(ctx context.Context, device catalogue.DeviceID, from, to time.Time, yield YieldValues) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT id, at, body FROM observations
		WHERE what IN ('count', 'occupancy', 'flow') AND device = ?1 AND at >= ?2 AND at < ?3`, string(device), ms(from), ms(to))
	return each(rows, err, func(rows *sql.Rows) error { return yieldValue(rows, yield) })
}

// SensorBefore returns the last value that a sensor sent before t, if any.
func (l *Ledger) SensorBefore(ctx context.Context, device catalogue.DeviceID, t time.Time, yield YieldValues) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT id, at, body FROM observations
		WHERE what IN ('count', 'occupancy', 'flow') AND device = ? AND at < ? ORDER BY at DESC, id DESC LIMIT 1`, string(device), ms(t))
	return each(rows, err, func(rows *sql.Rows) error { return yieldValue(rows, yield) })
}

func yieldValue(rows *sql.Rows, yield YieldValues) error {
	var id, body sql.RawBytes
	var t int64
	if err := rows.Scan(&id, &t, &body); err != nil {
		return err
	}
	v, err := fastValues(body)
	if err != nil {
		return fmt.Errorf("observation: %w", err)
	}
	yield(at(t), uuid.UUID(id), v)
	return nil
}

func fastValues(body []byte) (*ingest.Values, error) {
	v := &ingest.Values{}
	err := json.Unmarshal(body, v)
	return v, err
}

// NextSaid returns the instant of a sensor's first value after t; zero: none.
func (tx *Tx) NextSaid(device catalogue.DeviceID, t time.Time) (time.Time, error) {
	var next sql.NullInt64
	err := tx.row("SELECT min(at) FROM observations WHERE what IN ('count', 'occupancy', 'flow') AND device = ? AND at > ?", []any{string(device), ms(t)}, &next)
	if err != nil || !next.Valid {
		return time.Time{}, err
	}
	return at(next.Int64), nil
}

// Heard is one message of a reader: a badge.
type Heard struct {
	Device catalogue.DeviceID
	At     time.Time
	Asked  bool // it asked for an answer: the reader was online
}

// ReadersHeard lists the badges of the chain in (seq, seq+n], and the seq up to
// which it looked.
func (l *Ledger) ReadersHeard(ctx context.Context, seq int64, n int64) (list []Heard, upTo int64, err error) {
	head, err := l.Head(ctx)
	if upTo = min(head, seq+n); err != nil || upTo <= seq {
		return nil, seq, err
	}
	rows, err := l.reads.QueryContext(ctx, `SELECT r.device, r.at, d.read_seq IS NULL FROM reads r LEFT JOIN reader_decisions d ON d.read_seq = r.seq
		WHERE r.seq > ? AND r.seq <= ?`, seq, upTo)
	err = each(rows, err, func(rows *sql.Rows) error {
		var h Heard
		var t int64
		err := rows.Scan(&h.Device, &t, &h.Asked)
		h.At = at(t)
		list = append(list, h)
		return err
	})
	if err != nil {
		return nil, seq, fmt.Errorf("list readers heard: %w", err)
	}
	return list, upTo, nil
}

// SeriesDays reads a space's days [from, to), oldest first.
func (l *Ledger) SeriesDays(ctx context.Context, space catalogue.SpaceID, from, to int64, yield func(day int64, body []byte) error) error {
	rows, err := l.reads.QueryContext(ctx, "SELECT day, body FROM series_days WHERE space = ? AND day >= ? AND day < ? ORDER BY day", string(space), from, to)
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
func (l *Ledger) SeriesRuns(ctx context.Context, space catalogue.SpaceID, from, to int64, keep bool, yield func(day int64, runs []occupancy.Run)) error {
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
	var list []catalogue.SpaceID
	rows, err := l.reads.QueryContext(ctx, `WITH RECURSIVE s(space) AS (SELECT min(space) FROM series_days UNION ALL
		SELECT (SELECT min(space) FROM series_days WHERE space > s.space) FROM s WHERE s.space IS NOT NULL) SELECT space FROM s WHERE space IS NOT NULL`)
	err = each(rows, err, func(rows *sql.Rows) error {
		var id catalogue.SpaceID
		err := rows.Scan(&id)
		list = append(list, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the series: %w", err)
	}
	return list, nil
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
			return fmt.Errorf("ledger: put minutes of %s: %w", space, err)
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
	return tx.run("INSERT INTO series_days (space, day, body) VALUES (?, ?, ?) ON CONFLICT (space, day) DO UPDATE SET body = excluded.body",
		string(space), day, occupancy.AppendRuns(nil, next))
}

// ToOutbox queues an hour of a space for an outside database.
func (tx *Tx) ToOutbox(space catalogue.SpaceID, hour int64) error {
	err := tx.run("INSERT INTO series_outbox (space, hour, version) VALUES (?, ?, 1) ON CONFLICT (space, hour) DO UPDATE SET version = version + 1", string(space), hour)
	if err != nil {
		return fmt.Errorf("ledger: outbox: %w", err)
	}
	return nil
}

// Owed is an hour of a space that is queued for an outside database.
type Owed struct {
	Space   catalogue.SpaceID
	Hour    int64 // since 1970
	Version int64
}

// Outbox lists at most n queued hours, and counts all.
func (l *Ledger) Outbox(ctx context.Context, n int) (list []Owed, all int, err error) {
	if err := l.reads.QueryRowContext(ctx, "SELECT count(*) FROM series_outbox").Scan(&all); err != nil {
		return nil, 0, fmt.Errorf("count the outbox: %w", err)
	}
	rows, err := l.reads.QueryContext(ctx, "SELECT space, hour, version FROM series_outbox ORDER BY space, hour LIMIT ?", n)
	err = each(rows, err, func(rows *sql.Rows) error {
		var o Owed
		err := rows.Scan(&o.Space, &o.Hour, &o.Version)
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list the outbox: %w", err)
	}
	return list, all, nil
}

// Delivered removes hours from the outbox, except those that changed since.
func (tx *Tx) Delivered(list []Owed) error {
	for _, o := range list {
		if err := tx.run("DELETE FROM series_outbox WHERE space = ? AND hour = ? AND version = ?", string(o.Space), o.Hour, o.Version); err != nil {
			return fmt.Errorf("ledger: outbox: %w", err)
		}
	}
	return nil
}

// AllToOutbox queues all hours of a space's series in the minutes [from, to).
func (tx *Tx) AllToOutbox(space catalogue.SpaceID, from, to int64) error {
	days, err := tx.seqs("SELECT day FROM series_days WHERE space = ? AND day >= ? AND day * 1440 < ?", string(space), from/dayMinutes, to)
	if err != nil {
		return err
	}
	for _, day := range days {
		for hour := max(day*24, from/60); hour < min((day+1)*24, (to+59)/60); hour++ {
			if err := tx.ToOutbox(space, hour); err != nil {
				return err
			}
		}
	}
	return nil
}

// DecisionTime is how long a site's readers waited for decisions in one minute.
type DecisionTime struct {
	Minute              int64
	Site                catalogue.SiteID
	Count, Refused      int64
	Mean, P50, P99, Max time.Duration
}

// AddDecisionTime stores one.
func (tx *Tx) AddDecisionTime(d DecisionTime) error {
	err := tx.run(`INSERT INTO decision_times (minute, site, count, refused, mean_us, p50_us, p99_us, max_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		d.Minute, string(d.Site), d.Count, d.Refused, d.Mean.Microseconds(), d.P50.Microseconds(), d.P99.Microseconds(), d.Max.Microseconds())
	if err != nil {
		return fmt.Errorf("ledger: decision times: %w", err)
	}
	return nil
}

// DecisionTimes lists those after a minute: whole minutes, about n of them.
func (l *Ledger) DecisionTimes(ctx context.Context, after int64, n int) ([]DecisionTime, error) {
	var list []DecisionTime
	rows, err := l.reads.QueryContext(ctx, `SELECT minute, site, count, refused, mean_us, p50_us, p99_us, max_us FROM decision_times
		WHERE minute > ?1 AND minute <= coalesce((SELECT minute FROM decision_times WHERE minute > ?1 ORDER BY minute LIMIT 1 OFFSET ?2), 1 << 40) ORDER BY minute`, after, n)
	err = each(rows, err, func(rows *sql.Rows) error {
		var d DecisionTime
		var mean, p50, p99, most int64
		err := rows.Scan(&d.Minute, &d.Site, &d.Count, &d.Refused, &mean, &p50, &p99, &most)
		d.Mean, d.P50, d.P99, d.Max = micro(mean), micro(p50), micro(p99), micro(most)
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list decision times: %w", err)
	}
	return list, nil
}

func micro(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// FirstMessage returns the earliest instant of which the ledger has messages;
// now where it has none.
func (l *Ledger) FirstMessage(ctx context.Context) (time.Time, error) {
	var first sql.NullInt64
	err := l.reads.QueryRowContext(ctx, `SELECT min(at) FROM (SELECT min(from_at) AS at FROM stays UNION ALL
		SELECT min(at) FROM observations WHERE what IN ('count', 'occupancy', 'flow') AND at > 0)`).Scan(&first)
	if err != nil || !first.Valid {
		return time.Now().UTC(), err
	}
	return at(first.Int64), nil
}
