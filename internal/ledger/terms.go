package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/tenancy"
)

// Terms is one recorded change of a plan, a lease or a tenant.
type Terms struct {
	Kind, ID string
	N        int
	From     catalogue.Day // when it begins to hold; 0: from the beginning
	Body     []byte        // nil: it does not exist from then on
	At       time.Time
	By       string
	Entry    int64 // its entry in the audit chain
	Gone     time.Time
	// GoneEntry is the entry by which it was taken back or replaced.
	GoneEntry int64
}

const selectTerms = "SELECT kind, id, n, day, body, at, actor, entry, gone_at, gone_entry FROM terms"

func scanTerms(rows *sql.Rows) (t Terms, err error) {
	var body sql.NullString
	var made int64
	var gone sql.NullInt64
	var day int64
	if err = rows.Scan(&t.Kind, &t.ID, &t.N, &day, &body, &made, &t.By, &t.Entry, &gone, &t.GoneEntry); err != nil {
		return t, err
	}
	t.From, t.At = catalogue.Day(day), at(made)
	if body.Valid {
		t.Body = []byte(body.String)
	}
	if gone.Valid {
		t.Gone = at(gone.Int64)
	}
	return t, nil
}

// Terms calls yield for all changes of a kind, by id, then n; of one thing
// where id is given.
func (l *Ledger) Terms(ctx context.Context, kind, id string, yield func(Terms) error) error {
	q := where{query: selectTerms}
	q.and("kind = ?", kind)
	if id != "" {
		q.and("id = ?", id)
	}
	rows, err := l.reads.QueryContext(ctx, q.sql()+" ORDER BY id, n", q.args...)
	err = each(rows, err, func(rows *sql.Rows) error {
		t, err := scanTerms(rows)
		if err != nil {
			return err
		}
		return yield(t)
	})
	if err != nil {
		return fmt.Errorf("load terms: %w", err)
	}
	return nil
}

// TermsStore returns the recorded changes of a kind.
type TermsStore interface {
	Terms(ctx context.Context, kind, id string, yield func(Terms) error) error
}

// TermsOf returns all histories of one kind.
func TermsOf[K ~string, T any](ctx context.Context, l TermsStore, kind string) (map[K]tenancy.Terms[T], error) {
	return termsNamed[K, T](ctx, l, kind, nil)
}

// LeaseTermsOf returns all leases' histories, with the present names of spaces.
func LeaseTermsOf(
	ctx context.Context,
	l TermsStore,
	n *catalogue.Network,
) (map[tenancy.LeaseID]tenancy.Terms[tenancy.Lease], error) {
	return termsNamed[tenancy.LeaseID](ctx, l, "lease", func(v *tenancy.Lease) {
		for i := range v.Spaces {
			v.Spaces[i] = n.PresentName(v.Spaces[i])
		}
	})
}

