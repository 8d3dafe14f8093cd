package netfaults

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/firmware-sim/reader"
	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/ledger/pgtest"
	"github.com/lorntech/totem/internal/series/influxtest"
	"github.com/lorntech/totem/internal/wire"
)

const (
	badFor  = 5 * time.Second  // how long a fault lasts
	wellBy  = 90 * time.Second // after which a test gives up
	atADoor = reader.Wait + 500*time.Millisecond
)

// world is a service, a door where Alice and Bob badge, and a counter that counts.
type world struct {
	t       *testing.T
	a       *app.App
	door    *door
	counter *device

	stop    func()      // ends the devices
	counted []uuid.UUID // the counts that were acknowledged
	badges  []uuid.UUID
	story   map[uuid.UUID]string // who badged, when, and who decided
	broker  *mosquittotest.Server
}

// live starts a world whose devices reach the broker at addr.
func live(t *testing.T, a *app.App, addr string) *world {
	t.Helper()
	w := &world{t: t, a: a, door: newDoor(t, a, addr), counter: newDevice(addr), story: map[uuid.UUID]string{}}
	w.counter.acked = func(id uuid.UUID) { w.counted = append(w.counted, id) }
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context){w.door.run, w.door.tick, w.counter.run, w.count} {
		wg.Go(func() { run(ctx) })
	}
	w.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(w.stop)
	apptest.Eventually(t, "a list at the door that names Alice", w.door.ready)
	return w
}

// count sends 50 counts a second.
func (w *world) count(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		id := uuid.New()
		w.counter.send(id, "totem/v1/metz/metz-coworking-count/count",
			fmt.Appendf(nil, `{"id":%q,"at":%q,"count":%d}`, id, wire.FormatTime(time.Now()), n%9))
		time.Sleep(20 * time.Millisecond)
	}
}

// badge has Alice, who may pass, and Bob, who may not, badge at the door. It
// returns the longer wait, and who decided.
func (w *world) badge() (took time.Duration, by string) {
	w.t.Helper()
	for uid, may := range map[string]bool{apptest.AliceUID: true, apptest.BobUID: false} {
		card, err := hex.DecodeString(uid)
		if err != nil {
			w.t.Fatal(err)
		}
		id, o, d := w.door.badge(card)
		w.badges = append(w.badges, id)
		w.story[id] = fmt.Sprintf("%s, which may pass %v, decided after %s at %s by %s: %s",
			uid, may, d, time.Now().Format("15:04:05.000"), o.By, o.Reason)
		if o.Granted != may {
			w.t.Errorf("a badge that may pass %v: %+v", may, o)
		}
		if d > atADoor {
			w.t.Errorf("somebody stood at the door for %s", d)
		}
		took = max(took, d)
		if may {
			by = o.By
		}
	}
	return took, by
}

// bear lets a fault pass, while people badge, and prints its row of
// docs/reliability.md.
func (w *world) bear(l *link, f fault) {
	w.t.Helper()
	if _, by := w.badge(); by != "decision" {
		w.t.Errorf("before the fault the door decided by %s", by)
	}
	l.spoil(w.t, f)
	var longest time.Duration
	deciders := map[string]int{}
	for end := time.Now().Add(badFor); time.Now().Before(end); {
		took, by := w.badge()
		longest = max(longest, took)
		deciders[by]++
		time.Sleep(200 * time.Millisecond)
	}
	healed := time.Now()
	if f.stays {
		healed = healed.Add(-badFor)
	} else {
		l.heal(w.t)
	}
	w.settle(healed)
	l.heal(w.t)
	w.t.Logf("| %s | %.1f s at most; %v | nothing | nothing | %.1f s |",
		f.name, longest.Seconds(), deciders, time.Since(healed).Seconds())
}

