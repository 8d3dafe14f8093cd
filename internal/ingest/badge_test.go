package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/wire"
)

func TestBadgeIsCommittedThenAnswered(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		for _, c := range []struct {
			uid     string
			granted bool
			reason  string
		}{
			{apptest.AliceUID, true, "lease"},
			{"dec:3283263748", true, "lease"}, // the same badge, as other readers spell it
			{"04:a1:b2:c3", true, "lease"},
			{apptest.BobUID, false, "lease-suspended"},
			{apptest.RemiUID, true, "staff"},
			{"DEADBEEF", false, "unknown-credential"},
		} {
			id := uuid.New()
			got := d.Badge(apptest.BadgeNow(id, c.uid))
			if got.Request != id || got.Granted != c.granted || got.Reason != c.reason || (got.OpenMS > 0) != c.granted {
				t.Errorf("badge %s: got %+v, want granted=%t reason=%s", c.uid, got, c.granted, c.reason)
			}
			r, err := a.Ledger.ReadByID(t.Context(), id)
			if err != nil || r.Granted != c.granted || string(r.Reason) != c.reason {
				t.Errorf("badge %s in the ledger: %+v, %v", c.uid, r, err)
			}
		}
	})
}

func TestSameIDGetsTheSameDecisionAgain(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		id := uuid.New()
		payload := apptest.BadgeNow(id, apptest.AliceUID)
		first, again := d.Badge(payload), d.Badge(payload)
		if first.Signature == "" || first != again {
			t.Errorf("first %+v, again %+v", first, again)
		}
		reads, err := a.Ledger.Reads(t.Context(), ledger.ReadFilter{Limit: 10})
		if err != nil || len(reads) != 1 {
			t.Errorf("%d reads in the ledger, want 1: %v", len(reads), err)
		}
		d.Silent(apptest.BadgeNow(id, apptest.BobUID)) // the same id with another body
		rejects, err := a.Ledger.Rejects(t.Context(), nil, 0, 10)
		if err != nil || len(rejects) != 1 || !strings.HasPrefix(rejects[0].Reason, "id-reused") {
			t.Errorf("rejects: %+v, %v", rejects, err)
		}
	})
}

func TestOfflineReadIsKeptWithoutAnAnswer(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		id := uuid.New()
		at := wire.FormatTime(time.Now().Add(-2 * time.Hour))
		d.Silent(
			fmt.Appendf(nil,
				`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
				id,
				at,
				apptest.BobUID,
			),
		)
		r, err := a.Ledger.ReadByID(t.Context(), id)
		if err != nil || r.Reader == nil || !r.Reader.Granted || r.Granted || !r.Moved() {
			t.Fatalf("read: %+v, %v", r, err)
		}
		alarms, err := a.Ledger.Alarms(t.Context(), ledger.AlarmFilter{Limit: 10})
		if err != nil || len(alarms) != 1 || alarms[0].Kind != "offline-mismatch" {
			t.Errorf("alarms: %+v, %v", alarms, err)
		}
	})
}

func TestStaleReadNeverOpens(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		id := uuid.New()
		got := d.Badge(
			fmt.Appendf(
				nil,
				`{"id":%q,"at":%q,"credential":%q}`,
				id,
				wire.FormatTime(time.Now().Add(-time.Minute)),
				apptest.AliceUID,
			),
		)
		if got.Granted || got.Reason != "stale" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestRevocationReachesTheReadersListWithinASecond(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		alice, _ := wire.ParseCredential(apptest.AliceUID)
		on := func(l wire.List) bool { return listed(l, wire.HashCredential(a.Keys.List(), alice)) }
		apptest.Await(t, d.Lists, on)
		book := a.Rights.InForce().Book
		c, _ := book.Credential("alice-card")
		c.Status = "revoked"
		began := time.Now()
		if err := a.Rights.Apply(t.Context(), "test", apptest.Change(c)); err != nil {
			t.Fatal(err)
		}
		apptest.Await(t, d.Lists, func(l wire.List) bool { return !on(l) })
		t.Logf("reached the reader after %s", time.Since(began))
		if got := d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID)); got.Granted || got.Reason != "credential-revoked" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestLockdownLetsRespondersInOnly(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		if err := a.Rights.SetLockdown(t.Context(), "test", "metz", true, "drill"); err != nil {
			t.Fatal(err)
		}
		if got := d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID)); got.Granted || got.Reason != "lockdown" {
			t.Errorf("alice: %+v", got)
		}
		if got := d.Badge(apptest.BadgeNow(uuid.New(), apptest.RemiUID)); !got.Granted {
			t.Errorf("responder: %+v", got)
		}
		if err := a.Rights.SetLockdown(t.Context(), "test", "metz", false, "over"); err != nil {
			t.Fatal(err)
		}
		if got := d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID)); !got.Granted {
			t.Errorf("alice after it: %+v", got)
		}
	})
}

func TestVisitFollowsTheBadges(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		id := uuid.New()
		d.Badge(apptest.BadgeNow(id, apptest.AliceUID))
		if _, err := a.Presence.CaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		visits, err := a.Ledger.Visits(t.Context(), ledger.VisitFilter{Member: "alice", Limit: 10})
		if err != nil || len(visits) != 1 || visits[0].Space != "metz-hall" || !visits[0].To.After(time.Now()) {
			t.Errorf("visits: %+v, %v", visits, err)
		}
		audit, err := a.Ledger.Verify(t.Context(), nil)
		if err != nil || !audit.OK || audit.Entries < 12 {
			t.Errorf("audit: %+v, %v", audit, err)
		}
	})
}

func TestRestartKnowsWhatWasCommitted(t *testing.T) {
	cfg := apptest.Config(t)
	a, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard(), Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	apptest.Settle(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	id := uuid.New()
	payload := apptest.BadgeNow(id, apptest.AliceUID)
	first := d.Badge(payload)
	apptest.Stop(t, a)

	b := apptest.Start(t, cfg)
	d = apptest.OpenDoor(t, b, b.MQTT.String())
	if again := d.Badge(payload); again != first {
		t.Errorf("after a restart: %+v, before: %+v", again, first)
	}
	if dev := b.Live.Devices()[apptest.Reader]; dev.LastSeenAt.IsZero() {
		t.Error("the reader is unknown after a restart")
	}
}

func TestSecondServiceOnTheSameDataIsRefused(t *testing.T) {
	cfg := apptest.Config(t)
	apptest.Start(t, cfg)
	_, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard()})
	if err == nil || !strings.Contains(err.Error(), "another totem is running") {
		t.Errorf("got %v", err)
	}
}
