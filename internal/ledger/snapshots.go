package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Snapshot is a value that is stored under a name. That of the live state includes
// the observations and the reads up to the two seqs; others leave both 0.
type Snapshot struct {
	ObservationSeq, ReadSeq int64
	Body                    []byte
}

// PutSnapshot writes a snapshot in place of the one before.
func (tx *Tx) PutSnapshot(name string, s Snapshot) error {
	err := tx.run(`INSERT INTO snapshots (name, obs_seq, read_seq, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET obs_seq = excluded.obs_seq, read_seq = excluded.read_seq, body = excluded.body`,
		name, s.ObservationSeq, s.ReadSeq, s.Body)
	if err != nil {
		return fmt.Errorf("ledger: put snapshot %s: %w", name, err)
	}
	return nil
}

// Snapshot returns a snapshot; an empty one where there is none.
func (l *Ledger) Snapshot(ctx context.Context, name string) (Snapshot, error) {
	var s Snapshot
	err := l.reads.QueryRowContext(ctx,
		"SELECT obs_seq, read_seq, body FROM snapshots WHERE name = ?",
		name,
	).Scan(&s.ObservationSeq, &s.ReadSeq, &s.Body)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("load snapshot %s: %w", name, err)
	}
	return s, nil
}
