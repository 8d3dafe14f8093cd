package ingest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/wire"
)

// work collects the messages of one commit, and what the commit will contain.
type work struct {
	p       *Pipeline
	ctx     context.Context
	tx      Tx
	rights  Rights
	done    Committed
	answers []answer
	moved   []move // whereabouts to be forgotten if the commit fails
	codes   []string
	repeats int
}

// answer is what follows a commit for one message: its acknowledgement and, for
// a read, its decision.
type answer struct {
	ack      func()
	read     *Read // nil: nothing to say
	received time.Time
	topic    string
	payload  []byte // signed; nil where it could not be
}

func (b *work) process(it *item) error {
	it.refused, it.repeated, it.read = "", false, nil // of an attempt that failed
	if it.unfit != "" {
		return b.reject(it, it.unfit)
	}
	if it.msg.Badge != nil {
		return b.badge(it)
	}
	return b.observe(it)
}

func (b *work) reject(it *item, reason string) error {
	it.refused = reason
	code, _, _ := strings.Cut(reason, ":")
	b.codes = append(b.codes, code)
	b.done.Rejects++
	b.answers = append(b.answers, answer{ack: it.Ack})
	if a, due := it.rejectAlarm(code); due {
		if err := b.raise(a); err != nil {
			return err
		}
	}
	return b.tx.AddReject(
		&Reject{ReceivedAt: it.received, Topic: it.Topic, Payload: wire.Conceal(it.Payload, it.device), Reason: reason},
	)
}

func (b *work) observe(it *item) error {
	seen, err := b.tx.See(it.msg.ID, it.digest, false)
	if err != nil {
		return err
	}
	if seen != nil {
		return b.repeat(it, seen)
	}
	if it.msg.History {
		told, err := b.tx.ToldAlready(it.device.ID, it.msg.At, historyWithin, it.body)
		if err != nil {
			return err
		}
		if told {
			b.repeats++
			it.repeated = true
			b.answers = append(b.answers, answer{ack: it.Ack})
			return nil
		}
	}
	o := &Observation{
		ID:         it.msg.ID,
		At:         it.msg.At,
		ReceivedAt: it.received,
		Device:     it.device.ID,
		What:       it.msg.Topic.What,
		Body:       it.body,
	}
	if err := b.tx.AddObservation(o); err != nil {
		return err
	}
	b.done.Observations = append(b.done.Observations, o)
	b.done.Values = append(b.done.Values, it.vals)
	b.answers = append(b.answers, answer{ack: it.Ack})
	return nil
}

// historyWithin is the tolerance when a device sends values again as history: a value counts as
// a repeat if a frame with it arrived within this time of the instant that the history gives.
const historyWithin = 90 * time.Second

// repeat handles an id that was committed before, in this commit or an earlier one.
func (b *work) repeat(it *item, seen *Seen) error {
	if seen.Digest != it.digest && !it.msg.Frame {
		return b.reject(it, rejectReused+": this id was sent before with another body")
	}
	b.repeats++
	it.repeated = true
	if seen.ReadSeq == 0 {
		b.answers = append(b.answers, answer{ack: it.Ack})
		return nil
	}
	r, err := b.tx.Read(seen.ReadSeq)
	if err != nil {
		return err
	}
	off := it.msg.Badge.Offline
	if off == nil || r == nil || r.Reader != nil {
		if r != nil && r.Reader != nil {
			r = nil // the reader has decided by itself and does not wait for an answer
		}
		b.answers = append(b.answers, answer{ack: it.Ack, read: r})
		return nil
	}
	return b.overtaken(it, r, off)
}

// overtaken records that a reader decided by itself on a read that Totem had
// answered: the answer came too late, or was lost.
func (b *work) overtaken(it *item, r *Read, off *wire.Offline) error {
	r.Reader = readerDecision(it, off)
	if err := b.tx.AddReaderDecision(r.Seq, r.Reader); err != nil {
		return err
	}
	if r.Granted != off.Granted {
		if err := b.mismatch(r); err != nil {
			return err
		}
	}
	b.move(r)
	b.done.Reads = append(b.done.Reads, r)
	b.answers = append(b.answers, answer{ack: it.Ack})
	return nil
}

func readerDecision(it *item, off *wire.Offline) *ReaderDecision {
	return &ReaderDecision{Granted: off.Granted, Reason: off.Reason, List: off.List, ReceivedAt: it.received}
}

func (b *work) badge(it *item) error {
	seen, err := b.tx.See(it.msg.ID, it.digest, true)
	if err != nil {
		return err
	}
	if seen != nil {
		return b.repeat(it, seen)
	}
	r, ans := b.decide(it)
	it.read = r
	if err := b.tx.AddRead(r); err != nil {
		return err
	}
	if r.Reader != nil && r.Reader.Granted != r.Granted {
		if err := b.mismatch(r); err != nil {
			return err
		}
	}
	if ans.PassbackAlert && r.Moved() {
		if err := b.passback(r); err != nil {
			return err
		}
	}
	b.move(r)
	b.done.Reads = append(b.done.Reads, r)
	a := answer{ack: it.Ack, received: it.received}
	if r.Reader == nil {
		a.read = r
	}
	b.answers = append(b.answers, a)
	return nil
}