func termsNamed[K ~string, T any](
	ctx context.Context,
	l TermsStore,
	kind string,
	named func(*T),
) (map[K]tenancy.Terms[T], error) {
	changes := map[K][]tenancy.Change[T]{}
	err := l.Terms(ctx, kind, "", func(t Terms) error {
		c, err := changeOf[T](t)
		if named != nil && c.Value != nil {
			named(c.Value)
		}
		changes[K(t.ID)] = append(changes[K(t.ID)], c)
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make(map[K]tenancy.Terms[T], len(changes))
	for id, list := range changes {
		all[id] = dated.Of(list)
	}
	return all, nil
}

func changeOf[T any](t Terms) (c tenancy.Change[T], err error) {
	c = tenancy.Change[T]{N: t.N, From: t.From, At: t.At, By: t.By, Entry: t.Entry, Gone: t.Gone, GoneEntry: t.GoneEntry}
	if t.Body == nil {
		return c, nil
	}
	c.Value = new(T)
	if err := json.Unmarshal(t.Body, c.Value); err != nil {
		return c, fmt.Errorf("read change %d of the terms of %s %s: %w", t.N, t.Kind, t.ID, err)
	}
	return c, nil
}

// PutTerms stores the change t (if t.N is 0 there is none), and marks the
// changes numbered in taken as taken back. It also marks all hours whose price
// changes by it.
func (tx *Tx) PutTerms(t Terms, taken []int) error {
	before, err := tx.termsOf(t.Kind, t.ID)
	if err != nil {
		return err
	}
	for _, n := range taken {
		if err := tx.run(
			"UPDATE terms SET gone_at = ?, gone_entry = ? WHERE kind = ? AND id = ? AND n = ?",
			ms(t.At),
			t.Entry,
			t.Kind,
			t.ID,
			n,
		); err != nil {
			return fmt.Errorf("ledger: take back terms %d of %s %s: %w", n, t.Kind, t.ID, err)
		}
	}
	if t.N != 0 {
		var body any
		if t.Body != nil {
			body = string(t.Body)
		}
		err := tx.run(
			"INSERT INTO terms (kind, id, n, day, body, at, actor, entry) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			t.Kind,
			t.ID,
			t.N,
			int64(t.From),
			body,
			ms(t.At),
			t.By,
			t.Entry,
		)
		if err != nil {
			return fmt.Errorf("ledger: put terms of %s %s: %w", t.Kind, t.ID, err)
		}
	}
	after, err := tx.termsOf(t.Kind, t.ID)
	if err != nil {
		return err
	}
	return tx.markTerms(t.Kind, t.ID, before, after)
}

// PutTenantTerms records what a tenant is from a day on, the first time from
// the beginning; it takes the next number.
func (tx *Tx) PutTenantTerms(t Terms) error {
	before, err := tx.termsOf(t.Kind, t.ID)
	if err != nil {
		return err
	}
	if t.N = len(before) + 1; t.N == 1 {
		t.From = dated.Beginning
	}
	return tx.PutTerms(t, nil)
}

func (tx *Tx) termsOf(kind, id string) (list []Terms, err error) {
	rows, err := tx.query(selectTerms+" WHERE kind = ? AND id = ? ORDER BY n", kind, id)
	err = each(rows, err, func(rows *sql.Rows) error {
		t, err := scanTerms(rows)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: load the terms: %w", err)
	}
	return list, nil
}

// markTerms marks hours to be computed again: those of everybody whom the changed plan or
// lease may serve, from the month of the first day on which the two histories differ.
func (tx *Tx) markTerms(kind, id string, before, after []Terms) error {
	switch kind {
	case "plan":
		a, b, err := both[tenancy.Plan](before, after)
		if err != nil {
			return err
		}
		day, differs := dated.Differs(a, b, func(_ catalogue.Day, x, y *tenancy.Plan) bool { return reflect.DeepEqual(x, y) })
		if !differs || len(before) == 0 { // nothing refers to a new plan yet
			return nil
		}
		return tx.run(`UPDATE hours SET marked = marked + 1 WHERE month >= ? AND (
			tenant IN (SELECT json_extract(body, '$.tenant') FROM terms WHERE kind = 'lease' AND json_extract(body, '$.plan')
			= ?) OR
			member IN (SELECT value FROM terms, json_each(terms.body, '$.members') WHERE kind = 'lease' AND json_extract(body, '$.plan') = ?))`,
			firstMonth(day), id, id)
	case "lease":
		a, b, err := both[tenancy.Lease](before, after)
		if err != nil {
			return err
		}
		day, differs := tenancy.Differs(a, b)
		if !differs {
			return nil
		}
		tenants, members := []tenancy.TenantID{}, []tenancy.MemberID{}
		for _, h := range []tenancy.Terms[tenancy.Lease]{a, b} {
			for _, c := range h.Changes() {
				if c.Value != nil {
					tenants, members = append(tenants, c.Value.Tenant), append(members, c.Value.Members...)
				}
			}
		}
		return tx.markServed(day, tenants, members)
	}
	return nil // a tenant's name prices nothing
}

func both[T any](before, after []Terms) (a, b tenancy.Terms[T], err error) {
	if a, err = HistoryOf[T](before); err == nil {
		b, err = HistoryOf[T](after)
	}
	return a, b, err
}

// HistoryOf returns one thing's history, from everything recorded of it.
func HistoryOf[T any](list []Terms) (tenancy.Terms[T], error) {
	changes := make([]tenancy.Change[T], len(list))
	for i, t := range list {
		var err error
		if changes[i], err = changeOf[T](t); err != nil {
			return tenancy.Terms[T]{}, err
		}
	}
	return dated.Of(changes), nil
}

func (tx *Tx) markServed(day catalogue.Day, tenants []tenancy.TenantID, members []tenancy.MemberID) error {
	ts, err := json.Marshal(tenants)
	if err != nil {
		return err
	}
	ms, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return tx.run(
		"UPDATE hours SET marked = marked + 1 WHERE month >= ? AND (tenant IN (SELECT value FROM json_each(?)) OR member IN (SELECT value FROM json_each(?)))",
		firstMonth(day),
		string(ts),
		string(ms),
	)
}

func firstMonth(day catalogue.Day) int {
	if day <= 0 {
		return math.MinInt32
	}
	return monthOf(time.Unix(int64(day)*86400, 0))
}

// forgetInTerms replaces an erased member in every version of leases by a name
// that means nobody.
func (tx *Tx) forgetInTerms(m tenancy.MemberID, name string) error {
	type row struct {
		id   string
		n    int
		body string
	}
	var list []row
	rows, err := tx.query("SELECT id, n, body FROM terms WHERE kind = 'lease' AND instr(body, ?) > 0", `"`+string(m)+`"`)
	err = each(rows, err, func(rows *sql.Rows) error {
		var v row
		err := rows.Scan(&v.id, &v.n, &v.body)
		list = append(list, v)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: remove an erased member from the terms of leases: %w", err)
	}
	for _, v := range list {
		var l tenancy.Lease
		if err := json.Unmarshal([]byte(v.body), &l); err != nil {
			return fmt.Errorf("ledger: read the terms of lease %s: %w", v.id, err)
		}
		i := slices.Index(l.Members, m)
		if i < 0 {
			continue
		}
		l.Members[i] = tenancy.MemberID(name)
		body, err := json.Marshal(l)
		if err != nil {
			return err
		}
		if err := tx.run(
			"UPDATE terms SET body = ? WHERE kind = 'lease' AND id = ? AND n = ?",
			string(body),
			v.id,
			v.n,
		); err != nil {
			return fmt.Errorf("ledger: remove an erased member from the terms of leases: %w", err)
		}
	}
	return nil
}
