package broker

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// A gateway gets the lists of all its readers, in storms and whatever their
// size, and is not cut off for what its network has not taken yet.
func TestRetainedMessagesAreWrittenAsTheNetworkTakesThem(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) {
		c.Limits.PendingBytes = 128 << 10
		n := *network()
		for i := range 60 {
			n.Devices = append(n.Devices,
				catalogue.Device{ID: catalogue.DeviceID(fmt.Sprintf("reader-%d", i)), Site: "metz", Kind: catalogue.Reader},
			)
		}
		c.Network = catalogue.New(n)
	})
	handle, got := sink()
	gateway := r.dial(t, "metz-gateway")
	if err := gateway.Subscribe(soon(t), "totem/v1/metz/+/allowlist", handle); err != nil {
		t.Fatal(err)
	}
	const topics, rounds = 60, 4
	topic := func(i int) string { return fmt.Sprintf("totem/v1/metz/reader-%d/allowlist", i) }
	for round := range rounds {
		for i := range topics {
			if err := r.Publish(topic(i), append(bytes.Repeat([]byte("x"), 64<<10), fmt.Sprint(round)...), true); err != nil {
				t.Fatal(err)
			}
		}
	}
	huge := bytes.Repeat([]byte("y"), 5<<20)
	if err := r.Publish("totem/v1/metz/metz-in/allowlist", huge, true); err != nil {
		t.Fatal(err)
	}
	last := map[string]byte{}
	all := func() bool {
		for i := range topics {
			if last[topic(i)] != '0'+rounds-1 {
				return false
			}
		}
		return last["totem/v1/metz/metz-in/allowlist"] == 'y'
	}
	for end := time.After(30 * time.Second); !all(); {
		select {
		case m := <-got:
			name, _, _ := bytes.Cut([]byte(m), []byte(" "))
			last[string(name)] = m[len(m)-1]
		case <-end:
			t.Fatalf("not all came: %d of %d topics", len(last), topics+1)
		}
	}
	if n := r.Stats().Slow; n != 0 {
		t.Errorf("cut off %d times", n)
	}
}

func TestAMillionChangesOfOneTopicAreOneMessageForWhoDoesNotRead(t *testing.T) {
	r := start(t,
		func(c *EmbeddedConfig) { c.Limits.WriteTimeout = 10 * time.Minute },
	) // it stays, however long this takes
	lazy := r.raw(t)
	lazy.send(t, loginMetzIn)
	lazy.expect(t, "20 02 00 00")
	lazy.send(t, subscribeTo("totem/v1/metz/metz-in/+"))
	lazy.expect(t, "90 03 0001 01")
	for i := range 20_000 {
		if err := r.Publish("totem/v1/metz/metz-in/allowlist", fmt.Appendf(nil, "%060000d", i), true); err != nil {
			t.Fatal(err)
		}
	}
	r.mu.Lock()
	s := r.live["metz-in"]
	r.mu.Unlock()
	s.latest.mu.Lock()
	waiting := len(s.latest.waiting)
	s.latest.mu.Unlock()
	s.conn.mu.Lock()
	bytes := len(s.conn.pending) + s.conn.sending
	s.conn.mu.Unlock()
	if waiting > 1 || bytes > lowWater+70_000 {
		t.Errorf("%d messages and %d bytes wait for a client that does not read", waiting, bytes)
	}
}
