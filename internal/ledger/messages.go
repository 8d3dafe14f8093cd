package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Seen is what was committed before under a message's id.
type Seen = ingest.Seen

// See claims a message id. It returns nil for a new one. For one committed
// before it returns what that was, and changes nothing. The seq of a read is
// that of the AddRead that must follow.
func (tx *Tx) See(id uuid.UUID, digest [16]byte, read bool) (*Seen, error) {
	var seq int64
	if read {
		seq = tx.head.seq + 1
	}
	res, err := tx.exec("INSERT INTO seen (id, digest, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", id[:], digest[:], seq)
	if err != nil {
		return nil, fmt.Errorf("ledger: see message: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return nil, err
	}
	var s Seen
	var d []byte
	if err := tx.row("SELECT digest, seq FROM seen WHERE id = ?", []any{id[:]}, &d, &s.ReadSeq); err != nil {
		return nil, fmt.Errorf("ledger: see message: %w", err)
	}
	copy(s.Digest[:], d)
	return &s, nil
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
	err = tx.run(`INSERT INTO reads (seq, id, at, received_at, device, door, direction, credential, member, pass,
			granted, reason, lease, open_ms, not_after, boot, counter, nonce)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, r.ID[:], ms(r.At), ms(r.ReceivedAt), string(r.Device), string(r.Door), string(r.Direction), r.Credential[:],
		null(r.Subject.Member), null(r.Subject.Pass), flag(r.Granted), string(r.Reason), null(r.Lease), r.OpenMS, ms(r.NotAfter), boot, counter, nonce)
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
	seq, nonce, err := tx.link(chainReader, func(int64) []byte { return readerContent(readSeq, d) })
	if err != nil {
		return err
	}
	err = tx.run("INSERT INTO reader_decisions (read_seq, seq, granted, reason, list, received_at, nonce) VALUES (?, ?, ?, ?, ?, ?, ?)",
		readSeq, seq, flag(d.Granted), d.Reason, d.List, ms(d.ReceivedAt), nonce)
	if err != nil {
		return fmt.Errorf("ledger: add reader's decision: %w", err)
	}
	return nil
}

// AddObservation appends a message of a sensor, a door or a status, and sets
// its Seq.
func (tx *Tx) AddObservation(o *ingest.Observation) error {
	res, err := tx.exec("INSERT INTO observations (id, at, received_at, device, what, body) VALUES (?, ?, ?, ?, ?, ?)",
		o.ID[:], ms(o.At), ms(o.ReceivedAt), string(o.Device), string(o.What), o.Body)
	if err == nil {
		o.Seq, err = res.LastInsertId()
	}
	if err != nil {
		return fmt.Errorf("ledger: add observation %s: %w", o.ID, err)
	}
	return nil
}

// NewestArrival returns when the newest message arrived; zero: there is none.
func (l *Ledger) NewestArrival(ctx context.Context) (time.Time, error) {
	var newest sql.NullInt64
	err := l.reads.QueryRowContext(ctx, `SELECT max(t) FROM (
		SELECT max(received_at) AS t FROM (SELECT received_at FROM observations ORDER BY seq DESC LIMIT 1000)
		UNION ALL SELECT max(received_at) FROM (SELECT received_at FROM reads ORDER BY seq DESC LIMIT 1000))`).Scan(&newest)
	if err != nil || !newest.Valid {
		return time.Time{}, err
	}
	return at(newest.Int64), nil
}

// ToldAlready reports whether a device sent the same values for about the same
// time before.
func (tx *Tx) ToldAlready(device catalogue.DeviceID, t time.Time, within time.Duration, body string) (told bool, err error) {
	err = tx.row("SELECT EXISTS (SELECT 1 FROM observations WHERE what IN ('count', 'occupancy', 'flow') AND device = ? AND at >= ? AND at <= ? AND body = ?)",
		[]any{string(device), ms(t.Add(-within)), ms(t.Add(within)), body}, &told)
	return told, err
}

// AddReject stores a rejected message.
func (tx *Tx) AddReject(r *ingest.Reject) error {
	err := tx.run("INSERT INTO rejects (received_at, topic, payload, reason) VALUES (?, ?, ?, ?)", ms(r.ReceivedAt), r.Topic, r.Payload, r.Reason)
	if err != nil {
		return fmt.Errorf("ledger: add reject: %w", err)
	}
	return nil
}

// Read returns the read of a chain entry, as this transaction sees it; nil
// where it is no longer kept.
func (tx *Tx) Read(seq int64) (*ingest.Read, error) {
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
		At: at(r.at.Int64), ReceivedAt: at(r.receivedAt.Int64), NotAfter: at(r.notAfter.Int64),
		Device: catalogue.DeviceID(r.device.String), Door: catalogue.DoorID(r.door.String), Direction: catalogue.Direction(r.direction.String),
		Subject: visit.Subject{Member: tenancy.MemberID(r.member.String), Pass: tenancy.PassID(r.pass.String)},
		Granted: r.granted.Int64 != 0, Reason: access.Reason(r.reason.String), Lease: tenancy.LeaseID(r.leaseID.String), OpenMS: int(r.openMS.Int64),
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
	Limit  int
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
		q.and("r.member IN (SELECT id FROM records WHERE kind = 'member' AND body ->> 'tenant' = ?)", string(f.Tenant))
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
	rows, err := l.reads.QueryContext(ctx, q.sql()+order, append(q.args, f.Limit)...)
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

// Rejects lists rejected messages, newest first, those before a seq where one
// is given.
func (l *Ledger) Rejects(ctx context.Context, topicPrefixes []string, before int64, limit int) ([]ingest.Reject, error) {
	q := where{query: "SELECT seq, received_at, topic, payload, reason FROM rejects"}
	if before > 0 {
		q.and("seq < ?", before)
	}
	q.prefixes("topic", topicPrefixes)
	var list []ingest.Reject
	rows, err := l.reads.QueryContext(ctx, q.sql()+" ORDER BY seq DESC LIMIT ?", append(q.args, limit)...)
	err = each(rows, err, func(rows *sql.Rows) error {
		var r ingest.Reject
		var received int64
		err := rows.Scan(&r.Seq, &received, &r.Topic, &r.Payload, &r.Reason)
		r.ReceivedAt = at(received)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list rejects: %w", err)
	}
	return list, nil
}

// where returns a WHERE clause of conditions that must all hold.
type where struct {
	query string
	conds []string
	args  []any
}

func (w *where) and(cond string, args ...any) {
	w.conds, w.args = append(w.conds, cond), append(w.args, args...)
}

func (w *where) in(column string, values []string) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	w.and(column+" IN ("+strings.TrimSuffix(strings.Repeat("?,", len(values)), ",")+")", args...)
}

// prefixes keeps rows whose column begins with one of the prefixes; nil keeps
// all.
func (w *where) prefixes(column string, prefixes []string) {
	if prefixes == nil {
		return
	}
	var or []string
	var args []any
	for _, p := range prefixes {
		or, args = append(or, "substr("+column+", 1, ?) = ?"), append(args, len(p), p)
	}
	w.and("("+strings.Join(append(or, "0"), " OR ")+")", args...)
}

// between keeps [from, to); a zero bound means none.
func (w *where) between(column string, from, to time.Time) {
	if !from.IsZero() {
		w.and(column+" >= ?", ms(from))
	}
	if !to.IsZero() {
		w.and(column+" < ?", ms(to))
	}
}

func (w *where) sql() string {
	if len(w.conds) == 0 {
		return w.query
	}
	return w.query + " WHERE " + strings.Join(w.conds, " AND ")
}

func strs[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
