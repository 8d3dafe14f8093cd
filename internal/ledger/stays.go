package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
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
	rows, err := tx.query(
		"SELECT id, space, from_at, to_at FROM stays WHERE subject = ? AND from_at >= ? AND from_at < ?",
		key,
		ms(from),
		ms(to),
	)
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
		if err := tx.run(
			"INSERT INTO stays (subject, space, from_at, to_at) VALUES (?, ?, ?, ?)",
			key,
			string(r.space),
			r.from,
			r.to,
		); err != nil {
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
func (l *Ledger) Stays(ctx context.Context, space catalogue.SpaceID, from, to time.Time) ([]catalogue.Interval, error) {
	var list []catalogue.Interval
	// No stay is longer than a visit's 16 h.
	rows, err := l.reads.QueryContext(ctx,
		"SELECT from_at, to_at FROM stays WHERE space = ? AND from_at > ? AND from_at < ? AND to_at > ?",
		string(space),
		ms(from.Add(-visit.Longest-time.Hour)),
		ms(to),
		ms(from),
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var a, b int64
		err := rows.Scan(&a, &b)
		list = append(list, catalogue.Interval{From: at(a), To: at(b)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load stays: %w", err)
	}
	return list, nil
}
