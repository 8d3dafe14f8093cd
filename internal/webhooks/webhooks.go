// Package webhooks tells other systems what happens in the buildings, as Standard
// Webhooks describes it (standardwebhooks.com): each event is one signed POST.
//
// The ledger queues an event for each webhook that wants it, in the transaction
// that contains the event: what is committed is told, also after a crash. A
// Deliverer sends what is queued:
//
//	d := webhooks.NewDeliverer(webhooks.Config{Store: ledger, …})
//	d.Run(ctx)
//
// The events of one webhook are sent in order, each until the answer is 2xx, for a
// day at most. A receiver may get an event twice, with the same webhook-id. Events
// carry ids, never a person (rules 14).
package webhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
)

// Topic is a group of events that a webhook may ask for.
type Topic string

// The topics.
const (
	OfAlarms       Topic = "alarms"
	OfLockdowns    Topic = "lockdowns"
	OfStatements   Topic = "statements"
	OfAvailability Topic = "availability"
)

// Topics lists every topic.
func Topics() []Topic { return []Topic{OfAlarms, OfLockdowns, OfStatements, OfAvailability} }

// The types of events.
const (
	AlarmRaised         = "alarm.raised"
	AlarmCleared        = "alarm.cleared"
	LockdownBegun       = "lockdown.begun"
	LockdownEnded       = "lockdown.ended"
	StatementIssued     = "statement.issued"
	AvailabilityChanged = "availability.changed"
	Tested              = "webhook.tested"
)

// Webhook is where events are sent, and which.
type Webhook struct {
	ID string
	// Queue names its events. A webhook that is deleted and made again has another one.
	Queue string
	// Told is raised when Availability must load again what was queued for this webhook:
	// after a change of the webhook, and when an event about availability was given up.
	Told   int64
	URL    string
	Topics []Topic
	Sites  []catalogue.SiteID // none: all sites, and what belongs to no site
	Off    bool               // nothing is queued for it
	// Nonce is what the secret is derived from (keys.Ring.WebhookSecret).
	Nonce []byte
	// Former is the nonce of the secret before, which signs too until FormerUntil.
	Former      []byte
	FormerUntil *time.Time
}

// Wants reports whether the webhook asks for events of a topic at a site.
func (w *Webhook) Wants(topic Topic, site catalogue.SiteID) bool {
	return !w.Off && slices.Contains(w.Topics, topic) && (len(w.Sites) == 0 || slices.Contains(w.Sites, site))
}

// mostURL is how long an address may be.
const mostURL = 2000

// CheckURL returns what is wrong with the address of a webhook. Plain http is for
// private networks that the settings allow.
func CheckURL(raw string, plain bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return errors.New("must be an address like https://example.org/totem")
	case len(raw) > mostURL:
		return fmt.Errorf("is longer than %d bytes", mostURL)
	case !validPort(u.Port()):
		return errors.New("has a port that is not one from 1 to 65535")
	case u.Scheme == "http" && !plain:
		return errors.New("must begin with https://: plain http is for networks that --webhooks-allow names")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must begin with https://")
	case u.User != nil:
		return errors.New("must not contain a user or a password: the signature proves who sends")
	case u.Fragment != "":
		return errors.New("must not contain a fragment (#)")
	}
	return nil
}

func validPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// Event is something that happened in the buildings, to be sent to webhooks.
type Event struct {
	Type  string
	Topic Topic
	Site  catalogue.SiteID
	About string // a later event of this type about the same thing may replace this one; "": none may
	At    time.Time
	Data  any // encoded as JSON
}

// Body returns the event as it is sent.
func (e *Event) Body() ([]byte, error) {
	b, err := json.Marshal(struct {
		Type      string            `json:"type"`
		Timestamp catalogue.Instant `json:"timestamp"`
		Data      any               `json:"data"`
	}{e.Type, catalogue.Instant{Time: e.At}, e.Data})
	if err != nil {
		return nil, fmt.Errorf("webhooks: encode %s: %w", e.Type, err)
	}
	return b, nil
}

// Outcome is what became of a delivery.
type Outcome string

// The outcomes.
const (
	Waiting   Outcome = "waiting"
	Delivered Outcome = "delivered"
	GivenUp   Outcome = "given-up"
)

// Delivery is an event in the queue of one webhook.
type Delivery struct {
	Seq      int64
	ID       uuid.UUID // the webhook-id
	Queue    string    // that of its webhook
	Type     string
	At       time.Time // when it was queued
	Body     []byte    // as it is sent
	Attempts int
	NextAt   time.Time // before which it is not tried again
	DoneAt   *time.Time
	Outcome  Outcome
	Status   int    // of the last answer; 0: there was none
	Fault    string // of the last attempt; "": none
}
