package ledger

import (
	"context"
	"database/sql"
	"time"
)

// Unknown is a topic on which a device that is not in the catalogue publishes.
type Unknown struct {
	Topic       string
	Reason      string
	Count       int64
	First, Last time.Time
	Payload     []byte // of the last message
}

// Unknowns lists, in the order of their names, at most limit topics with messages that were
// rejected for a reason that begins with code. It lists only topics after the topic after
// and, unless prefixes is nil, only topics that begin with one of the prefixes.
func (l *Ledger) Unknowns(
	ctx context.Context,
	code string,
	prefixes []string,
	after string,
	limit int,
) ([]Unknown, error) {
	q := where{
		query: "SELECT topic, max(reason) AS reason, count(*), min(received_at), max(received_at), max(seq) AS seq FROM rejects",
	}
	q.and("substr(reason, 1, ?) = ?", len(code), code)
	q.and("topic > ?", after)
	q.prefixes("topic", prefixes)
	return list(ctx, l.reads, "list unknown devices", func(rows *sql.Rows) (u Unknown, err error) {
		var first, last, seq int64
		err = rows.Scan(&u.Topic, &u.Reason, &u.Count, &first, &last, &seq, &u.Payload)
		u.First, u.Last = at(first), at(last)
		return u, err
	}, "SELECT u.*, r.payload FROM ("+q.sql()+" GROUP BY topic ORDER BY topic LIMIT ?) u JOIN rejects r ON r.seq = u.seq ORDER BY u.topic",
		append(q.args, limit)...)
}
