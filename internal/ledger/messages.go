package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/ingest"
)

// Seen is what was committed before under a message's id.
type Seen = ingest.Seen

// See claims a message id. For a new id it returns nil; if the message is a read, AddRead must
// follow in this transaction, and its seq is stored with the id. For an id that was committed
// before, See returns what was stored under it, and changes nothing.
func (tx *Tx) See(id uuid.UUID, digest [16]byte, read bool) (*Seen, error) {
	var seq int64
	if read {
		seq = tx.head.seq + 1
	}
	if before, announced := tx.expected[id]; announced {
		if before != nil {
			return before, nil
		}
		tx.expected[id] = &Seen{Digest: digest, ReadSeq: seq}
		return nil, tx.run("INSERT INTO seen (id, digest, seq) VALUES (?, ?, ?)", id[:], digest[:], seq)
	}
	res, err := tx.exec(
		"INSERT INTO seen (id, digest, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		id[:],
		digest[:],
		seq,
	)
	if err != nil {
		return nil, fmt.Errorf("ledger: note a message's id: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return nil, err
	}
	var s Seen
	var d []byte
	if err := tx.row("SELECT digest, seq FROM seen WHERE id = ?", []any{id[:]}, &d, &s.ReadSeq); err != nil {
		return nil, fmt.Errorf("ledger: note a message's id: %w", err)
	}
	copy(s.Digest[:], d)
	return &s, nil
}

// NewestArrival returns when the newest message arrived; zero: there is none.
func (l *Ledger) NewestArrival(ctx context.Context) (time.Time, error) {
	var newest sql.NullInt64
	err := l.reads.QueryRowContext(ctx, `SELECT max(t) FROM (
		SELECT max(received_at) AS t FROM (SELECT received_at FROM observations ORDER BY seq DESC LIMIT 1000) o
		UNION ALL SELECT max(received_at) FROM (SELECT received_at FROM reads ORDER BY seq DESC LIMIT 1000) r) newest`).Scan(&newest)
	if err != nil || !newest.Valid {
		return time.Time{}, err
	}
	return at(newest.Int64), nil
}

// heardIn is how many of the newest observations Heard looks through.
const heardIn = 200_000

// Heard returns the devices whose messages have reached the ledger: readers ever, others
// among the newest observations.
func (l *Ledger) Heard(ctx context.Context) (map[string]bool, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT device FROM first_heard
		UNION SELECT device FROM observations WHERE seq > (SELECT coalesce(max(seq), 0) FROM observations) - ?`, heardIn)
	heard := map[string]bool{}
	return heard, each(rows, err, func(rows *sql.Rows) error {
		var device string
		err := rows.Scan(&device)
		heard[device] = true
		return err
	})
}
