package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/webhooks"
)

const (
	tagWebhooks = "Webhooks"
	// mostWebhooks is how many webhooks there may be: each one costs a row for each
	// event.
	mostWebhooks = 100
	// formerSigns is how long a replaced secret signs beside the new one.
	formerSigns = 24 * time.Hour
	nonceBytes  = 16
)

// Webhooks is what the API needs to know of the sending of events.
type Webhooks struct {
	Secret func(nonce []byte) []byte
	// PrivateAllowed reports whether webhooks may reach any private network.
	PrivateAllowed bool
}

// webhookView is a webhook as the API writes it; secret is answered once.
type webhookView struct {
	ID      string             `json:"id"`
	URL     string             `json:"url" required:"true" doc:"Where events are posted: https to a public address, or to a network that --webhooks-allow names (also http)."`
	Topics  []webhooks.Topic   `json:"topics" nullable:"false" enum:"alarms,lockdowns,statements,availability" doc:"Which events are told. Default: alarms and lockdowns. Only an admin, for all sites, may ask for statements."`
	Sites   []catalogue.SiteID `json:"sites" required:"true" nullable:"false" doc:"The sites whose events are told. []: all sites, and events that belong to none; for admins only."`
	Enabled *bool              `json:"enabled" doc:"false: no events are queued for it. Totem sets this to false when the receiver answers 410 Gone. Default: true."`
	Waiting int                `json:"waiting" readOnly:"true" doc:"How many events are queued and not delivered yet."`
	Secret  string             `json:"secret,omitempty" readOnly:"true" doc:"Totem makes it, and signs the events with it (standardwebhooks.com). Shown once; one that is sent is ignored."`
}

type deliveryView struct {
	ID       string             `json:"id" doc:"The header webhook-id, the same at each attempt."`
	Type     string             `json:"type"`
	QueuedAt catalogue.Instant  `json:"queued_at"`
	Outcome  webhooks.Outcome   `json:"outcome" enum:"waiting,delivered,given-up"`
	Attempts int                `json:"attempts"`
	NextAt   *catalogue.Instant `json:"next_at" doc:"When it is tried next. null: it is done, or it waits for an earlier event of this webhook."`
	DoneAt   *catalogue.Instant `json:"done_at"`
	Status   *int               `json:"status" doc:"HTTP status of the receiver's last answer; null: it did not answer."`
	Fault    *string            `json:"fault" doc:"Why it is not delivered; null: no fault."`
	Body     any                `json:"body" doc:"The event, byte by byte as it is sent."`
}

func showWebhook(w webhooks.Webhook, waiting int) webhookView {
	on := !w.Off
	return webhookView{
		ID: w.ID, URL: w.URL, Topics: w.Topics, Sites: append([]catalogue.SiteID{}, w.Sites...),
		Enabled: &on, Waiting: waiting,
	}
}

func showDelivery(d webhooks.Delivery) deliveryView {
	v := deliveryView{
		ID: "msg_" + d.ID.String(), Type: d.Type, QueuedAt: instant(d.At), Outcome: d.Outcome, Attempts: d.Attempts,
		DoneAt: instantOrNil(d.DoneAt), Fault: orNil(d.Fault), Body: json.RawMessage(d.Body),
	}
	if d.DoneAt == nil && d.Attempts > 0 {
		v.NextAt = instantOrNil(&d.NextAt)
	}
	if d.Status != 0 {
		v.Status = &d.Status
	}
	return v
}

// mayWebhook reports whether the caller may see and change a webhook: a manager
// those of its sites, without statements.
func mayWebhook(c *caller, w *webhooks.Webhook) bool {
	if c.role == Admin {
		return true
	}
	return len(w.Sites) > 0 && !slices.Contains(w.Topics, webhooks.OfStatements) &&
		!slices.ContainsFunc(w.Sites, func(id catalogue.SiteID) bool { return !c.reaches(id) })
}

