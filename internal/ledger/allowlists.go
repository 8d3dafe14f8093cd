package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Allowlist is the list that a reader got last.
type Allowlist struct {
	Device    catalogue.DeviceID
	Version   int64
	Digest    []byte // of its entries: equal digests need no new version
	IssuedAt  time.Time
	ExpiresAt time.Time
	Payload   []byte // signed, as published
}

// PutAllowlist writes a reader's list in place of the one before.
func (tx *Tx) PutAllowlist(a Allowlist) error {
	err := tx.run(
		`INSERT INTO allowlists (device, version, digest, issued_at, expires_at, payload) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (device) DO UPDATE SET version = excluded.version, digest = excluded.digest, issued_at =
		excluded.issued_at,
			expires_at = excluded.expires_at, payload = excluded.payload`,
		string(a.Device),
		a.Version,
		a.Digest,
		ms(a.IssuedAt),
		ms(a.ExpiresAt),
		a.Payload,
	)
	if err != nil {
		return fmt.Errorf("ledger: put allowlist of %s: %w", a.Device, err)
	}
	return nil
}

// Allowlists returns every reader's last list, without its payload.
func (l *Ledger) Allowlists(ctx context.Context) ([]Allowlist, error) {
	return list(ctx, l.reads, "load allowlists", func(rows *sql.Rows) (a Allowlist, err error) {
		var issued, expires int64
		err = rows.Scan(&a.Device, &a.Version, &a.Digest, &issued, &expires)
		a.IssuedAt, a.ExpiresAt = at(issued), at(expires)
		return a, err
	}, "SELECT device, version, digest, issued_at, expires_at FROM allowlists ORDER BY device")
}

// AllowlistPayload returns the payload of a reader's last list; nil where there is none.
func (l *Ledger) AllowlistPayload(ctx context.Context, device catalogue.DeviceID) (payload []byte, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT payload FROM allowlists WHERE device = ?", device).Scan(&payload)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: load the allowlist of %s: %w", device, err)
	}
	return payload, nil
}
