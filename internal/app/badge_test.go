package app

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// door is a stock MQTT client that plays the reader at Metz's entrance.
type door struct {
	t         *testing.T
	c         *mqttclient.Client
	key       ed25519.PublicKey
	decisions chan wire.DecisionBody
	lists     chan wire.List
}

// overBrokers runs a test with the embedded broker and with a real Mosquitto.
func overBrokers(t *testing.T, test func(*testing.T, *App, *door)) {
	t.Run("broker=embedded", func(t *testing.T) {
		a := startApp(t, testConfig(t))
		settle(t, a)
		test(t, a, openDoor(t, a, a.MQTT.String()))
	})
	if !mosquittotest.Wanted() {
		t.Logf("not run: broker=mosquitto; set %s=1", mosquittotest.Variable)
		return
	}
	t.Run("broker=mosquitto", func(t *testing.T) {
		m := mosquittotest.Start(t)
		cfg := testConfig(t)
		cfg.MQTTURL = "mqtt://" + m.Addr
		a := startApp(t, cfg)
		settle(t, a)
		for end := time.Now().Add(30 * time.Second); a.broker.Ready() != nil; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not connected to Mosquitto within 10 s")
			}
		}
		test(t, a, openDoor(t, a, m.Addr))
	})
}

func openDoor(t *testing.T, a *App, addr string) *door {
	t.Helper()
	c, err := mqttclient.Dial(t.Context(), addr, "test-"+uuid.NewString(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	site, _ := a.Keys.Site("metz")
	d := &door{
		t:         t,
		c:         c,
		key:       site.Public(),
		decisions: make(chan wire.DecisionBody, 100),
		lists:     make(chan wire.List, 100),
	}
	base := "totem/v1/metz/" + string(reader)
	err = c.Subscribe(t.Context(), base+"/decision", func(_ string, p []byte) {
		body, err := wire.VerifyDecision(d.key, reader, p)
		if err != nil {
			t.Errorf("decision: %v", err)
		}
		d.decisions <- body
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Subscribe(t.Context(), base+"/allowlist", func(_ string, p []byte) {
		list, err := wire.VerifyList(d.key, reader, p)
		if err != nil {
			t.Errorf("allowlist: %v", err)
		}
		d.lists <- list
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *door) badge(payload []byte) wire.DecisionBody {
	d.t.Helper()
	if err := d.c.Publish(badgeTopic(reader), payload); err != nil {
		d.t.Fatal(err)
	}
	select {
	case body := <-d.decisions:
		return body
	case <-time.After(30 * time.Second):
		d.t.Fatal("no decision within 10 s")
		return wire.DecisionBody{}
	}
}

func (d *door) silent(payload []byte) {
	d.t.Helper()
	if err := d.c.Publish(badgeTopic(reader), payload); err != nil {
		d.t.Fatal(err)
	}
	if err := d.c.Drain(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	// The answer to a probe comes after whatever this one would have had.
	probe := uuid.New()
	if got := d.badge(badgeNow(probe, "FFFFFFFF")); got.Request != probe {
		d.t.Errorf("a decision came for %s, where none was due", got.Request)
	}
}

func TestBadgeIsCommittedThenAnswered(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		for _, c := range []struct {
			uid     string
			granted bool
			reason  string
		}{
			{aliceUID, true, "lease"},
			{"dec:3283263748", true, "lease"}, // the same badge, as other readers spell it
			{"04:a1:b2:c3", true, "lease"},
			{bobUID, false, "lease-suspended"},
			{remiUID, true, "staff"},
			{"DEADBEEF", false, "unknown-credential"},
		} {
			id := uuid.New()
			got := d.badge(badgeNow(id, c.uid))
			if got.Request != id || got.Granted != c.granted || got.Reason != c.reason || (got.OpenMS > 0) != c.granted {
				t.Errorf("badge %s: got %+v, want granted=%t reason=%s", c.uid, got, c.granted, c.reason)
			}
			r, err := a.ledger.ReadByID(t.Context(), id)
			if err != nil || r.Granted != c.granted || string(r.Reason) != c.reason {
				t.Errorf("badge %s in the ledger: %+v, %v", c.uid, r, err)
			}
		}
	})
}

func TestSameIDGetsTheSameDecisionAgain(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		id := uuid.New()
		payload := badgeNow(id, aliceUID)
		first, again := d.badge(payload), d.badge(payload)
		if first.Signature == "" || first != again {
			t.Errorf("first %+v, again %+v", first, again)
		}
		reads, err := a.ledger.Reads(t.Context(), ledger.ReadFilter{Limit: 10})
		if err != nil || len(reads) != 1 {
			t.Errorf("%d reads in the ledger, want 1: %v", len(reads), err)
		}
		d.silent(badgeNow(id, bobUID)) // the same id with another body
		rejects, err := a.ledger.Rejects(t.Context(), nil, 0, 10)
		if err != nil || len(rejects) != 1 || !strings.HasPrefix(rejects[0].Reason, "id-reused") {
			t.Errorf("rejects: %+v, %v", rejects, err)
		}
	})
}

func TestOfflineReadIsKeptWithoutAnAnswer(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		id := uuid.New()
		at := wire.FormatTime(time.Now().Add(-2 * time.Hour))
		d.silent(
			fmt.Appendf(nil,
				`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
				id,
				at,
				bobUID,
			),
		)
		r, err := a.ledger.ReadByID(t.Context(), id)
		if err != nil || r.Reader == nil || !r.Reader.Granted || r.Granted || !r.Moved() {
			t.Fatalf("read: %+v, %v", r, err)
		}
		alarms, err := a.ledger.Alarms(t.Context(), ledger.AlarmFilter{Limit: 10})
		if err != nil || len(alarms) != 1 || alarms[0].Kind != "offline-mismatch" {
			t.Errorf("alarms: %+v, %v", alarms, err)
		}
	})
}

func TestStaleReadNeverOpens(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		id := uuid.New()
		got := d.badge(
			fmt.Appendf(nil, `{"id":%q,"at":%q,"credential":%q}`, id, wire.FormatTime(time.Now().Add(-time.Minute)), aliceUID),
		)
		if got.Granted || got.Reason != "stale" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestRevocationReachesTheReadersListWithinASecond(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		alice, _ := wire.ParseCredential(aliceUID)
		on := func(l wire.List) bool { return listed(l, wire.HashCredential(a.Keys.List(), alice)) }
		await(t, d.lists, on)
		book := a.Rights.InForce().Book
		c, _ := book.Credential("alice-card")
		c.Status = "revoked"
		began := time.Now()
		if err := a.Rights.Apply(t.Context(), "test", change(c)); err != nil {
			t.Fatal(err)
		}
		await(t, d.lists, func(l wire.List) bool { return !on(l) })
		t.Logf("reached the reader after %s", time.Since(began))
		if got := d.badge(badgeNow(uuid.New(), aliceUID)); got.Granted || got.Reason != "credential-revoked" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestLockdownLetsRespondersInOnly(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		if err := a.Rights.SetLockdown(t.Context(), "test", "metz", true, "drill"); err != nil {
			t.Fatal(err)
		}
		if got := d.badge(badgeNow(uuid.New(), aliceUID)); got.Granted || got.Reason != "lockdown" {
			t.Errorf("alice: %+v", got)
		}
		if got := d.badge(badgeNow(uuid.New(), remiUID)); !got.Granted {
			t.Errorf("responder: %+v", got)
		}
		if err := a.Rights.SetLockdown(t.Context(), "test", "metz", false, "over"); err != nil {
			t.Fatal(err)
		}
		if got := d.badge(badgeNow(uuid.New(), aliceUID)); !got.Granted {
			t.Errorf("alice after it: %+v", got)
		}
	})
}

func TestVisitFollowsTheBadges(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		id := uuid.New()
		d.badge(badgeNow(id, aliceUID))
		if _, err := a.follower.CaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		visits, err := a.ledger.Visits(t.Context(), ledger.VisitFilter{Member: "alice", Limit: 10})
		if err != nil || len(visits) != 1 || visits[0].Space != "metz-hall" || !visits[0].To.After(time.Now()) {
			t.Errorf("visits: %+v, %v", visits, err)
		}
		audit, err := a.ledger.Verify(t.Context())
		if err != nil || !audit.OK || audit.Entries < 12 {
			t.Errorf("audit: %+v, %v", audit, err)
		}
	})
}

func TestRestartKnowsWhatWasCommitted(t *testing.T) {
	cfg := testConfig(t)
	a, err := Start(t.Context(), cfg, Options{Log: discard(), Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, a)
	d := openDoor(t, a, a.MQTT.String())
	id := uuid.New()
	payload := badgeNow(id, aliceUID)
	first := d.badge(payload)
	stopApp(t, a)

	b := startApp(t, cfg)
	d = openDoor(t, b, b.MQTT.String())
	if again := d.badge(payload); again != first {
		t.Errorf("after a restart: %+v, before: %+v", again, first)
	}
	if dev := b.live.Devices()[reader]; dev.LastSeenAt.IsZero() {
		t.Error("the reader is unknown after a restart")
	}
}

func TestSecondServiceOnTheSameDataIsRefused(t *testing.T) {
	cfg := testConfig(t)
	startApp(t, cfg)
	_, err := Start(t.Context(), cfg, Options{Log: discard()})
	if err == nil || !strings.Contains(err.Error(), "another totem is running") {
		t.Errorf("got %v", err)
	}
}
