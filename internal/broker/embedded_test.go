package broker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/broker/mqttload"
	"github.com/lorntech/totem/internal/catalogue"
)

// network is two sites with a reader each, one of them with a gateway.
func network() *catalogue.Network {
	return catalogue.New(catalogue.Network{
		Sites:     []catalogue.Site{{ID: "metz"}, {ID: "nancy"}},
		Buildings: []catalogue.Building{{ID: "blida", Site: "metz"}, {ID: "source", Site: "nancy"}},
		Spaces: []catalogue.Space{{ID: "metz-hall", Building: "blida", Kind: catalogue.Common},
			{ID: "nancy-hall", Building: "source", Kind: catalogue.Common}},
		Devices: []catalogue.Device{
			{ID: "metz-in", Site: "metz", Kind: catalogue.Reader}, {ID: "metz-out", Site: "metz", Kind: catalogue.Reader},
			{ID: "metz-gateway", Site: "metz", Kind: catalogue.Gateway}, {ID: "nancy-in", Site: "nancy", Kind: catalogue.Reader},
		},
	})
}

// secrets authenticates by a table of passwords; the anonymous wherever they are asked for.
type secrets struct {
	mu   sync.Mutex
	pass map[string]string
}

func (a *secrets) set(user, pass string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pass[user] = pass
}

func (a *secrets) Authenticate(user string, password []byte) (Principal, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if user == "" {
		return Principal{}, true
	}
	if user == "token" {
		name, ok := map[string]string{"t-one": "one", "t-two": "two"}[string(password)]
		return Principal{Name: name, Token: true}, ok
	}
	want, ok := a.pass[user]
	if !ok || want != string(password) {
		return Principal{}, false
	}
	d := network().Device(catalogue.DeviceID(user))
	return Principal{Name: user, Site: d.Site, Device: d.ID, Gateway: d.Kind == catalogue.Gateway}, true
}

// refusal is what Denied was told.
type refusal struct {
	Delivery
	reason string
}

// rig is a started broker with its handler's hands in the test's.
type rig struct {
	*Embedded
	auth      *secrets
	deliver   chan Delivery
	denied    chan refusal
	presences chan bool
}

func start(t testing.TB, change ...func(*EmbeddedConfig)) *rig {
	t.Helper()
	r := &rig{auth: &secrets{pass: map[string]string{"metz-in": "s-in", "metz-out": "s-out", "metz-gateway": "s-gw", "nancy-in": "s-nancy"}},
		deliver: make(chan Delivery, 10_000), denied: make(chan refusal, 1000), presences: make(chan bool, 1000)}
	cfg := EmbeddedConfig{Listen: "127.0.0.1:0", Network: network(), Auth: r.auth,
		Handler:    func(d Delivery) { r.deliver <- d },
		Denied:     func(d Delivery, reason string) { d.Ack(); r.denied <- refusal{d, reason} },
		OnPresence: func(_ Principal, connected bool) { r.presences <- connected },
		Log:        slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, f := range change {
		f(&cfg)
	}
	e, err := NewEmbedded(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	r.Embedded = e
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if err := e.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	return r
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// dial connects a device with its secret.
func (r *rig) dial(t testing.TB, user string, change ...func(*mqttload.Options)) *mqttload.Client {
	t.Helper()
	c, err := r.tryDial(t, user, change...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *rig) tryDial(t testing.TB, user string, change ...func(*mqttload.Options)) (*mqttload.Client, error) {
	t.Helper()
	r.auth.mu.Lock()
	o := mqttload.Options{ClientID: user, Username: user, Password: r.auth.pass[user]}
	r.auth.mu.Unlock()
	for _, f := range change {
		f(&o)
	}
	c, err := mqttload.DialOptions(soon(t), r.Addr().String(), o)
	if err == nil {
		t.Cleanup(c.Cut)
	}
	return c, err
}

func persistent(o *mqttload.Options) { o.Persistent = true }

func named(id string) func(*mqttload.Options) {
	return func(o *mqttload.Options) { o.ClientID = id }
}

// next waits for what comes next.
func next[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// sink is a subscription's handler that keeps what comes.
func sink() (mqttload.Message, chan string) {
	ch := make(chan string, 10_000)
	return func(topic string, payload []byte) { ch <- topic + " " + string(payload) }, ch
}

func TestPubackComesOnlyAfterAckIsCalled(t *testing.T) {
	r := start(t)
	c := r.dial(t, "metz-in")
	if err := c.Publish("totem/v1/metz/metz-in/badge", []byte("one")); err != nil {
		t.Fatal(err)
	}
	d := next(t, r.deliver)
	if d.Topic != "totem/v1/metz/metz-in/badge" || string(d.Payload) != "one" || d.From != "metz-in" || d.Will || d.Retained {
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
	for range 100 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	slow := next(t, r.deliver)
	for range 99 {
		next(t, r.deliver).Ack()
	}
	for c.Acked() < 99 {
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
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
	if err := other.Subscribe(soon(t), "totem/v1/metz/metz-in/decision", strange); !errors.Is(err, mqttload.ErrRefused) {
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
	if n := r.server.Topics.Messages(topic); len(n) != 0 {
		t.Fatalf("%d stay", len(n))
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

// resume connects a device whose session has its subscriptions.
func resume(t *testing.T, r *rig, user, filter string) (*mqttload.Client, chan string) {
	t.Helper()
	handle, got := sink()
	nc, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := mqttload.Connect(soon(t), nc, mqttload.Options{ClientID: user, Username: user, Password: r.auth.pass[user],
		Persistent: true, Routes: map[string]mqttload.Message{filter: handle}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Cut)
	return c, got
}
