package webhooks

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// waits are the times between the attempts for one event; the last one is repeated
// until the event is given up.
var waits = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
}

const (
	// mostWait is the longest time between two attempts.
	mostWait = time.Hour
	// giveUp is how old an event becomes before it is given up.
	giveUp = 24 * time.Hour
	// checkEvery is how often the queue is looked at without a reason.
	checkEvery = time.Minute
)

// Store keeps webhooks and their queues.
type Store interface {
	Webhooks(ctx context.Context) ([]Webhook, error)
	// NextDeliveries returns the first waiting event of each webhook.
	NextDeliveries(ctx context.Context) ([]Delivery, error)
	// WebhookOf returns the webhook of a queue, as it is now; false: it is deleted.
	WebhookOf(ctx context.Context, queue string) (w Webhook, there bool, err error)
	// NoteDelivery keeps what became of an attempt for a webhook as it was then; off
	// switches the webhook off.
	NoteDelivery(ctx context.Context, w Webhook, d Delivery, off bool) error
	// Queued receives when events were queued.
	Queued() <-chan struct{}
}

// Config is what a Deliverer needs of the other parts.
type Config struct {
	Store Store
	// Secret returns the secret of a nonce.
	Secret func(nonce []byte) []byte
	// Allowed are the private networks that may be reached.
	Allowed []netip.Prefix
	Version string
	Log     *slog.Logger
	// Attempted is called after each attempt, with what became of the event.
	Attempted func(Outcome)
}

// Deliverer sends what is queued.
type Deliverer struct {
	cfg  Config
	send *sender

	mu     sync.Mutex
	faults map[string]fault // of webhooks that get nothing, by queue
}

// fault is why a webhook got nothing, at the address that it had then.
type fault struct {
	url, why string
	gone     bool // its receiver wants nothing more
}

// toldAfter is how many attempts for an event must fail before Faults names its
// webhook.
const toldAfter = 3

// Faults returns which of the present webhooks get nothing, and why.
func (d *Deliverer) Faults(ctx context.Context) []string {
	d.mu.Lock()
	faults := maps.Clone(d.faults)
	d.mu.Unlock()
	if len(faults) == 0 {
		return nil
	}
	all, err := d.cfg.Store.Webhooks(ctx)
	if err != nil {
		return []string{"webhooks: they cannot be read: " + err.Error()}
	}
	var list []string
	for i := range all {
		w := &all[i]
		// Skip a fault if the webhook's address has changed since, or it was switched on or off.
		if f, ok := faults[w.Queue]; ok && f.url == w.URL && f.gone == w.Off {
			list = append(list, "webhook "+w.ID+": "+f.why)
		}
	}
	return list
}

func (d *Deliverer) noteFault(w *Webhook, why string, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if why == "" {
		delete(d.faults, w.Queue)
		return
	}
	d.faults[w.Queue] = fault{w.URL, why, gone}
}

// NewDeliverer returns a Deliverer; Run runs it.
func NewDeliverer(cfg Config) *Deliverer {
	return &Deliverer{cfg: cfg, send: newSender(cfg.Allowed, cfg.Version), faults: map[string]fault{}}
}

// Run sends until ctx ends: to several webhooks at once, but to each webhook one event
// after another.
func (d *Deliverer) Run(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	busy := map[string]bool{}
	free := make(chan string)
	for {
		heads, err := d.cfg.Store.NextDeliveries(ctx)
		if err != nil && ctx.Err() == nil {
			d.cfg.Log.Error("webhooks: the queue cannot be read; trying again", "error", err)
		}
		wait := checkEvery
		for _, head := range heads {
			if busy[head.Queue] {
				continue
			}
			if due := time.Until(head.NextAt); due > 0 {
				wait = min(wait, due)
				continue
			}
			busy[head.Queue] = true
			sending.Go(func() {
				d.attempt(ctx, head)
				select {
				case free <- head.Queue:
				case <-ctx.Done():
				}
			})
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.cfg.Store.Queued():
		case <-timer.C:
		case queue := <-free:
			delete(busy, queue)
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// attempt sends one event and keeps what became of it. An attempt that ends with
// ctx is not kept: it is made again.
func (d *Deliverer) attempt(ctx context.Context, e Delivery) {
	w, there, err := d.cfg.Store.WebhookOf(ctx, e.Queue)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Log.Error("webhooks: a webhook cannot be read; trying again", "error", err)
		}
		d.pause(ctx)
		return
	}
	if !there {
		return // the webhook was deleted: nobody wants its events
	}
	now := time.Now()
	if now.Sub(e.At) >= giveUp { // it waited a day behind other events
		e.Outcome, e.DoneAt, e.Fault = GivenUp, &now, "it was not delivered within 24 hours"
		d.note(ctx, w, e, false)
		return
	}
	secrets := [][]byte{d.cfg.Secret(w.Nonce)}
	if w.FormerUntil != nil && now.Before(*w.FormerUntil) {
		secrets = append(secrets, d.cfg.Secret(w.Former))
	}
	a := d.send.send(ctx, &w, &e, now, secrets...)
	if ctx.Err() != nil {
		return
	}
	gone := a.status == http.StatusGone // it asks for nothing more
	e = e.recordAttempt(a, time.Now(), gone)
	switch {
	case gone:
		d.cfg.Log.Warn("webhook switched off: its receiver answered 410 Gone", "webhook", w.ID)
		d.noteFault(&w, "switched off, since its receiver answered 410 Gone", true)
	case a.fault == "":
		d.noteFault(&w, "", false)
	case e.Attempts >= toldAfter:
		d.noteFault(&w, a.fault, false)
	}
	if a.fault != "" && !gone && (e.Attempts == 1 || e.Outcome == GivenUp) {
		d.cfg.Log.Warn("webhook not delivered", "webhook", w.ID, "event", e.Type, "fault", a.fault, "outcome", e.Outcome)
	}
	d.note(ctx, w, e, gone)
}

func (d *Deliverer) note(ctx context.Context, w Webhook, e Delivery, gone bool) {
	if err := d.cfg.Store.NoteDelivery(ctx, w, e, gone); err != nil {
		if ctx.Err() == nil {
			d.cfg.Log.Error("webhooks: the result of an attempt cannot be stored; trying again", "webhook", w.ID, "error", err)
		}
		d.pause(ctx)
		return
	}
	d.cfg.Attempted(e.Outcome)
}

// pause keeps a fault of the ledger from becoming a flood of requests.
func (d *Deliverer) pause(ctx context.Context) {
	select {
	case <-time.After(waits[0]):
	case <-ctx.Done():
	}
}

// recordAttempt returns the delivery after an attempt.
func (e Delivery) recordAttempt(a answer, now time.Time, gone bool) Delivery {
	e.Attempts++
	e.Status, e.Fault = a.status, a.fault
	switch {
	case a.fault == "":
		e.Outcome, e.DoneAt = Delivered, &now
	case gone || now.Sub(e.At) >= giveUp:
		e.Outcome, e.DoneAt = GivenUp, &now
	default:
		wait := waits[min(e.Attempts, len(waits))-1]
		wait += rand.N(wait / 10) // so that many services do not come back at the same moment
		// The last attempt is made when the day is over, not an hour later.
		e.NextAt = now.Add(min(max(wait, a.wait), max(e.At.Add(giveUp).Sub(now), time.Second)))
	}
	return e
}
