package broker

import (
	"errors"
	"strconv"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// guard implements every hook of mochi that we use. mochi keeps sessions,
// subscriptions and retained messages, and sends to subscribers. Everything a
// client publishes is taken before mochi sees it: mochi would route it, deliver it
// without a check of rights after a reconnect, and number incoming and outgoing packets
// in one table, so that a client's packet 7 would delete our packet 7.
type guard struct {
	mqtt.HookBase
	broker *Embedded
}

// CONNACK return codes of MQTT 3.1.1.
const (
	connackIdentifier  = 2
	connackUnavailable = 3
	connackNotAllowed  = 5
)

var errRefused = errors.New("connection refused")

// ID returns the hook's name, as mochi asks for it.
func (g *guard) ID() string { return "guard" }

// Provides reports whether the hook has a method for an event of mochi.
func (g *guard) Provides(b byte) bool {
	switch b {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck,
		mqtt.OnSessionEstablish, mqtt.OnSessionEstablished,
		mqtt.OnPacketRead, mqtt.OnPacketEncode, mqtt.OnPacketProcessed,
		mqtt.OnSubscribe, mqtt.OnPublish, mqtt.OnQosPublish, mqtt.OnWill, mqtt.OnPublishDropped:
		return true
	}
	return false
}

// OnConnect accepts or refuses a client, with the return code that says why.
// Only the CONNECT has been processed by then, so that nothing but MQTT 3.1.1
// gets any further: mochi's decoding of version 5 is not safe.
func (g *guard) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	s := sessionOf(cl)
	if s == nil {
		return errRefused
	}
	if pk.ProtocolVersion != 4 {
		g.broker.stats.refused.Add(1)
		g.broker.logSometimes(
			"mqtt connection refused",
			"reason",
			"the client does not speak MQTT 3.1.1",
			"protocol",
			pk.ProtocolVersion,
			"client",
			printable(pk.Connect.ClientIdentifier),
			"remote",
			s.conn.RemoteAddr().String(),
		)
		_ = cl.WritePacket(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack},
			ReasonCode: packets.ErrUnsupportedProtocolVersion.Code})
		return errRefused
	}
	if code := g.broker.admit(s, cl, pk); code != 0 {
		g.broker.stats.refused.Add(1)
		_, _ = s.conn.Write([]byte{packets.Connack << 4, 2, 0, code})
		return errRefused
	}
	return nil
}

// OnConnectAuthenticate returns what OnConnect decided.
func (g *guard) OnConnectAuthenticate(cl *mqtt.Client, _ packets.Packet) bool {
	s := sessionOf(cl)
	return s != nil && s.admitted
}

// OnACLCheck lets clients read by the rules and write nothing: what they
// publish never gets here.
func (g *guard) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	s := sessionOf(cl)
	return s != nil && s.admitted && !write && g.broker.rules.Load().read(s.principal, topic)
}

// OnPacketRead takes what a client publishes, and what mochi would
// misunderstand. The only error that mochi respects here is ErrRejectPacket: it
// ends the connection.
func (g *guard) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	s := sessionOf(cl)
	if s == nil {
		return pk, packets.ErrRejectPacket
	}
	if !s.admitted {
		return pk, nil // the CONNECT; mochi ends a connection that begins with anything else
	}
	switch pk.FixedHeader.Type {
	case packets.Puback:
		return pk, nil
	case packets.Disconnect:
		s.goodbye.Store(true)
		return pk, nil
	}
	if len(pk.Filters) > g.broker.limits.Filters {
		g.broker.logSometimes(
			"mqtt connection ended",
			"principal",
			s.principal.Name,
			"reason",
			"a SUBSCRIBE of too many filters",
			"filters",
			len(pk.Filters),
		)
		return pk, packets.ErrRejectPacket
	}
	for range max(1, len(pk.Filters)) { // each filter costs as much as a packet
		if err := s.account.rate.Wait(s.ctx); err != nil {
			return pk, packets.ErrRejectPacket
		}
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return ignoredPacket(), g.broker.receive(s, pk)
	case packets.Pubrel:
		_, err := s.conn.Write([]byte{packets.Pubcomp << 4, 2, byte(pk.PacketID >> 8), byte(pk.PacketID)})
		return ignoredPacket(), reject(err)
	case packets.Subscribe, packets.Unsubscribe:
		return s.renumber(cl, pk)
	case packets.Pingreq:
		return pk, nil
	}
	return pk, packets.ErrRejectPacket // a client sends nothing else
}

