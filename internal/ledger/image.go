package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Image is the file of a ledger as it is at one instant. Commits of a running
// service go on; those that come later are not in it.
type Image struct {
	Size   int64 // bytes
	Schema int64 // version of the schema
	Head   int64 // last entry of the audit chain

	db   *sql.DB
	tx   *sql.Tx
	page int64 // bytes
}

// OpenImage returns the image of the ledger in a data directory as it is now. Until the
// image is closed, the ledger's write-ahead log cannot shrink.
func OpenImage(ctx context.Context, dir string) (m *Image, err error) {
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("--data (TOTEM_DATA): %w", err)
	}
	m = &Image{}
	if m.db, err = open(
		path,
		url.Values{"_pragma": {"busy_timeout(10000)", "query_only(1)", "cache_size(-500)"}},
		1,
	); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("read the ledger's file: %w", err), m.Close())
		}
	}()
	if m.tx, err = m.db.BeginTx(ctx, nil); err != nil {
		return nil, err
	}
	var pages int64
	for _, q := range []struct {
		query string
		into  *int64
	}{
		{"SELECT coalesce(max(seq), 0) FROM chain", &m.Head}, // the first reading of a table fixes the instant
		{"SELECT max(version_id) FROM goose_db_version", &m.Schema},
		{"SELECT page_count FROM pragma_page_count()", &pages},
		{"SELECT page_size FROM pragma_page_size()", &m.page},
	} {
		if err := m.tx.QueryRowContext(ctx, q.query).Scan(q.into); err != nil {
			return nil, err
		}
	}
	m.Size = pages * m.page
	return m, nil
}

// breath is after how many bytes of an image its reader rests.
const breath = 256 << 10

// Write writes the file. It rests again and again, so that doors do not wait for
// it; progress is called with the bytes written so far.
func (m *Image) Write(ctx context.Context, w io.Writer, progress func(done int64)) error {
	rows, err := m.tx.QueryContext(ctx, "SELECT data FROM sqlite_dbpage('main') ORDER BY pgno")
	done, began := int64(0), time.Now()
	err = each(rows, err, func(rows *sql.Rows) error {
		var page sql.RawBytes
		if err := rows.Scan(&page); err != nil {
			return err
		}
		if _, err := w.Write(page); err != nil {
			return err
		}
		if done += int64(len(page)); done%breath < m.page {
			progress(done)
			time.Sleep(time.Since(began) * 2 / 3)
			began = time.Now()
		}
		return ctx.Err()
	})
	if err == nil && done != m.Size {
		err = fmt.Errorf("%d bytes of %d", done, m.Size)
	}
	if err != nil {
		return fmt.Errorf("read the ledger's file: %w", err)
	}
	return nil
}

// Close ends the transaction that keeps the instant.
func (m *Image) Close() error {
	if m.tx != nil {
		_ = m.tx.Rollback() // nothing was written
	}
	return m.db.Close()
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
