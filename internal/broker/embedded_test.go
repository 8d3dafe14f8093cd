package broker

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/mqttclient"
)

func TestPubackComesOnlyAfterAckIsCalled(t *testing.T) {
	r := start(t)
	c := r.dial(t, "metz-in")
	if err := c.Publish("totem/v1/metz/metz-in/badge", []byte("one")); err != nil {
		t.Fatal(err)
	}
	d := next(t, r.deliver)
	if d.Topic != "totem/v1/metz/metz-in/badge" || string(d.Payload) != "one" || d.From != "metz-in" || d.Will ||
		d.Retained {
		t.Fatalf("%+v", d)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("acknowledged before Ack: %v", err)
	}
	d.Ack()
	d.Ack() // once more changes nothing
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
	if n := c.Acked(); n != 1 {
		t.Fatalf("%d acknowledgements", n)
	}
}

func TestOneSlowCommitDoesNotHoldUpTheMessagesBehindIt(t *testing.T) {
	r := start(t)
	c := r.dial(t, "metz-in")
	acked := make(chan time.Duration, 100)
	c.OnAck(func(took time.Duration) { acked <- took })
	for range 100 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	slow := next(t, r.deliver)
	for range 99 {
		next(t, r.deliver).Ack()
	}
	for range 99 {
		next(t, acked)
	}
	slow.Ack()
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func TestAckAfterTheConnectionHasGoneIsHarmless(t *testing.T) {
	r := start(t)
	c := r.dial(t, "metz-in")
	if err := c.Publish("totem/v1/metz/metz-in/badge", []byte("x")); err != nil {
		t.Fatal(err)
	}
	d := next(t, r.deliver)
	c.Cut()
	for !next(t, r.presences) {
		t.Fatal("came before it went")
	}
	next(t, r.presences)
	d.Ack()
	if s := r.Stats(); s.Unacknowledged != 0 || s.Acknowledged != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestDecisionReachesItsReaderOnly(t *testing.T) {
	r := start(t)
	mine, other := r.dial(t, "metz-in"), r.dial(t, "metz-out")
	handle, got := sink()
	if err := mine.Subscribe(soon(t), "totem/v1/metz/metz-in/+", handle); err != nil {
		t.Fatal(err)
	}
	strange, leaked := sink()
	if err := other.Subscribe(soon(t), "totem/v1/metz/metz-in/decision", strange); !errors.Is(err, mqttclient.ErrRefused) {
		t.Fatalf("another reader may listen: %v", err)
	}
	if err := r.Publish("totem/v1/metz/metz-in/decision", []byte("open"), false); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); m != "totem/v1/metz/metz-in/decision open" {
		t.Fatal(m)
	}
	if len(leaked) > 0 {
		t.Fatal("the other reader heard it")
	}
}

func TestRetainedAllowlistReachesALateSubscriberAndCanBeCleared(t *testing.T) {
	r := start(t)
	topic := "totem/v1/metz/metz-in/allowlist"
	for _, p := range []string{"v1", "v2"} {
		if err := r.Publish(topic, []byte(p), true); err != nil {
			t.Fatal(err)
		}
	}
	handle, got := sink()
	if err := r.dial(t, "metz-in").Subscribe(soon(t), topic, handle); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); m != topic+" v2" {
		t.Fatal(m)
	}
	if err := r.Publish(topic, nil, true); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); m != topic+" " {
		t.Fatal(m)
	}
	if n := r.Stats().Retained; n != 0 {
		t.Fatalf("%d stay", n)
	}
}

func TestWhatWaitsForAReaderThatWasAwayComesInOrderAndOnlyTheLastAllowlist(t *testing.T) {
	r := start(t)
	c := r.dial(t, "metz-in", persistent)
	for _, what := range []string{"command", "decision", "allowlist"} {
		if err := c.Subscribe(soon(t), "totem/v1/metz/metz-in/"+what, nil); err != nil {
			t.Fatal(err)
		}
	}
	c.Cut()
	next(t, r.presences)
	if next(t, r.presences) {
		t.Fatal("still there")
	}
	var want []string
	for i := range 40 {
		p := []byte{byte('a' + i%26), byte('0' + i/26)}
		want = append(want, "totem/v1/metz/metz-in/command "+string(p))
		for topic, retain := range map[string]bool{"command": false, "allowlist": true} {
			if err := r.Publish("totem/v1/metz/metz-in/"+topic, p, retain); err != nil {
				t.Fatal(err)
			}
		}
	}
	want = append(want, "totem/v1/metz/metz-in/allowlist n1")

	again, got := resume(t, r, "metz-in", "totem/v1/metz/metz-in/#")
	if !again.SessionPresent() {
		t.Fatal("the session is lost")
	}
	list := 0
	for i := 0; i < len(want)-1; {
		m := next(t, got)
		if m == want[len(want)-1] {
			list++
			continue
		}
		if m != want[i] {
			t.Fatalf("message %d is %q, not %q", i, m, want[i])
		}
		i++
	}
	if list == 0 && next(t, got) != want[len(want)-1] {
		t.Fatal("no allowlist")
	}
	if len(got) > 0 {
		t.Fatalf("%d more", len(got))
	}
}

func TestTheEndOfTheListenerIsReportedUnlessTheBrokerIsClosed(t *testing.T) {
	ended := make(chan error, 1)
	r := start(t, func(c *EmbeddedConfig) { c.OnListenerEnd = func(err error) { ended <- err } })
	if err := r.listeners[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("reported: %v", err)
	}
	r = start(t, func(c *EmbeddedConfig) { c.OnListenerEnd = func(err error) { t.Errorf("reported by Close: %v", err) } })
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