// printable returns the name that a stranger gives, in a form that is safe to
// log.
func printable(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strconv.QuoteToASCII(s)
}

// ignoredPacket returns a packet with which mochi does nothing: an acknowledgement of
// no message.
func ignoredPacket() packets.Packet {
	return packets.Packet{ProtocolVersion: 4, FixedHeader: packets.FixedHeader{Type: packets.Puback}}
}

func reject(err error) error {
	if err != nil {
		return packets.ErrRejectPacket
	}
	return nil
}

// renumber gives a SUBSCRIBE an id that none of our messages has: otherwise
// mochi would refuse it, as if the client had used the id twice.
func (s *session) renumber(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.PacketID == 0 {
		return pk, packets.ErrRejectPacket
	}
	s.subscribeID = pk.PacketID
	for id := uint16(65535); id > 0; id-- {
		if _, taken := cl.State.Inflight.Get(id); !taken {
			pk.PacketID = id
			return pk, nil
		}
	}
	return pk, packets.ErrRejectPacket
}

// OnPacketEncode answers a SUBSCRIBE with the client's own id, and holds new
// messages back until those that waited for the client have been sent again. It
// runs before mochi takes the client's lock.
func (g *guard) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	s := sessionOf(cl)
	if s == nil {
		return pk
	}
	switch pk.FixedHeader.Type {
	case packets.Suback, packets.Unsuback:
		pk.PacketID = s.subscribeID
	case packets.Connack:
		if pk.ProtocolVersion == 4 && pk.ReasonCode >= 0x80 {
			pk.ReasonCode = connackIdentifier // mochi's code for a session without a client id
		}
	case packets.Publish:
		if !pk.FixedHeader.Dup {
			select {
			case <-s.resumed:
			case <-s.ctx.Done():
			}
		}
	}
	return pk
}

// OnSubscribe holds off publications until OnPacketProcessed, so that a
// retained message cannot arrive after a newer one.
func (g *guard) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if s := sessionOf(cl); s != nil {
		s.hold()
	}
	return pk
}

// OnPacketProcessed ends what OnSubscribe began.
func (g *guard) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	s := sessionOf(cl)
	if s == nil || pk.FixedHeader.Type != packets.Subscribe {
		return
	}
	for _, f := range pk.Filters {
		g.broker.sendRetained(s, f.Filter)
	}
	s.release()
	for _, f := range pk.Filters {
		g.broker.subscribed(s, f.Filter)
	}
}

// subscribed reports a subscription that was accepted.
func (e *Embedded) subscribed(s *session, filter string) {
	if e.cfg.OnSubscribe != nil && e.rules.Load().read(s.principal, filter) {
		e.cfg.OnSubscribe(filter)
	}
}

// OnPublish numbers what we send. Nothing that a client sends gets here.
func (g *guard) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if !cl.Net.Inline {
		return pk, packets.ErrRejectPacket
	}
	pk.Created = g.broker.nextOrder()
	return pk, nil
}

// OnWill keeps wills from mochi, which would publish them without asking: serve
// delivers them.
func (g *guard) OnWill(*mqtt.Client, mqtt.Will) (mqtt.Will, error) { return mqtt.Will{}, nil }

// OnPublishDropped counts messages that a client did not take in time.
func (g *guard) OnPublishDropped(*mqtt.Client, packets.Packet) { g.broker.stats.dropped.Add(1) }
