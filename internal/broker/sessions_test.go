package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/mqttclient"
)

func TestQueueForAReaderThatIsAwayIsBoundedAndKeepsCommandsLongest(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.OfflineMessages = 10 })
	c := r.dial(t, "metz-in", persistent)
	if err := c.Subscribe(soon(t), "totem/v1/metz/metz-in/+", nil); err != nil {
		t.Fatal(err)
	}
	c.Cut()
	next(t, r.presences)
	next(t, r.presences)
	publish := func(what string, i int) {
		if err := r.Publish("totem/v1/metz/metz-in/"+what, fmt.Appendf(nil, "%d", i), false); err != nil {
			t.Fatal(err)
		}
	}
	publish("command", 0)
	for i := range 30 {
		publish("decision", i)
	}
	publish("command", 1)
	_, got := resume(t, r, "metz-in", "#")
	want := []string{"command 0"}
	for i := 22; i < 30; i++ {
		want = append(want, fmt.Sprintf("decision %d", i))
	}
	for _, w := range append(want, "command 1") {
		if m := next(t, got); m != "totem/v1/metz/metz-in/"+w {
			t.Fatalf("%q, want %q", m, w)
		}
	}
}

func TestSessionsOfOneDeviceThatIsAwayAreBounded(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Limits.OfflineSessions = 3 })
	for i := range 10 {
		c := r.dial(t, "metz-in", persistent, named(fmt.Sprintf("metz-in:%d", i)))
		next(t, r.presences)
		c.Cut()
		next(t, r.presences)
	}
	if n := r.Stats().Sessions; n > 4 {
		t.Fatalf("%d sessions", n)
	}
}

func TestDisconnectEndsTheOldConnectionAndItsSession(t *testing.T) {
	r := start(t)
	c := r.dial(t, "metz-in", persistent)
	if err := c.Subscribe(soon(t), "totem/v1/metz/metz-in/decision", nil); err != nil {
		t.Fatal(err)
	}
	old := r.auth.pass["metz-in"]
	r.auth.set("metz-in", "new")
	r.Disconnect("metz-in")
	<-c.Done()
	if r.Connected("metz-in") || r.Stats().Sessions != 0 {
		t.Fatalf("%+v", r.Stats())
	}
	if _, err := r.tryDial(t, "metz-in", func(o *mqttclient.Options) { o.Password = old }); err == nil {
		t.Fatal("the old secret still opens")
	}
	if c := r.dial(t, "metz-in", persistent); c.SessionPresent() {
		t.Fatal("the old session is there")
	}
}

// replaced is an authenticator during whose answer the secret is replaced.
type replaced struct {
	*secrets
	during func()
}

func (a *replaced) Authenticate(user string, password []byte) (Principal, bool) {
	p, ok := a.secrets.Authenticate(user, password)
	if f := a.during; f != nil {
		a.during = nil
		f()
	}
	return p, ok
}

func TestSecretReplacedWhileItIsBeingCheckedLetsNobodyIn(t *testing.T) {
	auth := &replaced{}
	r := start(t, func(c *EmbeddedConfig) { auth.secrets, c.Auth = c.Auth.(*secrets), auth })
	auth.during = func() { r.auth.set("metz-in", "new"); r.Disconnect("metz-in") }
	if _, err := r.tryDial(t, "metz-in"); err == nil {
		t.Fatal("let in with the former secret")
	}
}

func TestPrincipalWhoseTimeEndsIsDisconnected(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Auth = until{c.Auth} })
	<-r.dial(t, "metz-in").Done()
}

type until struct{ Authenticator }

func (a until) Authenticate(user string, password []byte) (Principal, bool) {
	p, ok := a.Authenticator.Authenticate(user, password)
	p.Until = time.Now().Add(20 * time.Millisecond)
	return p, ok
}

func TestCloseWaitsForWhatWasHandedOver(t *testing.T) {
	r := start(t)
	c := r.dial(t,
		"metz-in",
		func(o *mqttclient.Options) { o.WillTopic, o.Will = "totem/v1/metz/metz-in/status", []byte("x") },
	)
	if err := c.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	d := next(t, r.deliver)
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	select {
	case err := <-closed:
		t.Fatalf("closed before the commit: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	d.Ack()
	if err := next(t, closed); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if c.Acked() != 1 {
		t.Fatal("not acknowledged")
	}
	if len(r.deliver) > 0 {
		t.Fatal("the broker published a last will at its own end")
	}
	if err := r.Publish("totem/v1/metz/metz-in/decision", nil, false); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
