package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/webhooks"
)

// Statement is an issued statement; Body is its content, as JSON.
type Statement struct {
	ID       string // as Body has it
	Number   int64
	Month    string
	Lease    tenancy.LeaseID
	Tenant   tenancy.TenantID
	IssuedAt time.Time
	Body     []byte
}

// NextStatement returns the number of the next statement.
func (tx *Tx) NextStatement() (n int64, err error) {
	err = tx.row("SELECT coalesce(max(number), 0) + 1 FROM statements", nil, &n)
	return n, err
}

// AddStatement issues a statement.
func (tx *Tx) AddStatement(s Statement) error {
	err := tx.run("INSERT INTO statements (number, month, lease, tenant, issued_at, body) VALUES (?, ?, ?, ?, ?, ?)",
		s.Number, s.Month, string(s.Lease), string(s.Tenant), ms(s.IssuedAt), string(s.Body))
	if err != nil {
		return fmt.Errorf("ledger: issue statement %d: %w", s.Number, err)
	}
	return tx.announce(webhooks.Event{
		Type: webhooks.StatementIssued, Topic: webhooks.OfStatements, At: s.IssuedAt,
		Data: struct {
			ID     string           `json:"id"`
			Number int64            `json:"number"`
			Month  string           `json:"month"`
			Lease  tenancy.LeaseID  `json:"lease"`
			Tenant tenancy.TenantID `json:"tenant"`
		}{s.ID, s.Number, s.Month, s.Lease, s.Tenant},
	}, always)
}

// StatementFilter selects statements; empty fields select all.
type StatementFilter struct {
	Number int64
	Month  string
	Tenant tenancy.TenantID
	Of     []tenancy.TenantID // any of these; nil: all
	After  int64
	Limit  int // 0: all
}

// Statements lists statements by number.
func (l *Ledger) Statements(ctx context.Context, f StatementFilter) ([]Statement, error) {
	q := where{query: "SELECT number, month, lease, tenant, issued_at, body FROM statements"}
	if f.Number != 0 {
		q.and("number = ?", f.Number)
	}
	if f.Month != "" {
		q.and("month = ?", f.Month)
	}
	if f.Tenant != "" {
		q.and("tenant = ?", string(f.Tenant))
	}
	if f.Of != nil {
		q.in("tenant", strs(f.Of))
	}
	q.and("number > ?", f.After)
	return list(ctx, l.reads, "list statements", func(rows *sql.Rows) (s Statement, err error) {
		var issued int64
		var body string
		err = rows.Scan(&s.Number, &s.Month, &s.Lease, &s.Tenant, &issued, &body)
		s.IssuedAt, s.Body = at(issued), []byte(body)
		return s, err
	}, q.sql()+" ORDER BY number LIMIT ?", append(q.args, limit(f.Limit))...)
}

// nameless marks members that were erased, but whose hours are not on a
// statement yet: no member's id begins with it.
const nameless = "~"

// Nameless reports whether a visit's member was erased.
func Nameless(m tenancy.MemberID) bool { return m != "" && m[0] == nameless[0] }

// loseName replaces an erased member's name in visits, and in the leases that
// named them, by one that means nobody: hours not yet on a statement still
// count together.
func (tx *Tx) loseName(m tenancy.MemberID) error {
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	name := nameless + hex.EncodeToString(random)
	if err := tx.run("UPDATE visits SET member = ? WHERE member = ?", name, string(m)); err != nil {
		return fmt.Errorf("ledger: erase visits: %w", err)
	}
	if err := tx.run("UPDATE hours SET member = ? WHERE member = ?", name, string(m)); err != nil {
		return fmt.Errorf("ledger: erase hours: %w", err)
	}
	return tx.forgetInTerms(m, name)
}
