package broker

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// deliverLoop passes deliveries to the handler, which may block while paho
// continues.
func (o *Outside) deliverLoop() {
	for {
		m, ok := o.inbox.take(o.ctx)
		if !ok || !o.begin() {
			return
		}
		o.cfg.Handler(Delivery{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained(),
			Ack: sync.OnceFunc(func() { o.acks.put(o.ctx, m, 0); o.settle() })})
	}
}

// begin adds a delivery to those that are open, and reports false once Close has
// begun.
func (o *Outside) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.open++
	return true
}

// settle subtracts an acknowledged delivery from those that are open, and wakes
// Close when it was the last.
func (o *Outside) settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open--; o.open == 0 {
		select {
		case o.idle <- struct{}{}:
		default:
		}
	}
}

// acknowledgeLoop tells the broker what is committed. It is a goroutine of its
// own because paho writes each acknowledgement to the network at once. For a
// message of a connection that has ended paho does nothing: the broker sends
// that message again.
func (o *Outside) acknowledgeLoop() {
	for {
		m, ok := o.acks.take(o.ctx)
		if !ok {
			return
		}
		m.Ack()
	}
}

// Publish queues a publication (Broker.Publish). It returns ErrNotConnected
// where the broker is not there: nothing is kept for later, since a late
// decision is worthless and lists are computed again (OnUp). It returns ErrBusy
// where the broker takes publications more slowly than they come.
func (o *Outside) Publish(topic string, payload []byte, retain bool) error {
	o.mu.Lock()
	up, closed := o.up, o.closed
	o.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case !up:
		return ErrNotConnected
	}
	select {
	case o.out <- publication{topic, payload, retain}:
		return nil
	default:
		return ErrBusy
	}
}

// sendLoop passes publications to paho, so that only this goroutine waits for
// the network.
func (o *Outside) sendLoop() {
	for {
		select {
		case <-o.ctx.Done():
			return
		case p := <-o.out:
			if !o.waitUp() {
				return
			}
			token := o.client.Publish(p.topic, 1, p.retain, p.payload)
			select {
			case o.window <- token:
			case <-o.ctx.Done():
				return
			}
		}
	}
}

// waitUp waits for the connection; false when it will not come.
func (o *Outside) waitUp() bool {
	for {
		o.mu.Lock()
		up, changed := o.up, o.changed
		o.mu.Unlock()
		if up {
			return true
		}
		select {
		case <-changed:
		case <-o.ctx.Done():
			return false
		}
	}
}

// settleLoop waits for the broker to acknowledge what was sent, the oldest first.
// When a connection is lost, paho sends the unacknowledged messages again on the
// next one.
func (o *Outside) settleLoop() {
	for {
		select {
		case <-o.ctx.Done():
			return
		case token := <-o.window:
			select {
			case <-token.Done():
				if err := token.Error(); err != nil {
					o.fault("outside broker: publishing failed", err)
				}
			case <-o.ctx.Done():
				return
			}
		}
	}
}

// Close stops delivering, waits until ctx ends for delivered messages to be
// acknowledged, and disconnects: from then on the broker keeps what arrives.
func (o *Outside) Close(ctx context.Context) error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil
	}
	o.closed = true
	open := o.open
	o.mu.Unlock()

	var err error
	for open > 0 && err == nil {
		select {
		case <-o.idle:
			o.mu.Lock()
			open = o.open
			o.mu.Unlock()
		case <-ctx.Done():
			err = fmt.Errorf("outside broker: closed before all messages were committed: %w", ctx.Err())
		}
	}
	o.flush(ctx)
	o.client.Disconnect(250)
	o.cancel()
	stopped := make(chan struct{})
	go func() { defer close(stopped); o.tasks.Wait() }()
	select {
	case <-stopped:
	case <-ctx.Done():
		return fmt.Errorf("outside broker: a handler has not returned: %w", ctx.Err())
	}
	return err
}

// flush lets acknowledgements and publications be sent, for a second at most.
func (o *Outside) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for o.client.IsConnectionOpen() && (o.acks.len() > 0 || len(o.out) > 0 || len(o.window) > 0) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
