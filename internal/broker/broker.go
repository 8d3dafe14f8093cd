// Package broker is how messages come in from devices and go out to them: an
// embedded MQTT 3.1.1 broker for a service in one process (Embedded), and the
// client of a broker that stands elsewhere (Outside).
//
// Both hand every publication on an up topic to one Handler with a function to
// acknowledge it, and both acknowledge to the sender only when that function
// is called: what is acknowledged is what the handler has committed
// (rules 2.6). The embedded one also decides who may connect, publish and
// subscribe (rules 3.7); an outside one has its own rules for that.
//
// It is not the pipeline: it reads no payload, keeps nothing on disk, and
// knows no person. The wire format of topics it shares with package wire in
// form only, because a rule that lets somebody in should be readable whole.
package broker

import (
	"context"
	"errors"
)

// MaxPayload is the size in bytes above which a message is refused as too
// large (rules 2.8). The brokers still hand larger ones over, as far as
// Limits.PacketBytes, so that the refusal can be kept.
const MaxPayload = 64 << 10

// Delivery is one publication, handed over once by each connection that sends it.
//
// Ack acknowledges it to its sender. It may be called from any goroutine, does
// not block, and does nothing when called again, after the connection has
// gone, or for QoS 0. It must be called in the end, also for what was refused:
// until then the delivery counts against its sender's bound.
type Delivery struct {
	Topic   string
	Payload []byte // owned by the receiver
	// Retained says that an outside broker had kept the message and sent it
	// because of a subscription: it may be old. Never set by the embedded one.
	Retained bool
	// Will says that the embedded broker sends it in the name of a client that went away.
	Will bool
	// From is the username that sent it; empty from an outside broker and for the anonymous.
	From string
	// Share is whose part of the service the delivery takes: one secret, however
	// many connections use it. Empty from an outside broker, which does not say.
	Share string
	Ack   func()
}

// Handler takes a delivery. It may block: that slows its sender only.
type Handler func(Delivery)

// Broker is what the rest of the service needs of either broker.
type Broker interface {
	// Publish sends to the topic's subscribers with QoS 1 and does not wait for
	// them; with retain it also stays for later ones, and an empty payload
	// clears what stayed. The payload must not be changed afterwards. It is safe
	// for concurrent use; one goroutine's publications keep their order.
	Publish(topic string, payload []byte, retain bool) error
	// Close stops taking messages, gives those handed over until ctx ends to be
	// acknowledged, and ends every connection.
	Close(ctx context.Context) error
}

// Errors of Publish.
var (
	ErrClosed       = errors.New("the broker is closed")
	ErrNotConnected = errors.New("not connected to the MQTT broker")
	ErrBusy         = errors.New("too many messages wait for the MQTT broker")
)
