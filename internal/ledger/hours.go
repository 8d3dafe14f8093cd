package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// MonthHours are a person's hours of a month as they were last computed.
type MonthHours struct {
	Month  int // year * 12 + month - 1
	Tenant tenancy.TenantID
	Member tenancy.MemberID
	Marked int64         // counts changes; the row is up to date where Made is equal
	Made   int64         // the count at which the row was last computed
	Basis  int64         // digest of what it was computed with: the catalogue and the version of the arithmetic
	Open   catalogue.Day // the first day of a visit that was still going on: Body contains nothing from it on; 0: none
	Due    time.Time     // when that visit ends, unless a read says otherwise
	Body   []byte
}

// monthOf returns the number of a month in the table. It takes the month in UTC, since time
// zones are not known here; hoursMarks.add therefore extends each span by zonesReach.
func monthOf(t time.Time) int { return t.UTC().Year()*12 + int(t.UTC().Month()) - 1 }

// zonesReach is more than any time zone is from UTC.
const zonesReach = 26 * time.Hour

// hoursMarks are the rows to be computed again.
type hoursMarks map[hoursRow]struct{}

type hoursRow struct {
	month          int
	tenant, member string
}

// add marks the months that [from, to) may touch.
func (marks hoursMarks) add(tenant, member string, from, to time.Time) {
	for m := monthOf(from.Add(-zonesReach)); member != "" && m <= monthOf(to.Add(zonesReach)); m++ {
		marks[hoursRow{m, tenant, member}] = struct{}{}
	}
}

func (tx *Tx) markHours(marks hoursMarks) error {
	for r := range marks {
		err := tx.run(
			"INSERT INTO hours (month, tenant, member, marked) VALUES (?, ?, ?, 1) ON CONFLICT (month, tenant, member) DO UPDATE SET marked = hours.marked + 1",
			r.month,
			r.tenant,
			r.member,
		)
		if err != nil {
			return fmt.Errorf("ledger: mark hours that must be computed again: %w", err)
		}
	}
	return nil
}

// correctedHours adds the months that a visit and its correction, if any,
// overlap.
func (tx *Tx) correctedHours(marks hoursMarks, id []byte) error {
	var tenant string
	var member sql.NullString
	var from, to, begin, end int64
	err := tx.row(
		"SELECT v.tenant, v.member, v.from_at, v.to_at, c.from_at, c.to_at FROM corrections c JOIN visits v ON v.id = c.visit WHERE c.visit = ?",
		[]any{id},
		&tenant,
		&member,
		&from,
		&to,
		&begin,
		&end,
	)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ledger: mark hours that must be computed again: %w", err)
	}
	marks.add(tenant, member.String, at(from), at(to))
	marks.add(tenant, member.String, at(begin), at(end))
	return nil
}

// markCorrected marks the hours of a visit that has a correction.
func (tx *Tx) markCorrected(id []byte) error {
	marks := hoursMarks{}
	if err := tx.correctedHours(marks, id); err != nil {
		return err
	}
	return tx.markHours(marks)
}

// Hours calls yield for the rows of a month, of all tenants or of one; Body is
// valid only during the call.
func (l *Ledger) Hours(ctx context.Context, month int, tenant tenancy.TenantID, yield func(*MonthHours) error) error {
	q := where{query: "SELECT tenant, member, marked, made, basis, open, due, body FROM hours"}
	q.and("month = ?", month)
	if tenant != "" {
		q.and("tenant = ?", string(tenant))
	}
	rows, err := l.reads.QueryContext(ctx, q.sql(), q.args...)
	var body sql.RawBytes
	err = each(rows, err, func(rows *sql.Rows) error {
		r := MonthHours{Month: month}
		var open int64
		var due sql.NullInt64
		if err := rows.Scan(&r.Tenant, &r.Member, &r.Marked, &r.Made, &r.Basis, &open, &due, &body); err != nil {
			return err
		}
		r.Open, r.Body = catalogue.Day(open), body
		if due.Valid {
			r.Due = at(due.Int64)
		}
		return yield(&r)
	})
	if err != nil {
		return fmt.Errorf("load hours: %w", err)
	}
	return nil
}

// HoursToMake lists the months with rows to compute: because something changed,
// or because a visit has ended by now.
func (l *Ledger) HoursToMake(ctx context.Context, now time.Time) (months []int, err error) {
	rows, err := l.reads.QueryContext(ctx,
		"SELECT month FROM hours WHERE marked <> made UNION SELECT month FROM hours WHERE due <= ?",
		ms(now),
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var m int
		err := rows.Scan(&m)
		months = append(months, m)
		return err
	})
	return months, err
}

// PutHours stores a computed row, unless it was marked again in the meantime.
func (tx *Tx) PutHours(r *MonthHours) error {
	var due any
	if !r.Due.IsZero() {
		due = ms(r.Due)
	}
	err := tx.run(
		"UPDATE hours SET made = ?, basis = ?, open = ?, due = ?, body = ? WHERE month = ? AND tenant = ? AND member = ? AND marked = ?",
		r.Marked,
		r.Basis,
		int64(r.Open),
		due,
		r.Body,
		r.Month,
		string(r.Tenant),
		string(r.Member),
		r.Marked,
	)
	if err != nil {
		return fmt.Errorf("ledger: put hours: %w", err)
	}
	return nil
}
