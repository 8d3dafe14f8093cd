package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/webhooks"
)

// keepDeliveries is how long what became of a delivery can be looked up.
const keepDeliveries = 30 * 24 * time.Hour

// mostDeliveries is how many events may wait for one webhook; further events are not queued.
// A change of the webhook may give up all of them in one transaction, for which doors wait.
const mostDeliveries = 5000

func (tx *Tx) queue(queue string, e *webhooks.Event, body []byte, condition string, args ...any) error {
	id := uuid.New()
	values := []any{
		id[:], queue, e.Type, string(e.Topic), string(e.Site), e.About, ms(time.Now()), string(body),
		string(webhooks.Waiting), queue, mostDeliveries,
	}
	err := tx.run(
		`INSERT INTO webhook_deliveries
		(id, queue, type, topic, site, about, at, body, attempts, next_at, outcome, status, fault)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 0, ''
		WHERE (SELECT count(*) FROM webhook_deliveries WHERE queue = ? AND done_at IS NULL) < ? AND `+condition,
		append(values, args...)...)
	if err != nil {
		return fmt.Errorf("ledger: queue %s for a webhook: %w", e.Type, err)
	}
	if !tx.queued {
		tx.queued = true
		tx.AfterCommit(func() {
			select {
			case tx.l.queued <- struct{}{}:
			default:
			}
		})
	}
	return nil
}

const always = "1 = 1"

// Queued receives after a commit that queued events for webhooks.
func (l *Ledger) Queued() <-chan struct{} { return l.queued }

const selectDeliveries = `SELECT seq, id, queue, type, at, body, attempts, next_at, done_at, outcome, status, fault
	FROM webhook_deliveries d`

func scanDelivery(rows *sql.Rows) (d webhooks.Delivery, err error) {
	var id []byte
	var happened, next int64
	var done sql.NullInt64
	var body string
	err = rows.Scan(
		&d.Seq,
		&id,
		&d.Queue,
		&d.Type,
		&happened,
		&body,
		&d.Attempts,
		&next,
		&done,
		&d.Outcome,
		&d.Status,
		&d.Fault,
	)
	if err != nil {
		return d, err
	}
	d.At, d.NextAt, d.DoneAt, d.Body = at(happened), at(next), instant(done), []byte(body)
	d.ID, err = uuid.FromBytes(id)
	return d, err
}

// NextDeliveries returns the first waiting event of each webhook.
func (l *Ledger) NextDeliveries(ctx context.Context) ([]webhooks.Delivery, error) {
	return list(ctx, l.reads, "list webhooks' next deliveries", scanDelivery, selectDeliveries+`
		WHERE seq IN (SELECT (SELECT min(seq) FROM webhook_deliveries WHERE queue = w.queue AND done_at IS NULL) FROM webhooks w)`)
}

// DeliveryFilter selects the deliveries of a webhook.
type DeliveryFilter struct {
	Queue  string
	Topics []webhooks.Topic   // nil: all
	Sites  []catalogue.SiteID // nil: all, and what belongs to no site
	Before int64              // the seq that they are older than; 0: none
	Limit  int                // 0: all
}

// Deliveries lists a webhook's deliveries, newest first. Tests of the webhook are in
// every selection.
func (l *Ledger) Deliveries(ctx context.Context, f DeliveryFilter) ([]webhooks.Delivery, error) {
	q := where{query: selectDeliveries}
	q.and("queue = ?", f.Queue)
	if f.Before > 0 {
		q.and("seq < ?", f.Before)
	}
	const (
		oneOf = " IN (SELECT value FROM json_each(?))"
		test  = "topic = ''" // of the webhook itself: it has no site
	)
	for _, c := range []struct {
		column string
		values []string
		all    bool
	}{{"topic", strs(f.Topics), f.Topics == nil}, {"site", strs(f.Sites), f.Sites == nil}} {
		if c.all {
			continue
		}
		values, err := json.Marshal(c.values)
		if err != nil {
			return nil, err
		}
		q.and("("+test+" OR "+c.column+oneOf+")", string(values))
	}
	return list(ctx, l.reads, "list deliveries", scanDelivery, q.sql()+" ORDER BY seq DESC LIMIT ?",
		append(q.args, limit(f.Limit))...)
}

// WaitingDeliveries counts what waits for each webhook.
func (l *Ledger) WaitingDeliveries(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	rows, err := l.reads.QueryContext(ctx,
		"SELECT w.id, (SELECT count(*) FROM webhook_deliveries WHERE queue = w.queue AND done_at IS NULL) FROM webhooks w",
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var id string
		var n int
		err := rows.Scan(&id, &n)
		counts[id] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the deliveries that wait: %w", err)
	}
	return counts, nil
}

