package broker

import (
	"sync"

	"github.com/lorntech/totem/internal/wire"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Only the last message of a retained topic matters: an allowlist, or the
// availability of a space. So at most one message of each retained topic waits for
// each client. Clients share its payload, which is never copied, and it is written
// once the client's connection has room. A gateway with hundreds of readers thus
// gets all their lists over a slow line, whatever their size, and is never
// disconnected because of them. mochi, which would queue a copy of each, does not
// see these messages.

// lowWater is how many bytes may wait for a client's network when the next
// retained message is written: urgent messages (decisions) wait for no more
// than that.
const lowWater = 64 << 10

// latest holds what waits for one client, by topic.
type latest struct {
	mu      sync.Mutex
	waiting map[string]publication
	order   []string // topics, the longest waiting first
	filled  chan struct{}
}

func newLatest() *latest {
	return &latest{waiting: map[string]publication{}, filled: make(chan struct{}, 1)}
}

// put replaces the waiting message of a topic.
func (l *latest) put(topic string, payload []byte, retain bool) {
	l.mu.Lock()
	if _, there := l.waiting[topic]; !there {
		l.order = append(l.order, topic)
	}
	l.waiting[topic] = publication{topic, payload, retain}
	l.mu.Unlock()
	poke(l.filled)
}

func (l *latest) take() (p publication, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.order) == 0 {
		l.order = nil
		return p, false
	}
	topic := l.order[0]
	l.order = l.order[1:]
	p = l.waiting[topic]
	delete(l.waiting, topic)
	return p, true
}

// inherit takes over what waits for a client that reconnects.
func (l *latest) inherit(former *latest) {
	former.mu.Lock()
	defer former.mu.Unlock()
	for _, topic := range former.order {
		p := former.waiting[topic]
		l.put(p.topic, p.payload, p.retain)
	}
	former.waiting, former.order = map[string]publication{}, nil
}

// publishLatest sends a retained message to its subscribers and keeps it for
// later ones; an empty one is no longer kept. It runs under deliver.
func (e *Embedded) publishLatest(topic string, payload []byte) {
	if len(payload) == 0 {
		delete(e.retained, topic)
	} else {
		e.retained[topic] = payload
	}
	for id := range e.server.Topics.Subscribers(topic).Subscriptions {
		if cl, ok := e.server.Clients.Get(id); ok {
			if s := sessionOf(cl); s != nil && e.rules.Load().read(s.principal, topic) {
				s.latest.put(topic, payload, false)
			}
		}
	}
}

// sendRetained sends a client the retained messages of a filter that it has
// just subscribed to. It runs under deliver.
func (e *Embedded) sendRetained(s *session, filter string) {
	if !e.rules.Load().read(s.principal, filter) {
		return
	}
	for topic, payload := range e.retained {
		if wire.Covers(filter, topic) && e.rules.Load().read(s.principal, topic) {
			s.latest.put(topic, payload, true)
		}
	}
}

// sendLatest writes what waits for a client, one message at a time, until the
// connection ends.
func (s *session) sendLatest(cl *mqtt.Client) {
	select {
	case <-s.resumed:
	case <-s.ctx.Done():
		return
	}
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.latest.filled:
		}
		for s.conn.waitBelow(s.ctx, lowWater) {
			if !s.sendNext(cl) {
				break
			}
		}
	}
}

// sendNext writes the next message; false where none waits. The message is
// taken and numbered while nobody publishes, so that a newer one comes after
// it.
func (s *session) sendNext(cl *mqtt.Client) bool {
	e := s.broker
	e.deliver.Lock()
	p, ok := s.latest.take()
	if !ok {
		e.deliver.Unlock()
		return false
	}
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qosOf(cl, p.topic), Retain: p.retain},
		TopicName:   p.topic,
		Payload:     p.payload,
		Created:     e.nextOrder(),
		Origin:      mqtt.InlineClientId,
	}
	if pk.FixedHeader.Qos > 0 {
		id, err := cl.NextPacketID()
		if err != nil { // it acknowledges nothing: what waits is sent when it reconnects
			s.latest.put(p.topic, p.payload, p.retain)
			e.deliver.Unlock()
			s.close()
			return false
		}
		pk.PacketID = uint16(id)
		cl.State.Inflight.Set(pk)
		s.supersede(cl, pk)
	}
	e.deliver.Unlock()
	_ = cl.WritePacket(pk) // where writing fails the connection ends, and the client's session keeps the message
	return true
}

// qosOf returns the quality with which a client subscribes to a topic, at most 1.
func qosOf(cl *mqtt.Client, topic string) (qos byte) {
	for filter, sub := range cl.State.Subscriptions.GetAll() {
		if wire.Covers(filter, topic) {
			qos = max(qos, min(1, sub.Qos))
		}
	}
	return qos
}
