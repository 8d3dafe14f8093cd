package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Role is what a token may do (rules 11.1).
type Role string

// The roles.
const (
	Admin   Role = "admin"
	Manager Role = "manager"
	Billing Role = "billing"
	Tenant  Role = "tenant"
	Display Role = "display"
)

// AdminToken is the id of the token of the settings, or of the data folder's file.
const AdminToken = "admin"

// AdminTaken is the snapshot with the hash of the admin token that was last taken from the
// settings or the file.
const AdminTaken = "admin-setting"

// Token is what is stored of an API token: never the token itself.
type Token struct {
	ID        string
	Role      Role
	Sites     []catalogue.SiteID
	Tenant    tenancy.TenantID
	Hash      []byte // hash by keys.HashSecret
	ExpiresAt *time.Time
}

// HasToken reports whether there is a token with this id.
func (tx *Tx) HasToken(id string) (there bool, err error) {
	err = tx.row("SELECT EXISTS (SELECT 1 FROM tokens WHERE id = ?)", []any{id}, &there)
	return there, err
}

// PutToken writes a token in place of the one with the same id.
func (tx *Tx) PutToken(t Token) error {
	sites, err := json.Marshal(t.Sites)
	if err != nil {
		return err
	}
	var expires any
	if t.ExpiresAt != nil {
		expires = ms(*t.ExpiresAt)
	}
	err = tx.run(`INSERT INTO tokens (id, role, sites, tenant, hash, expires_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET role = excluded.role, sites = excluded.sites, tenant = excluded.tenant,
			hash = excluded.hash, expires_at = excluded.expires_at`,
		t.ID, t.Role, string(sites), string(t.Tenant), t.Hash, expires)
	if err != nil {
		return fmt.Errorf("ledger: put token %s: %w", t.ID, err)
	}
	return nil
}

// DeleteToken removes a token; ErrNotFound where there is none.
func (tx *Tx) DeleteToken(id string) error {
	res, err := tx.exec("DELETE FROM tokens WHERE id = ?", id)
	if err != nil {
		return fmt.Errorf("ledger: delete token %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNotFound)
	}
	return nil
}

// Tokens lists all tokens by id.
func (l *Ledger) Tokens(ctx context.Context) ([]Token, error) {
	return l.tokens(ctx, "ORDER BY id")
}

// TokenByHash returns the token with a hash, or ErrNotFound.
func (l *Ledger) TokenByHash(ctx context.Context, hash []byte) (Token, error) {
	return one(l.tokens(ctx, "WHERE hash = ?", hash))
}

// Token returns the token with an id, or ErrNotFound.
func (l *Ledger) Token(ctx context.Context, id string) (Token, error) {
	return one(l.tokens(ctx, "WHERE id = ?", id))
}

func one[T any](list []T, err error) (T, error) {
	var zero T
	if err != nil {
		return zero, err
	}
	if len(list) == 0 {
		return zero, ErrNotFound
	}
	return list[0], nil
}

const tokenColumns = "id, role, sites, tenant, hash, expires_at"

func scanToken(rows *sql.Rows) (t Token, err error) {
	var sites string
	var expires sql.NullInt64
	if err := rows.Scan(&t.ID, &t.Role, &sites, &t.Tenant, &t.Hash, &expires); err != nil {
		return t, err
	}
	t.ExpiresAt = instant(expires)
	return t, json.Unmarshal([]byte(sites), &t.Sites)
}

func (l *Ledger) tokens(ctx context.Context, tail string, args ...any) ([]Token, error) {
	var list []Token
	rows, err := l.reads.QueryContext(ctx, "SELECT "+tokenColumns+" FROM tokens "+tail, args...)
	err = each(rows, err, func(rows *sql.Rows) error {
		t, err := scanToken(rows)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load tokens: %w", err)
	}
	return list, nil
}

func instant(n sql.NullInt64) *time.Time {
	if !n.Valid {
		return nil
	}
	t := at(n.Int64)
	return &t
}
