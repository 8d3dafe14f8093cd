// Package ledger is the SQL database of everything that must never be lost or
// altered, and the only place where SQL is written.
//
// It is one SQLite file with one writer. Write groups many changes in one
// durable commit (synchronous=FULL); readers never wait for it. It holds reads
// and observations as they arrived, rejects, the records of package tenancy,
// administrative acts, the audit chain over them, and what followers have
// computed (visits, presence) with their progress. Cursors, marks and outboxes
// are committed together with what they describe, so that a restart neither
// loses nor repeats work.
package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // also registers the database/sql driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/lorntech/totem/internal/ingest"
)

//go:embed migrations/*.sql
var migrations embed.FS

// FileName is the ledger's file in the data directory.
const FileName = "ledger.db"

// ErrInUse is returned by Lock when another process uses the same data
// directory.
var ErrInUse = errors.New("another totem is running on this data directory; stop it first, or give this one another --data")

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
	reads *sql.DB // a pool, read only
	write *sql.DB // one connection

	turn  turns // prepared statements of the writer
	conn  *sql.Conn
	stmts map[string]*sql.Stmt

	written         atomic.Int64 // statements since the last checkpoint
	erased          atomic.Bool  // the log contains what was erased since
	stopCheckpoints func()

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

// Rest is called by background work after each part of it, with how long that
// took. While doors are in use it waits twice as long, so that badges find the
// machine free.
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

// Open opens the ledger of a data directory, creates it if it is missing, and
// migrates it.
func Open(ctx context.Context, dir string) (*Ledger, error) {
	path := filepath.Join(dir, FileName)
	if err := ownerOnly(path); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	write, err := open(path, url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"wal_autocheckpoint(32000)", "secure_delete(1)", "cache_size(-8000)", "temp_store(MEMORY)",
	}, "_txlock": {"immediate"}}, 1)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate ledger %s: %w", path, err), write.Close())
	}
	reads, err := open(path, url.Values{"_pragma": {
		"busy_timeout(10000)", "query_only(1)", "cache_size(-2000)", "temp_store(MEMORY)",
	}}, 4)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	conn, err := write.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), write.Close(), reads.Close())
	}
	l := &Ledger{reads: reads, write: write, conn: conn, stmts: map[string]*sql.Stmt{}}
	if err := l.startCheckpoints(path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func open(path string, options url.Values, conns int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+options.Encode())
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// OpenExisting opens the ledger of a data directory of which there must be one.
func OpenExisting(ctx context.Context, dir string) (*Ledger, error) {
	if _, err := os.Stat(filepath.Join(dir, FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--data (TOTEM_DATA): %s does not contain a ledger", dir)
	}
	return Open(ctx, dir)
}

// ownerOnly makes the file, and the files that SQLite puts beside it, readable
// by their owner only.
func ownerOnly(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func migrate(ctx context.Context, db *sql.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, sub)
	if err != nil {
		return err
	}
	was, err := provider.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if _, err = provider.Up(ctx); err != nil || was == 0 || was >= overwrites {
		return err
	}
	// What was freed before freed pages were overwritten is still in them.
	_, err = db.ExecContext(ctx, "VACUUM")
	return err
}

// overwrites is the first version of the schema that overwrites freed pages.
const overwrites = 8

// Close closes the ledger; what was committed is durable already.
func (l *Ledger) Close() error {
	if l.stopCheckpoints != nil {
		l.stopCheckpoints()
	}
	l.turn.take(false)
	defer l.turn.pass()
	var errs []error
	for _, s := range l.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, l.conn.Close(), l.reads.Close(), l.write.Close())...)
}

// Ping reports whether the ledger can be read.
func (l *Ledger) Ping(ctx context.Context) error { return l.reads.PingContext(ctx) }

// Tx is one write transaction. It is not safe for concurrent use and must not outlive Write.
type Tx struct {
	ctx   context.Context
	l     *Ledger
	head  chainHead
	after []func()
}

// AfterCommit calls f once the transaction is durable and before the next one
// begins: decisions that depend on the change follow it in the chain.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// Write runs change in one durable transaction: all of it is committed when
// Write returns nil, and none of it otherwise. Only one runs at a time.
func (l *Ledger) Write(ctx context.Context, change func(*Tx) error) error {
	l.turn.take(false)
	defer l.turn.pass()
	return l.transact(ctx, change)
}

// WriteFirst is Write for what somebody waits for at a door: it goes before all
// who wait for Write.
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
	if _, err := l.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("ledger: begin: %w", err)
	}
	done := false
	defer func() {
		if done {
			return
		}
		if _, rerr := l.conn.ExecContext(ctx, "ROLLBACK"); rerr != nil {
			err = errors.Join(err, fmt.Errorf("ledger: rollback: %w", rerr))
		}
	}()
	tx := &Tx{ctx: ctx, l: l}
	if err := tx.head.load(tx); err != nil {
		return err
	}
	if err := change(tx); err != nil {
		return err
	}
	if _, err := l.exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("ledger: commit: %w", err)
	}
	done = true
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
	s, err := l.conn.PrepareContext(ctx, query)
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
	return s.ExecContext(ctx, args...)
}

func (tx *Tx) exec(query string, args ...any) (sql.Result, error) {
	res, err := tx.l.exec(tx.ctx, query, args...)
	return res, markUnstorable(err)
}

// markUnstorable marks errors that the values of a statement cause: a constraint that
// they break, or a value that no column can hold (ingest.ErrUnstorable).
func markUnstorable(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the primary code; the rest tells which constraint
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
		return fmt.Errorf("%w: %w", ingest.ErrUnstorable, err)
	}
	return err
}

func (tx *Tx) run(query string, args ...any) error {
	_, err := tx.exec(query, args...)
	return err
}

func (tx *Tx) row(query string, args []any, dest ...any) error {
	s, err := tx.l.stmt(tx.ctx, query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(tx.ctx, args...).Scan(dest...)
}

func (tx *Tx) query(query string, args ...any) (*sql.Rows, error) {
	s, err := tx.l.stmt(tx.ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(tx.ctx, args...)
}

// ms returns an instant as the ledger stores it.
func ms(t time.Time) int64 { return t.UnixMilli() }

// at returns the instant of a stored number.
func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// each scans all rows of a query.
func each(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

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
	err := l.reads.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM records WHERE kind IN ('credential', 'pass')) OR EXISTS (SELECT 1 FROM reads) OR EXISTS (SELECT 1 FROM observations)").Scan(&used)
	if err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	return used, nil
}
