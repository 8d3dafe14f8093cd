package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"github.com/lorntech/totem/internal/ingest"
)

type verifier struct {
	ctx    context.Context
	engine engine
	tx     queries
	audit  Audit
	spans  []Range   // entries whose content was erased, sorted
	last   chainHead // up to which entries are verified
	after  int64     // the number after which the next step begins: the first begins before all
	atOnce int64     // entries in one step
	all    int64     // number of the chain's newest entry when the step began
}

// verifyAtOnce is how many entries one step verifies: some seconds of work.
const verifyAtOnce = 100_000

var errBroken = errors.New("broken")

func (v *verifier) broken(seq int64, why string, args ...any) error {
	v.audit.BrokenAt, v.audit.Why = seq, fmt.Sprintf(why, args...)
	return errBroken
}

// step verifies the next entries. After the newest it compares the records with the chain, in
// the same transaction. It reports whether there may be more entries.
func (v *verifier) step() (more bool, err error) {
	if err := v.loadErasures(); err != nil {
		return false, err
	}
	err = v.tx.QueryRowContext(v.ctx, "SELECT COALESCE(max(seq), 0) FROM chain").Scan(&v.all)
	if err != nil {
		return false, err
	}
	before := v.audit.Entries
	rows, err := v.tx.QueryContext(v.ctx, `
		SELECT c.seq, c.kind, c.commitment, c.hash,
			r.id, r.at, r.received_at, r.device, r.door, r.direction, r.credential, r.member, r.pass,
			r.granted, r.reason, r.lease, r.open_ms, r.not_after, r.nonce,
			d.read_seq, d.granted, d.reason, d.list, d.received_at, d.nonce,
			a.at, a.actor, a.action, a.target, a.body, a.nonce
		FROM chain c
		LEFT JOIN reads r ON c.kind = 'read' AND r.seq = c.seq
		LEFT JOIN reader_decisions d ON c.kind = 'reader' AND d.seq = c.seq
		LEFT JOIN acts a ON c.kind IN ('act', 'erase') AND a.seq = c.seq
		WHERE c.seq > ?
		ORDER BY c.seq LIMIT ?`, v.after, v.atOnce)
	err = each(rows, err, func(rows *sql.Rows) error { return v.entry(rows, &v.last) })
	if err != nil {
		return false, ignoreBroken(err)
	}
	v.after = v.last.seq
	if v.audit.Entries-before == v.atOnce {
		return true, nil
	}
	if err := v.passedOver(); err != nil {
		return false, ignoreBroken(err)
	}
	if err := v.strays(); err != nil {
		return false, ignoreBroken(err)
	}
	return false, ignoreBroken(v.compareState())
}

func ignoreBroken(err error) error {
	if errors.Is(err, errBroken) {
		return nil
	}
	return err
}

func (v *verifier) loadErasures() error {
	v.spans = v.spans[:0]
	rows, err := v.tx.QueryContext(v.ctx, "SELECT a.body FROM chain c JOIN acts a ON a.seq = c.seq WHERE c.kind = 'erase'")
	err = each(rows, err, func(rows *sql.Rows) error {
		var body string
		var e erased
		if err := rows.Scan(&body); err != nil {
			return err
		}
		if json.Unmarshal([]byte(body), &e) == nil { // where it is not JSON its own entry is broken
			v.spans = append(v.spans, e.Spans...)
		}
		return nil
	})
	sort.Slice(v.spans, func(i, j int) bool { return v.spans[i].From < v.spans[j].From })
	return err
}

// forgotten reports whether a recorded erasure covers the entry.
func (v *verifier) forgotten(seq int64) bool {
	// Spans of several erasures may overlap: looking only at the last that
	// begins before seq is not enough.
	n := sort.Search(len(v.spans), func(i int) bool { return v.spans[i].From > seq })
	for i := n - 1; i >= 0; i-- {
		if v.spans[i].To >= seq {
			return true
		}
	}
	return false
}

