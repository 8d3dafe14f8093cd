package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/broker/natstest"
	"github.com/lorntech/totem/internal/mqttclient"
)

// subject is a broker under this suite, with the far side's address.
type subject struct {
	Broker
	addr    string
	rig     *rig // the embedded one's
	deliver chan Delivery
}

// subjects returns the implementations, by name. A cluster takes seconds to begin:
// one serves all that the test asks of it.
func subjects(t testing.TB) map[string]func(testing.TB) *subject {
	all := map[string]func(testing.TB) *subject{"embedded": func(t testing.TB) *subject {
		r := start(t)
		return &subject{Broker: r, addr: r.Addr().String(), rig: r, deliver: r.deliver}
	}}
	if mosquittotest.Wanted() {
		all["mosquitto"] = func(t testing.TB) *subject {
			m := mosquittotest.Start(t)
			o, deliver := connectOutside(t, "mqtt://"+m.Addr)
			return &subject{Broker: o, addr: m.Addr, deliver: deliver}
		}
	}
	if natstest.Wanted() {
		c := natstest.Start(t)
		all["nats"] = func(t testing.TB) *subject {
			own := func(cfg *OutsideConfig) { cfg.ClientID = t.Name() } // no session of the test before
			o, deliver := connectOutside(t, "mqtt://"+c.Addrs[0], own)  // devices are at another node
			return &subject{Broker: o, addr: c.Addrs[1], deliver: deliver}
		}
	}
	return all
}

// connectOutside makes an outside broker's client and waits for its subscriptions.
func connectOutside(t testing.TB, url string, change ...func(*OutsideConfig)) (*Outside, chan Delivery) {
	t.Helper()
	deliver, up := make(chan Delivery, 100_000), make(chan struct{}, 100)
	cfg := OutsideConfig{URL: url, ClientID: "totem-test", Handler: func(d Delivery) { deliver <- d },
		OnUp: func() { up <- struct{}{} }, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	o, err := NewOutside(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = o.Close(ctx)
	})
	next(t, up)
	return o, deliver
}

