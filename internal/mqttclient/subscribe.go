package mqttclient

import (
	"context"
	"fmt"
	"strings"
)

// Subscribe calls handle for each message on the filter's topics, from the
// connection's goroutine. It returns once the broker has answered.
func (c *Client) Subscribe(ctx context.Context, filter string, handle Message) error {
	c.subs.Lock()
	// Above the window, so as not to collide with a publication's id.
	c.nextSub++
	id := uint16(c.options.Window) + c.nextSub
	if id == 0 {
		c.nextSub, id = 1, uint16(c.options.Window)+1
	}
	answer := make(chan byte, 1)
	c.pending[id] = answer
	c.routes = append(c.routes, route{filter, handle})
	c.subs.Unlock()

	c.mu.Lock()
	c.out = appendSubscribe(c.out, id, filter)
	c.mu.Unlock()
	c.signal()
	select {
	case code := <-answer:
		if code > 2 {
			return fmt.Errorf("%w to %s", ErrRefused, filter)
		}
		return nil
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// message passes a publication to the matching routes and acknowledges it.
func (c *Client) message(head byte, b []byte) {
	qos := head >> 1 & 3
	if len(b) < 2 {
		return
	}
	n := 2 + (int(b[0])<<8 | int(b[1]))
	rest := n
	if qos > 0 {
		rest += 2
	}
	if len(b) < rest {
		return
	}
	topic, payload := string(b[2:n]), append([]byte(nil), b[rest:]...)
	c.subs.Lock()
	routes := c.routes
	c.subs.Unlock()
	for _, r := range routes {
		if r.handle != nil && matches(r.filter, topic) {
			r.handle(topic, payload)
		}
	}
	if qos == 1 {
		c.mu.Lock()
		c.out = append(c.out, 0x40, 2, b[n], b[n+1])
		c.mu.Unlock()
		c.signal()
	}
}

// matches reports whether a filter covers a topic.
func matches(filter, topic string) bool {
	for {
		f, fRest, fMore := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, tRest, tMore := strings.Cut(topic, "/")
		switch {
		case f != "+" && f != t:
			return false
		case !fMore:
			return !tMore
		case !tMore:
			return fRest == "#"
		}
		filter, topic = fRest, tRest
	}
}
