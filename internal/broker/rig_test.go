package broker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
)

// network returns two sites with a reader each, one of them with a gateway.
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
	r := &rig{
		auth: &secrets{
			pass: map[string]string{"metz-in": "s-in", "metz-out": "s-out", "metz-gateway": "s-gw", "nancy-in": "s-nancy"},
		},
		deliver:   make(chan Delivery, 10_000),
		denied:    make(chan refusal, 1000),
		presences: make(chan bool, 1000),
	}
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
func (r *rig) dial(t testing.TB, user string, change ...func(*mqttclient.Options)) *mqttclient.Client {
	t.Helper()
	c, err := r.tryDial(t, user, change...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *rig) tryDial(t testing.TB, user string, change ...func(*mqttclient.Options)) (*mqttclient.Client, error) {
	t.Helper()
	r.auth.mu.Lock()
	o := mqttclient.Options{ClientID: user, Username: user, Password: r.auth.pass[user]}
	r.auth.mu.Unlock()
	for _, f := range change {
		f(&o)
	}
	c, err := mqttclient.DialOptions(soon(t), r.Addr().String(), o)
	if err == nil {
		t.Cleanup(c.Cut)
	}
	return c, err
}

func persistent(o *mqttclient.Options) { o.Persistent = true }

func named(id string) func(*mqttclient.Options) {
	return func(o *mqttclient.Options) { o.ClientID = id }
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

// sink returns a subscription's handler that keeps what comes.
func sink() (mqttclient.Message, chan string) {
	ch := make(chan string, 10_000)
	return func(topic string, payload []byte) { ch <- topic + " " + string(payload) }, ch
}

// resume connects a device whose session has its subscriptions.
func resume(t testing.TB, r *rig, user, filter string) (*mqttclient.Client, chan string) {
	t.Helper()
	handle, got := sink()
	c := r.dial(t,
		user,
		persistent,
		func(o *mqttclient.Options) { o.Routes = map[string]mqttclient.Message{filter: handle} },
	)
	return c, got
}
