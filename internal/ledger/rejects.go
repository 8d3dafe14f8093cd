package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lorntech/totem/internal/ingest"
)

// AddReject stores a rejected message.
func (tx *Tx) AddReject(r *ingest.Reject) error {
	payload := r.Payload
	if payload == nil {
		payload = []byte{}
	}
	err := tx.run(
		"INSERT INTO rejects (received_at, topic, payload, reason) VALUES (?, ?, ?, ?)",
		ms(r.ReceivedAt),
		storable(r.Topic),
		payload,
		storable(r.Reason),
	)
	if err != nil {
		return fmt.Errorf("ledger: add reject: %w", err)
	}
	return nil
}

// Rejects lists rejected messages, newest first, those before a seq where one
// is given.
func (l *Ledger) Rejects(
	ctx context.Context,
	topicPrefixes []string,
	before int64,
	limit int,
) ([]ingest.Reject, error) {
	q := where{query: "SELECT seq, received_at, topic, payload, reason FROM rejects"}
	if before > 0 {
		q.and("seq < ?", before)
	}
	q.prefixes("topic", topicPrefixes)
	return list(ctx, l.reads, "list rejects", func(rows *sql.Rows) (r ingest.Reject, err error) {
		var received int64
		err = rows.Scan(&r.Seq, &received, &r.Topic, &r.Payload, &r.Reason)
		r.ReceivedAt = at(received)
		return r, err
	}, q.sql()+" ORDER BY seq DESC LIMIT ?", append(q.args, limit)...)
}
