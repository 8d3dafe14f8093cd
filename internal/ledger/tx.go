package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
)

// Tx is one write transaction. It is not safe for concurrent use and must not outlive Write.
type Tx struct {
	ctx   context.Context
	l     *Ledger
	head  chainHead
	after []func()

	expected map[uuid.UUID]*Seen // of the messages that were announced; nil: ask
	next     int64               // number of the next observation; 0: ask
	waiting  int                 // statements that were taken for later
	queued   bool                // events for webhooks were queued

	readers     map[catalogue.DeviceID]*readerMemory // those that were announced (ExpectReaders)
	readersFrom int64                                // from when they are known
	began       time.Time
}

// mostWaiting is how many statements may wait for a round trip.
const mostWaiting = 1000

// Expect announces the messages of a batch before See, AddRead and AddObservation:
// a database behind a network is then asked once for all of them.
func (tx *Tx) Expect(ids []uuid.UUID) (err error) {
	tx.expected, tx.next, err = tx.l.engine.expect(tx, ids)
	if err != nil {
		return fmt.Errorf("ledger: look for messages seen before: %w", err)
	}
	return nil
}

// AfterCommit calls f once the transaction is durable and before the next one
// begins: decisions that depend on the change follow it in the chain.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// longForDoors is how long a transaction may last while doors are in use, where it
// can be done in parts: the next badge waits for it.
const longForDoors = 5 * time.Millisecond

// Enough reports whether the transaction should end, and the rest be done in the
// next one: doors are in use, and it has lasted long.
func (tx *Tx) Enough() bool { return time.Since(tx.began) > longForDoors && tx.l.turn.hurried() }

// Write runs change in one durable transaction: all of it is committed when
// Write returns nil, and none of it otherwise. Only one runs at a time.
func (l *Ledger) Write(ctx context.Context, change func(*Tx) error) error {
	l.turn.take(false)
	defer l.turn.pass()
	return l.transact(ctx, change)
}

// WriteFirst is like Write, for a change that somebody waits for at a door. It goes
// before the callers that wait in Write, but after firstInARow such changes one of
// those callers has its turn.
func (l *Ledger) WriteFirst(ctx context.Context, change func(*Tx) error) error {
	l.turn.take(true)
	defer l.turn.pass()
	return l.transact(ctx, change)
}

func (l *Ledger) transact(ctx context.Context, change func(*Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	// A transaction is not cancelled: it is short, and a context that can end
	// costs a goroutine for every statement.
	ctx = context.WithoutCancel(ctx)
	head, err := l.engine.begin(ctx, l)
	if err != nil {
		return fmt.Errorf("ledger: begin a transaction: %w", err)
	}
	changed := false
	defer func() {
		if changed {
			return
		}
		l.hooks = nil // they may be those of the transaction
		if rerr := l.engine.rollback(ctx, l); rerr != nil {
			err = errors.Join(err, fmt.Errorf("ledger: rollback: %w", rerr))
		}
	}()
	tx := &Tx{ctx: ctx, l: l, head: head, began: time.Now()}
	if err := change(tx); err != nil {
		return err
	}
	changed = true
	if err := l.engine.commit(ctx, l); err != nil {
		return fmt.Errorf("ledger: commit: %w", l.markUnstorable(err))
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}

// stmt prepares a statement once for the writer's connection.
func (l *Ledger) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := l.stmts[query]; s != nil {
		return s, nil
	}
	s, err := l.conn.PrepareContext(ctx, l.engine.text(query))
	if err == nil {
		l.stmts[query] = s
	}
	return s, err
}

func (l *Ledger) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := l.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	l.written.Add(1)
	return s.ExecContext(ctx, l.engine.values(args)...)
}

func (tx *Tx) exec(query string, args ...any) (sql.Result, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	res, err := tx.l.exec(tx.ctx, query, args...)
	return res, tx.l.markUnstorable(err)
}

// markUnstorable marks errors that the values of a statement cause: a constraint that
// they break, or a value that no column can hold (ingest.ErrUnstorable).
func (l *Ledger) markUnstorable(err error) error {
	if err != nil && l.engine.unstorable(err) {
		return fmt.Errorf("%w: %w", ingest.ErrUnstorable, err)
	}
	return err
}

func (tx *Tx) flush() error { return tx.l.markUnstorable(tx.l.engine.flush(tx.ctx, tx.l)) }

// run runs a statement without a result. Its error may be that of an earlier one.
func (tx *Tx) run(query string, args ...any) error {
	if tx.l.engine.later(query, args) {
		if tx.waiting++; tx.waiting%mostWaiting == 0 {
			return tx.flush()
		}
		return nil
	}
	_, err := tx.exec(query, args...)
	return err
}

func (tx *Tx) row(query string, args []any, dest ...any) error {
	if err := tx.flush(); err != nil {
		return err
	}
	s, err := tx.l.stmt(tx.ctx, query)
	if err != nil {
		return err
	}
	return tx.l.markUnstorable(s.QueryRowContext(tx.ctx, tx.l.engine.values(args)...).Scan(dest...))
}

func (tx *Tx) query(query string, args ...any) (*sql.Rows, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	s, err := tx.l.stmt(tx.ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(tx.ctx, tx.l.engine.values(args)...)
}
