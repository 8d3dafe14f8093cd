package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
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

// ReplaceVisits replaces the member's visits that began in [from, to), leaving
// those that did not change. A visit whose reads are no longer kept stays as it
// was computed, and is not overwritten.
func (tx *Tx) ReplaceVisits(m tenancy.MemberID, from, to time.Time, visits []Visit) error {
	old, settled, err := tx.visitsOf(m, from, to)
	if err != nil {
		return err
	}
	visits = slices.DeleteFunc(slices.Clone(visits), func(v Visit) bool {
		return slices.ContainsFunc(settled,
			func(r visitRow) bool { return r.space == string(v.Space) && r.from < ms(v.To) && ms(v.From) < r.to },
		)
	})
	marks := hoursMarks{}
	mark := func(r visitRow) error {
		marks.add(r.tenant, string(m), at(r.from), at(r.to))
		return tx.correctedHours(marks, []byte(r.id))
	}
	for _, v := range visits {
		r := visitRow{
			id:     string(v.ID[:]),
			tenant: string(v.Tenant),
			space:  string(v.Space),
			from:   ms(v.From),
			to:     ms(v.To),
			ended:  string(v.Ended),
		}
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

// visitsOf loads a member's visits: as old, by id, those that began in [from, to) and may
// be replaced; as settled, those whose reads are no longer kept, which may have begun up to
// 16 h before from.
func (tx *Tx) visitsOf(
	m tenancy.MemberID,
	from, to time.Time,
) (old map[string]visitRow, settled []visitRow, err error) {
	old = map[string]visitRow{}
	rows, err := tx.query(
		"SELECT id, tenant, space, from_at, to_at, ended, settled FROM visits WHERE member = ? AND from_at >= ? AND from_at < ?",
		string(m),
		ms(from.Add(-visit.Longest)),
		ms(to),
	)
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
		return fmt.Errorf("ledger: mark visits that can no longer be computed: %w", err)
	}
	return nil
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
	Limit     int // 0: all
}

// Visits lists visits in order of From, then id.
func (l *Ledger) Visits(ctx context.Context, f VisitFilter) ([]Visit, error) {
	q := where{
		query: `SELECT v.id, v.member, v.tenant, v.space, v.from_at, v.to_at, v.ended, c.from_at, c.to_at, c.reason, c.author, c.at
		FROM visits v LEFT JOIN corrections c ON c.visit = v.id`,
	}
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
		q.and(
			`EXISTS (SELECT 1 FROM json_each(?) s WHERE v.space = json_extract(s.value, '$[0]')
				AND v.from_at >= CAST(json_extract(s.value, '$[1]') AS BIGINT)
				AND v.from_at < CAST(json_extract(s.value, '$[2]') AS BIGINT))`,
			string(list),
		)
	}
	if f.Spaces != nil {
		q.in("v.space", strs(f.Spaces))
	}
	if f.Members != nil {
		q.in("v.member", strs(f.Members))
	}
	if f.Corrected {
		from, to, early := ms(f.From), ms(f.To), ms(f.From.Add(-(visit.Longest + time.Hour)))
		if f.Member != "" { // a member has few visits
			q.and(
				"(v.to_at > ? AND v.from_at > ? AND v.from_at < ? OR c.to_at > ? AND c.from_at < ?)",
				from,
				early,
				to,
				from,
				to,
			)
		} else {
			q.and(
				`v.id IN (SELECT id FROM visits WHERE to_at > ? AND from_at > ? AND from_at < ? UNION ALL SELECT visit FROM corrections WHERE to_at > ? AND from_at < ?)`,
				from,
				early,
				to,
				from,
				to,
			)
		}
		f.From, f.To = time.Time{}, time.Time{}
	}
	if !f.From.IsZero() {
		// No visit lasts longer than 16 h (rules 5.3), which bounds the search in
		// the index.
		q.and("v.to_at > ? AND v.from_at > ?", ms(f.From), ms(f.From.Add(-(visit.Longest + time.Hour))))
	}
	if !f.To.IsZero() {
		q.and("v.from_at < ?", ms(f.To))
	}
	if f.AfterID != uuid.Nil {
		q.and("(v.from_at > ? OR v.from_at = ? AND v.id > ?)", ms(f.AfterFrom), ms(f.AfterFrom), f.AfterID[:])
	}
	var list []Visit
	rows, err := l.reads.QueryContext(ctx, q.sql()+" ORDER BY v.from_at, v.id LIMIT ?", append(q.args, limit(f.Limit))...)
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
		v.Correction = &Correction{
			From:   at(cfrom.Int64),
			To:     at(cto.Int64),
			Reason: reason.String,
			Author: author.String,
			At:     at(cat.Int64),
		}
	}
	return v, err
}
