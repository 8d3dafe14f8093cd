package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/lorntech/totem/internal/tenancy"
)

// Copy writes the ledger of a data folder, as it is at one instant, to a new
// file. A service may be running with the folder: its commits go on, and those
// that come later are not in the copy. progress is called with the bytes
// written so far, about, of all.
func Copy(ctx context.Context, dir, to string, progress func(done, all int64)) error {
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("--data (TOTEM_DATA): %w", err)
	}
	db, err := open(path, url.Values{"_pragma": {"busy_timeout(10000)", "temp_store(MEMORY)"}}, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	var pages, size int64
	if err := errors.Join(
		db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages),
		db.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size),
	); err != nil {
		return fmt.Errorf("copy ledger: %w", err)
	}
	if err := ownerOnly(to); err != nil { // SQLite writes into an empty file
		return fmt.Errorf("copy ledger: %w", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(ctx, "VACUUM INTO ?", to)
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("copy ledger: %w", err)
			}
			return nil
		case <-time.After(200 * time.Millisecond):
			if f, err := os.Stat(to); err == nil {
				progress(min(f.Size(), pages*size), pages*size)
			}
		}
	}
}

// Schema returns the version of a ledger's schema, after it has looked for damage
// in its file. No service may have the file open.
func Schema(ctx context.Context, path string) (version int64, err error) {
	db, err := open(path, url.Values{"_pragma": {"query_only(1)"}}, 1)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var fault string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&fault); err != nil {
		return 0, fmt.Errorf("the ledger's file is damaged: %w", err)
	}
	if fault != "ok" {
		return 0, fmt.Errorf("the ledger's file is damaged: %s", fault)
	}
	err = db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("the file is not a ledger: %w", err)
	}
	return version, nil
}

// People lists everybody whom reads or visits name.
func (l *Ledger) People(ctx context.Context) ([]tenancy.MemberID, error) {
	return list(ctx, l.reads, "list people", func(rows *sql.Rows) (m tenancy.MemberID, err error) {
		return m, rows.Scan(&m)
	}, "SELECT member FROM reads WHERE member IS NOT NULL UNION SELECT member FROM visits WHERE member <> '' ORDER BY 1")
}

// HeadOf returns the last entry of the audit chain in a ledger's file that no
// service has open.
func HeadOf(ctx context.Context, path string) (seq int64, err error) {
	db, err := open(path, url.Values{"_pragma": {"query_only(1)"}}, 1)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM chain").Scan(&seq)
	return seq, err
}