func (s *server) webhooks() {
	op := func(method, path, summary string) huma.Operation {
		return operation(method, path, tagWebhooks, summary, Admin, Manager)
	}
	huma.Register(s.api, op("GET", "/v1/webhooks", "List webhooks; their secrets are not shown."), s.listWebhooks)
	huma.Register(s.api, op("GET", "/v1/webhooks/{id}", "Show a webhook; its secret is not shown."),
		func(ctx context.Context, in *IDPath) (*one[webhookView], error) {
			w, err := s.ownWebhook(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return s.answerWebhook(ctx, w, nil)
		},
	)
	huma.Register(s.api,
		with(
			op("PUT", "/v1/webhooks/{id}", "Make a webhook, or replace all of one; a new one's secret is shown once."),
			http.StatusConflict,
		),
		s.putWebhook,
	)
	huma.Register(s.api, op("DELETE", "/v1/webhooks/{id}", "Delete a webhook, with what waits for it."), s.deleteWebhook)
	huma.Register(
		s.api,
		op(
			"POST",
			"/v1/webhooks/{id}/secret",
			"Give a webhook a new secret, shown once; for a day the former one signs too.",
		),
		s.webhookSecret,
	)
	test := op(
		"POST",
		"/v1/webhooks/{id}/test",
		"Send an event of type webhook.tested, and try at once what waits before it.",
	)
	test.DefaultStatus = http.StatusAccepted
	huma.Register(s.api, with(test, http.StatusConflict), s.testWebhook)
	huma.Register(
		s.api,
		op(
			"GET",
			"/v1/webhooks/{id}/deliveries",
			"A webhook's events and what became of them in the last 30 days, newest first.",
		),
		s.deliveries,
	)
}

// ownWebhook returns a webhook that the caller may see.
func (s *server) ownWebhook(ctx context.Context, id string) (webhooks.Webhook, error) {
	w, err := s.cfg.Ledger.Webhook(ctx, id)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return w, s.fail(err)
	}
	if err != nil || !mayWebhook(callerOf(ctx), &w) {
		return w, notFound("webhook " + id)
	}
	return w, nil
}

