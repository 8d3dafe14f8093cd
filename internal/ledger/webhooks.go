package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/webhooks"
)

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

// hooks returns the webhooks. It loads them once and keeps them in memory, since only
// this process changes them.
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
