package ingest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// item is a message being processed: decoded, or rejected with a reason.
type item struct {
	Delivery
	received time.Time
	device   *catalogue.Device
	msg      *wire.Message
	digest   [16]byte
	lookup   tenancy.CredentialHash
	vals     Values
	body     string
	early    bool   // it only seems to lie in the future, because our own clock is behind
	unfit    string // why decoding rejected it; empty: it did not
	refused  string // why it is rejected, as of the last attempt to commit it
	repeated bool
	read     *Read // of a badge: the decision, once made
}

// The codes that begin a reject's reason.
const (
	rejectTopic         = "topic"
	rejectTooLarge      = "too-large"
	RejectUnknownDevice = "unknown-device" // a device that is not in the catalogue
	rejectWrongKind     = "wrong-kind"
	rejectMalformed     = "malformed"
	rejectFuture        = "future"
	rejectReused        = "id-reused"
	rejectCardSpelling  = foreign.CardSpelling
	rejectUnstorable    = "unstorable" // it cannot be committed even alone
)

// decode does everything for which the order of messages does not matter: parsing,
// hashing, digests. It returns nil for messages that are old or contain nothing that
// concerns Totem; these are acknowledged and not stored.
func (p *Pipeline) decode(d Delivery, now time.Time) []*item {
	it := &item{Delivery: d, received: now.UTC().Truncate(time.Millisecond)}
	tooLarge := len(d.Payload) > wire.MaxPayload
	if p.cfg.Foreign != nil && !strings.HasPrefix(d.Topic, wire.Prefix+"/") {
		found, ok := p.cfg.Foreign.Find(d.Topic)
		if ok && (d.Retained || found.Chatter) { // old or nothing measured, whatever its size
			return nil
		}
		if !tooLarge {
			return p.decodeForeign(it, found, ok)
		}
	}
	if tooLarge {
		it.Payload = d.Payload[:wire.MaxPayload]
		return it.refuse(
			fmt.Sprintf("%s: has %d bytes, more than 64 KiB; only its beginning is kept", rejectTooLarge, len(d.Payload)),
		).alone()
	}
	topic, err := wire.ParseUp(d.Topic)
	if err != nil {
		return it.refuse(rejectTopic + ": " + err.Error()).alone()
	}
	// A broker sends a retained message to every new subscription: of those
	// only a status still says something. A badge must never open a door twice.
	if d.Retained && topic.What != wire.Status {
		return nil
	}
	it.device = p.cfg.Network.Device(topic.Device)
	former := it.device == nil || it.device.Site != topic.Site
	if former { // perhaps an old message of a device that has left the site, kept by an outside broker
		it.device = nil
		if p.cfg.Former != nil {
			it.device = p.cfg.Former(topic.Site, topic.Device, time.Time{})
		}
	}
	if it.device == nil {
		return it.refuse(RejectUnknownDevice + ": the catalogue has no such device at this site").alone()
	}
	if !wire.CanSend(it.device.Kind, topic.What) {
		return it.refuse(rejectWrongKind + ": a " + string(it.device.Kind) + " does not send " + string(topic.What)).alone()
	}
	it.msg, err = wire.Decode(topic, d.Payload)
	if err != nil {
		return it.refuse(rejectMalformed + ": " + err.Error()).alone()
	}
	if former {
		if it.device = nil; !it.msg.At.IsZero() { // a will is about now
			it.device = p.cfg.Former(topic.Site, topic.Device, it.msg.At)
		}
		if it.device == nil || it.urgent() || !wire.CanSend(it.device.Kind, topic.What) {
			it.device, it.msg = nil, nil
			return it.refuse(
				RejectUnknownDevice + ": the catalogue has no such device at this site, and had none at that time",
			).alone()
		}
	}
	return p.complete(it).alone()
}

// decodeForeign reads a real device's own payload: for every device with its address,
// what a device of that kind can send. The delivery is acknowledged with the
// last of the resulting messages.
func (p *Pipeline) decodeForeign(it *item, found foreign.Found, ok bool) []*item {
	switch {
	case !ok:
		return it.refuse(rejectTopic + ": no device of the catalogue has this topic").alone()
	case len(found.Devices) == 0:
		return it.refuse(RejectUnknownDevice + ": " + found.Adapter + " " + found.Address).alone()
	}
	var items []*item
	for _, d := range found.Devices {
		messages, err := p.cfg.Foreign.Read(d, it.Topic, it.Payload, it.received)
		if err != nil {
			one := *it
			one.device = d
			code := rejectMalformed
			if strings.Contains(err.Error(), foreign.CardSpelling) {
				code = rejectCardSpelling
			}
			items = append(items, one.refuse(code+": "+found.Adapter+" for "+string(d.ID)+": "+err.Error()))
			continue
		}
		understood := foreign.Understood(d, messages)
		if p.heard.note(it, d, understood); !understood {
			p.watch.notUnderstood(it, d)
		}
		for _, m := range messages {
			one := *it
			one.device, one.msg = d, m
			items = append(items, p.complete(&one))
		}
	}
	var left atomic.Int32
	left.Store(int32(len(items)))
	for _, one := range items {
		one.Ack = func() {
			if left.Add(-1) == 0 {
				it.Ack()
			}
		}
	}
	return items
}

func (it *item) alone() []*item { return []*item{it} }

// complete fills in what a decoded message needs to be committed.
func (p *Pipeline) complete(it *item) *item {
	m := it.msg
	if m.ID == uuid.Nil { // a last will: its arrival counts as at
		m.At = it.received
		m.ID = uuid.Must(uuid.NewV7())
		if it.Retained {
			m.At = time.UnixMilli(0).UTC() // the broker has kept it, and nobody knows since when
		}
	}
	if m.At.After(it.received.Add(futureLimit)) {
		if newest := p.clock.Newest(); !m.At.After(newest.Add(futureLimit)) {
			it.early = true // it is our clock that is behind
			return it
		}
		return it.refuse(rejectFuture + ": at is more than 5 minutes in the future")
	}
	it.digest = p.cfg.Keys.Digest(canonical(m))
	if m.Badge != nil {
		it.lookup = wire.HashCredential(p.cfg.Keys.Lookup(), m.Badge.Credential)
		return it
	}
	it.vals = values(m)
	body, err := it.vals.body()
	if err != nil { // a number that JSON cannot represent
		return it.refuse(rejectMalformed + ": " + err.Error())
	}
	it.body = string(body)
	return it
}

// canonical returns the content that must be equal when a message is sent again. It leaves
// out at if that is only the time of arrival.
func canonical(m *wire.Message) []byte {
	if m.ByArrival {
		timeless := *m
		timeless.At = time.UnixMilli(0)
		m = &timeless
	}
	return m.Canonical(nil)
}

func (it *item) refuse(reason string) *item {
	it.unfit = reason
	return it
}
