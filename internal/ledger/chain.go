package ledger

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/lorntech/totem/internal/ingest"
)

// The kinds of chain entries.
const (
	chainRead   = "read"
	chainReader = "reader" // what a reader did by itself
	chainAct    = "act"
	chainErase  = "erase" // an act whose body names the entries whose content was erased
)

// chainHead is the newest entry of the chain.
type chainHead struct {
	seq  int64
	hash [32]byte
}

// scan reads the row of newestEntry; a chain without entries has none.
func (h *chainHead) scan(row scanner) error {
	var hash []byte
	err := row.Scan(&h.seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the chain's head: %w", err)
	}
	copy(h.hash[:], hash)
	return nil
}

// link appends an entry for content and returns its seq and the nonce to be
// stored beside the content.
func (tx *Tx) link(kind string, content func(seq int64) []byte) (seq int64, nonce []byte, err error) {
	nonce = make([]byte, 16)
	rand.Read(nonce)
	seq = tx.head.seq + 1
	commitment := commit(nonce, content(seq))
	hash := linkHash(tx.head.hash, seq, kind, commitment)
	err = tx.run("INSERT INTO chain (seq, kind, commitment, hash) VALUES (?, ?, ?, ?)", seq, kind, commitment, hash[:])
	if err != nil {
		return 0, nil, fmt.Errorf("ledger: append to the chain: %w", err)
	}
	tx.head = chainHead{seq: seq, hash: hash}
	return seq, nonce, nil
}

func commit(nonce, content []byte) []byte {
	mac := hmac.New(sha256.New, nonce)
	mac.Write(content)
	return mac.Sum(nil)
}

func linkHash(previous [32]byte, seq int64, kind string, commitment []byte) [32]byte {
	b := make([]byte, 0, 128)
	b = append(b, previous[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(seq))
	b = append(append(b, kind...), 0)
	b = append(b, commitment...)
	return sha256.Sum256(b)
}

// readContent returns what a read's entry commits to: the badge and Totem's
// answer.
func readContent(r *ingest.Read) []byte {
	b := make([]byte, 0, 256)
	b = fmt.Appendf(b, "read|%s|%d|%d|%s|%s|%s|", r.ID, ms(r.At), ms(r.ReceivedAt), r.Device, r.Door, r.Direction)
	b = fmt.Appendf(b, "%x|%s|%s|", r.Credential, r.Subject.Member, r.Subject.Pass)
	return fmt.Appendf(b, "%t|%s|%s|%d|%d", r.Granted, r.Reason, r.Lease, r.OpenMS, ms(r.NotAfter))
}

func readerContent(readSeq int64, d *ingest.ReaderDecision) []byte {
	return fmt.Appendf(nil, "reader|%d|%t|%q|%q|%d", readSeq, d.Granted, d.Reason, d.List, ms(d.ReceivedAt))
}

func actContent(a *ingest.Act) []byte {
	b := fmt.Appendf(nil, "act|%d|%q|%q|%q|", ms(a.At), a.Actor, a.Action, a.Target)
	return append(b, a.Body...)
}

// AddAct appends an act to the ledger and the chain.
func (tx *Tx) AddAct(a *ingest.Act) error { return tx.addAct(chainAct, a) }

func (tx *Tx) addAct(kind string, a *ingest.Act) error {
	kept := *a // the chain commits to an act as it is stored
	kept.Actor, kept.Target, kept.Body = storable(a.Actor), storable(a.Target), []byte(storable(string(a.Body)))
	seq, nonce, err := tx.link(kind, func(int64) []byte { return actContent(&kept) })
	if err != nil {
		return err
	}
	a.Seq = seq
	err = tx.run("INSERT INTO acts (seq, at, actor, action, target, body, nonce) VALUES (?, ?, ?, ?, ?, ?, ?)",
		seq, ms(a.At), kept.Actor, a.Action, kept.Target, string(kept.Body), nonce)
	if err != nil {
		return fmt.Errorf("ledger: add act: %w", err)
	}
	return nil
}

// Range is a range of chain entries, both ends included.
type Range struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// erased is the body of an act of erasure: which entries' content was erased.
type erased struct {
	Why   string  `json:"why"`
	Spans []Range `json:"spans"`
}

// addErasure records that the content of seqs (ascending) was erased.
func (tx *Tx) addErasure(a ingest.Act, why string, seqs []int64) error {
	body := erased{Why: why, Spans: []Range{}}
	for _, s := range seqs {
		if n := len(body.Spans); n > 0 && body.Spans[n-1].To == s-1 {
			body.Spans[n-1].To = s
			continue
		}
		body.Spans = append(body.Spans, Range{From: s, To: s})
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	a.Body = data
	return tx.addAct(chainErase, &a)
}

// Audit is the result of verifying the chain.
type Audit struct {
	OK       bool
	Entries  int64
	Erased   int64  // entries whose content was erased on purpose
	BrokenAt int64  // the first broken entry; 0 where there is none
	Why      string // what is wrong there
}

// Verify walks the whole chain: every hash, and the content of every entry that
// is not covered by a recorded erasure. It reads the chain in steps, each of one consistent
// state: a single long transaction would keep the log of a running service from shrinking.
// progress is called with the entries that are verified, of all; it may be nil.
func (l *Ledger) Verify(ctx context.Context, progress func(done, all int64)) (Audit, error) {
	return l.verifyInSteps(ctx, verifyAtOnce, progress)
}

func (l *Ledger) verifyInSteps(ctx context.Context, atOnce int64, progress func(done, all int64)) (Audit, error) {
	v := &verifier{engine: l.engine, ctx: ctx, atOnce: atOnce, after: math.MinInt64}
	for more := true; more; {
		var err error
		if more, err = l.verifyStep(ctx, v); err != nil {
			return Audit{}, fmt.Errorf("verify the audit chain: %w", err)
		}
		if progress != nil {
			progress(v.audit.Entries, v.all)
		}
	}
	v.audit.OK = v.audit.BrokenAt == 0
	return v.audit, nil
}

// verifyStep verifies the next entries in a transaction of their own. It reports whether
// there may be more of them.
func (l *Ledger) verifyStep(ctx context.Context, v *verifier) (more bool, err error) {
	tx, err := l.pool.BeginTx(ctx, l.engine.snapshot())
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // a read transaction has nothing to lose
	v.tx = queries{tx, l.engine}
	return v.step()
}
