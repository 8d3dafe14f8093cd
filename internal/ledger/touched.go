package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Touched is a subject with committed reads that are not in visits yet.
type Touched struct {
	Subject  visit.Subject
	From, To time.Time // instants of the reads, both included
	Received time.Time // the earliest arrival among them
	marked   int64     // how often it was touched
}

// TouchedAfter looks at the entries of the chain in (seq, seq+n]. It returns the
// subjects of the granted reads and of the readers' own decisions among them, and
// the last entry that it looked at.
func (l *Ledger) TouchedAfter(ctx context.Context, seq int64, n int) (list []Touched, upTo int64, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM chain").Scan(&upTo)
	if err != nil {
		return nil, seq, fmt.Errorf("find subjects whose visits must be made: %w", err)
	}
	upTo = min(upTo, seq+int64(n))
	if upTo <= seq {
		return nil, seq, nil
	}
	rows, err := l.reads.QueryContext(ctx, `SELECT member, pass, min(at), max(at), min(received_at) FROM (
			SELECT member, pass, at, received_at FROM reads WHERE seq > ? AND seq <= ? AND granted = 1
			UNION ALL
			SELECT r.member, r.pass, r.at, d.received_at FROM chain c JOIN reader_decisions d ON d.seq = c.seq JOIN reads r ON
			r.seq = d.read_seq
				WHERE c.seq > ? AND c.seq <= ? AND c.kind = 'reader'
		) moved WHERE member IS NOT NULL OR pass IS NOT NULL GROUP BY member, pass`, seq, upTo, seq, upTo)
	err = each(rows, err, func(rows *sql.Rows) error {
		var t Touched
		var member, pass sql.NullString
		var from, to, received int64
		err := rows.Scan(&member, &pass, &from, &to, &received)
		t.Subject = visit.Subject{Member: tenancy.MemberID(member.String), Pass: tenancy.PassID(pass.String)}
		t.From, t.To, t.Received = at(from), at(to), at(received)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, seq, fmt.Errorf("find subjects whose visits must be made: %w", err)
	}
	return list, upTo, nil
}

// Touch marks a subject's visits to be computed again.
func (tx *Tx) Touch(t Touched) error {
	err := tx.run(
		`INSERT INTO touched (subject, from_at, to_at, received_at, marked) VALUES (?, ?, ?, ?, 1) ON CONFLICT (subject) DO UPDATE SET
		from_at = min(touched.from_at, excluded.from_at), to_at = max(touched.to_at, excluded.to_at), received_at = min(touched.received_at, excluded.received_at), marked = touched.marked + 1`,
		subjectKey(t.Subject),
		ms(t.From),
		ms(t.To),
		ms(t.Received),
	)
	if err != nil {
		return fmt.Errorf("ledger: mark a person's visits to be computed: %w", err)
	}
	return nil
}

// TouchDoors marks the visits of everybody who badged at one of the doors since
// an instant.
func (tx *Tx) TouchDoors(doors []catalogue.DoorID, since, now time.Time) error {
	list, err := json.Marshal(doors)
	if err != nil {
		return err
	}
	for _, who := range []string{"member", "pass"} {
		err := tx.run(fmt.Sprintf(`INSERT INTO touched (subject, from_at, to_at, received_at, marked)
			SELECT '%c:' || %[2]s, min(at), max(at), ?, 1 FROM reads WHERE %[2]s IS NOT NULL AND at >= ? AND door IN (SELECT
			value FROM json_each(?)) GROUP BY %[2]s
			ON CONFLICT (subject) DO UPDATE SET from_at = min(touched.from_at, excluded.from_at), to_at = max(touched.to_at, excluded.to_at), marked = touched.marked + 1`, who[0], who), ms(now), ms(since), string(list))
		if err != nil {
			return fmt.Errorf("ledger: mark subjects whose visits must be made again: %w", err)
		}
	}
	return nil
}

// Made removes a subject's mark, unless it was marked again since t was listed.
func (tx *Tx) Made(t Touched) error {
	if err := tx.run("DELETE FROM touched WHERE subject = ? AND marked = ?", subjectKey(t.Subject), t.marked); err != nil {
		return fmt.Errorf("ledger: unmark a subject whose visits were computed: %w", err)
	}
	return nil
}

// Touched lists at most n (0: all) marked subjects, those with the newest reads first:
// whoever badges now goes before what arrived late.
func (l *Ledger) Touched(ctx context.Context, n int) ([]Touched, error) {
	return list(ctx, l.reads, "list what is touched", func(rows *sql.Rows) (t Touched, err error) {
		var subject string
		var from, to, received int64
		err = rows.Scan(&subject, &from, &to, &received, &t.marked)
		t.Subject, t.From, t.To, t.Received = subjectOf(subject), at(from), at(to), at(received)
		return t, err
	}, "SELECT subject, from_at, to_at, received_at, marked FROM touched ORDER BY to_at DESC LIMIT ?",
		limit(n))
}

// StillThere reports whether any read still names a subject. An erasure may have
// removed the subject from its reads since the subject was marked; then nothing
// may be written under its id.
func (tx *Tx) StillThere(s visit.Subject) (bool, error) {
	column, id := "member", string(s.Member)
	if s.Pass != "" {
		column, id = "pass", string(s.Pass)
	}
	var there bool
	err := tx.row("SELECT EXISTS (SELECT 1 FROM reads WHERE "+column+" = ?)", []any{id}, &there)
	return there, err
}

// WaitingSince returns the earliest arrival of a read that is not in visits
// yet, where a follower has reached a seq of the chain; zero: none.
func (l *Ledger) WaitingSince(ctx context.Context, cursor int64) (time.Time, error) {
	var first sql.NullInt64
	err := l.reads.QueryRowContext(ctx, `SELECT min(t) FROM (SELECT min(received_at) AS t FROM touched
		UNION ALL SELECT min(received_at) FROM reads WHERE seq > ?1
		UNION ALL SELECT min(received_at) FROM reader_decisions WHERE seq > ?1) waiting`, cursor).Scan(&first)
	if err != nil || !first.Valid {
		return time.Time{}, err
	}
	return at(first.Int64), nil
}
