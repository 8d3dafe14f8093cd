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

	"github.com/pressly/goose/v3"
	// also registers the database/sql driver "sqlite".
)

//go:embed migrations/*.sql
var migrations embed.FS

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

// ErrNewer is returned for a ledger that a newer Totem has written.
var ErrNewer = errors.New("the ledger was written by a newer version of Totem: use that version")

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
	if sources := provider.ListSources(); was > sources[len(sources)-1].Version {
		return fmt.Errorf("%w: its schema is %d, and this program knows %d", ErrNewer, was, sources[len(sources)-1].Version)
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
