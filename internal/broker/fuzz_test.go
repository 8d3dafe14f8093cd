package broker

import (
	"io"
	"net"
	"testing"
	"time"
)

// Whatever bytes come, before or after a login, the broker stays up, lets
// nobody in without a password, and hands over nothing that is not the sender's.
func FuzzEmbeddedConnection(f *testing.F) {
	login := unhex(f, loginMetzIn)
	f.Add(false, []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(false, unhex(f, "10 16 0004 'MQTT' 05 c2 003c 00 0000 0002 'me' 0003 'any' 82 05 0001 00 0000"))
	f.Add(false, unhex(f, "10 0c 0004 'MQTT' 04 02 003c 0000"))
	f.Add(true, unhex(f, "82 05 0001 00 0000"))
	f.Add(true, unhex(f, "32 1f 001b 'totem/v1/metz/metz-in/badge' 0001"))
	f.Add(true, unhex(f, "34 1f 001b 'totem/v1/metz/metz-in/badge' 0001 62 02 0001"))
	f.Add(true, unhex(f, subscribeTo("totem/v1/metz/metz-in/decision")+"40 02 0001 a2 03 0001 00 c0 00 e0 00"))
	f.Add(true, unhex(f, "30 02 0000 33 04 0000 0001 00 00 f0 00 50 02 0001 70 02 0001"))
	r := start(f, func(c *EmbeddedConfig) {
		c.Handler = func(d Delivery) {
			if d.From != "metz-in" || (rules{network: network()}).publish(reader, d.Topic) != "" {
				f.Errorf("handed over: %q from %q", d.Topic, d.From)
			}
			d.Ack()
		}
		c.Denied = func(d Delivery, _ string) { d.Ack() }
		c.OnPresence = nil
	})
	f.Fuzz(func(t *testing.T, admitted bool, data []byte) {
		ours, theirs := net.Pipe()
		r.attach(ours, false)
		answer := make(chan []byte, 1)
		go func() { b, _ := io.ReadAll(theirs); answer <- b }()
		_ = theirs.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if admitted {
			_, _ = theirs.Write(login)
		}
		_, _ = theirs.Write(data) // fails where the broker has ended the connection
		_, _ = theirs.Write([]byte{0xe0, 0})
		_ = theirs.Close()
		got := <-answer
		if !admitted && len(got) >= 4 && got[0] == 0x20 && got[3] == 0 {
			t.Errorf("let in by %x", data)
		}
		if n := r.Stats().Panics; n > 0 {
			t.Errorf("%d panics by %x", n, data)
		}
	})
}
