package broker

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/mqttclient"
)

func TestWillOfAReplacedConnectionIsHandledBeforeTheNewOneBegins(t *testing.T) {
	gate, entered := make(chan struct{}), make(chan struct{})
	r := start(t, func(c *EmbeddedConfig) {
		c.Handler = func(d Delivery) { close(entered); <-gate; d.Ack() }
	})
	first := r.dial(t,
		"metz-in",
		func(o *mqttclient.Options) { o.WillTopic, o.Will = "totem/v1/metz/metz-in/status", []byte("x") },
	)
	second := make(chan error, 1)
	go func() {
		_, err := r.tryDial(t, "metz-in")
		second <- err
	}()
	<-first.Done()
	<-entered
	select {
	case err := <-second:
		t.Fatalf("the new connection began before the will was handled: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	close(gate)
	if err := next(t, second); err != nil {
		t.Fatal(err)
	}
	for _, connected := range []bool{true, false, true} {
		if next(t, r.presences) != connected {
			t.Fatal("the old connection ended after the new one began")
		}
	}
}

func TestConnectionThatCannotReplaceTheFormerIsRefused(t *testing.T) {
	gate, entered := make(chan struct{}), make(chan struct{}, 10)
	r := start(t, func(c *EmbeddedConfig) {
		c.Limits.TakeoverTimeout = 20 * time.Millisecond
		c.Handler = func(d Delivery) { entered <- struct{}{}; <-gate; d.Ack() }
	})
	first := r.dial(t, "metz-in")
	if err := first.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	<-entered
	for range 3 {
		var refused *mqttclient.ConnectError
		if _, err := r.tryDial(t, "metz-in"); !errors.As(err, &refused) || refused.Code != connackUnavailable {
			t.Fatalf("beside the former connection: %v", err)
		}
	}
	close(gate)
	for {
		var refused *mqttclient.ConnectError
		if _, err := r.tryDial(t, "metz-in"); !errors.As(err, &refused) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if s := r.Stats(); s.Connections != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestNewCommandsComeBehindThoseThatWaited(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.OfflineMessages = 5000 })
	topic := "totem/v1/metz/metz-in/command"
	publish := func(i int) {
		if err := r.Publish(topic, fmt.Appendf(nil, "%d", i), false); err != nil {
			t.Error(err)
		}
	}
	c := r.dial(t, "metz-in", persistent)
	if err := c.Subscribe(soon(t), topic, nil); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range 5 {
		c.Cut()
		for next(t, r.presences) {
		}
		for range 1000 {
			publish(n)
			n++
		}
		from, to := n, n+1000
		done := make(chan struct{})
		go func() {
			for i := from; i < to; i++ {
				publish(i)
			}
			close(done)
		}()
		got := make(chan int, 10_000)
		handle := func(_ string, payload []byte) {
			var i int
			_, _ = fmt.Sscan(string(payload), &i)
			got <- i
		}
		c = r.dial(t,
			"metz-in",
			persistent,
			func(o *mqttclient.Options) { o.Routes = map[string]mqttclient.Message{topic: handle} },
		)
		<-done
		n = to
		for last := from - 1001; last < to-1; {
			i := next(t, got)
			if i > last+1 {
				t.Fatalf("%d after %d", i, last)
			}
			last = max(last, i)
		}
	}
}
