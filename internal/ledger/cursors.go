package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// cursorBackup is the Unix time of the newest backup, in seconds.
const cursorBackup = "backup"

// Head returns the chain's newest seq.
func (l *Ledger) Head(ctx context.Context) (seq int64, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM chain").Scan(&seq)
	return seq, err
}

// Cursor returns a follower's progress; 0 before it began.
func (l *Ledger) Cursor(ctx context.Context, name string) (seq int64, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT seq FROM cursors WHERE name = ?", name).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

// SetCursor stores a follower's progress.
func (tx *Tx) SetCursor(name string, seq int64) error {
	return tx.run(
		"INSERT INTO cursors (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
		name,
		seq,
	)
}

// BackupAt returns when the newest backup was made; zero: never.
func (l *Ledger) BackupAt(ctx context.Context) (time.Time, error) {
	unix, err := l.Cursor(ctx, cursorBackup)
	if err != nil || unix == 0 {
		return time.Time{}, err
	}
	return time.Unix(unix, 0), nil
}

// SetBackupAt stores when the newest backup was made.
func (tx *Tx) SetBackupAt(at time.Time) error { return tx.SetCursor(cursorBackup, at.Unix()) }
