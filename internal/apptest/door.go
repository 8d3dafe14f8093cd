package apptest

import (
	"crypto/ed25519"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// Door is a stock MQTT client that plays the reader at Metz's entrance.
type Door struct {
	t         *testing.T
	C         *mqttclient.Client
	Key       ed25519.PublicKey
	decisions chan wire.DecisionBody
	Lists     chan wire.List
}

// OverBrokers runs a test with the embedded broker and with a real Mosquitto.
func OverBrokers(t *testing.T, test func(*testing.T, *app.App, *Door)) {
	t.Run("broker=embedded", func(t *testing.T) {
		a := Start(t, Config(t))
		Settle(t, a)
		test(t, a, OpenDoor(t, a, a.MQTT.String()))
	})
	if !mosquittotest.Wanted() {
		t.Logf("not run: broker=mosquitto; set %s=1", mosquittotest.Variable)
		return
	}
	t.Run("broker=mosquitto", func(t *testing.T) {
		m := mosquittotest.Start(t)
		cfg := Config(t)
		cfg.MQTTURL = "mqtt://" + m.Addr
		a := Start(t, cfg)
		Settle(t, a)
		for end := time.Now().Add(Patience); a.Broker.Ready() != nil; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not connected to Mosquitto in time")
			}
		}
		test(t, a, OpenDoor(t, a, m.Addr))
	})
}

// OpenDoor connects a door to the broker at addr.
func OpenDoor(t *testing.T, a *app.App, addr string) *Door {
	t.Helper()
	c, err := mqttclient.Dial(t.Context(), addr, "test-"+uuid.NewString(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	site, _ := a.Keys.Site("metz")
	d := &Door{
		t:         t,
		C:         c,
		Key:       site.Public(),
		decisions: make(chan wire.DecisionBody, 100),
		Lists:     make(chan wire.List, 100),
	}
	base := "totem/v1/metz/" + string(Reader)
	err = c.Subscribe(t.Context(), base+"/decision", func(_ string, p []byte) {
		body, err := wire.VerifyDecision(d.Key, Reader, p)
		if err != nil {
			t.Errorf("decision: %v", err)
		}
		d.decisions <- body
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Subscribe(t.Context(), base+"/allowlist", func(_ string, p []byte) {
		list, err := wire.VerifyList(d.Key, Reader, p)
		if err != nil {
			t.Errorf("allowlist: %v", err)
		}
		d.Lists <- list
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Badge publishes a badge and returns the decision.
func (d *Door) Badge(payload []byte) wire.DecisionBody {
	d.t.Helper()
	if err := d.C.Publish(BadgeTopic(Reader), payload); err != nil {
		d.t.Fatal(err)
	}
	select {
	case body := <-d.decisions:
		return body
	case <-time.After(Patience):
		d.t.Fatal("no decision in time")
		return wire.DecisionBody{}
	}
}

// Silent publishes a badge that must not be answered.
func (d *Door) Silent(payload []byte) {
	d.t.Helper()
	if err := d.C.Publish(BadgeTopic(Reader), payload); err != nil {
		d.t.Fatal(err)
	}
	if err := d.C.Drain(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	// The answer to a probe comes after whatever this one would have had.
	probe := uuid.New()
	if got := d.Badge(BadgeNow(probe, "FFFFFFFF")); got.Request != probe {
		d.t.Errorf("a decision came for %s, where none was due", got.Request)
	}
}

// Commands returns the commands that the reader receives from now on.
func (d *Door) Commands(t *testing.T) <-chan wire.CommandBody {
	t.Helper()
	commands := make(chan wire.CommandBody, 100)
	err := d.C.Subscribe(t.Context(), "totem/v1/metz/"+string(Reader)+"/command", func(_ string, p []byte) {
		c, err := wire.VerifyCommand(d.Key, Reader, p)
		if err != nil {
			t.Errorf("command: %v", err)
		}
		commands <- c
	})
	if err != nil {
		t.Fatal(err)
	}
	return commands
}

// Send publishes a message of a device in Metz and waits until it is committed.
func (d *Door) Send(device, what, body string) {
	d.t.Helper()
	payload := fmt.Sprintf(`{"id":%q,"at":%q,%s}`, uuid.New(), wire.FormatTime(time.Now()), body)
	d.Raw("totem/v1/metz/"+device+"/"+what, payload)
}

// Raw publishes a payload and waits until it is committed.
func (d *Door) Raw(topic, payload string) {
	d.t.Helper()
	if err := d.C.Publish(topic, []byte(payload)); err != nil {
		d.t.Fatal(err)
	}
	if err := d.C.Drain(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// Patience is how long a test waits for what a moment should bring: machines
// that run the race detector beside busy loops are slow.
const Patience = 2 * time.Minute

// Eventually waits for what follows a commit a moment later.
func Eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", Patience, what)
		}
	}
}

// Say hands a message of a device in Metz to the pipeline, as its broker does, and waits for the commit.
func Say(t *testing.T, a *app.App, device, what, body string, will bool) {
	t.Helper()
	payload := []byte(body)
	if !will {
		payload = fmt.Appendf(nil, `{"id":%q,%s}`, uuid.New(), body)
	}
	var acked atomic.Bool
	a.Pipeline.Handle(
		t.Context(),
		ingest.Delivery{
			Topic:   "totem/v1/metz/" + device + "/" + what,
			Payload: payload,
			Will:    will,
			From:    device,
			Ack:     func() { acked.Store(true) },
		},
	)
	Eventually(t, "the commit of "+what, acked.Load)
}

// AtNow returns the field "at" of a message of some time ago.
func AtNow(ago time.Duration) string {
	return fmt.Sprintf(`"at":%q`, wire.FormatTime(time.Now().Add(-ago)))
}
