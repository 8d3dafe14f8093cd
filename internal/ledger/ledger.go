// Package ledger is the SQL database of everything that must never be lost or
// altered, and the only place where SQL is written.
//
// It is a SQLite file in the data folder, or a PostgreSQL database (engine.go says
// what differs), with one writer. Write groups many changes in one durable commit
// (synchronous=FULL, synchronous_commit=on); queries never wait for it. The ledger holds
// reads and observations as they arrived, rejects, the records of package tenancy,
// administrative acts, the audit chain over them, and what followers have
// computed (visits, presence) with their progress. Cursors, marks and outboxes
// are committed together with what they describe, so that a restart neither
// loses nor repeats work.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/lorntech/totem/internal/webhooks"
)

// FileName is the ledger's file in the data directory.
const FileName = "ledger.db"

// ErrInUse is returned by Lock when another process uses the same data directory;
// errors of ledgers in PostgreSQL that another process serves match it too.
var ErrInUse = errors.New(
	"another totem is running on this data directory; stop it first, or give this one another --data",
)

// servedError is ErrInUse of a PostgreSQL database.
type servedError struct{}

func (servedError) Error() string { return "another totem serves this database; stop it first" }

func (servedError) Is(target error) bool { return target == ErrInUse }

// ErrNotFound is returned where a row is asked for by its id and does not
// exist.
var ErrNotFound = errors.New("not found")

// Lock reserves a data directory for one service until unlock is called.
func Lock(dir string) (unlock func() error, err error) {
	lock := flock.New(filepath.Join(dir, "totem.lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
	}
	return lock.Unlock, nil
}

// Ledger is an open ledger. Its methods are safe for concurrent use.
type Ledger struct {
	engine engine
	reads  queries // on the pool
	pool   *sql.DB // read only
	write  *sql.DB // one connection

	hooks  []webhooks.Webhook // the webhooks; nil: not loaded yet. Used only by the running transaction (turn).
	queued chan struct{}      // capacity 1: receives when events for webhooks are queued

	turn  turns
	conn  *sql.Conn            // the writer's
	stmts map[string]*sql.Stmt // prepared on it

	written atomic.Int64 // statements since the last checkpoint
	erased  atomic.Bool  // data was erased that is still to be removed from the log, or by a vacuum
	closing atomic.Bool
	owned   atomic.Bool               // Own has returned nil
	ownedAt atomic.Pointer[time.Time] // when this process was last known to own the ledger; nil: never
	owner   int64                     // counts the owners; changes with each process that takes over
	lost    chan struct{}

	stopUpkeep func()

	damage  sync.Mutex
	damaged map[DamagedDay]bool // days of the series that could not be decoded
}

// Portion returns how much of at most n a background writer should do in one
// transaction: all of it, or little while doors are in use, since the next
// badge waits for the running transaction.
func (l *Ledger) Portion(n int) int {
	if l.turn.hurried() {
		return max(1, n/busyPart)
	}
	return n
}

// Rest is called by background work after each part of the work, with the time that
// the part took. While doors are in use, Rest waits twice that time, at most 100 ms,
// so that badges find the machine free.
func (l *Ledger) Rest(ctx context.Context, worked time.Duration) {
	if !l.turn.hurried() {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(min(2*worked, 100*time.Millisecond)):
	}
}

// busyPart divides the size of transactions while doors are in use.
const busyPart = 16

// Close closes the ledger; what was committed is durable already.
func (l *Ledger) Close() error {
	l.closing.Store(true)
	if l.stopUpkeep != nil {
		l.stopUpkeep()
	}
	l.turn.take(false)
	defer l.turn.pass()
	var errs []error
	for _, s := range l.stmts {
		errs = append(errs, s.Close())
	}
	if l.conn != nil {
		errs = append(errs, l.conn.Close())
	}
	return errors.Join(append(errs, l.pool.Close(), l.write.Close())...)
}

// Ping reports whether the ledger can be read.
func (l *Ledger) Ping(ctx context.Context) error { return l.pool.PingContext(ctx) }

// ms returns an instant as the ledger stores it.
func ms(t time.Time) int64 { return t.UnixMilli() }

// at returns the instant of a stored number.
func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func null[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Used reports whether the ledger contains what only the keys beside it can
// read: badges, messages.
func (l *Ledger) Used(ctx context.Context) (bool, error) {
	var used bool
	err := l.reads.QueryRowContext(
		ctx,
		"SELECT EXISTS (SELECT 1 FROM records WHERE kind IN ('credential', 'pass')) OR EXISTS (SELECT 1 FROM reads) OR EXISTS (SELECT 1 FROM observations)",
	).Scan(&used)
	if err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	return used, nil
}

// Lost is closed once another process has taken the ledger over, while this one
// was stopped or could not reach PostgreSQL: this one can never write again.
func (l *Ledger) Lost() <-chan struct{} { return l.lost }

func (l *Ledger) isLost() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}
