package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/visit"
)

// What a verification needs to make some visits again: whose, and since when
// they are made by the catalogue that is at hand.

// SampleMoves picks people who badged after an instant, with their last read's.
func (l *Ledger) SampleMoves(ctx context.Context, since time.Time, n int) ([]Touched, error) {
	var list []Touched
	rows, err := l.reads.QueryContext(ctx, "SELECT member, max(at) FROM reads WHERE member IS NOT NULL AND at >= ? GROUP BY member ORDER BY random() LIMIT ?", ms(since), n)
	err = each(rows, err, func(rows *sql.Rows) error {
		var t Touched
		var when int64
		err := rows.Scan(&t.Subject.Member, &when)
		t.From, t.To = at(when), at(when)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: sample people: %w", err)
	}
	return list, nil
}

// IsWaiting reports whether a subject's visits are still to be made.
func (l *Ledger) IsWaiting(ctx context.Context, s visit.Subject, cursor string) (bool, error) {
	var n int
	err := l.reads.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM touched WHERE subject = ?)
		+ (SELECT count(*) FROM reads WHERE member = ? AND seq > coalesce((SELECT seq FROM cursors WHERE name = ?), 0))`, "m:"+string(s.Member), string(s.Member), cursor).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	return n > 0, nil
}

// catalogueSnapshot remembers, of a ledger that is older than its list of
// catalogues, by which one its visits were made and since when.
const catalogueSnapshot = "catalogue"

// NoteCatalogue tells a ledger its first catalogue: of one that was in use
// before, and by another, visits follow the list of catalogues from now on only.
func (l *Ledger) NoteCatalogue(ctx context.Context, basis string, now time.Time) error {
	s, err := l.Snapshot(ctx, catalogueSnapshot)
	if err != nil {
		return err
	}
	used, err := l.Used(ctx)
	if err != nil {
		return err
	}
	since := ms(now)
	if _, of, _ := strings.Cut(string(s.Body), " "); of == basis {
		return nil
	}
	if s.Body == nil && !used {
		since = 0
	}
	body := []byte(strconv.FormatInt(since, 10) + " " + basis)
	return l.Write(ctx, func(tx *Tx) error { return tx.PutSnapshot(catalogueSnapshot, Snapshot{Body: body}) })
}

// VisitsSince returns from when visits surely follow the list of catalogues.
func (l *Ledger) VisitsSince(ctx context.Context) (since time.Time, err error) {
	s, err := l.Snapshot(ctx, catalogueSnapshot)
	if err != nil || s.Body == nil {
		return at(0), err
	}
	when, _, _ := strings.Cut(string(s.Body), " ")
	n, err := strconv.ParseInt(when, 10, 64)
	if err != nil {
		return since, fmt.Errorf("ledger: %s: %w", catalogueSnapshot, err)
	}
	return at(n), nil
}