// device connects metz-in or metz-out.
func (s *subject) device(t testing.TB, id string) *mqttclient.Client {
	t.Helper()
	if s.rig != nil {
		return s.rig.dial(t, id)
	}
	c, err := mqttclient.Dial(soon(t), s.addr, id, "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Cut)
	return c
}

func TestBrokerContract(t *testing.T) {
	if !mosquittotest.Wanted() {
		t.Logf("not run: the tests with a real Mosquitto; set %s=1", mosquittotest.Variable)
	}
	if !natstest.Wanted() {
		t.Logf("not run: the tests with a cluster of NATS servers; set %s=1", natstest.Variable)
	}
	for name, make := range subjects(t) {
		for promise, check := range map[string]func(*testing.T, *subject){
			"EveryUpTopicIsHandedOver":              everyUpTopic,
			"LargeMessagesAreHandedOverWhole":       largeMessages,
			"AcksMayComeInAnyOrder":                 acksInAnyOrder,
			"PublicationsReachSubscribersInOrder":   publicationsInOrder,
			"RetainedStaysUntilCleared":             retainedStays,
			"HandlerThatWaitsDoesNotHoldUpPublish":  waitingHandler,
			"CloseWaitsForWhatWasHandedOverThenEnd": closeWaits,
		} {
			t.Run(name+"/"+promise, func(t *testing.T) { check(t, make(t)) })
		}
	}
}

func everyUpTopic(t *testing.T, s *subject) {
	c := s.device(t, "metz-in")
	for _, what := range []string{"badge", "door", "occupancy", "count", "flow", "air", "status"} {
		topic := "totem/v1/metz/metz-in/" + what
		if err := c.Publish(topic, []byte(what)); err != nil {
			t.Fatal(err)
		}
		d := next(t, s.deliver)
		if d.Topic != topic || string(d.Payload) != what || d.Retained || d.Will {
			t.Fatalf("%+v", d)
		}
		d.Ack()
	}
	// A retain flag asks the broker to keep the message; that it is one kept says only an outside broker.
	if err := c.PublishRetained("totem/v1/metz/metz-in/status", []byte("on")); err != nil {
		t.Fatal(err)
	}
	if d := next(t, s.deliver); d.Retained {
		t.Fatalf("%+v", d)
	} else {
		d.Ack()
	}
	// The next test's broker may be this one.
	if err := c.PublishRetained("totem/v1/metz/metz-in/status", nil); err != nil {
		t.Fatal(err)
	}
	next(t, s.deliver).Ack()
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func largeMessages(t *testing.T, s *subject) {
	big := bytes.Repeat([]byte("x"), MaxPayload+1)
	c := s.device(t, "metz-in")
	if err := c.Publish("totem/v1/metz/metz-in/badge", big); err != nil {
		t.Fatal(err)
	}
	d := next(t, s.deliver)
	d.Ack()
	if !bytes.Equal(d.Payload, big) {
		t.Fatalf("%d bytes", len(d.Payload))
	}
}

func acksInAnyOrder(t *testing.T, s *subject) {
	c := s.device(t, "metz-in")
	for round := range 3 {
		var held []Delivery
		for i := range 150 {
			if err := c.Publish("totem/v1/metz/metz-in/badge", fmt.Appendf(nil, "%d/%d", round, i)); err != nil {
				t.Fatal(err)
			}
		}
		for range 150 {
			held = append(held, next(t, s.deliver))
		}
		var all sync.WaitGroup
		for i := range held {
			all.Go(held[len(held)-1-i].Ack)
		}
		all.Wait()
		if err := c.Drain(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.deliver) > 0 {
		t.Fatalf("%d came twice", len(s.deliver))
	}
}

func publicationsInOrder(t *testing.T, s *subject) {
	handle, got := sink()
	if err := s.device(t, "metz-in").Subscribe(soon(t), "totem/v1/metz/metz-in/command", handle); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if err := s.Publish("totem/v1/metz/metz-in/command", fmt.Appendf(nil, "%d", i), false); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 500 {
		if m := next(t, got); m != fmt.Sprintf("totem/v1/metz/metz-in/command %d", i) {
			t.Fatalf("%d: %s", i, m)
		}
	}
}

func retainedStays(t *testing.T, s *subject) {
	topic := "totem/v1/metz/metz-in/allowlist"
	first, heard := sink()
	if err := s.device(t, "metz-in").Subscribe(soon(t), topic, first); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"old", "new"} {
		if err := s.Publish(topic, []byte(p), true); err != nil {
			t.Fatal(err)
		}
		next(t, heard)
	}
	late, got := sink()
	c := s.device(t, "metz-in")
	if err := c.Subscribe(soon(t), topic, late); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); m != topic+" new" {
		t.Fatal(m)
	}
	if err := s.Publish(topic, nil, true); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); m != topic+" " {
		t.Fatal(m)
	}
	if err := c.Subscribe(soon(t), topic, nil); err != nil {
		t.Fatal(err)
	}
	if len(got) > 0 {
		t.Fatalf("it stayed: %s", <-got)
	}
}

func waitingHandler(t *testing.T, s *subject) {
	handle, got := sink()
	c := s.device(t, "metz-in")
	if err := c.Subscribe(soon(t), "totem/v1/metz/metz-in/decision", handle); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	d := next(t, s.deliver) // not acknowledged yet
	if err := s.Publish("totem/v1/metz/metz-in/decision", nil, false); err != nil {
		t.Fatal(err)
	}
	next(t, got)
	d.Ack()
}

func closeWaits(t *testing.T, s *subject) {
	c := s.device(t, "metz-in")
	if err := c.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	d := next(t, s.deliver)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.Close(ctx) }()
	select {
	case err := <-closed:
		t.Fatalf("closed before the commit: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	d.Ack()
	if err := next(t, closed); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish("totem/v1/metz/metz-in/decision", nil, false); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatalf("closing twice: %v", err)
	}
}
