package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Visit is a member's visit as it is stored, with its correction where it has
// one.
type Visit struct {
	ID         uuid.UUID
	Member     tenancy.MemberID // empty once erased
	Tenant     tenancy.TenantID
	Space      catalogue.SpaceID
	From       time.Time
	To         time.Time // may lie in the future: an ending not yet due
	Ended      visit.Ended
	Correction *Correction
}

// Correction is a manager's correction of what was measured.
type Correction struct {
	From   time.Time
	To     time.Time
	Reason string
	Author string
	At     time.Time
}

// Moves returns a subject's reads that moved them, with At in [from, to],
// oldest first.
func (l *Ledger) Moves(ctx context.Context, s visit.Subject, from, to time.Time) ([]visit.Read, error) {
	column, id := "member", string(s.Member)
	if s.Pass != "" {
		column, id = "pass", string(s.Pass)
	}
	var list []visit.Read
	rows, err := l.reads.QueryContext(ctx, "SELECT r.id, r.at, r.device, r.door, r.direction FROM reads r LEFT JOIN reader_decisions d ON d.read_seq = r.seq WHERE r."+
		column+" = ? AND r.at >= ? AND r.at <= ? AND coalesce(d.granted, r.granted) = 1 ORDER BY r.at, r.id", id, ms(from), ms(to))
	err = each(rows, err, func(rows *sql.Rows) error {
		var r visit.Read
		var rid []byte
		var t int64
		err := rows.Scan(&rid, &t, &r.Device, &r.Door, &r.Direction)
		copy(r.ID[:], rid)
		r.At = at(t)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load moves: %w", err)
	}
	return list, nil
}

// Touched is a subject with committed reads that are not in visits yet.
type Touched struct {
	Subject  visit.Subject
	From, To time.Time // instants of the reads, both included
	Received time.Time // the earliest arrival among them
	marked   int64     // how often it was touched
}

// TouchedAfter returns the subjects moved by entries of the chain in (seq,
// seq+n], and the seq up to which it looked.
func (l *Ledger) TouchedAfter(ctx context.Context, seq int64, n int) (list []Touched, upTo int64, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM chain").Scan(&upTo)
	if err != nil {
		return nil, seq, fmt.Errorf("look for moves: %w", err)
	}
	upTo = min(upTo, seq+int64(n))
	if upTo <= seq {
		return nil, seq, nil
	}
	rows, err := l.reads.QueryContext(ctx, `SELECT member, pass, min(at), max(at), min(received_at) FROM (
			SELECT member, pass, at, received_at FROM reads WHERE seq > ? AND seq <= ? AND granted = 1
			UNION ALL
			SELECT r.member, r.pass, r.at, d.received_at FROM chain c JOIN reader_decisions d ON d.seq = c.seq JOIN reads r ON r.seq = d.read_seq
				WHERE c.seq > ? AND c.seq <= ? AND c.kind = 'reader'
		) WHERE member IS NOT NULL OR pass IS NOT NULL GROUP BY member, pass`, seq, upTo, seq, upTo)
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
		return nil, seq, fmt.Errorf("look for moves: %w", err)
	}
	return list, upTo, nil
}