// entry checks one entry's hash, then its content.
func (v *verifier) entry(rows *sql.Rows, previous *chainHead) error {
	var seq int64
	var kind string
	var commitment, hash []byte
	var r readRow
	var d readerRow
	var a actRow
	dest := append([]any{&seq, &kind, &commitment, &hash}, r.dest()...)
	if err := rows.Scan(append(append(dest, d.dest()...), a.dest()...)...); err != nil {
		return err
	}
	v.audit.Entries++
	if seq != previous.seq+1 {
		return v.broken(previous.seq+1, "entry %d is missing", previous.seq+1)
	}
	want := linkHash(previous.hash, seq, kind, commitment)
	if !bytes.Equal(hash, want[:]) {
		return v.broken(seq, "its hash does not follow from the one before")
	}
	*previous = chainHead{seq: seq, hash: want}

	var nonce, content []byte
	switch kind {
	case chainRead:
		nonce, content = r.nonce, r.content()
	case chainReader:
		nonce, content = d.nonce, d.content()
	case chainAct, chainErase:
		nonce, content = a.nonce, a.content()
	default:
		return v.broken(seq, "unknown kind %q", kind)
	}
	if nonce == nil {
		if kind == chainErase || !v.forgotten(seq) {
			return v.broken(seq, "its content is missing, and no erasure explains why")
		}
		v.audit.Erased++
		return nil
	}
	if !bytes.Equal(commitment, commit(nonce, content)) {
		return v.broken(seq, "its content was altered")
	}
	return nil
}

// passedOver looks for entries that were added among or taken from those that earlier steps
// have verified.
func (v *verifier) passedOver() error {
	var n int64
	if err := v.tx.QueryRowContext(v.ctx, "SELECT count(*) FROM chain").Scan(&n); err != nil {
		return err
	}
	if n != v.audit.Entries {
		return v.broken(v.last.seq, "there are %d entries, and %d were there when they were verified", n, v.audit.Entries)
	}
	return nil
}

// strays looks for content without an entry in the chain.
func (v *verifier) strays() error {
	for table, kinds := range map[string]string{
		"reads": "'read'", "reader_decisions": "'reader'", "acts": "'act', 'erase'",
	} {
		var seq int64
		err := v.tx.QueryRowContext(v.ctx,
			"SELECT t.seq FROM "+table+" t LEFT JOIN chain c ON c.seq = t.seq AND c.kind IN ("+kinds+
				") WHERE c.seq IS NULL LIMIT 1",
		).Scan(&seq)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		return v.broken(seq, "a row of %s was never committed to the chain", table)
	}
	return nil
}

// readRow scans a row of reads that may be missing (LEFT JOIN).
type readRow struct {
	id, credential, nonce         []byte
	at, receivedAt, notAfter      sql.NullInt64
	device, door, direction       sql.NullString
	member, pass, reason, leaseID sql.NullString
	granted, openMS               sql.NullInt64
}

func (r *readRow) dest() []any {
	return []any{&r.id, &r.at, &r.receivedAt, &r.device, &r.door, &r.direction, &r.credential, &r.member, &r.pass,
		&r.granted, &r.reason, &r.leaseID, &r.openMS, &r.notAfter, &r.nonce}
}

func (r *readRow) content() []byte { return readContent(r.read()) }

// readerRow scans a row of reader_decisions that may be missing.
type readerRow struct {
	readSeq, granted, receivedAt sql.NullInt64
	reason, list                 sql.NullString
	nonce                        []byte
}

func (d *readerRow) dest() []any {
	return []any{&d.readSeq, &d.granted, &d.reason, &d.list, &d.receivedAt, &d.nonce}
}

func (d *readerRow) decision() *ingest.ReaderDecision {
	return &ingest.ReaderDecision{
		Granted:    d.granted.Int64 != 0,
		Reason:     d.reason.String,
		List:       d.list.String,
		ReceivedAt: at(d.receivedAt.Int64),
	}
}

func (d *readerRow) content() []byte { return readerContent(d.readSeq.Int64, d.decision()) }

// actRow scans a row of acts that may be missing.
type actRow struct {
	at                          sql.NullInt64
	actor, action, target, body sql.NullString
	nonce                       []byte
}

func (a *actRow) dest() []any {
	return []any{&a.at, &a.actor, &a.action, &a.target, &a.body, &a.nonce}
}

func (a *actRow) content() []byte {
	return actContent(
		&ingest.Act{
			At:     at(a.at.Int64),
			Actor:  a.actor.String,
			Action: a.action.String,
			Target: a.target.String,
			Body:   []byte(a.body.String),
		},
	)
}
