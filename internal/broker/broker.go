// Package broker carries messages from devices and to them. Embedded is an MQTT
// 3.1.1 broker in this process; Outside is the client of a broker elsewhere.
//
// Both pass every publication on a topic up to one Handler, with a function
// that acknowledges it, and both acknowledge to the sender only when that
// function is called: what is acknowledged is what the handler has committed
// (rules 2.6). The embedded broker also decides who may connect, publish and
// subscribe (rules 3.7); an outside broker has rules of its own for that.
//
// The package reads no payload, stores nothing on disk, and knows no person. It
// parses topics with package wire; the rules of who may use which topic are in
// this package, all in one file, so that they can be reviewed together.
package broker

import (
	"context"
	"errors"
)

// MaxPayload is the size in bytes above which a message is rejected as too
// large (rules 2.8). The brokers still deliver larger ones, up to
// Limits.PacketBytes, so that the rejection can be kept.
const MaxPayload = 64 << 10

// Delivery is one publication, delivered once for each connection that sends
// it.
//
// Ack acknowledges it to its sender. It may be called from any goroutine, does
// not block, and does nothing when called again, after the connection has gone,
// or for QoS 0. It must be called in the end, also for rejected messages: until
// then the delivery counts against its sender's limit.
type Delivery struct {
	Topic   string
	Payload []byte // owned by the receiver
	// Retained is set where an outside broker had kept the message and sent it
	// because of a subscription: it may be old. The embedded broker never sets
	// it.
	Retained bool
	// Will is set where the embedded broker sends it for a client that went
	// away.
	Will bool
	// From is the username of the sender; empty from an outside broker and for
	// anonymous clients.
	From string
	// Share identifies whose share of the pipeline's queues the delivery uses. All
	// connections with the same secret have one Share. It is empty for an outside
	// broker, which does not say who sent a message.
	Share string
	Ack   func()
}

// Handler takes a delivery. It may block: that slows its sender only.
type Handler func(Delivery)

// Broker is what the rest of the service needs of either broker.
type Broker interface {
	// Publish sends to the topic's subscribers with QoS 1 and does not wait for
	// them. With retain the message also stays for later subscribers, and an
	// empty payload clears what stayed. The payload must not be changed
	// afterwards. Publish is safe for concurrent use; publications of one
	// goroutine keep their order.
	Publish(topic string, payload []byte, retain bool) error
	// Close stops taking messages, waits until ctx ends for the delivered ones
	// to be acknowledged, and ends every connection.
	Close(ctx context.Context) error
}

// The errors that Publish returns.
var (
	ErrClosed       = errors.New("the broker is closed")
	ErrNotConnected = errors.New("not connected to the MQTT broker")
	ErrBusy         = errors.New("too many messages wait for the MQTT broker")
)
