package ingest

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/wire"
)

// item is a message on its way: decoded, or refused with a reason.
type item struct {
	Delivery
	received time.Time
	device   *catalogue.Device
	msg      *wire.Message
	digest   [16]byte
	lookup   lease.Hash
	vals     Values
	body     string
	refused  string // why it is a reject; empty: it is none
}

// The codes that a reject's reason begins with.
const (
	rejectTopic         = "topic"
	rejectTooLarge      = "too-large"
	rejectUnknownDevice = "unknown-device"
	rejectWrongKind     = "wrong-kind"
	rejectMalformed     = "malformed"
	rejectFuture        = "future"
	rejectReused        = "id-reused"
)

// statusNamespace is what a retained last will's id derives in: the same will
// delivered at each subscribing is one message.
var statusNamespace = uuid.MustParse("6f0f1a52-3f6e-5d2c-9d0a-6c1f1f5f2f01")

// decode does all that needs no order: parsing, hashing, digests. It returns
// nil for what is old news and to be acknowledged without a trace.
func (p *Pipeline) decode(d Delivery, now time.Time) *item {
	it := &item{Delivery: d, received: now.UTC().Truncate(time.Millisecond)}
	topic, err := wire.ParseUp(d.Topic)
	if err != nil {
		return it.refuse(rejectTopic + ": " + err.Error())
	}
	// A retained message is delivered at each subscribing: of those only a
	// status still says something. A badge must never open a door twice.
	if d.Retained && topic.What != wire.Status {
		return nil
	}
	if len(d.Payload) > wire.MaxPayload {
		it.Payload = d.Payload[:wire.MaxPayload]
		return it.refuse(rejectTooLarge + ": over 64 KiB; kept are the first 64 KiB")
	}
	it.device = p.cfg.Network.Device(topic.Device)
	if it.device == nil || it.device.Site != topic.Site {
		return it.refuse(rejectUnknownDevice + ": the catalogue has no such device at this site")
	}
	if !wire.CanSend(it.device.Kind, topic.What) {
		return it.refuse(rejectWrongKind + ": a " + string(it.device.Kind) + " sends no " + string(topic.What))
	}
	it.msg, err = wire.Decode(topic, d.Payload)
	if err != nil {
		return it.refuse(rejectMalformed + ": " + err.Error())
	}
	return p.complete(it)
}

// complete fills what a decoded message needs to be committed.
func (p *Pipeline) complete(it *item) *item {
	m := it.msg
	if m.ID == uuid.Nil { // a last will: its arrival counts
		m.At = it.received
		m.ID = uuid.Must(uuid.NewV7())
		if it.Retained {
			m.At = time.UnixMilli(0).UTC() // older than anything the device said
			m.ID = uuid.NewSHA1(statusNamespace, append([]byte(it.Topic+"|"), it.Payload...))
		}
	}
	if m.At.After(it.received.Add(futureLimit)) {
		return it.refuse(rejectFuture + ": at lies more than 5 minutes ahead")
	}
	it.digest = p.cfg.Keys.Digest(m.Canonical(nil))
	if m.Badge != nil {
		it.lookup = wire.HashCredential(p.cfg.Keys.Lookup(), m.Badge.Credential)
		return it
	}
	it.vals = values(m)
	body, err := json.Marshal(it.vals)
	if err != nil { // a number that JSON cannot write
		return it.refuse(rejectMalformed + ": " + err.Error())
	}
	it.body = string(body)
	return it
}

func (it *item) refuse(reason string) *item {
	it.refused = reason
	return it
}

var errLost = errors.New("a message id is known, but not its read")
