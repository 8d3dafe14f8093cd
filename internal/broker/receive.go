package broker

import (
	"sync/atomic"

	"github.com/mochi-mqtt/server/v2/packets"
)

// inbound is a publication between its arrival and its acknowledgement.
type inbound struct {
	session *session
	weight  int64
	qos     byte
	id      uint16
	settled atomic.Bool
}

// receive delivers one publication. It waits while its sender has too much
// unacknowledged; the sender's other messages wait behind it, nobody else's do.
func (e *Embedded) receive(s *session, pk packets.Packet) error {
	if pk.FixedHeader.Qos > 0 && pk.PacketID == 0 {
		return packets.ErrRejectPacket
	}
	in := &inbound{session: s, weight: s.weigh(pk.Payload), qos: pk.FixedHeader.Qos, id: pk.PacketID}
	if err := s.account.unacked.Acquire(s.ctx, in.weight); err != nil {
		return packets.ErrRejectPacket
	}
	if !e.accept() {
		s.account.unacked.Release(in.weight)
		return packets.ErrRejectPacket
	}
	e.stats.received.Add(1)
	e.handOver(in, Delivery{Topic: pk.TopicName, Payload: pk.Payload})
	return nil
}

// handOver passes a delivery to the handler, or to Denied where its sender may
// not send it.
func (e *Embedded) handOver(in *inbound, d Delivery) {
	taken := false
	defer func() {
		if !taken { // the handler panicked: the sender gets no acknowledgement, and sends it again
			in.abandon()
		}
	}()
	d.From, d.Share, d.Ack = in.session.username, in.session.share(), in.ack
	reason := e.rules.Load().publish(in.session.principal, d.Topic)
	switch {
	case reason == "":
		e.cfg.Handler(d)
	case e.cfg.Denied == nil:
		d.Ack()
	default:
		e.cfg.Denied(d, reason)
	}
	if reason != "" {
		e.stats.denied.Add(1)
	}
	taken = true
}

// ack answers PUBACK, or PUBREC for QoS 2. The PUBREL that follows is answered at
// once, without a check for repeats: the ledger recognises every repeat by the
// message's own id.
func (in *inbound) ack() {
	if in.settled.Swap(true) {
		return
	}
	if in.qos > 0 {
		kind := packets.Puback
		if in.qos == 2 {
			kind = packets.Pubrec
		}
		// The connection may have gone: then the client sends the message again.
		if _, err := in.session.conn.Write([]byte{kind << 4, 2, byte(in.id >> 8), byte(in.id)}); err == nil {
			in.session.broker.stats.acknowledged.Add(1)
		}
	}
	in.free()
}

// abandon frees the share of a delivery that nobody will acknowledge. It sends
// nothing to the client.
func (in *inbound) abandon() {
	if !in.settled.Swap(true) {
		in.free()
	}
}

// free makes room for the sender's next messages.
func (in *inbound) free() {
	in.session.account.unacked.Release(in.weight)
	in.session.broker.settle()
}

// accept adds a delivery to those that are open, and reports false if the broker is
// closing.
func (e *Embedded) accept() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return false
	}
	e.open++
	return true
}

// settle subtracts a delivery from those that are open, and wakes Close when it was
// the last.
func (e *Embedded) settle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open--
	if e.open == 0 && e.closing {
		close(e.settled)
	}
}
