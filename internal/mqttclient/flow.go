package mqttclient

import (
	"bufio"
	"time"
)

// write sends what is gathered, and pings when idle.
func (c *Client) write() {
	every := c.options.KeepAlive * 2 / 3
	if every < 0 {
		every = 365 * 24 * time.Hour
	}
	ping := time.NewTicker(every)
	defer ping.Stop()
	var spare []byte
	for {
		select {
		case <-c.done:
			return
		case <-ping.C:
			c.mu.Lock()
			c.out = append(c.out, 0xc0, 0)
			c.mu.Unlock()
		case <-c.wake:
		}
		if c.silent.Load() {
			continue
		}
		var err error
		if spare, err = c.flush(spare); err != nil {
			c.end(err)
			return
		}
	}
}

// flush writes what is gathered and puts spare's memory in its place.
func (c *Client) flush(spare []byte) ([]byte, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	out := c.out
	c.out = spare[:0]
	c.mu.Unlock()
	if len(out) == 0 {
		return out, nil
	}
	_, err := c.conn.Write(out)
	return out, err
}

// read handles what the broker sends until the connection ends.
func (c *Client) read(in *bufio.Reader) {
	var body []byte
	for {
		head, b, err := readPacket(in, body)
		if err != nil {
			c.end(err)
			return
		}
		body = b[:0]
		c.handle(head, b)
	}
}

func (c *Client) handle(head byte, b []byte) {
	switch head >> 4 {
	case 3:
		c.message(head, b)
	case 4:
		if len(b) == 2 {
			c.puback(uint16(b[0])<<8 | uint16(b[1]))
		}
	case 9:
		if len(b) == 3 {
			id := uint16(b[0])<<8 | uint16(b[1])
			c.subs.Lock()
			if answer, ok := c.pending[id]; ok {
				delete(c.pending, id)
				answer <- b[2]
			}
			c.subs.Unlock()
		}
	}
}

func (c *Client) puback(id uint16) {
	if id == 0 || int(id) >= len(c.sent) {
		return
	}
	at := c.sent[id].Swap(0)
	if at == 0 {
		return // acknowledged twice
	}
	c.total.Add(1)
	if f := c.acked.Load(); f != nil {
		(*f)(time.Duration(time.Now().UnixNano() - at))
	}
	c.free <- id
}
