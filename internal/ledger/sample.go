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

// A verification computes the visits of some people again and compares them with the stored
// ones. This file selects the people, and notes from when the catalogues needed are recorded.

// SampleMoves returns people who badged after an instant, with the instant of
// their last read.
func (l *Ledger) SampleMoves(ctx context.Context, since time.Time, n int) ([]Touched, error) {
	return list(ctx, l.reads, "ledger: sample people", func(rows *sql.Rows) (t Touched, err error) {
		var when int64
		err = rows.Scan(&t.Subject.Member, &when)
		t.From, t.To = at(when), at(when)
		return t, err
	}, "SELECT member, max(at) FROM reads WHERE member IS NOT NULL AND at >= ? GROUP BY member ORDER BY random() LIMIT ?",
		ms(since),
		n)
}

// IsWaiting reports whether a subject's visits are still to be computed.
func (l *Ledger) IsWaiting(ctx context.Context, s visit.Subject, cursor string) (bool, error) {
	var n int
	err := l.reads.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM touched WHERE subject = ?)
		+ (SELECT count(*) FROM reads WHERE member = ? AND seq > coalesce((SELECT seq FROM cursors WHERE name = ?), 0))`, "m:"+string(s.Member), string(s.Member), cursor).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	return n > 0, nil
}

// catalogueSnapshot is the name of the snapshot with the catalogue (its basis) with which
// visits were computed before catalogues were recorded, and since when.
const catalogueSnapshot = "catalogue"

// NoteCatalogue is called when a ledger's first catalogue is recorded. It notes from when
// the ledger's visits are computed with the recorded catalogues: from the beginning if the
// ledger was never used; from now on if it was used with another catalogue, or one that is
// not known. basis is the digest of what visits depend on (catalogues.VisitBasis).
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

// VisitsSince returns the instant from which visits were certainly computed with the
// recorded catalogues; 1970: from the beginning.
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
