package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/ingest"
)

// Acts lists the acts on a target (kind/id), oldest first.
func (l *Ledger) Acts(ctx context.Context, target string) ([]ingest.Act, error) {
	return l.acts(ctx, "target = ?", target)
}

// ActsSince lists the acts after an instant on all targets of a kind.
func (l *Ledger) ActsSince(ctx context.Context, kind string, since time.Time) ([]ingest.Act, error) {
	return l.acts(ctx, "target > ? AND target < ? AND at > ?", kind+"/", kind+"0", ms(since)) // the character 0 follows /
}

// ActsAfter lists an actor's acts after an entry of the chain.
func (l *Ledger) ActsAfter(ctx context.Context, seq int64, actor string) ([]ingest.Act, error) {
	return l.acts(ctx, "seq > ? AND actor = ?", seq, actor)
}

// LastActs calls yield with the last act, before an entry of the chain, on each
// thing that was put or deleted. Erased acts have no target and no body: for all of
// them together yield is called once.
func (l *Ledger) LastActs(ctx context.Context, before int64, yield func(ingest.Act) error) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT a.seq, a.action, a.target, a.body FROM acts a JOIN (
			SELECT max(seq) AS seq FROM acts WHERE seq < ? AND action IN ('put', 'delete') GROUP BY target) last
		ON a.seq = last.seq ORDER BY a.seq`, before)
	err = each(rows, err, func(rows *sql.Rows) error {
		var a ingest.Act
		var body sql.NullString
		if err := rows.Scan(&a.Seq, &a.Action, &a.Target, &body); err != nil {
			return err
		}
		if body.Valid {
			a.Body = []byte(body.String)
		}
		return yield(a)
	})
	if err != nil {
		return fmt.Errorf("ledger: find the last acts: %w", err)
	}
	return nil
}

func (l *Ledger) acts(ctx context.Context, which string, args ...any) ([]ingest.Act, error) {
	return list(ctx, l.reads, "list acts", func(rows *sql.Rows) (a ingest.Act, err error) {
		var t int64
		var body sql.NullString
		err = rows.Scan(&a.Seq, &t, &a.Actor, &a.Action, &a.Target, &body)
		a.At = at(t)
		if body.Valid {
			a.Body = []byte(body.String)
		}
		return a, err
	}, "SELECT seq, at, actor, action, target, body FROM acts WHERE "+which+" ORDER BY seq",
		args...)
}
