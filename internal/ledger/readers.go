package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

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
	rows, err := l.reads.QueryContext(ctx,
		`SELECT r.device, r.at, d.read_seq IS NULL FROM reads r LEFT JOIN reader_decisions d ON d.read_seq = r.seq
		WHERE r.seq > ? AND r.seq <= ?`,
		seq,
		upTo,
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var h Heard
		var t int64
		err := rows.Scan(&h.Device, &t, &h.Asked)
		h.At = at(t)
		list = append(list, h)
		return err
	})
	if err != nil {
		return nil, seq, fmt.Errorf("list when readers were first heard: %w", err)
	}
	return list, upTo, nil
}

// readerMemory is what a transaction knows of a reader.
type readerMemory struct {
	first sql.NullInt64 // when it was first heard
	will  sql.NullInt64 // when its last will arrived
	life  []lifeEntry   // by time; the first one at or before the transaction's from, where there is one
}

type lifeEntry struct {
	at    int64
	alive bool
}

// ofReaders are the conditions of ExpectReaders' queries.
const ofReaders = " WHERE device IN (SELECT value FROM json_each(?))"

// ExpectReaders announces the readers whose messages, sent at from or later, are
// noted next: the ledger is asked once for all of them, and not for each message.
func (tx *Tx) ExpectReaders(readers []catalogue.DeviceID, from time.Time) error {
	ids, err := json.Marshal(readers)
	if err != nil {
		return err
	}
	tx.readersFrom = ms(from)
	tx.readers = make(map[catalogue.DeviceID]*readerMemory, len(readers))
	for _, id := range readers {
		tx.readers[id] = &readerMemory{}
	}
	load := func(query string, scan func(rows *sql.Rows) error, args ...any) {
		if err == nil {
			rows, qerr := tx.query(query, append([]any{string(ids)}, args...)...)
			err = each(rows, qerr, scan)
		}
	}
	load("SELECT device, at FROM first_heard"+ofReaders, func(rows *sql.Rows) error {
		var id catalogue.DeviceID
		var t sql.NullInt64
		err := rows.Scan(&id, &t)
		tx.readers[id].first = t
		return err
	})
	load("SELECT device, at FROM reader_wills"+ofReaders, func(rows *sql.Rows) error {
		var id catalogue.DeviceID
		var t sql.NullInt64
		err := rows.Scan(&id, &t)
		tx.readers[id].will = t
		return err
	})
	load("SELECT device, at, alive FROM reader_life l"+ofReaders+` AND at >= coalesce(
		(SELECT max(at) FROM reader_life m WHERE m.device = l.device AND m.at <= ?), 0) ORDER BY device, at`,
		func(rows *sql.Rows) error {
			var id catalogue.DeviceID
			var e lifeEntry
			err := rows.Scan(&id, &e.at, &e.alive)
			tx.readers[id].life = append(tx.readers[id].life, e)
			return err
		}, ms(from))
	if err != nil {
		return fmt.Errorf("ledger: load what is known of readers: %w", err)
	}
	return nil
}

// remembered returns what this transaction knows of a reader at t. It returns nil if the
// database must be asked: the reader was not announced, what is stored of it has changed
// since, or t is before the instant given to ExpectReaders.
func (tx *Tx) remembered(reader catalogue.DeviceID, t int64) *readerMemory {
	if t < tx.readersFrom {
		return nil
	}
	return tx.readers[reader]
}

// forgetReader is called when something stored of a reader changes: it is then read from
// the database again.
func (tx *Tx) forgetReader(reader catalogue.DeviceID) { delete(tx.readers, reader) }

// NoteHeard stores that a reader sent a message at t. earlier reports whether this is now the
// earliest known message of the reader. If so, until is the instant of the message that was the
// earliest before; it is zero if there was none.
func (tx *Tx) NoteHeard(reader catalogue.DeviceID, t time.Time) (earlier bool, until time.Time, err error) {
	have, err := tx.firstHeard(reader)
	if err != nil {
		return false, until, fmt.Errorf("ledger: note when a reader was first heard: %w", err)
	}
	if have.Valid {
		if have.Int64 <= ms(t) {
			return false, until, nil
		}
		until = at(have.Int64)
	}
	tx.forgetReader(reader)
	err = tx.run(
		"INSERT INTO first_heard (device, at) VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET at = excluded.at",
		string(reader),
		ms(t),
	)
	return true, until, err
}

func (tx *Tx) firstHeard(reader catalogue.DeviceID) (t sql.NullInt64, err error) {
	if m := tx.readers[reader]; m != nil {
		return m.first, nil
	}
	err = tx.row("SELECT at FROM first_heard WHERE device = ?", []any{string(reader)}, &t)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return t, err
}

