package broker

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lorntech/totem/internal/mqttclient"
)

// Devices and the broker both number their packets from 1.
func TestPacketIDsOfBothSidesDoNotMeet(t *testing.T) {
	r := start(t)
	topic := "totem/v1/metz/metz-in/decision"
	c := r.raw(t)
	persistentLogin := strings.Replace(loginMetzIn, " c2 ", " c0 ", 1)
	c.send(t, persistentLogin)
	c.expect(t, "20 02 00 00")
	c.send(t, subscribeTo(topic))
	c.expect(t, "90 03 0001 01")
	if err := r.Publish(topic, []byte("x"), false); err != nil {
		t.Fatal(err)
	}
	ours := fmt.Sprintf("%02x %04x '%s' 0001 'x'", 4+len(topic)+1, len(topic), topic)
	c.expect(t, "32"+ours)

	// With our packet 1 not acknowledged, its SUBSCRIBE 1 and its PUBLISH 1 are as any other.
	c.send(t, subscribeTo(topic))
	c.expect(t, "90 03 0001 01")
	badge := "totem/v1/metz/metz-in/badge"
	c.send(t, fmt.Sprintf("32 %02x %04x '%s' 0001", 4+len(badge), len(badge), badge))
	next(t, r.deliver).Ack()
	c.expect(t, "40 02 0001")
	c.send(t, "c0 00")
	c.expect(t, "d0 00")
	_ = c.Close()

	c = r.raw(t)
	c.send(t, persistentLogin)
	c.expect(t, "20 02 01 00")
	c.expect(t, "3a"+ours) // sent again, since it was not acknowledged
	c.send(t, "40 02 0001")
	c.send(t, "c0 00")
	c.expect(t, "d0 00")
}

func TestQoS2IsAnsweredAfterTheCommitAndQoS0NotAtAll(t *testing.T) {
	r := start(t)
	c := r.raw(t)
	c.send(t, loginMetzIn)
	c.expect(t, "20 02 00 00")
	badge := "totem/v1/metz/metz-in/badge"
	c.send(t, fmt.Sprintf("34 %02x %04x '%s' 0007", 4+len(badge), len(badge), badge))
	d := next(t, r.deliver)
	c.send(t, "c0 00")
	c.expect(t, "d0 00")
	d.Ack()
	c.expect(t, "50 02 0007")
	c.send(t, "62 02 0007")
	c.expect(t, "70 02 0007")

	c.send(t, fmt.Sprintf("30 %02x %04x '%s'", 2+len(badge), len(badge), badge))
	next(t, r.deliver).Ack()
	c.send(t, "c0 00")
	c.expect(t, "d0 00")
}

func TestPacketsThatNoClientSendsEndTheConnection(t *testing.T) {
	for name, packet := range map[string]string{
		"CONNACK": "20 02 0000", "PUBREC": "50 02 0001", "PUBCOMP": "70 02 0001", "SUBACK": "90 03 0001 00",
		"PINGRESP": "d0 00", "AUTH": "f0 00", "type 0": "00 00", "PUBLISH without an id": "32 04 0002 'ab'",
		"PUBLISH with id 0": "32 06 0002 'ab' 0000", "QoS 3": "36 06 0002 'ab' 0001", "SUBSCRIBE with id 0": "82 06 0000 0001 'a' 00",
		"text that is not UTF-8": "30 04 0002 ff ff", "a NUL in a topic": "30 04 0002 61 00",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			c := r.raw(t)
			c.send(t, loginMetzIn)
			c.expect(t, "20 02 00 00")
			c.send(t, packet)
			c.expectEnd(t)
			if s := r.Stats(); s.Panics > 0 || len(r.deliver)+len(r.denied) > 0 {
				t.Fatalf("%+v", s)
			}
		})
	}
}

