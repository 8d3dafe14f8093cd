package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Correction is a manager's correction of what was measured.
type Correction struct {
	From   time.Time
	To     time.Time
	Reason string
	Author string
	At     time.Time
}

// correctionKind is the kind of acts on visits' corrections.
const correctionKind = "correction"

// CorrectionTarget returns the target of acts on a visit's correction.
func CorrectionTarget(visit uuid.UUID) string { return correctionKind + "/" + visit.String() }

// CorrectionsAsKnown returns the corrections of visits as they were recorded up
// to an instant; nil is one that was undone by then. Where the act was erased
// with its person, the correction is as it is now.
func (l *Ledger) CorrectionsAsKnown(ctx context.Context, known time.Time) (map[uuid.UUID]*Correction, error) {
	list := map[uuid.UUID]*Correction{}
	rows, err := l.reads.QueryContext(ctx,
		"SELECT visit, from_at, to_at, reason, author, at FROM corrections WHERE at <= ?",
		ms(known),
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var id []byte
		var c Correction
		var from, to, made int64
		err := rows.Scan(&id, &from, &to, &c.Reason, &c.Author, &made)
		c.From, c.To, c.At = at(from), at(to), at(made)
		list[uuid.UUID(id)] = &c
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load corrections: %w", err)
	}
	rows, err = l.reads.QueryContext(
		ctx,
		`SELECT a.seq, a.target, a.action, a.actor, a.at, a.body FROM acts a JOIN (
			SELECT max(seq) AS seq FROM acts WHERE target > ? AND target < ? AND at <= ? GROUP BY target) last
		ON a.seq = last.seq`,
		correctionKind+"/",
		correctionKind+"0",
		ms(known),
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var seq, made int64
		var target, action string
		c := &Correction{}
		var body sql.NullString
		if err := rows.Scan(&seq, &target, &action, &c.Author, &made, &body); err != nil {
			return err
		}
		id, err := uuid.Parse(strings.TrimPrefix(target, correctionKind+"/"))
		switch {
		case err != nil:
			return fmt.Errorf("read the correction in act %d: %w", seq, err)
		case action == "delete":
			list[id] = nil
			return nil
		case !body.Valid:
			return nil
		}
		c.At = at(made)
		list[id] = c
		return json.Unmarshal([]byte(body.String), c)
	})
	if err != nil {
		return nil, fmt.Errorf("load corrections: %w", err)
	}
	return list, nil
}

// CorrectedSince lists the visits whose corrections were made, changed or
// undone after an instant, and when they last were.
func (l *Ledger) CorrectedSince(ctx context.Context, since time.Time) (list []Visit, when []time.Time, err error) {
	acts, err := l.ActsSince(ctx, correctionKind, since)
	last := map[uuid.UUID]time.Time{}
	for _, a := range acts {
		id, err := uuid.Parse(strings.TrimPrefix(a.Target, correctionKind+"/"))
		if err != nil {
			return nil, nil, fmt.Errorf("read the correction in act %d: %w", a.Seq, err)
		}
		last[id] = a.At
	}
	for id, at := range last {
		found, err := l.Visits(ctx, VisitFilter{ID: id, Limit: 1})
		if err != nil {
			return nil, nil, err
		}
		if len(found) == 1 {
			list, when = append(list, found[0]), append(when, at)
		}
	}
	return list, when, err
}

// PutCorrection sets a visit's correction; ErrNotFound where the visit does not
// exist, as when its person was erased in the meantime.
func (tx *Tx) PutCorrection(id uuid.UUID, c Correction) error {
	var there int
	if err := tx.row("SELECT count(*) FROM visits WHERE id = ?", []any{id[:]}, &there); err != nil || there == 0 {
		return errors.Join(err, ErrNotFound)
	}
	if err := tx.markCorrected(id[:]); err != nil { // the months that it overlapped before
		return err
	}
	err := tx.run(`INSERT INTO corrections (visit, from_at, to_at, reason, author, at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (visit) DO UPDATE SET from_at = excluded.from_at, to_at = excluded.to_at, reason = excluded.reason,
			author = excluded.author, at = excluded.at`, id[:], ms(c.From), ms(c.To), c.Reason, c.Author, ms(c.At))
	if err != nil {
		return fmt.Errorf("ledger: put correction: %w", err)
	}
	return tx.markCorrected(id[:])
}

// DeleteCorrection undoes a visit's correction; ErrNotFound where it has none.
func (tx *Tx) DeleteCorrection(id uuid.UUID) error {
	if err := tx.markCorrected(id[:]); err != nil {
		return err
	}
	res, err := tx.exec("DELETE FROM corrections WHERE visit = ?", id[:])
	if err != nil {
		return fmt.Errorf("ledger: delete correction: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNotFound)
	}
	return nil
}
