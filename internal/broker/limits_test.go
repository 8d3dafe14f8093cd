package broker

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/mqttclient"
)

func TestMessageAbove64KiBIsHandedOverToBeKeptAsAReject(t *testing.T) {
	r := start(t)
	c := r.dial(t, "metz-in")
	big := bytes.Repeat([]byte("x"), MaxPayload+1)
	if err := c.Publish("totem/v1/metz/metz-in/badge", big); err != nil {
		t.Fatal(err)
	}
	d := next(t, r.deliver)
	if !bytes.Equal(d.Payload, big) {
		t.Fatalf("%d bytes", len(d.Payload))
	}
	d.Ack()
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func TestPacketAboveTheLimitEndsItsConnection(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.PacketBytes = 100_000 })
	c := r.dial(t, "metz-in")
	if err := c.Publish("totem/v1/metz/metz-in/badge", make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if len(r.deliver)+len(r.denied) > 0 {
		t.Fatal("handed over")
	}
}

func TestConnectThatClaimsToBeHugeIsRefusedBeforeItIsRead(t *testing.T) {
	r := start(t)
	c := r.raw(t)
	c.send(t, "10 ff ff ff 7f 0004 'MQTT' 04")
	c.expectEnd(t)
	c = r.raw(t)
	c.send(t, "'GET / HTTP/1.1' 0d0a 0d0a")
	c.expectEnd(t)
}

func TestConnectionWithoutConnectIsClosed(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.ConnectTimeout = 50 * time.Millisecond })
	c := r.raw(t)
	c.send(t, "10 22 0004") // and then nothing
	c.expectEnd(t)
}

func TestSecondConnectEndsTheConnection(t *testing.T) {
	r := start(t)
	c := r.raw(t)
	c.send(t, loginMetzIn)
	c.expect(t, "20 02 00 00")
	c.send(t, loginMetzIn)
	c.expectEnd(t)
}

func TestOnlySoManyConnectionsAreLetIn(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.Clients, c.Limits.PerPrincipal = 3, 2 })
	r.dial(t, "metz-in", named("metz-in:1"))
	r.dial(t, "metz-in", named("metz-in:2"))
	var refused *mqttclient.ConnectError
	if _, err := r.tryDial(t, "metz-in", named("metz-in:3")); !errors.As(err, &refused) ||
		refused.Code != connackUnavailable {
		t.Fatalf("a third of one device: %v", err)
	}
	r.dial(t, "metz-out")
	if _, err := r.tryDial(t, "nancy-in"); !errors.As(err, &refused) || refused.Code != connackUnavailable {
		t.Fatalf("a fourth in all: %v", err)
	}
	r.dial(t, "metz-out") // takes the place of the one before
	if s := r.Stats(); s.Connections != 3 || s.Refused != 2 {
		t.Fatalf("%+v", s)
	}
}

func TestStrangersDoNotFillTheBroker(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) {
		c.Limits.Unauthenticated, c.Limits.PerAddress, c.Limits.ConnectTimeout = 4, 3, time.Minute
		c.Limits.Fresh = time.Nanosecond
	})
	var silent []*raw
	for range 3 {
		silent = append(silent, r.raw(t))
	}
	r.dial(t, "metz-out") // the oldest that says nothing has made room
	silent[0].expectEnd(t)
	for range 300 { // as many as come from one place lock nobody out
		r.raw(t)
	}
	r.dial(t, "metz-in")
	r.EstablishPipe() // from elsewhere: there is room for it too
	r.dial(t, "nancy-in")
}

// When the power returns, all doors of a building connect at once: none is put off.
func TestDoorsThatComeBackAtOnceAreLetIn(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) {
		c.Limits.Unauthenticated, c.Limits.PerAddress, c.Limits.ConnectTimeout = 4, 3, time.Minute
		c.Limits.Fresh = time.Hour
	})
	var waiting []*raw
	for range 9 {
		waiting = append(waiting, r.raw(t))
	}
	if s := r.Stats(); s.Refused != 0 {
		t.Fatalf("%d of 9 fresh connections were refused", s.Refused)
	}
	r.raw(t) // three times as many as may wait: now the oldest goes
	waiting[0].expectEnd(t)
	waiting[1].send(t, loginMetzIn)
	waiting[1].expect(t, "20 02 00 00")
}

