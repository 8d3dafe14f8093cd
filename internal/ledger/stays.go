package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/visit"
)

// ReplaceStays replaces the subject's stays that began in [from, to), and marks
// the minutes that changed to be computed again.
func (tx *Tx) ReplaceStays(who visit.Subject, from, to time.Time, stays []visit.Stay) error {
	type row struct {
		space    catalogue.SpaceID
		from, to int64
	}
	old := map[row]int64{}
	key := subjectKey(who)
	rows, err := tx.query("SELECT id, space, from_at, to_at FROM stays WHERE subject = ? AND from_at >= ? AND from_at < ?", key, ms(from), ms(to))
	err = each(rows, err, func(rows *sql.Rows) error {
		var r row
		var id int64
		err := rows.Scan(&id, &r.space, &r.from, &r.to)
		old[r] = id
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: load stays: %w", err)
	}
	for _, s := range stays {
		r := row{s.Space, ms(s.From), ms(s.To)}
		if _, there := old[r]; there {
			delete(old, r)
			continue
		}
		if err := tx.run("INSERT INTO stays (subject, space, from_at, to_at) VALUES (?, ?, ?, ?)", key, string(r.space), r.from, r.to); err != nil {
			return fmt.Errorf("ledger: put stay: %w", err)
		}
		if err := tx.MarkDirty(s.Space, s.From, s.To); err != nil {
			return err
		}
	}
	for r, id := range old {
		if err := tx.run("DELETE FROM stays WHERE id = ?", id); err != nil {
			return fmt.Errorf("ledger: delete stay: %w", err)
		}
		if err := tx.MarkDirty(r.space, at(r.from), at(r.to)); err != nil {
			return err
		}
	}
	return nil
}

// Stays returns the stays in a space that overlap [from, to).
func (l *Ledger) Stays(ctx context.Context, space catalogue.SpaceID, from, to time.Time) ([]occupancy.Span, error) {
	var list []occupancy.Span
	// No stay is longer than a visit's 16 h.
	rows, err := l.reads.QueryContext(ctx, "SELECT from_at, to_at FROM stays WHERE space = ? AND from_at > ? AND from_at < ? AND to_at > ?",
		string(space), ms(from.Add(-visit.Longest-time.Hour)), ms(to), ms(from))
	err = each(rows, err, func(rows *sql.Rows) error {
		var a, b int64
		err := rows.Scan(&a, &b)
		list = append(list, occupancy.Span{From: at(a), To: at(b)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load stays: %w", err)
	}
	return list, nil
}

// NoteHeard stores that a reader sent a message at an instant. earlier reports
// that none was known at or before that instant, and until when none was (zero:
// never).
func (tx *Tx) NoteHeard(reader catalogue.DeviceID, t time.Time) (earlier bool, until time.Time, err error) {
	var have int64
	err = tx.row("SELECT at FROM first_heard WHERE device = ?", []any{string(reader)}, &have)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, until, fmt.Errorf("ledger: first heard: %w", err)
	}
	if err == nil {
		if have <= ms(t) {
			return false, until, nil
		}
		until = at(have)
	}
	err = tx.run("INSERT INTO first_heard (device, at) VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET at = excluded.at", string(reader), ms(t))
	return true, until, err
}

// NoteLife stores that a reader reported being silent or not (a status), or
// showed that it was not (a badge for which it asked, status false). Of two at
// one instant, being alive counts. changed reports that this makes a
// difference, and until when: the reader's next report (zero: none yet).
func (tx *Tx) NoteLife(reader catalogue.DeviceID, t time.Time, alive, status bool) (changed bool, until time.Time, err error) {
	before, err := tx.lifeBefore(reader, t)
	if err != nil || !status && before {
		return false, until, err
	}
	err = tx.run("INSERT INTO reader_life (device, at, alive) VALUES (?, ?, ?) ON CONFLICT (device, at) DO UPDATE SET alive = max(alive, excluded.alive)",
		string(reader), ms(t), flag(alive))
	if err != nil {
		return false, until, fmt.Errorf("ledger: reader's life: %w", err)
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
	if err := tx.row("SELECT min(at) FROM reader_life WHERE device = ? AND at > ?", []any{string(reader), ms(t)}, &next); err != nil {
		return false, until, fmt.Errorf("ledger: reader's life: %w", err)
	}
	if next.Valid {
		until = at(next.Int64)
	}
	return true, until, nil
}

// NoteWill stores when a reader's last will arrived.
func (tx *Tx) NoteWill(reader catalogue.DeviceID, arrived time.Time) error {
	err := tx.run("INSERT INTO reader_wills (device, at) VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET at = max(at, excluded.at)", string(reader), ms(arrived))
	if err != nil {
		return fmt.Errorf("ledger: reader's will: %w", err)
	}
	return nil
}

// LastWill returns when a reader's last will arrived; zero: never.
func (tx *Tx) LastWill(reader catalogue.DeviceID) (time.Time, error) {
	var t int64
	err := tx.row("SELECT at FROM reader_wills WHERE device = ?", []any{string(reader)}, &t)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return at(t), err
}

// lifeBefore reports whether the reader was not silent just before t.
func (tx *Tx) lifeBefore(reader catalogue.DeviceID, t time.Time) (alive bool, err error) {
	var v int
	err = tx.row("SELECT alive FROM reader_life WHERE device = ? AND at <= ? ORDER BY at DESC LIMIT 1", []any{string(reader), ms(t)}, &v)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	return v != 0, err
}

// revived stores the first badge for which the reader asked after it was
// silent, where that badge arrived before the report of its silence.
func (tx *Tx) revived(reader catalogue.DeviceID, t time.Time) error {
	err := tx.run(`INSERT INTO reader_life (device, at, alive)
		SELECT device, at, 1 FROM reads r WHERE r.device = ? AND r.at > ? AND NOT EXISTS (SELECT 1 FROM reader_decisions d WHERE d.read_seq = r.seq)
		ORDER BY r.at LIMIT 1 ON CONFLICT (device, at) DO UPDATE SET alive = 1`, string(reader), ms(t))
	if err != nil {
		return fmt.Errorf("ledger: reader's life: %w", err)
	}
	return nil
}

// Readers returns when the first of the readers sent something (zero: never),
// and when any of them was silent between from and to.
func (l *Ledger) Readers(ctx context.Context, readers []catalogue.DeviceID, from, to time.Time) (known time.Time, silent []occupancy.Span, err error) {
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

func (l *Ledger) silences(ctx context.Context, reader catalogue.DeviceID, from, to time.Time) ([]occupancy.Span, error) {
	var list []occupancy.Span
	var open *occupancy.Span
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
			open = &occupancy.Span{From: at(t)}
		case alive && open != nil:
			open.To = at(t)
			list = append(list, *open)
			open = nil
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load silences: %w", err)
	}
	if open != nil {
		list = append(list, *open)
	}
	return list, nil
}