// Reconnecting in a hurry, as a reader on a bad line does, must neither lose
// the session nor what is published meanwhile. A command seen twice is
// ignored, as readers do.
func TestReaderThatReconnectsInAHurryGetsEverythingInOrder(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.OfflineMessages = 2000 })
	topic := "totem/v1/metz/metz-in/command"
	first := r.dial(t, "metz-in", persistent)
	if err := first.Subscribe(soon(t), topic, nil); err != nil {
		t.Fatal(err)
	}
	first.Cut()
	const rounds, each = 40, 25
	turn := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		n := 0
		for range turn {
			for range each {
				if err := r.Publish(topic, fmt.Appendf(nil, "%d", n), false); err != nil {
					t.Error(err)
				}
				n++
			}
		}
	})
	got := make(chan int, 100*rounds*each)
	handle := func(_ string, payload []byte) {
		var n int
		_, _ = fmt.Sscan(string(payload), &n)
		got <- n
	}
	for i := range rounds {
		turn <- struct{}{}
		c := r.dial(t,
			"metz-in",
			persistent,
			func(o *mqttclient.Options) { o.Routes = map[string]mqttclient.Message{topic: handle} },
		)
		if !c.SessionPresent() {
			t.Fatal("the session is lost")
		}
		if i < rounds-1 {
			c.Cut()
		}
	}
	close(turn)
	publishing.Wait()
	for last := -1; last < rounds*each-1; {
		n := next(t, got)
		if n > last+1 {
			t.Fatalf("%d after %d", n, last)
		}
		last = max(last, n)
	}
}

func TestTwoClientsFightingForOneIDLeaveOneConnected(t *testing.T) {
	r := start(t)
	var fights sync.WaitGroup
	for range 4 {
		fights.Go(func() {
			for range 25 {
				if c, err := r.tryDial(t, "metz-in"); err == nil && rand.IntN(2) == 0 {
					c.Cut()
				}
			}
		})
	}
	fights.Wait()
	c := r.dial(t, "metz-in")
	handle, got := sink()
	if err := c.Subscribe(soon(t), "totem/v1/metz/metz-in/decision", handle); err != nil {
		t.Fatal(err)
	}
	if err := r.Publish("totem/v1/metz/metz-in/decision", nil, false); err != nil {
		t.Fatal(err)
	}
	next(t, got)
	if s := r.Stats(); s.Connections != 1 || s.Panics > 0 {
		t.Fatalf("%+v", s)
	}
}

func TestADayOfKeepAlivesAndASilentClientInsideABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(c *EmbeddedConfig) { c.Listen = "" })
		connect := func(user string, keepAlive time.Duration) *mqttclient.Client {
			c, err := mqttclient.Connect(t.Context(), r.EstablishPipe(), mqttclient.Options{
				ClientID:  user,
				Username:  user,
				Password:  r.auth.pass[user],
				KeepAlive: keepAlive,
				WillTopic: "totem/v1/metz/" + user + "/status",
				Will:      []byte("gone"),
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		lively := connect("metz-in", time.Minute)
		began := time.Now()
		time.Sleep(24 * time.Hour)
		if err := lively.Err(); err != nil {
			t.Fatalf("ended after %v: %v", time.Since(began), err)
		}
		if err := lively.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
			t.Fatal(err)
		}
		next(t, r.deliver).Ack()

		silent := connect("metz-out", time.Minute)
		silent.Silence()
		began = time.Now()
		<-silent.Done()
		if after := time.Since(began); after < 90*time.Second || after > 92*time.Second {
			t.Fatalf("a silent client was ended after %v, not after one and a half times its keep-alive", after)
		}
		if d := next(t, r.deliver); !d.Will || d.From != "metz-out" {
			t.Fatalf("%+v", d)
		} else {
			d.Ack()
		}
		if err := lively.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSessionOfAClientThatIsAwayIsForgottenInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(c *EmbeddedConfig) { c.Listen = ""; c.Limits.OfflineRetention = time.Hour })
		connect := func() *mqttclient.Client {
			c, err := mqttclient.Connect(
				t.Context(),
				r.EstablishPipe(),
				mqttclient.Options{ClientID: "metz-in", Username: "metz-in", Password: "s-in", Persistent: true},
			)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		connect().Cut()
		time.Sleep(30 * time.Minute)
		c := connect()
		if !c.SessionPresent() {
			t.Fatal("forgotten within half an hour")
		}
		c.Cut()
		time.Sleep(2 * time.Hour)
		if n := r.Stats().Sessions; n != 0 {
			t.Fatalf("%d sessions", n)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