// NoteDelivery stores the outcome of an attempt. w is the webhook as it was at the attempt. It is
// not an error if the delivery was deleted or given up in the meantime. If off is set, the webhook
// is switched off, unless its queue or its URL has changed since.
func (l *Ledger) NoteDelivery(ctx context.Context, w webhooks.Webhook, d webhooks.Delivery, off bool) error {
	return l.Write(ctx, func(tx *Tx) error {
		var done any
		if d.DoneAt != nil {
			done = ms(*d.DoneAt)
		}
		res, err := tx.exec(
			`UPDATE webhook_deliveries SET attempts = ?, next_at = ?, done_at = ?, outcome = ?, status = ?, fault = ?
			WHERE seq = ? AND id = ? AND done_at IS NULL`,
			d.Attempts,
			ms(d.NextAt),
			done,
			string(d.Outcome),
			d.Status,
			d.Fault,
			d.Seq,
			d.ID[:],
		)
		if err != nil {
			return fmt.Errorf("ledger: note a delivery of webhook %s: %w", w.ID, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if d.Outcome == webhooks.GivenUp { // the receiver lacks this event: ToldAvailability must be called again
			if err := tx.run("UPDATE webhooks SET told = told + 1 WHERE queue = ?", d.Queue); err != nil {
				return fmt.Errorf("ledger: note a delivery of webhook %s: %w", w.ID, err)
			}
			tx.forgetHooks()
		}
		if !off {
			return nil
		}
		return tx.switchOff(w, *d.DoneAt)
	})
}

// switchOff switches a webhook off whose receiver wants nothing more.
func (tx *Tx) switchOff(answered webhooks.Webhook, now time.Time) error {
	w, _, err := tx.Webhook(answered.ID)
	if err != nil || w == nil || w.Off || w.Queue != answered.Queue || w.URL != answered.URL {
		return err
	}
	w.Off = true
	if err := tx.PutWebhook(*w, now); err != nil {
		return err
	}
	return tx.AddAct(
		&ingest.Act{At: now, Actor: "totem", Action: "put", Target: "webhook/" + w.ID, Body: WebhookAct(w)},
	)
}

// QueueTest queues an event that says that a webhook is tested, and lets what waits
// before it be tried at once.
func (tx *Tx) QueueTest(w *webhooks.Webhook, now time.Time) error {
	err := tx.run("UPDATE webhook_deliveries SET next_at = 0 WHERE queue = ? AND done_at IS NULL", w.Queue)
	if err != nil {
		return fmt.Errorf("ledger: try webhook %s at once: %w", w.ID, err)
	}
	e := webhooks.Event{Type: webhooks.Tested, At: now, Data: map[string]string{"webhook": w.ID}}
	body, err := e.Body()
	if err != nil {
		return err
	}
	return tx.queue(w.Queue, &e, body, always)
}

// ToldAvailability returns, by space, the newest event that was queued for a webhook. It
// leaves out the spaces whose newest event was given up.
func (l *Ledger) ToldAvailability(ctx context.Context, w webhooks.Webhook) (map[string][]byte, error) {
	told := map[string][]byte{}
	rows, err := l.reads.QueryContext(ctx,
		`SELECT about, body FROM webhook_deliveries WHERE outcome <> ? AND seq IN
			(SELECT max(seq) FROM webhook_deliveries WHERE queue = ? AND about <> '' GROUP BY about)`,
		string(webhooks.GivenUp),
		w.Queue,
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var space, body string
		err := rows.Scan(&space, &body)
		told[space] = []byte(body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load what webhooks were told: %w", err)
	}
	return told, nil
}

// QueueAvailability queues events for a webhook, each in place of one about the
// same space that was not tried yet. The first of the queue stays: it may be under way.
func (l *Ledger) QueueAvailability(ctx context.Context, w webhooks.Webhook, events []webhooks.Event) error {
	return l.Write(ctx, func(tx *Tx) error {
		for i := range events {
			e := &events[i]
			body, err := e.Body()
			if err != nil {
				return err
			}
			err = tx.run(`DELETE FROM webhook_deliveries WHERE queue = ? AND about = ? AND about <> '' AND attempts = 0
				AND done_at IS NULL
				AND seq > (SELECT min(seq) FROM webhook_deliveries f WHERE f.queue = ? AND f.done_at IS NULL)`,
				w.Queue, e.About, w.Queue)
			if err != nil {
				return fmt.Errorf("ledger: replace an event of webhook %s: %w", w.ID, err)
			}
			// The webhook may have been deleted or changed since the caller loaded it.
			const still = "EXISTS (SELECT 1 FROM webhooks WHERE queue = ? AND told = ? AND off = 0)"
			if err := tx.queue(w.Queue, e, body, still, w.Queue, w.Told); err != nil {
				return err
			}
		}
		return nil
	})
}

// purgeDeliveries deletes deliveries of webhooks that were deleted, and old deliveries, at
// most limit of each. It keeps the newest event about each space.
func (tx *Tx) purgeDeliveries(now time.Time, limit int) (more bool, err error) {
	for _, q := range []struct {
		old  string
		args []any
	}{
		{"queue NOT IN (SELECT queue FROM webhooks)", nil},
		{`done_at < ? AND (about = '' OR seq < (SELECT max(seq) FROM webhook_deliveries n
			WHERE n.queue = d.queue AND n.about = d.about AND n.about <> ''))`, []any{ms(now.Add(-keepDeliveries))}},
	} {
		res, err := tx.exec(
			"DELETE FROM webhook_deliveries WHERE seq IN (SELECT seq FROM webhook_deliveries d WHERE "+q.old+" LIMIT ?)",
			append(q.args, limit)...)
		if err != nil {
			return false, fmt.Errorf("ledger: purge webhooks' deliveries: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return false, err
		}
		more = more || n == int64(limit)
	}
	return more, nil
}
