package netfaults

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/ledger/pgtest"
)

// takenOver is how long it may take until another machine serves: PostgreSQL notices
// that a session is dead, or the one that waits finds that it shows no life.
const takenOver = 15 * time.Second

// A machine is cut off from PostgreSQL, and from nothing else: it can commit nothing,
// so that another one that waits takes over, with the broker's session. When it is
// connected again it ends.
func TestAMachineIsCutOffFromPostgreSQL(t *testing.T) {
	t.Parallel() // most of the time they wait
	pgtest.Need(t)
	if !mosquittotest.Wanted() {
		t.Skipf("not run: set %s=1", mosquittotest.Variable)
	}
	server, m := pgtest.Start(t), mosquittotest.Start(t)
	database := server.Database(t)
	l := newLink(t, server.Addr())
	cfg := apptest.Config(t)
	cfg.DatabaseURL = strings.Replace(database, server.Addr(), l.addr(), 1)
	cfg.MQTTListen, cfg.MQTTURL = "", "mqtt://"+m.Addr
	options := app.Options{Log: apptest.Discard(), Anonymous: true}
	first, err := app.Start(t.Context(), cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { ended <- first.Wait(ctx) }()
	apptest.Settle(t, first)

	other := cfg
	other.Data, other.Keys, other.DatabaseURL = t.TempDir(), cfg.KeysFile(), database
	type started struct {
		*app.App
		err error
	}
	next := make(chan started, 1)
	go func() {
		a, err := app.Start(t.Context(), other, options)
		next <- started{a, err}
	}()
	w := live(t, first, m.Addr)
	w.broker = m
	if _, by := w.badge(); by != "decision" {
		t.Errorf("before the fault the door decided by %s", by)
	}
	select {
	case s := <-next:
		t.Fatalf("two serve at once: %v", s.err)
	default:
	}

	l.spoil(t, fault{"silence", []toxic{{"timeout", map[string]int{"timeout": 0}}}, true})
	cut := time.Now()
	badged := make(chan bool)
	go func() {
		defer close(badged)
		for time.Since(cut) < takenOver/2 {
			w.badge()
			time.Sleep(200 * time.Millisecond)
		}
	}()
	var second started
	select {
	case second = <-next:
	case <-time.After(takenOver):
		t.Fatalf("nobody serves %s after the owner was cut off", takenOver)
	}
	if second.err != nil {
		t.Fatal(second.err)
	}
	took := time.Since(cut)
	t.Cleanup(func() { apptest.Stop(t, second.App) })
	<-badged
	w.a = second.App
	w.settle(cut)
	t.Logf("| a machine cut off from PostgreSQL | %.1f s until another one serves | nothing | nothing | %.1f s |",
		took.Seconds(), time.Since(cut).Seconds())

	l.heal(t)
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "another totem has taken over") {
			t.Errorf("the machine that was cut off ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the machine that was cut off goes on")
	}
	for range 10 {
		w.badge()
	}
	w.end()
}