// settle waits until doors are decided by the service again and the devices have
// nothing left to send, but for what the counter has just counted.
func (w *world) settle(healed time.Time) {
	w.t.Helper()
	for _, by := w.badge(); by != "decision" || w.door.left() > 0 || w.counter.left() > 20; _, by = w.badge() {
		if time.Since(healed) > wellBy {
			w.t.Fatalf("%s after the fault: decided by %s, not acknowledged %d and %d",
				wellBy, by, w.door.left(), w.counter.left())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// end stops the devices, and checks that everything that was acknowledged to them
// is in the ledger once.
func (w *world) end() {
	w.t.Helper()
	apptest.Eventually(w.t, "the door's last messages", func() bool { return w.door.left() == 0 })
	w.stop()
	var kept map[uuid.UUID]int
	missing := func() (n int) {
		kept = w.kept()
		for _, id := range append(w.badges, w.counted...) {
			if kept[id] == 0 {
				n++
			}
		}
		return n
	}
	// An outside broker acknowledges what it has stored; Totem takes it then.
	for end := time.Now().Add(wellBy); missing() > 0 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if n := missing(); n > 0 {
		w.t.Errorf("%d messages of %d were acknowledged, and are not in the ledger", n, len(w.badges)+len(w.counted))
		w.tell(kept)
	}
	for id, n := range kept {
		if n > 1 {
			w.t.Errorf("message %s is in the ledger %d times", id, n)
		}
	}
	if len(w.badges) < 20 || len(w.counted) < 500 {
		w.t.Errorf("only %d badges and %d counts: the faults were not borne", len(w.badges), len(w.counted))
	}
	if v := apptest.ClientOf(w.t, w.a).Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		w.t.Errorf("the audit: %v", v)
	}
}

// tell says what is known of messages that are missing.
func (w *world) tell(kept map[uuid.UUID]int) {
	w.t.Helper()
	for i, id := range w.badges {
		if kept[id] == 0 {
			w.t.Logf("badge %d of %d: %s: %s", i+1, len(w.badges), id, w.story[id])
		}
	}
	for i, id := range w.counted {
		if kept[id] == 0 {
			w.t.Logf("count %d of %d: %s", i+1, len(w.counted), id)
		}
	}
	rejects, err := w.a.Ledger.Rejects(w.t.Context(), nil, 0, 100)
	if err != nil {
		w.t.Error(err)
	}
	for _, r := range rejects {
		w.t.Logf("rejected: %s %s %s", r.Topic, r.Reason, r.Payload)
	}
	if w.broker == nil {
		return
	}
	for _, line := range w.broker.Log() {
		if strings.Contains(line, "/badge") || strings.Contains(line, "onnect") || strings.Contains(line, "drop") {
			w.t.Log("mosquitto: " + line)
		}
	}
	lines := w.broker.Log()
	for _, line := range lines[max(0, len(lines)-200):] {
		w.t.Log("mosquitto, at last: " + line)
	}
}

// kept returns how often each message is in the ledger.
func (w *world) kept() map[uuid.UUID]int {
	w.t.Helper()
	kept := map[uuid.UUID]int{}
	reads, err := w.a.Ledger.Reads(w.t.Context(), ledger.ReadFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range reads {
		kept[r.ID]++
	}
	if err := w.a.Ledger.ObservationsAfter(w.t.Context(), 0, func(o *ingest.Observation) error {
		kept[o.ID]++
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return kept
}

func TestBetweenDevicesAndTheBroker(t *testing.T) {
	t.Parallel() // most of the time they wait
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	l := newLink(t, a.MQTT.String())
	w := live(t, a, l.addr())
	for _, f := range faults {
		w.bear(l, f)
	}
	w.end()
}

func TestBetweenTheBrokerAndTotem(t *testing.T) {
	t.Parallel() // most of the time they wait
	if !mosquittotest.Wanted() {
		t.Skipf("not run: set %s=1", mosquittotest.Variable)
	}
	m := mosquittotest.Start(t)
	l := newLink(t, m.Addr)
	cfg := apptest.Config(t)
	cfg.MQTTListen, cfg.MQTTURL = "", "mqtt://"+l.addr()
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	apptest.WaitReady(t, a) // the broker keeps nothing for a session that has never begun
	w := live(t, a, m.Addr)
	w.broker = m
	for _, f := range faults {
		w.bear(l, f)
	}
	w.end()
}

func TestBetweenTotemAndPostgreSQL(t *testing.T) {
	t.Parallel() // most of the time they wait
	pgtest.Need(t)
	server := pgtest.Start(t)
	l := newLink(t, server.Addr())
	cfg := apptest.Config(t)
	cfg.DatabaseURL = strings.Replace(server.Database(t), server.Addr(), l.addr(), 1)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	w := live(t, a, a.MQTT.String())
	for _, f := range faults {
		w.bear(l, f)
	}
	w.end()
}

func TestBetweenTotemAndInfluxDB(t *testing.T) {
	t.Parallel() // most of the time they wait
	influxtest.Need(t)
	server := influxtest.Start(t)
	l := newLink(t, server.URL[len("http://"):])
	cfg := apptest.Config(t)
	cfg.InfluxURL, cfg.InfluxBucket = "http://"+l.addr(), influxtest.Bucket
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	w := live(t, a, a.MQTT.String())
	for _, f := range faults {
		w.bear(l, f)
	}
	w.end()
	apptest.Shipped(t, a)
	apptest.Stop(t, a)
	cfg.InfluxURL = server.URL
	now := time.Now()
	if err := admin.CheckSeries(t.Context(), cfg, now.Add(-24*time.Hour), now.Add(24*time.Hour), io.Discard); err != nil {
		t.Errorf("InfluxDB afterwards: %v", err)
	}
}