// Touch marks a subject's visits to be computed again.
func (tx *Tx) Touch(t Touched) error {
	err := tx.run(`INSERT INTO touched (subject, from_at, to_at, received_at, marked) VALUES (?, ?, ?, ?, 1) ON CONFLICT (subject) DO UPDATE SET
		from_at = min(from_at, excluded.from_at), to_at = max(to_at, excluded.to_at), received_at = min(received_at, excluded.received_at), marked = marked + 1`,
		subjectKey(t.Subject), ms(t.From), ms(t.To), ms(t.Received))
	if err != nil {
		return fmt.Errorf("ledger: touch: %w", err)
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
			SELECT '%c:' || %[2]s, min(at), max(at), ?, 1 FROM reads WHERE %[2]s IS NOT NULL AND at >= ? AND door IN (SELECT value FROM json_each(?)) GROUP BY %[2]s
			ON CONFLICT (subject) DO UPDATE SET from_at = min(from_at, excluded.from_at), to_at = max(to_at, excluded.to_at), marked = marked + 1`, who[0], who), ms(now), ms(since), string(list))
		if err != nil {
			return fmt.Errorf("ledger: touch doors: %w", err)
		}
	}
	return nil
}

// Made removes a subject's mark, unless it was marked again since t was listed.
func (tx *Tx) Made(t Touched) error {
	if err := tx.run("DELETE FROM touched WHERE subject = ? AND marked = ?", subjectKey(t.Subject), t.marked); err != nil {
		return fmt.Errorf("ledger: made: %w", err)
	}
	return nil
}

// Touched lists at most n marked subjects, those with the newest reads first:
// whoever badges now goes before what arrived late.
func (l *Ledger) Touched(ctx context.Context, n int) ([]Touched, error) {
	var list []Touched
	rows, err := l.reads.QueryContext(ctx, "SELECT subject, from_at, to_at, received_at, marked FROM touched ORDER BY to_at DESC LIMIT ?", n)
	err = each(rows, err, func(rows *sql.Rows) error {
		var t Touched
		var subject string
		var from, to, received int64
		err := rows.Scan(&subject, &from, &to, &received, &t.marked)
		t.Subject, t.From, t.To, t.Received = subjectOf(subject), at(from), at(to), at(received)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list what is touched: %w", err)
	}
	return list, nil
}

// StillThere reports whether a subject has any read: an erasure may have
// deleted them since it was marked, and then nothing may be written under its
// id.
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
		UNION ALL SELECT min(received_at) FROM reader_decisions WHERE seq > ?1)`, cursor).Scan(&first)
	if err != nil || !first.Valid {
		return time.Time{}, err
	}
	return at(first.Int64), nil
}

// Head returns the chain's newest seq.
func (l *Ledger) Head(ctx context.Context) (seq int64, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM chain").Scan(&seq)
	return seq, err
}

