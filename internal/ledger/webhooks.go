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
		if err := tx.queue(hooks[i].Queue, &e, body, condition, args...); err != nil {
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

// mostDeliveries is how many events may wait for one webhook: with more, one change of
// it would hold up the doors. More are not queued.
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

// PutWebhook writes a webhook in place of the one with the same id. It gives up
// the waiting events that the webhook no longer asks for.
func (tx *Tx) PutWebhook(w webhooks.Webhook, now time.Time) error {
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
	err = tx.run(`INSERT INTO webhooks (id, queue, told, url, topics, sites, off, nonce, former, former_until)
		VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET queue = excluded.queue, told = webhooks.told + 1, url = excluded.url,
			topics = excluded.topics, sites = excluded.sites, off = excluded.off, nonce = excluded.nonce,
			former = excluded.former, former_until = excluded.former_until`,
		w.ID, w.Queue, w.URL, string(topics), string(sites), flag(w.Off), w.Nonce, w.Former, until)
	if err != nil {
		return fmt.Errorf("ledger: put webhook %s: %w", w.ID, err)
	}
	tx.forgetHooks()
	unwanted, args := "1 = 1", []any(nil)
	why := "the webhook was switched off"
	if !w.Off {
		why = "the webhook no longer asks for it"
		unwanted = "topic <> '' AND topic NOT IN (SELECT value FROM json_each(?))"
		args = append(args, string(topics))
		if len(w.Sites) > 0 {
			unwanted = "(" + unwanted + " OR topic <> '' AND site NOT IN (SELECT value FROM json_each(?)))"
			args = append(args, string(sites))
		}
	}
	err = tx.run(
		"UPDATE webhook_deliveries SET done_at = ?, outcome = ?, fault = ? WHERE queue = ? AND done_at IS NULL AND "+unwanted,
		append([]any{ms(now), string(webhooks.GivenUp), why, w.Queue}, args...)...)
	if err != nil {
		return fmt.Errorf("ledger: give up deliveries of webhook %s: %w", w.ID, err)
	}
	return nil
}

// forgetHooks has the webhooks loaded again.
func (tx *Tx) forgetHooks() {
	tx.l.hooks = nil
	tx.AfterCommit(func() { tx.l.hooks = nil })
}

// DeleteWebhook removes a webhook; ErrNotFound where there is none. Its deliveries are
// nobody's from then on, and deleted by Purge.
func (tx *Tx) DeleteWebhook(id string) error {
	res, err := tx.exec("DELETE FROM webhooks WHERE id = ?", id)
	if err != nil {
		return fmt.Errorf("ledger: delete webhook %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNotFound)
	}
	tx.forgetHooks()
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

const selectWebhooks = "SELECT id, queue, told, url, topics, sites, off, nonce, former, former_until FROM webhooks"

func scanWebhook(rows *sql.Rows) (w webhooks.Webhook, err error) {
	var topics, sites string
	var off int
	var until sql.NullInt64
	if err := rows.Scan(&w.ID, &w.Queue, &w.Told, &w.URL, &topics, &sites, &off, &w.Nonce, &w.Former, &until); err != nil {
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

// WebhookOf returns the webhook of a queue; false: it is deleted.
func (l *Ledger) WebhookOf(ctx context.Context, queue string) (w webhooks.Webhook, there bool, err error) {
	w, err = one(list(ctx, l.reads, "load a webhook", scanWebhook, selectWebhooks+" WHERE queue = ?", queue))
	if errors.Is(err, ErrNotFound) {
		return w, false, nil
	}
	return w, err == nil, err
}

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
	Topics []webhooks.Topic   // nil: all; tests of the webhook are among any
	Sites  []catalogue.SiteID // nil: all
	Before int64              // the seq that they are older than; 0: none
	Limit  int                // 0: all
}

// Deliveries lists a webhook's deliveries, newest first.
func (l *Ledger) Deliveries(ctx context.Context, f DeliveryFilter) ([]webhooks.Delivery, error) {
	q := where{query: selectDeliveries}
	q.and("queue = ?", f.Queue)
	if f.Before > 0 {
		q.and("seq < ?", f.Before)
	}
	if f.Topics != nil {
		q.in("topic", append(strs(f.Topics), ""))
	}
	if f.Sites != nil {
		q.in("site", append(strs(f.Sites), ""))
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

// NoteDelivery keeps what became of an attempt for a webhook as it was then. It is no
// error if the delivery was deleted or given up meanwhile. off switches the webhook
// off, if it is still the one whose receiver answered.
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
		if d.Outcome == webhooks.GivenUp { // the receiver did not get it: what it was told is looked up again
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

// ToldAvailability returns, for a webhook, the newest event about each space that was
// not given up.
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
			// It may have been deleted or changed a moment ago.
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
