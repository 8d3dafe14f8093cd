package mqttclient

import (
	"context"
	"time"
)

// OnAck sets a function that is called for each acknowledged message with the
// time it took, before its place in the window is free again.
func (c *Client) OnAck(f func(took time.Duration)) { c.acked.Store(&f) }

// Acked counts acknowledged messages.
func (c *Client) Acked() uint64 { return c.total.Load() }

// Publish sends with QoS 1. It blocks while the window is full.
func (c *Client) Publish(topic string, payload []byte) error {
	return c.publish(topic, payload, 0x32)
}

// PublishRetained does the same as Publish and asks the broker to keep the
// message.
func (c *Client) PublishRetained(topic string, payload []byte) error {
	return c.publish(topic, payload, 0x33)
}

func (c *Client) publish(topic string, payload []byte, head byte) error {
	var id uint16
	select {
	case id = <-c.free:
	case <-c.done:
		return c.err
	}
	c.sent[id].Store(time.Now().UnixNano())
	c.mu.Lock()
	c.out = appendPublish(c.out, head, id, topic, payload)
	c.mu.Unlock()
	c.signal()
	return nil
}

// Drain waits until everything published is acknowledged.
func (c *Client) Drain(ctx context.Context) error {
	taken := make([]uint16, 0, c.options.Window)
	defer func() {
		for _, id := range taken {
			c.free <- id
		}
	}()
	for range c.options.Window {
		select {
		case id := <-c.free:
			taken = append(taken, id)
		case <-c.done:
			return c.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
