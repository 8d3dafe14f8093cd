package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

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

// Moves returns a subject's reads that moved them, with At in [from, to],
// oldest first.
func (l *Ledger) Moves(ctx context.Context, s visit.Subject, from, to time.Time) ([]visit.Read, error) {
	column, id := "member", string(s.Member)
	if s.Pass != "" {
		column, id = "pass", string(s.Pass)
	}
	return list(ctx, l.reads, "load moves", func(rows *sql.Rows) (r visit.Read, err error) {
		var rid []byte
		var t int64
		err = rows.Scan(&rid, &t, &r.Device, &r.Door, &r.Direction)
		copy(r.ID[:], rid)
		r.At = at(t)
		return r, err
	}, "SELECT r.id, r.at, r.device, r.door, r.direction FROM reads r LEFT JOIN reader_decisions d ON d.read_seq = r.seq WHERE r."+
		column+" = ? AND r.at >= ? AND r.at <= ? AND coalesce(d.granted, r.granted) = 1 ORDER BY r.at, r.id",
		id,
		ms(from),
		ms(to))
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

// AddRead appends a read with its answer, and with what the reader did where it
// decided by itself.
func (tx *Tx) AddRead(r *ingest.Read) error {
	seq, nonce, err := tx.link(chainRead, func(int64) []byte { return readContent(r) })
	if err != nil {
		return err
	}
	r.Seq = seq
	var boot, counter any
	if n := r.Numbered; n != nil {
		boot, counter = n.Boot[:], int64(n.Seq)
	}
	err = tx.run(
		`INSERT INTO reads (seq, id, at, received_at, device, door, direction, credential, member, pass,
			granted, reason, lease, open_ms, not_after, boot, counter, nonce)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq,
		r.ID[:],
		ms(r.At),
		ms(r.ReceivedAt),
		string(r.Device),
		string(r.Door),
		string(r.Direction),
		r.Credential[:],
		null(r.Subject.Member),
		null(r.Subject.Pass),
		flag(r.Granted),
		string(r.Reason),
		null(r.Lease),
		r.OpenMS,
		ms(r.NotAfter),
		boot,
		counter,
		nonce,
	)
	if err != nil {
		return fmt.Errorf("ledger: add read %s: %w", r.ID, err)
	}
	if r.Reader != nil {
		return tx.AddReaderDecision(seq, r.Reader)
	}
	return nil
}

// AddReaderDecision appends what a reader did by itself with a read.
func (tx *Tx) AddReaderDecision(readSeq int64, d *ingest.ReaderDecision) error {
	said := *d // the reader's own words: the chain commits to them as they are stored
	said.Reason, said.List = storable(d.Reason), storable(d.List)
	d = &said
	seq, nonce, err := tx.link(chainReader, func(int64) []byte { return readerContent(readSeq, d) })
	if err != nil {
		return err
	}
	err = tx.run(
		"INSERT INTO reader_decisions (read_seq, seq, granted, reason, list, received_at, nonce) VALUES (?, ?, ?, ?, ?, ?, ?)",
		readSeq,
		seq,
		flag(d.Granted),
		d.Reason,
		d.List,
		ms(d.ReceivedAt),
		nonce,
	)
	if err != nil {
		return fmt.Errorf("ledger: add reader's decision: %w", err)
	}
	return nil
}

// Read returns the read of a chain entry, as this transaction sees it; nil
// where it is no longer kept.
func (tx *Tx) Read(seq int64) (*ingest.Read, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	s, err := tx.l.stmt(tx.ctx, selectReads+" WHERE r.seq = ?")
	if err != nil {
		return nil, err
	}
	r, err := scanRead(s.QueryRowContext(tx.ctx, seq))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return r, err
}

const selectReads = `SELECT r.seq, r.id, r.at, r.received_at, r.device, r.door, r.direction, r.credential, r.member, r.pass,
	r.granted, r.reason, r.lease, r.open_ms, r.not_after, r.nonce, r.boot, r.counter,
	d.granted, d.reason, d.list, d.received_at
	FROM reads r LEFT JOIN reader_decisions d ON d.read_seq = r.seq`

type scanner interface{ Scan(dest ...any) error }

func scanRead(row scanner) (*ingest.Read, error) {
	var seq int64
	var r readRow
	var d readerRow
	var boot []byte
	var counter sql.NullInt64
	dest := append(append([]any{&seq}, r.dest()...), &boot, &counter, &d.granted, &d.reason, &d.list, &d.receivedAt)
	if err := row.Scan(dest...); err != nil {
		return nil, err
	}
	read := r.read()
	read.Seq = seq
	if counter.Valid && len(boot) == 16 {
		read.Numbered = &ingest.Numbered{Boot: uuid.UUID(boot), Seq: uint64(counter.Int64)}
	}
	if d.granted.Valid {
		read.Reader = d.decision()
	}
	return read, nil
}

func (r *readRow) read() *ingest.Read {
	read := &ingest.Read{
		At:         at(r.at.Int64),
		ReceivedAt: at(r.receivedAt.Int64),
		NotAfter:   at(r.notAfter.Int64),
		Device:     catalogue.DeviceID(r.device.String),
		Door:       catalogue.DoorID(r.door.String),
		Direction:  catalogue.Direction(r.direction.String),
		Subject:    visit.Subject{Member: tenancy.MemberID(r.member.String), Pass: tenancy.PassID(r.pass.String)},
		Granted:    r.granted.Int64 != 0,
		Reason:     access.Reason(r.reason.String),
		Lease:      tenancy.LeaseID(r.leaseID.String),
		OpenMS:     int(r.openMS.Int64),
	}
	copy(read.ID[:], r.id)
	copy(read.Credential[:], r.credential)
	return read
}

// ReadFilter selects reads; empty fields select all. [From, To) applies to At.
type ReadFilter struct {
	Doors  []catalogue.DoorID // nil: all; empty: none
	Member tenancy.MemberID
	Pass   tenancy.PassID
	Tenant tenancy.TenantID // tenant of the member as it is now
	Result string           // granted or refused: by the reader where it decided by itself
	Newest bool             // newest first
	From   time.Time
	To     time.Time
	After  ReadCursor
	Limit  int // 0: all
}

// ReadCursor is a position in the order of At, then seq.
type ReadCursor struct {
	At  time.Time
	Seq int64
}

// Reads lists reads in order of At, then seq, or in the reverse order.
func (l *Ledger) Reads(ctx context.Context, f ReadFilter) ([]*ingest.Read, error) {
	q := where{query: selectReads}
	if f.Doors != nil {
		q.in("r.door", strs(f.Doors))
	}
	if f.Member != "" {
		q.and("r.member = ?", string(f.Member))
	}
	if f.Pass != "" {
		q.and("r.pass = ?", string(f.Pass))
	}
	if f.Tenant != "" {
		q.and(
			"r.member IN (SELECT id FROM records WHERE kind = 'member' AND json_extract(body, '$.tenant') = ?)",
			string(f.Tenant),
		)
	}
	if f.Result != "" {
		q.and("coalesce(d.granted, r.granted) = ?", flag(f.Result == "granted"))
	}
	q.between("r.at", f.From, f.To)
	order, after := " ORDER BY r.at, r.seq LIMIT ?", "(r.at > ? OR r.at = ? AND r.seq > ?)"
	if f.Newest {
		order, after = " ORDER BY r.at DESC, r.seq DESC LIMIT ?", "(r.at < ? OR r.at = ? AND r.seq < ?)"
	}
	if f.After.Seq != 0 {
		q.and(after, ms(f.After.At), ms(f.After.At), f.After.Seq)
	}
	var list []*ingest.Read
	rows, err := l.reads.QueryContext(ctx, q.sql()+order, append(q.args, limit(f.Limit))...)
	err = each(rows, err, func(rows *sql.Rows) error {
		r, err := scanRead(rows)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list reads: %w", err)
	}
	return list, nil
}