// answerWebhook shows a webhook, with its secret where nonce is given.
func (s *server) answerWebhook(ctx context.Context, w webhooks.Webhook, nonce []byte) (*one[webhookView], error) {
	waiting, err := s.cfg.Ledger.WaitingDeliveries(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	v := showWebhook(w, waiting[w.ID])
	if nonce != nil {
		v.Secret = webhooks.ShowSecret(s.cfg.Webhooks.Secret(nonce))
	}
	return &one[webhookView]{v}, nil
}

func (s *server) listWebhooks(ctx context.Context, in *Paging) (*pageOut[webhookView], error) {
	all, err := s.cfg.Ledger.Webhooks(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	waiting, err := s.cfg.Ledger.WaitingDeliveries(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	c := callerOf(ctx)
	return pageByID(
		*in,
		convert(
			only(slices.Values(all), func(w webhooks.Webhook) bool { return mayWebhook(c, &w) }),
			func(w webhooks.Webhook) webhookView { return showWebhook(w, waiting[w.ID]) },
		),
		func(v webhookView) string { return v.ID },
	)
}

// checkWebhook returns the webhook that a body describes, or what is wrong with it.
func (s *server) checkWebhook(c *caller, id string, v *webhookView) (w webhooks.Webhook, err error) {
	if !catalogue.ValidID(id) {
		return w, invalid("path", "id", "is not an id: lower-case letters, digits and hyphens, at most 64")
	}
	if v.ID != "" && v.ID != id {
		return w, invalid("body", "id", "differs from the id in the path")
	}
	if err := webhooks.CheckURL(v.URL, s.cfg.Webhooks.PrivateAllowed); err != nil {
		return w, invalid("body", "url", err.Error())
	}
	w = webhooks.Webhook{ID: id, URL: v.URL, Topics: slices.Clone(v.Topics), Sites: v.Sites}
	w.Off = v.Enabled != nil && !*v.Enabled
	if len(w.Topics) == 0 {
		w.Topics = []webhooks.Topic{webhooks.OfAlarms, webhooks.OfLockdowns}
	}
	for i, t := range w.Topics {
		if !slices.Contains(webhooks.Topics(), t) {
			return w, invalid("body", fmt.Sprintf("topics[%d]", i), "must be alarms, lockdowns, statements or availability")
		}
	}
	slices.Sort(w.Topics)
	w.Topics = slices.Compact(w.Topics)
	for i, site := range w.Sites {
		field := fmt.Sprintf("sites[%d]", i)
		if s.cfg.Network.Site(site) == nil {
			return w, invalid("body", field, "the catalogue has no site "+string(site))
		}
		if !c.reaches(site) {
			return w, forbidden("site " + string(site))
		}
	}
	w.Sites = slices.Compact(slices.Sorted(slices.Values(w.Sites)))
	statements := slices.Contains(w.Topics, webhooks.OfStatements)
	switch {
	case statements && c.role != Admin:
		return w, problem(http.StatusForbidden, "only an admin may ask for statements")
	case statements && len(w.Sites) > 0:
		return w, invalid("body", "sites", "must be [] for statements, which are of the whole network")
	case len(w.Sites) == 0 && c.role != Admin:
		return w, invalid("body", "sites", "must name sites: only an admin may ask for all")
	}
	return w, nil
}

func (s *server) putWebhook(ctx context.Context, in *putIn[webhookView]) (*one[webhookView], error) {
	c := callerOf(ctx)
	w, err := s.checkWebhook(c, in.ID, &in.Body)
	if err != nil {
		return nil, err
	}
	var nonce []byte
	err = s.changeWebhook(ctx, in.ID, "put", func(before *webhooks.Webhook, n int) (*webhooks.Webhook, error) {
		if before != nil {
			w.Queue, w.Nonce, w.Former, w.FormerUntil = before.Queue, before.Nonce, before.Former, before.FormerUntil
			return &w, nil
		}
		if n >= mostWebhooks {
			return nil, problem(http.StatusConflict, fmt.Sprintf("there are %d webhooks, which is the most there may be", n))
		}
		nonce = newNonce()
		w.Nonce, w.Queue = nonce, uuid.NewString()
		return &w, nil
	})
	if err != nil {
		return nil, err
	}
	return s.answerWebhook(ctx, w, nonce)
}

// changeWebhook changes a webhook that the caller may change, and records the act.
// change gets it as it is, nil where there is none, and how many there are.
func (s *server) changeWebhook(
	ctx context.Context,
	id, action string,
	change func(before *webhooks.Webhook, n int) (*webhooks.Webhook, error),
) error {
	c := callerOf(ctx)
	err := s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		before, n, err := tx.Webhook(id)
		if err != nil {
			return err
		}
		if before != nil && !mayWebhook(c, before) {
			return notFound("webhook " + id)
		}
		after, err := change(before, n)
		if err != nil {
			return err
		}
		act := &ingest.Act{At: s.cfg.Now().UTC(), Actor: c.id, Action: action, Target: "webhook/" + id, Body: []byte("{}")}
		if after == nil {
			if err := tx.DeleteWebhook(id); err != nil {
				return err
			}
			return tx.AddAct(act)
		}
		act.Body = ledger.WebhookAct(after)
		if err := tx.PutWebhook(*after, time.Now()); err != nil {
			return err
		}
		return tx.AddAct(act)
	})
	return s.fail(err)
}

func newNonce() []byte {
	b := make([]byte, nonceBytes)
	rand.Read(b)
	return b
}

func (s *server) deleteWebhook(ctx context.Context, in *IDPath) (*empty, error) {
	return nil, s.changeWebhook(ctx, in.ID, "delete",
		func(before *webhooks.Webhook, _ int) (*webhooks.Webhook, error) {
			if before == nil {
				return nil, notFound("webhook " + in.ID)
			}
			return nil, nil //nolint:nilnil // it is to be deleted
		},
	)
}

func (s *server) webhookSecret(ctx context.Context, in *IDPath) (*one[webhookView], error) {
	var w webhooks.Webhook
	err := s.changeWebhook(ctx, in.ID, "secret",
		func(before *webhooks.Webhook, _ int) (*webhooks.Webhook, error) {
			if before == nil {
				return nil, notFound("webhook " + in.ID)
			}
			w = *before
			until := time.Now().Add(formerSigns).UTC().Truncate(time.Millisecond)
			w.Former, w.FormerUntil, w.Nonce = w.Nonce, &until, newNonce()
			return &w, nil
		},
	)
	if err != nil {
		return nil, err
	}
	return s.answerWebhook(ctx, w, w.Nonce)
}

func (s *server) testWebhook(ctx context.Context, in *IDPath) (*empty, error) {
	c := callerOf(ctx)
	return nil, s.fail(s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		w, _, err := tx.Webhook(in.ID)
		switch {
		case err != nil:
			return err
		case w == nil || !mayWebhook(c, w):
			return notFound("webhook " + in.ID)
		case w.Off:
			return problem(http.StatusConflict, "the webhook is switched off: put it with enabled true first")
		}
		return tx.QueueTest(w, s.cfg.Now().UTC())
	}))
}

type deliveriesIn struct {
	IDPath
	Paging
}

func (s *server) deliveries(ctx context.Context, in *deliveriesIn) (*pageOut[deliveryView], error) {
	w, err := s.ownWebhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	parts, err := in.decode(1)
	if err != nil {
		return nil, err
	}
	var before int64
	if parts != nil {
		if before, err = strconv.ParseInt(parts[0], 10, 64); err != nil || before < 1 {
			return nil, in.wrongCursor()
		}
	}
	f := ledger.DeliveryFilter{Queue: w.Queue, Before: before, Limit: in.Limit + 1}
	if c := callerOf(ctx); c.role != Admin { // it may have been an admin's, for other sites and topics
		f.Sites = c.scope()
		f.Topics = slices.DeleteFunc(webhooks.Topics(), func(t webhooks.Topic) bool { return t == webhooks.OfStatements })
	}
	list, err := s.cfg.Ledger.Deliveries(ctx, f)
	if err != nil {
		return nil, s.fail(err)
	}
	return pageOf(in.Limit,
		list,
		showDelivery,
		func(d webhooks.Delivery) []string { return []string{strconv.FormatInt(d.Seq, 10)} },
	), nil
}
