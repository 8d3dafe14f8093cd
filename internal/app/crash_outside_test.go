package app_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// Under load, Totem is killed, then Mosquitto too, again and again. What
// Mosquitto acknowledged and still has comes to the ledger, once.
func TestKillingTotemOrMosquittoLosesNothingThatWasAcknowledged(t *testing.T) {
	if !mosquittotest.Wanted() {
		t.Skip("not run: needs Mosquitto; set " + mosquittotest.Variable + "=1 (.ci/run and make integration do)")
	}
	m := mosquittotest.Start(t, "autosave_on_changes true", "autosave_interval 1")
	dir := t.TempDir()
	t.Setenv(serveMQTT, "mqtt://"+m.Addr)
	k := &crashed{}
	sent := 0
	acked := map[uuid.UUID]bool{}
	_, kill := k.serve(t, dir)
	time.Sleep(time.Second) // it subscribes; from then on its session is kept
	for round := range 8 {
		c, err := mqttclient.DialOptions(
			t.Context(),
			m.Addr,
			mqttclient.Options{ClientID: fmt.Sprintf("crash-%d", round), Window: 1},
		)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			id := uuid.New()
			payload := fmt.Appendf(nil, `{"id":%q,"at":%q,"count":%d}`, id, wire.FormatTime(time.Now()), sent%20)
			if err := c.Publish("totem/v1/metz/metz-cafe-count/count", payload); err != nil {
				t.Fatal(err)
			}
			if err := c.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			acked[id] = true
			if sent++; rand.IntN(40) == 0 {
				kill()
				_, kill = k.serve(t, dir)
			}
		}
		c.Close()
		if round%4 == 3 { // with what it had to hand over on disk
			kill()
			m.Stop(syscall.SIGTERM)
			m.Restart(t)
			_, kill = k.serve(t, dir)
		}
	}
	want := len(acked)
	var have map[uuid.UUID]int
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if have = committed(t, dir); len(have) >= want {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d acknowledged messages are in the ledger", len(have), want)
		}
	}
	kill()
	for id, n := range committed(t, dir) {
		if n != 1 || !acked[id] {
			t.Errorf("%s is there %d times, acknowledged %t", id, n, acked[id])
		}
	}
}

// committed counts the messages of a ledger, whose service may be running.
func committed(t *testing.T, dir string) map[uuid.UUID]int {
	t.Helper()
	l, err := ledger.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out := map[uuid.UUID]int{}
	list, err := l.ObservationsPage(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		out[o.ID]++
	}
	return out
}