func TestOneSecretHasOneShareHoweverManyConnections(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.DeviceUnacked = 10 << 10 })
	var mine []*mqttclient.Client
	for i := range 5 {
		mine = append(mine, r.dial(t, "metz-in", named("metz-in:"+strconv.Itoa(i))))
	}
	for _, c := range mine {
		for range 10 {
			if err := c.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 10 { // what one connection alone may have unacknowledged
		next(t, r.deliver)
	}
	other := r.dial(t, "metz-out")
	if err := other.Publish("totem/v1/metz/metz-out/badge", nil); err != nil {
		t.Fatal(err)
	}
	if d := next(t, r.deliver); d.Topic != "totem/v1/metz/metz-out/badge" {
		t.Fatalf("an eleventh of the five was handed over: %s", d.Topic)
	}
}

func TestASecretHasSixteenConnections(t *testing.T) {
	r := start(t)
	for i := range 16 {
		r.dial(t, "metz-in", named("metz-in:"+strconv.Itoa(i)))
	}
	if _, err := r.tryDial(t, "metz-in", named("metz-in:16")); err == nil {
		t.Fatal("a seventeenth was let in")
	}
}

func TestTooManyFiltersEndTheConnection(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.Filters = 3 })
	c := r.raw(t)
	c.send(t, loginMetzIn)
	c.expect(t, "20 02 00 00")
	c.send(t, "82 0e 00 01 00 01 61 00 00 01 62 00 00 01 63 00")
	c.expect(t, "90 05 00 01 80 80 80")
	c.send(t, "82 12 00 02 00 01 61 00 00 01 62 00 00 01 63 00 00 01 64 00")
	c.expectEnd(t)
}

func TestWhoGuessesPasswordsWaits(t *testing.T) {
	r := start(t)
	began, n := time.Now(), 0
	for ; time.Since(began) < 1500*time.Millisecond && n < 1000; n++ {
		if _, err := r.tryDial(t, "metz-in", func(o *mqttclient.Options) { o.Password = "guess" }); err == nil {
			t.Fatal("a guess was let in")
		}
	}
	if n > 25 {
		t.Errorf("%d guesses in %v", n, time.Since(began))
	}
	r.dial(t, "metz-in") // who knows it does not wait
}

func TestDeviceThatSendsTooFastIsReadSlowerAndLosesNothing(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.DeviceRate = 200 })
	c := r.dial(t, "metz-in", func(o *mqttclient.Options) { o.Window = 1000 })
	began := time.Now()
	for range 300 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 300 {
		next(t, r.deliver).Ack()
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Fatalf("300 messages in %v at 200 a second after a burst of 200", took)
	}
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func TestSenderWaitsWhileTooMuchIsUnacknowledgedAndOthersDoNot(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.DeviceUnacked = 10 << 10 })
	c, other := r.dial(t, "metz-in"), r.dial(t, "metz-out")
	for range 50 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
			t.Fatal(err)
		}
	}
	var held []Delivery
	for range 10 {
		held = append(held, next(t, r.deliver))
	}
	if err := other.Publish("totem/v1/metz/metz-out/badge", nil); err != nil {
		t.Fatal(err)
	}
	if d := next(t, r.deliver); d.From != "metz-out" {
		t.Fatalf("an eleventh of metz-in: %+v", d)
	}
	for _, d := range held {
		d.Ack()
	}
	for range 40 {
		next(t, r.deliver).Ack()
	}
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func TestHandlerThatBlocksSlowsItsSenderOnly(t *testing.T) {
	gate := make(chan struct{})
	r := start(t)
	handler := r.cfg.Handler
	r.cfg.Handler = func(d Delivery) {
		if d.From == "metz-in" {
			<-gate
		}
		handler(d)
	}
	slow, other := r.dial(t, "metz-in"), r.dial(t, "metz-out")
	if err := slow.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := other.Publish("totem/v1/metz/metz-out/badge", nil); err != nil {
			t.Fatal(err)
		}
		next(t, r.deliver).Ack()
	}
	close(gate)
	next(t, r.deliver).Ack()
}

func TestClientThatDoesNotReadNeverBlocksPublishAndIsCutOff(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.PendingBytes = 1 << 20 })
	lazy := r.raw(t)
	lazy.send(t, loginMetzIn)
	lazy.expect(t, "20 02 00 00")
	lazy.send(t, subscribeTo("totem/v1/metz/metz-in/+"))
	lazy.expect(t, "90 03 0001 01")
	handle, got := sink()
	if err := r.dial(t, "metz-out").Subscribe(soon(t), "totem/v1/metz/metz-out/decision", handle); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 60_000)
	for i := 0; r.Stats().Slow == 0; i++ {
		began := time.Now()
		if err := r.Publish("totem/v1/metz/metz-in/decision", payload, false); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Fatalf("publishing took %v", took)
		}
		if i%20 == 0 {
			if err := r.Publish("totem/v1/metz/metz-out/decision", nil, false); err != nil {
				t.Fatal(err)
			}
			next(t, got)
		}
		if i > 10_000 {
			t.Fatal("never cut off")
		}
	}
	next(t, r.presences)
}

func subscribeTo(filter string) string {
	return fmt.Sprintf("82 %02x 0001 %04x '%s' 01", 5+len(filter), len(filter), filter)
}