// NoteLife stores whether a reader was alive or silent at t. If status is set, the reader said
// so in a status message; otherwise it asked for an answer to a badge, which shows that it was
// alive. Of two reports at one instant, alive counts. changed reports whether this changes what
// is known of the reader; until is the instant of its next report, to which the change extends
// (zero: none yet).
func (tx *Tx) NoteLife(
	reader catalogue.DeviceID,
	t time.Time,
	alive, status bool,
) (changed bool, until time.Time, err error) {
	before, err := tx.lifeBefore(reader, t)
	if err != nil || !status && before {
		return false, until, err
	}
	tx.forgetReader(reader)
	err = tx.run(
		"INSERT INTO reader_life (device, at, alive) VALUES (?, ?, ?) ON CONFLICT (device, at) DO UPDATE SET alive = max(reader_life.alive, excluded.alive)",
		string(reader),
		ms(t),
		flag(alive),
	)
	if err != nil {
		return false, until, fmt.Errorf("ledger: note that a reader is silent or not: %w", err)
	}
	if alive == before {
		return false, until, nil
	}
	if !alive {
		if err := tx.revived(reader, t); err != nil {
			return false, until, err
		}
	}
	var next sql.NullInt64
	if err := tx.row(
		"SELECT min(at) FROM reader_life WHERE device = ? AND at > ?",
		[]any{string(reader), ms(t)},
		&next,
	); err != nil {
		return false, until, fmt.Errorf("ledger: note that a reader is silent or not: %w", err)
	}
	if next.Valid {
		until = at(next.Int64)
	}
	return true, until, nil
}

// NoteWill stores when a reader's last will arrived.
func (tx *Tx) NoteWill(reader catalogue.DeviceID, arrived time.Time) error {
	tx.forgetReader(reader)
	err := tx.run(
		"INSERT INTO reader_wills (device, at) VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET at = max(reader_wills.at, excluded.at)",
		string(reader),
		ms(arrived),
	)
	if err != nil {
		return fmt.Errorf("ledger: note a reader's last will: %w", err)
	}
	return nil
}

// LastWill returns when a reader's last will arrived; zero: never.
func (tx *Tx) LastWill(reader catalogue.DeviceID) (time.Time, error) {
	var t int64
	if m := tx.readers[reader]; m != nil {
		if !m.will.Valid {
			return time.Time{}, nil
		}
		return at(m.will.Int64), nil
	}
	err := tx.row("SELECT at FROM reader_wills WHERE device = ?", []any{string(reader)}, &t)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return at(t), err
}

// lifeBefore reports whether the reader was alive at t by the reports stored so far, those at t
// included. Without any report a reader counts as alive.
func (tx *Tx) lifeBefore(reader catalogue.DeviceID, t time.Time) (alive bool, err error) {
	if m := tx.remembered(reader, ms(t)); m != nil {
		alive = true
		for _, e := range m.life {
			if e.at <= ms(t) {
				alive = e.alive
			}
		}
		return alive, nil
	}
	var v int
	err = tx.row(
		"SELECT alive FROM reader_life WHERE device = ? AND at <= ? ORDER BY at DESC LIMIT 1",
		[]any{string(reader), ms(t)},
		&v,
	)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	return v != 0, err
}

// revived is called when a report that the reader was silent at t is stored. Badges that the
// reader sent after t may have arrived before this report. revived stores that the reader was
// alive at the first of them for which it asked for an answer.
func (tx *Tx) revived(reader catalogue.DeviceID, t time.Time) error {
	err := tx.run(`INSERT INTO reader_life (device, at, alive)
		SELECT device, at, 1 FROM reads r WHERE r.device = ? AND r.at > ? AND NOT EXISTS (SELECT 1 FROM reader_decisions d
		WHERE d.read_seq = r.seq)
		ORDER BY r.at LIMIT 1 ON CONFLICT (device, at) DO UPDATE SET alive = 1`, string(reader), ms(t))
	if err != nil {
		return fmt.Errorf("ledger: note that a reader is silent or not: %w", err)
	}
	return nil
}

// Readers returns when the first of the readers sent something (zero: never),
// and when any of them was silent between from and to.
func (l *Ledger) Readers(
	ctx context.Context,
	readers []catalogue.DeviceID,
	from, to time.Time,
) (known time.Time, silent []catalogue.Interval, err error) {
	for _, id := range readers {
		var first int64
		err := l.reads.QueryRowContext(ctx, "SELECT at FROM first_heard WHERE device = ?", string(id)).Scan(&first)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return known, nil, fmt.Errorf("load readers: %w", err)
		}
		if t := at(first); known.IsZero() || t.Before(known) {
			known = t
		}
		spans, err := l.silences(ctx, id, from, to)
		if err != nil {
			return known, nil, err
		}
		silent = append(silent, spans...)
	}
	return known, silent, nil
}

func (l *Ledger) silences(
	ctx context.Context,
	reader catalogue.DeviceID,
	from, to time.Time,
) ([]catalogue.Interval, error) {
	var list []catalogue.Interval
	var open *catalogue.Interval
	rows, err := l.reads.QueryContext(ctx, `SELECT at, alive FROM reader_life WHERE device = ?1 AND at < ?3
		AND at >= coalesce((SELECT max(at) FROM reader_life WHERE device = ?1 AND at <= ?2), 0) ORDER BY at`, string(reader), ms(from), ms(to))
	err = each(rows, err, func(rows *sql.Rows) error {
		var t int64
		var alive bool
		if err := rows.Scan(&t, &alive); err != nil {
			return err
		}
		switch {
		case !alive && open == nil:
			open = &catalogue.Interval{From: at(t)}
		case alive && open != nil:
			open.To = at(t)
			list = append(list, *open)
			open = nil
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load when readers were silent: %w", err)
	}
	if open != nil {
		list = append(list, *open)
	}
	return list, nil
}