// Cursor returns a follower's progress; 0 before it began.
func (l *Ledger) Cursor(ctx context.Context, name string) (seq int64, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT seq FROM cursors WHERE name = ?", name).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

// SetCursor stores a follower's progress.
func (tx *Tx) SetCursor(name string, seq int64) error {
	return tx.run("INSERT INTO cursors (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq", name, seq)
}

// ReplaceVisits replaces the member's visits that began in [from, to), leaving
// those that did not change. A visit whose reads are no longer kept stays as it
// was computed, and is not overwritten.
func (tx *Tx) ReplaceVisits(m tenancy.MemberID, from, to time.Time, visits []Visit) error {
	old, settled, err := tx.visitsOf(m, from, to)
	if err != nil {
		return err
	}
	visits = slices.DeleteFunc(slices.Clone(visits), func(v Visit) bool {
		return slices.ContainsFunc(settled, func(r visitRow) bool { return r.space == string(v.Space) && r.from < ms(v.To) && ms(v.From) < r.to })
	})
	marks := hoursMarks{}
	mark := func(r visitRow) error {
		marks.add(r.tenant, string(m), at(r.from), at(r.to))
		return tx.correctedHours(marks, []byte(r.id))
	}
	for _, v := range visits {
		r := visitRow{id: string(v.ID[:]), tenant: string(v.Tenant), space: string(v.Space), from: ms(v.From), to: ms(v.To), ended: string(v.Ended)}
		was, there := old[r.id]
		delete(old, r.id)
		if there {
			r.tenant = was.tenant // the tenant it belonged to when it was first computed
		}
		if there && was == r {
			continue
		}
		if there {
			if err := mark(was); err != nil {
				return err
			}
		}
		if err := mark(r); err != nil {
			return err
		}
		err := tx.run(`INSERT INTO visits (id, member, tenant, space, from_at, to_at, ended) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET from_at = excluded.from_at, to_at = excluded.to_at, ended = excluded.ended`,
			v.ID[:], string(m), string(v.Tenant), r.space, r.from, r.to, r.ended)
		if err != nil {
			return fmt.Errorf("ledger: put visit: %w", err)
		}
	}
	for id, r := range old {
		if err := mark(r); err != nil {
			return err
		}
		if err := tx.run("DELETE FROM visits WHERE id = ?", []byte(id)); err != nil {
			return fmt.Errorf("ledger: delete visit: %w", err)
		}
	}
	return tx.markHours(marks)
}

// visitRow is a visit's row in the table.
type visitRow struct {
	id, tenant, space, ended string
	from, to                 int64
}

// visitsOf loads a member's visits that began in [from, to) and, of those that
// reach into it, the settled ones.
func (tx *Tx) visitsOf(m tenancy.MemberID, from, to time.Time) (old map[string]visitRow, settled []visitRow, err error) {
	old = map[string]visitRow{}
	rows, err := tx.query("SELECT id, tenant, space, from_at, to_at, ended, settled FROM visits WHERE member = ? AND from_at >= ? AND from_at < ?",
		string(m), ms(from.Add(-visit.Longest)), ms(to))
	err = each(rows, err, func(rows *sql.Rows) error {
		var r visitRow
		var id []byte
		var stays bool
		err := rows.Scan(&id, &r.tenant, &r.space, &r.from, &r.to, &r.ended, &stays)
		r.id = string(id)
		switch {
		case stays:
			settled = append(settled, r)
		case r.from >= ms(from):
			old[r.id] = r
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("ledger: load visits: %w", err)
	}
	return old, settled, err
}

// settleVisits fixes the visits that a read was part of, because the read is no
// longer kept.
func (tx *Tx) settleVisits(read int64) error {
	err := tx.run(`UPDATE visits SET settled = 1 WHERE settled = 0 AND id IN (SELECT v.id FROM reads r JOIN visits v
		ON v.member = r.member AND v.from_at <= r.at AND v.from_at >= r.at - ? AND v.to_at >= r.at WHERE r.seq = ?)`, visit.Longest.Milliseconds(), read)
	if err != nil {
		return fmt.Errorf("ledger: settle visits: %w", err)
	}
	return nil
}

// Presence is where a subject is, and until when that counts.
type Presence struct {
	Subject      visit.Subject
	Space        catalogue.SpaceID
	Since, Until time.Time
}

func subjectKey(s visit.Subject) string {
	if s.Pass != "" {
		return "p:" + string(s.Pass)
	}
	return "m:" + string(s.Member)
}

// subjectOf parses what subjectKey wrote.
func subjectOf(key string) visit.Subject {
	if key[0] == 'p' {
		return visit.Subject{Pass: tenancy.PassID(key[2:])}
	}
	return visit.Subject{Member: tenancy.MemberID(key[2:])}
}

// PutPresence stores where a subject is; nowhere where Space is empty or
// outside.
func (tx *Tx) PutPresence(p Presence) error {
	if p.Space == "" || p.Space == catalogue.Outside {
		return tx.run("DELETE FROM presence WHERE subject = ?", subjectKey(p.Subject))
	}
	return tx.run(`INSERT INTO presence (subject, space, since, until) VALUES (?, ?, ?, ?)
		ON CONFLICT (subject) DO UPDATE SET space = excluded.space, since = excluded.since, until = excluded.until`,
		subjectKey(p.Subject), string(p.Space), ms(p.Since), ms(p.Until))
}

// Presences lists the subjects that are somewhere after now.
func (l *Ledger) Presences(ctx context.Context, now time.Time) ([]Presence, error) {
	var list []Presence
	rows, err := l.reads.QueryContext(ctx, "SELECT subject, space, since, until FROM presence WHERE until > ?", ms(now))
	err = each(rows, err, func(rows *sql.Rows) error {
		var p Presence
		var subject string
		var since, until int64
		if err := rows.Scan(&subject, &p.Space, &since, &until); err != nil {
			return err
		}
		p.Subject = subjectOf(subject)
		p.Since, p.Until = at(since), at(until)
		list = append(list, p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load presence: %w", err)
	}
	return list, nil
}

// SpaceTime is a space during [From, To); To is zero where there is no end.
type SpaceTime struct {
	Space    catalogue.SpaceID
	From, To time.Time
}

// VisitFilter selects visits; empty fields select all. A visit is in [From, To)
// where any part of it is.
type VisitFilter struct {
	ID        uuid.UUID
	Member    tenancy.MemberID
	Members   []tenancy.MemberID // nil: all
	Tenant    tenancy.TenantID
	Spaces    []catalogue.SpaceID // nil: all
	During    []SpaceTime         // spaces and times in which a visit must begin; nil: any
	From, To  time.Time
	Corrected bool // also visits that their correction moves into [From, To)
	AfterFrom time.Time
	AfterID   uuid.UUID
	Limit     int
}

// Visits lists visits in order of From, then id.
func (l *Ledger) Visits(ctx context.Context, f VisitFilter) ([]Visit, error) {
	q := where{query: `SELECT v.id, v.member, v.tenant, v.space, v.from_at, v.to_at, v.ended, c.from_at, c.to_at, c.reason, c.author, c.at
		FROM visits v LEFT JOIN corrections c ON c.visit = v.id`}
	if f.ID != uuid.Nil {
		q.and("v.id = ?", f.ID[:])
	}
	if f.Member != "" {
		q.and("v.member = ?", string(f.Member))
	}
	if f.Tenant != "" {
		q.and("v.tenant = ?", string(f.Tenant))
	}
	if f.During != nil {
		spans := [][3]any{}
		for _, d := range f.During {
			to := int64(math.MaxInt64)
			if !d.To.IsZero() {
				to = ms(d.To)
			}
			spans = append(spans, [3]any{d.Space, ms(d.From), to})
		}
		list, err := json.Marshal(spans)
		if err != nil {
			return nil, err
		}
		q.and("EXISTS (SELECT 1 FROM json_each(?) s WHERE v.space = s.value->>0 AND v.from_at >= s.value->>1 AND v.from_at < s.value->>2)", string(list))
	}
	if f.Spaces != nil {
		q.in("v.space", strs(f.Spaces))
	}
	if f.Members != nil {
		q.in("v.member", strs(f.Members))
	}
	if f.Corrected {
		from, to, early := ms(f.From), ms(f.To), ms(f.From.Add(-17*time.Hour))
		if f.Member != "" { // a member has few visits
			q.and("(v.to_at > ? AND v.from_at > ? AND v.from_at < ? OR c.to_at > ? AND c.from_at < ?)", from, early, to, from, to)
		} else {
			q.and(`v.id IN (SELECT id FROM visits WHERE to_at > ? AND from_at > ? AND from_at < ? UNION ALL SELECT visit FROM corrections WHERE to_at > ? AND from_at < ?)`,
				from, early, to, from, to)
		}
		f.From, f.To = time.Time{}, time.Time{}
	}
	if !f.From.IsZero() {
		// No visit without a badge end lasts longer than 16 h: that bounds the
		// search in the index.
		q.and("v.to_at > ? AND v.from_at > ?", ms(f.From), ms(f.From.Add(-17*time.Hour)))
	}
	if !f.To.IsZero() {
		q.and("v.from_at < ?", ms(f.To))
	}
	if f.AfterID != uuid.Nil {
		q.and("(v.from_at > ? OR v.from_at = ? AND v.id > ?)", ms(f.AfterFrom), ms(f.AfterFrom), f.AfterID[:])
	}
	var list []Visit
	rows, err := l.reads.QueryContext(ctx, q.sql()+" ORDER BY v.from_at, v.id LIMIT ?", append(q.args, f.Limit)...)
	err = each(rows, err, func(rows *sql.Rows) error {
		v, err := scanVisit(rows)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list visits: %w", err)
	}
	return list, nil
}

func scanVisit(rows *sql.Rows) (Visit, error) {
	var v Visit
	var id []byte
	var member, reason, author sql.NullString
	var from, to int64
	var cfrom, cto, cat sql.NullInt64
	err := rows.Scan(&id, &member, &v.Tenant, &v.Space, &from, &to, &v.Ended, &cfrom, &cto, &reason, &author, &cat)
	copy(v.ID[:], id)
	v.Member, v.From, v.To = tenancy.MemberID(member.String), at(from), at(to)
	if reason.Valid {
		v.Correction = &Correction{From: at(cfrom.Int64), To: at(cto.Int64), Reason: reason.String, Author: author.String, At: at(cat.Int64)}
	}
	return v, err
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
	rows, err := l.reads.QueryContext(ctx, "SELECT visit, from_at, to_at, reason, author, at FROM corrections WHERE at <= ?", ms(known))
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
	// Within a group SQLite returns the row with the greatest seq.
	rows, err = l.reads.QueryContext(ctx, "SELECT max(seq), target, action, actor, at, body FROM acts WHERE target > ? AND target < ? AND at <= ? GROUP BY target",
		correctionKind+"/", correctionKind+"0", ms(known))
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
			return fmt.Errorf("act %d: %w", seq, err)
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
			return nil, nil, fmt.Errorf("act %d: %w", a.Seq, err)
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

// ReadByID returns the read of a message id, or ErrNotFound.
func (l *Ledger) ReadByID(ctx context.Context, id uuid.UUID) (*ingest.Read, error) {
	var seq int64
	err := l.reads.QueryRowContext(ctx, "SELECT seq FROM seen WHERE id = ?", id[:]).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) || err == nil && seq == 0 {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("find read: %w", err)
	}
	r, err := scanRead(l.reads.QueryRowContext(ctx, selectReads+" WHERE r.seq = ?", seq))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return r, err
}
