package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/webhooks"
)

// keepDeliveries is how long what became of a delivery can be looked up.
const keepDeliveries = 30 * 24 * time.Hour

// announce queues an event for every webhook that wants it, where a condition holds
// in the transaction.
func (tx *Tx) announce(e webhooks.Event, condition string, args ...any) error {
	hooks, err := tx.hooks()
	if err != nil {
		return err
	}
	var body []byte
	for i := range hooks {
		if !hooks[i].Wants(e.Topic, e.Site) {
			continue
		}
		if body == nil {
			if body, err = e.Body(); err != nil {
				return err
			}
		}
		if err := tx.queue(hooks[i].ID, &e, body, condition, args...); err != nil {
			return err
		}
	}
	return nil
}

// hooks returns the webhooks. Only this process changes them, so that they are
// loaded once.
func (tx *Tx) hooks() ([]webhooks.Webhook, error) {
	if tx.l.hooks == nil {
		rows, err := tx.query(selectWebhooks + " ORDER BY id")
		list := []webhooks.Webhook{}
		err = each(rows, err, func(rows *sql.Rows) error {
			w, err := scanWebhook(rows)
			list = append(list, w)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("ledger: load webhooks: %w", err)
		}
		tx.l.hooks = list
	}
	return tx.l.hooks, nil
}

func (tx *Tx) queue(webhook string, e *webhooks.Event, body []byte, condition string, args ...any) error {
	id := uuid.New()
	err := tx.run(
		`INSERT INTO webhook_deliveries (id, webhook, type, about, at, body, attempts, next_at, outcome, status, fault)
		SELECT ?, ?, ?, ?, ?, ?, 0, 0, ?, 0, '' WHERE `+condition,
		append([]any{id[:], webhook, e.Type, e.About, ms(time.Now()), string(body), string(webhooks.Waiting)}, args...)...)
	if err != nil {
		return fmt.Errorf("ledger: queue %s for webhook %s: %w", e.Type, webhook, err)
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

// PutWebhook writes a webhook in place of the one with the same id. What waits for
// one that is switched off is given up.
func (tx *Tx) PutWebhook(w webhooks.Webhook) error {
	topics, err := json.Marshal(w.Topics)
	if err != nil {
		return err
	}
	sites, err := json.Marshal(append([]catalogue.SiteID{}, w.Sites...))
	if err != nil {
		return err
	}
	var until any
	if w.FormerUntil != nil {
		until = ms(*w.FormerUntil)
	}
	err = tx.run(
		`INSERT INTO webhooks (id, url, topics, sites, off, nonce, former, former_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET url = excluded.url, topics = excluded.topics, sites = excluded.sites,
			off = excluded.off, nonce = excluded.nonce, former = excluded.former, former_until = excluded.former_until`,
		w.ID,
		w.URL,
		string(topics),
		string(sites),
		flag(w.Off),
		w.Nonce,
		w.Former,
		until,
	)
	if err != nil {
		return fmt.Errorf("ledger: put webhook %s: %w", w.ID, err)
	}
	tx.forgetHooks()
	return nil
}

// forgetHooks has the webhooks loaded again.
func (tx *Tx) forgetHooks() {
	tx.l.hooks = nil
	tx.AfterCommit(func() { tx.l.hooks = nil })
}

// DropDeliveries gives up what waits for a webhook.
func (tx *Tx) DropDeliveries(webhook string, now time.Time) error {
	err := tx.run(
		"UPDATE webhook_deliveries SET done_at = ?, outcome = ?, fault = ? WHERE webhook = ? AND done_at IS NULL",
		ms(now),
		string(webhooks.GivenUp),
		"the webhook was switched off",
		webhook,
	)
	if err != nil {
		return fmt.Errorf("ledger: give up the deliveries of webhook %s: %w", webhook, err)
	}
	return nil
}

// DeleteWebhook removes a webhook with its deliveries; ErrNotFound where there is
// none.
func (tx *Tx) DeleteWebhook(id string) error {
	res, err := tx.exec("DELETE FROM webhooks WHERE id = ?", id)
	if err != nil {
		return fmt.Errorf("ledger: delete webhook %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNotFound)
	}
	tx.forgetHooks()
	if err := tx.run("DELETE FROM webhook_deliveries WHERE webhook = ?", id); err != nil {
		return fmt.Errorf("ledger: delete the deliveries of webhook %s: %w", id, err)
	}
	return nil
}

// Webhook returns a webhook, nil where there is none, and how many there are.
func (tx *Tx) Webhook(id string) (w *webhooks.Webhook, n int, err error) {
	all, err := tx.hooks()
	if err != nil {
		return nil, 0, err
	}
	for i := range all {
		if all[i].ID == id {
			found := all[i]
			w = &found
		}
	}
	return w, len(all), nil
}

const selectWebhooks = "SELECT id, url, topics, sites, off, nonce, former, former_until FROM webhooks"

func scanWebhook(rows *sql.Rows) (w webhooks.Webhook, err error) {
	var topics, sites string
	var off int
	var until sql.NullInt64
	if err := rows.Scan(&w.ID, &w.URL, &topics, &sites, &off, &w.Nonce, &w.Former, &until); err != nil {
		return w, err
	}
	w.Off, w.FormerUntil = off != 0, instant(until)
	if err := json.Unmarshal([]byte(topics), &w.Topics); err != nil {
		return w, err
	}
	return w, json.Unmarshal([]byte(sites), &w.Sites)
}

// Webhooks lists all webhooks by id.
func (l *Ledger) Webhooks(ctx context.Context) ([]webhooks.Webhook, error) {
	return list(ctx, l.reads, "list webhooks", scanWebhook, selectWebhooks+" ORDER BY id")
}

// Webhook returns the webhook with an id, or ErrNotFound.
func (l *Ledger) Webhook(ctx context.Context, id string) (webhooks.Webhook, error) {
	return one(list(ctx, l.reads, "load a webhook", scanWebhook, selectWebhooks+" WHERE id = ?", id))
}

const selectDeliveries = `SELECT seq, id, webhook, type, at, body, attempts, next_at, done_at, outcome, status, fault
	FROM webhook_deliveries d`

func scanDelivery(rows *sql.Rows) (d webhooks.Delivery, err error) {
	var id []byte
	var happened, next int64
	var done sql.NullInt64
	var body string
	err = rows.Scan(
		&d.Seq,
		&id,
		&d.Webhook,
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
		WHERE seq IN (SELECT min(seq) FROM webhook_deliveries WHERE done_at IS NULL GROUP BY webhook)`)
}

// Deliveries lists a webhook's deliveries, newest first; before, where it is not 0,
// is the seq that they are older than.
func (l *Ledger) Deliveries(ctx context.Context, webhook string, before int64, n int) ([]webhooks.Delivery, error) {
	q := where{query: selectDeliveries}
	q.and("webhook = ?", webhook)
	if before > 0 {
		q.and("seq < ?", before)
	}
	return list(
		ctx,
		l.reads,
		"list deliveries",
		scanDelivery,
		q.sql()+" ORDER BY seq DESC LIMIT ?",
		append(q.args, limit(n))...)
}

// WaitingDeliveries counts what waits for each webhook.
func (l *Ledger) WaitingDeliveries(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	rows, err := l.reads.QueryContext(ctx,
		"SELECT webhook, count(*) FROM webhook_deliveries WHERE done_at IS NULL GROUP BY webhook",
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

// NoteDelivery keeps what became of an attempt. It is no error if
// the delivery was deleted meanwhile. off switches the webhook off.
func (l *Ledger) NoteDelivery(ctx context.Context, d webhooks.Delivery, off bool) error {
	return l.Write(ctx, func(tx *Tx) error {
		var done any
		if d.DoneAt != nil {
			done = ms(*d.DoneAt)
		}
		err := tx.run(
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
			return fmt.Errorf("ledger: note a delivery of webhook %s: %w", d.Webhook, err)
		}
		if !off {
			return nil
		}
		return tx.switchOff(d.Webhook, *d.DoneAt)
	})
}

// switchOff switches a webhook off whose receiver wants nothing more.
func (tx *Tx) switchOff(id string, now time.Time) error {
	all, err := tx.hooks()
	if err != nil {
		return err
	}
	for _, w := range all {
		if w.ID != id || w.Off {
			continue
		}
		w.Off = true
		if err := tx.PutWebhook(w); err != nil {
			return err
		}
		if err := tx.DropDeliveries(id, now); err != nil {
			return err
		}
		return tx.AddAct(
			&ingest.Act{At: now, Actor: "totem", Action: "put", Target: "webhook/" + id, Body: WebhookAct(&w)},
		)
	}
	return nil
}

// QueueTest queues an event that says that a webhook is tested, and lets what waits
// before it be tried at once.
func (tx *Tx) QueueTest(webhook string, now time.Time) error {
	err := tx.run("UPDATE webhook_deliveries SET next_at = 0 WHERE webhook = ? AND done_at IS NULL", webhook)
	if err != nil {
		return fmt.Errorf("ledger: try webhook %s at once: %w", webhook, err)
	}
	e := webhooks.Event{Type: webhooks.Tested, At: now, Data: map[string]string{"webhook": webhook}}
	body, err := e.Body()
	if err != nil {
		return err
	}
	return tx.queue(webhook, &e, body, always)
}

// ToldAvailability returns, for a webhook, the newest event about each space.
func (l *Ledger) ToldAvailability(ctx context.Context, webhook string) (map[string][]byte, error) {
	told := map[string][]byte{}
	rows, err := l.reads.QueryContext(ctx,
		`SELECT about, body FROM webhook_deliveries WHERE outcome <> ? AND seq IN
			(SELECT max(seq) FROM webhook_deliveries WHERE webhook = ? AND about <> '' GROUP BY about)`,
		string(webhooks.GivenUp),
		webhook,
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
// same space that was not tried yet.
func (l *Ledger) QueueAvailability(ctx context.Context, webhook string, events []webhooks.Event) error {
	return l.Write(ctx, func(tx *Tx) error {
		for i := range events {
			e := &events[i]
			body, err := e.Body()
			if err != nil {
				return err
			}
			err = tx.run(
				"DELETE FROM webhook_deliveries WHERE webhook = ? AND about = ? AND about <> '' AND attempts = 0 AND done_at IS NULL",
				webhook,
				e.About,
			)
			if err != nil {
				return fmt.Errorf("ledger: replace an event of webhook %s: %w", webhook, err)
			}
			// It may have been deleted or switched off a moment ago.
			if err := tx.queue(
				webhook,
				e,
				body,
				"EXISTS (SELECT 1 FROM webhooks WHERE id = ? AND off = 0)",
				webhook,
			); err != nil {
				return err
			}
		}
		return nil
	})
}

// purgeDeliveries deletes what became of deliveries long ago.
func (tx *Tx) purgeDeliveries(now time.Time) error {
	err := tx.run("DELETE FROM webhook_deliveries WHERE done_at < ?", ms(now.Add(-keepDeliveries)))
	if err != nil {
		return fmt.Errorf("ledger: purge webhooks' deliveries: %w", err)
	}
	return nil
}