// decide answers a badge by the rights in force.
func (b *work) decide(it *item) (*Read, access.Answer) {
	m, dev := it.msg, it.device
	if b.p.cfg.DeviceAt != nil {
		dev = b.p.cfg.DeviceAt(dev, m.At)
	}
	off := m.Badge.Offline
	ans := b.rights.IndexAt(m.At).Decide(access.Question{
		Credential: it.lookup, Door: dev.Door, Direction: dev.Direction,
		At: m.At, Received: it.received, Offline: off != nil, Disabled: dev.Disabled,
	}, b.p.where.during(b.ctx))
	r := &Read{
		ID: m.ID, At: m.At, ReceivedAt: it.received, Device: dev.ID, Door: dev.Door, Direction: dev.Direction,
		Credential: it.lookup, Subject: ans.Subject, Granted: ans.Granted, Reason: ans.Reason, Lease: ans.Lease,
		NotAfter: latest(m.At, it.received).Add(answerLife), Numbered: numbered(m), Live: m.Live,
	}
	if r.Granted {
		r.OpenMS = openMS
	}
	if off != nil {
		r.Reader = readerDecision(it, off)
	}
	return r, ans
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// move remembers where a read left its member, for anti-passback.
func (b *work) move(r *Read) {
	if m := r.Subject.Member; m != "" {
		b.moved = append(b.moved, b.p.where.note(m, r))
	}
}

func (b *work) mismatch(r *Read) error {
	return b.raise(
		b.alarm(AlarmOfflineMismatch,
			r,
			fmt.Sprintf("the reader decided granted=%t, totem granted=%t (%s)", r.Reader.Granted, r.Granted, r.Reason),
		),
	)
}

func (b *work) passback(r *Read) error {
	return b.raise(b.alarm(AlarmAntiPassback, r, "entered twice without leaving"))
}

func (b *work) raise(a Alarm) error {
	b.done.Alarms = append(b.done.Alarms, a)
	return b.tx.PutAlarm(a)
}

func (b *work) alarm(kind AlarmKind, r *Read, detail string) Alarm {
	door := b.p.cfg.Network.Door(r.Door)
	a := Alarm{
		ID:     string(kind) + "-" + r.ID.String(),
		Kind:   kind,
		Device: r.Device,
		Door:   r.Door,
		Detail: detail,
		Since:  r.At,
	}
	if door != nil {
		a.Site, a.Space = door.Site, door.To
	}
	return a
}

// report counts what a commit contained.
func (b *work) report(m Metrics) {
	for _, c := range b.codes {
		m.Rejected(c)
	}
	for range b.repeats {
		m.Repeated()
	}
}

// prepared holds the answers of one commit. They are signed while the commit is
// made, and sent only after it.
type prepared struct {
	answers []answer
	done    chan struct{}
}

// prepare signs the answers, in parallel with the commit.
func (p *Pipeline) prepare(answers []answer) *prepared {
	b := &prepared{answers, make(chan struct{})}
	go func() {
		defer close(b.done)
		for i := range answers {
			if answers[i].read != nil {
				p.sign(&answers[i])
			}
		}
	}()
	return b
}

func (p *Pipeline) sign(a *answer) {
	r := a.read
	site := p.cfg.Network.Device(r.Device).Site
	key, ok := p.cfg.Keys.Site(site)
	if !ok {
		p.cfg.Log.Error("no signing key for site", "site", site)
		return
	}
	var err error
	a.payload, err = wire.SignDecision(key.Private, r.Device, wire.DecisionBody{
		Request: r.ID, Granted: r.Granted, Reason: string(r.Reason), OpenMS: r.OpenMS, NotAfter: r.NotAfter,
	})
	if err != nil {
		p.cfg.Log.Error("decision not signed", "device", r.Device, "error", err)
	}
	a.topic = wire.Topic{Site: site, Device: r.Device, What: wire.Decision}.String()
}

// send answers the readers and acknowledges, after the commit.
func (p *Pipeline) send(b *prepared) {
	<-b.done
	for i := range b.answers {
		a := &b.answers[i]
		if a.payload != nil {
			p.answer(a)
		}
		a.ack()
	}
}

func (p *Pipeline) answer(a *answer) {
	if err := p.cfg.Publish(a.topic, a.payload, false); err != nil { // the reader then decides by its list
		p.cfg.Log.Warn("decision not sent", "device", a.read.Device, "error", err)
	}
	p.open(a.read)
	if !a.received.IsZero() {
		p.cfg.Metrics.Decided(
			p.cfg.Network.Device(a.read.Device).Site,
			a.read.Door,
			a.read.Reason,
			a.read.Granted,
			p.cfg.Now().Sub(a.received),
		)
	}
}

// open opens a real reader's door by a message of its own kind, while the
// answer is valid.
func (p *Pipeline) open(r *Read) {
	topic, payload, ok := foreign.Open(p.cfg.Network.Device(r.Device))
	if !ok || !r.Granted || p.cfg.Now().After(r.NotAfter) {
		return
	}
	if err := p.cfg.Publish(topic, payload, false); err != nil {
		p.cfg.Log.Warn("door not opened", "device", r.Device, "error", err)
	}
}

// RejectDenied keeps a publication that the broker's topic rules refused.
func (p *Pipeline) RejectDenied(ctx context.Context, d Delivery, reason string) {
	it := &item{Delivery: d, received: p.cfg.Now().UTC()}
	if len(d.Payload) > wire.MaxPayload {
		it.Payload = d.Payload[:wire.MaxPayload]
	}
	if reason == rejectTopic {
		reason += ": devices do not send on this topic"
	} else {
		reason = "not-allowed: this sender may not publish on this topic"
	}
	p.queue.put(ctx, it.refuse(reason))
}
