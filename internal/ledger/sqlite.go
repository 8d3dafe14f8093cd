package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/lorntech/totem/internal/disk"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // also registers the database/sql driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine stores a ledger in one file of the data directory.
type sqliteEngine struct{}

func openSQLite(ctx context.Context, dir string) (*Ledger, error) {
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
	if err := migrateSQLite(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate ledger %s: %w", path, err), write.Close())
	}
	pool, err := open(path, url.Values{"_pragma": {
		"busy_timeout(10000)", "query_only(1)", "cache_size(-2000)", "temp_store(MEMORY)",
	}}, 4)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	conn, err := write.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), write.Close(), pool.Close())
	}
	l := newLedger(sqliteEngine{}, write, pool, conn)
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

func existsSQLite(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ownerOnly makes the file, and the files that SQLite puts beside it, readable
// by their owner only.
func ownerOnly(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close(), disk.Adopt(path))
}

// overwrites is the first version of the schema that overwrites freed pages.
const overwrites = 8

func migrateSQLite(ctx context.Context, db *sql.DB) error {
	was, err := migrate(ctx, goose.DialectSQLite3, db, "migrations", nil)
	if err != nil || was == 0 || was >= overwrites {
		return err
	}
	// Older versions did not overwrite the pages that they freed. VACUUM removes what is still in them.
	_, err = db.ExecContext(ctx, "VACUUM")
	return err
}

func (sqliteEngine) text(query string) string { return query }

func (sqliteEngine) values(args []any) []any { return args }

func (sqliteEngine) begin(ctx context.Context, l *Ledger) (head chainHead, err error) {
	if _, err := l.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return head, err
	}
	s, err := l.stmt(ctx, newestEntry)
	if err == nil {
		err = head.scan(s.QueryRowContext(ctx))
	}
	if err != nil {
		_, rerr := l.exec(ctx, "ROLLBACK")
		err = errors.Join(err, rerr)
	}
	return head, err
}

func (sqliteEngine) later(string, []any) bool { return false }

func (sqliteEngine) flush(context.Context, *Ledger) error { return nil }

func (sqliteEngine) expect(*Tx, []uuid.UUID) (map[uuid.UUID]*Seen, int64, error) { return nil, 0, nil }

func (sqliteEngine) commit(ctx context.Context, l *Ledger) error {
	_, err := l.exec(ctx, "COMMIT")
	if err == nil {
		return nil
	}
	return errors.Join(err, sqliteEngine{}.rollback(ctx, l))
}

func (sqliteEngine) rollback(ctx context.Context, l *Ledger) error {
	_, err := l.conn.ExecContext(ctx, "ROLLBACK")
	return err
}

func (sqliteEngine) snapshot() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }

func (sqliteEngine) unstorable(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff { // the primary code; the rest tells which constraint
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
		return true
	}
	return false
}

func (sqliteEngine) insert(tx *Tx, table string, columns []string, rows [][]any) error {
	query := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (" +
		strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",") + ")"
	for _, row := range rows {
		if err := tx.run(query, row...); err != nil {
			return err
		}
	}
	return nil
}

// renumber has nothing to do: SQLite looks for the last row itself.
func (sqliteEngine) renumber(context.Context, *Ledger) error { return nil }

func (sqliteEngine) damage(ctx context.Context, tx queries) (string, error) {
	var said string
	err := tx.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said)
	if errors.Is(err, sql.ErrNoRows) || said == "ok" {
		return "", nil
	}
	return said, err
}
