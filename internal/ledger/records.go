package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/tenancy"
)

// Record is one entity of package tenancy as JSON, with its kind and id.
type Record struct {
	Kind, ID string
	Body     []byte
}

// PutRecord writes a record in place of the one before.
func (tx *Tx) PutRecord(r Record) error {
	err := tx.run("INSERT INTO records (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
		r.Kind, r.ID, string(r.Body))
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

// namedElsewhere returns what outside the book names a record.
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

// SetLockdown begins or ends a site's lockdown. Repeating the present state
// changes nothing.
func (tx *Tx) SetLockdown(site catalogue.SiteID, active bool, now time.Time) error {
	if active {
		return tx.run(`INSERT INTO lockdowns (site, from_at) SELECT ?, ? WHERE NOT EXISTS
			(SELECT 1 FROM lockdowns WHERE site = ? AND to_at IS NULL)`, string(site), ms(now), string(site))
	}
	return tx.run("UPDATE lockdowns SET to_at = ? WHERE site = ? AND to_at IS NULL", ms(now), string(site))
}

// Lockdowns lists the lockdowns that are on or ended at or after since.
func (l *Ledger) Lockdowns(ctx context.Context, since time.Time) ([]tenancy.Lockdown, error) {
	var list []tenancy.Lockdown
	rows, err := l.reads.QueryContext(ctx, "SELECT site, from_at, to_at FROM lockdowns WHERE to_at IS NULL OR to_at >= ? ORDER BY seq", ms(since))
	err = each(rows, err, func(rows *sql.Rows) error {
		var k tenancy.Lockdown
		var from int64
		var to sql.NullInt64
		err := rows.Scan(&k.Site, &from, &to)
		k.From, k.To = at(from), instant(to)
		list = append(list, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load lockdowns: %w", err)
	}
	return list, nil
}

// Acts lists the acts on a target (kind/id), oldest first.
func (l *Ledger) Acts(ctx context.Context, target string) ([]ingest.Act, error) {
	return l.acts(ctx, "target = ?", target)
}

// ActsSince lists the acts after an instant on all targets of a kind.
func (l *Ledger) ActsSince(ctx context.Context, kind string, since time.Time) ([]ingest.Act, error) {
	return l.acts(ctx, "target > ? AND target < ? AND at > ?", kind+"/", kind+"0", ms(since)) // the character 0 follows /
}

// LastActs calls yield with the last act, before an entry of the chain, on each
// thing that was put or deleted.
func (l *Ledger) LastActs(ctx context.Context, before int64, yield func(ingest.Act) error) error {
	// Within a group SQLite returns the row with the greatest seq.
	rows, err := l.reads.QueryContext(ctx, `SELECT max(seq), action, target, body FROM acts
		WHERE seq < ? AND action IN ('put', 'delete') AND target <> '' GROUP BY target ORDER BY 1`, before)
	err = each(rows, err, func(rows *sql.Rows) error {
		var a ingest.Act
		var body sql.NullString
		if err := rows.Scan(&a.Seq, &a.Action, &a.Target, &body); err != nil {
			return err
		}
		if body.Valid {
			a.Body = []byte(body.String)
		}
		return yield(a)
	})
	if err != nil {
		return fmt.Errorf("ledger: last acts: %w", err)
	}
	return nil
}

func (l *Ledger) acts(ctx context.Context, which string, args ...any) ([]ingest.Act, error) {
	var list []ingest.Act
	rows, err := l.reads.QueryContext(ctx, "SELECT seq, at, actor, action, target, body FROM acts WHERE "+which+" ORDER BY seq", args...)
	err = each(rows, err, func(rows *sql.Rows) error {
		var a ingest.Act
		var t int64
		var body sql.NullString
		err := rows.Scan(&a.Seq, &t, &a.Actor, &a.Action, &a.Target, &body)
		a.At = at(t)
		if body.Valid {
			a.Body = []byte(body.String)
		}
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list acts: %w", err)
	}
	return list, nil
}

// Token is what is stored of an API token: never the token itself.
type Token struct {
	ID        string
	Role      string
	Sites     []catalogue.SiteID
	Tenant    tenancy.TenantID
	Hash      []byte // hash by keys.HashSecret
	ExpiresAt *time.Time
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

// PutDeviceSecret sets a device's secret: its hash for Totem, its hash for
// Mosquitto, and how many list keys the device gets with it (0: none now).
func (tx *Tx) PutDeviceSecret(device catalogue.DeviceID, hash []byte, mosquitto string, listKeys int) error {
	return tx.run(`INSERT INTO device_secrets (device, hash, mosquitto, list_layers) VALUES (?1, ?2, ?3, max(?4, 1)) ON CONFLICT (device) DO UPDATE
		SET hash = excluded.hash, mosquitto = excluded.mosquitto, list_layers = CASE WHEN ?4 > 0 THEN ?4 ELSE list_layers END`,
		string(device), hash, mosquitto, listKeys)
}

// ListKeys returns how many list keys each device got with its secret.
func (l *Ledger) ListKeys(ctx context.Context) (map[catalogue.DeviceID]int, error) {
	given := map[catalogue.DeviceID]int{}
	rows, err := l.reads.QueryContext(ctx, "SELECT device, list_layers FROM device_secrets")
	err = each(rows, err, func(rows *sql.Rows) error {
		var device catalogue.DeviceID
		var n int
		err := rows.Scan(&device, &n)
		given[device] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load list keys: %w", err)
	}
	return given, nil
}

// BrokerPasswords returns the devices' secrets as Mosquitto stores them, as far
// as they are known.
func (l *Ledger) BrokerPasswords(ctx context.Context) (map[catalogue.DeviceID]string, error) {
	m := map[catalogue.DeviceID]string{}
	rows, err := l.reads.QueryContext(ctx, "SELECT device, mosquitto FROM device_secrets WHERE mosquitto IS NOT NULL")
	err = each(rows, err, func(rows *sql.Rows) error {
		var id catalogue.DeviceID
		var hash string
		err := rows.Scan(&id, &hash)
		m[id] = hash
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load broker passwords: %w", err)
	}
	return m, nil
}

// DeviceSecrets returns the hashes of all devices' secrets.
func (l *Ledger) DeviceSecrets(ctx context.Context) (map[catalogue.DeviceID][]byte, error) {
	m := map[catalogue.DeviceID][]byte{}
	rows, err := l.reads.QueryContext(ctx, "SELECT device, hash FROM device_secrets")
	err = each(rows, err, func(rows *sql.Rows) error {
		var id catalogue.DeviceID
		var hash []byte
		err := rows.Scan(&id, &hash)
		m[id] = hash
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load device secrets: %w", err)
	}
	return m, nil
}

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
	err := tx.run(`INSERT INTO allowlists (device, version, digest, issued_at, expires_at, payload) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (device) DO UPDATE SET version = excluded.version, digest = excluded.digest, issued_at = excluded.issued_at,
			expires_at = excluded.expires_at, payload = excluded.payload`,
		string(a.Device), a.Version, a.Digest, ms(a.IssuedAt), ms(a.ExpiresAt), a.Payload)
	if err != nil {
		return fmt.Errorf("ledger: put allowlist of %s: %w", a.Device, err)
	}
	return nil
}

// Allowlists returns every reader's last list.
func (l *Ledger) Allowlists(ctx context.Context) ([]Allowlist, error) {
	var list []Allowlist
	rows, err := l.reads.QueryContext(ctx, "SELECT device, version, digest, issued_at, expires_at, payload FROM allowlists ORDER BY device")
	err = each(rows, err, func(rows *sql.Rows) error {
		var a Allowlist
		var issued, expires int64
		err := rows.Scan(&a.Device, &a.Version, &a.Digest, &issued, &expires, &a.Payload)
		a.IssuedAt, a.ExpiresAt = at(issued), at(expires)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load allowlists: %w", err)
	}
	return list, nil
}

// Snapshot is a saved live state that includes the observations and reads up to
// two seqs.
type Snapshot struct {
	ObservationSeq, ReadSeq int64
	Body                    []byte
}

// PutSnapshot writes a snapshot in place of the one before.
func (tx *Tx) PutSnapshot(name string, s Snapshot) error {
	err := tx.run(`INSERT INTO snapshots (name, obs_seq, read_seq, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET obs_seq = excluded.obs_seq, read_seq = excluded.read_seq, body = excluded.body`,
		name, s.ObservationSeq, s.ReadSeq, s.Body)
	if err != nil {
		return fmt.Errorf("ledger: put snapshot %s: %w", name, err)
	}
	return nil
}

// Snapshot returns a snapshot; an empty one where there is none.
func (l *Ledger) Snapshot(ctx context.Context, name string) (Snapshot, error) {
	var s Snapshot
	err := l.reads.QueryRowContext(ctx, "SELECT obs_seq, read_seq, body FROM snapshots WHERE name = ?", name).Scan(&s.ObservationSeq, &s.ReadSeq, &s.Body)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("load snapshot %s: %w", name, err)
	}
	return s, nil
}

const selectObservations = "SELECT seq, id, at, received_at, device, what, body FROM observations"

func scanObservation(row scanner) (*ingest.Observation, error) {
	var o ingest.Observation
	var id []byte
	var t, received int64
	err := row.Scan(&o.Seq, &id, &t, &received, &o.Device, &o.What, &o.Body)
	copy(o.ID[:], id)
	o.At, o.ReceivedAt = at(t), at(received)
	return &o, err
}

// ObservationsAfter calls yield for the observations with a greater seq, in order.
func (l *Ledger) ObservationsAfter(ctx context.Context, seq int64, yield func(*ingest.Observation) error) error {
	rows, err := l.reads.QueryContext(ctx, selectObservations+" WHERE seq > ? ORDER BY seq", seq)
	err = each(rows, err, func(rows *sql.Rows) error {
		o, err := scanObservation(rows)
		if err != nil {
			return err
		}
		return yield(o)
	})
	if err != nil {
		return fmt.Errorf("load observations: %w", err)
	}
	return nil
}

// ReadsAfter calls yield for the reads with a greater chain seq, in order.
func (l *Ledger) ReadsAfter(ctx context.Context, seq int64, yield func(*ingest.Read) error) error {
	rows, err := l.reads.QueryContext(ctx, selectReads+" WHERE r.seq > ? ORDER BY r.seq", seq)
	err = each(rows, err, func(rows *sql.Rows) error {
		r, err := scanRead(rows)
		if err != nil {
			return err
		}
		return yield(r)
	})
	if err != nil {
		return fmt.Errorf("load reads: %w", err)
	}
	return nil
}
