package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lorntech/totem/internal/tenancy"
)

// Record is one entity of package tenancy as JSON, with its kind and id.
type Record struct {
	Kind, ID string
	Body     []byte
}

// PutRecord writes a record in place of the one before.
func (tx *Tx) PutRecord(r Record) error {
	err := tx.run(
		"INSERT INTO records (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
		r.Kind,
		r.ID,
		string(r.Body),
	)
	if err != nil {
		return fmt.Errorf("ledger: put %s %s: %w", r.Kind, r.ID, err)
	}
	return nil
}

// DeleteRecord deletes a record; a [tenancy.ConflictError] where a token or an
// issued statement names it.
func (tx *Tx) DeleteRecord(kind, id string) error {
	if err := tx.namedElsewhere(kind, id); err != nil {
		return err
	}
	if err := tx.run("DELETE FROM records WHERE kind = ? AND id = ?", kind, id); err != nil {
		return fmt.Errorf("ledger: delete %s %s: %w", kind, id, err)
	}
	return nil
}

// namedElsewhere returns a [tenancy.ConflictError] if a token or an issued statement names a record.
func (tx *Tx) namedElsewhere(kind, id string) error {
	for _, by := range []struct{ kind, query, what string }{
		{"tenant", "SELECT count(*) FROM tokens WHERE role = 'tenant' AND tenant = ?", "a token belongs to this tenant: withdraw it first"},
		{"tenant", "SELECT count(*) FROM statements WHERE tenant = ?", "it is on an issued statement, which must remain explicable"},
		{"lease", "SELECT count(*) FROM statements WHERE lease = ?", "it is on an issued statement, which never changes: end it (ends_on), or put the correct version with the day from which it holds (effective_from)"},
		{"plan", "SELECT count(*) FROM statements WHERE json_extract(body, '$.plan') = ?", "it is on an issued statement, which must remain explicable"},
	} {
		if by.kind != kind {
			continue
		}
		var n int
		if err := tx.row(by.query, []any{id}, &n); err != nil {
			return fmt.Errorf("ledger: delete %s %s: %w", kind, id, err)
		}
		if n > 0 {
			return &tenancy.ConflictError{Msg: by.what}
		}
	}
	return nil
}

// HasRecord reports whether a record exists.
func (tx *Tx) HasRecord(kind, id string) (bool, error) {
	var n int
	err := tx.row("SELECT count(*) FROM records WHERE kind = ? AND id = ?", []any{kind, id}, &n)
	return n > 0, err
}

// Records calls yield for every record, in order of kind and id.
func (l *Ledger) Records(ctx context.Context, yield func(Record) error) error {
	rows, err := l.reads.QueryContext(ctx, "SELECT kind, id, body FROM records ORDER BY kind, id")
	err = each(rows, err, func(rows *sql.Rows) error {
		var r Record
		if err := rows.Scan(&r.Kind, &r.ID, &r.Body); err != nil {
			return err
		}
		return yield(r)
	})
	if err != nil {
		return fmt.Errorf("load records: %w", err)
	}
	return nil
}
