package ingest_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// offlineAt returns a badge that its reader decided on some time ago; it returns whose it was taken for.
func offlineAt(t *testing.T, a *app.App, uid string, at time.Time) string {
	t.Helper()
	id := uuid.New()
	var acked atomic.Bool
	payload := fmt.Appendf(nil,
		`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
		id,
		wire.FormatTime(at),
		uid,
	)
	a.Pipeline.Handle(
		t.Context(),
		ingest.Delivery{Topic: apptest.BadgeTopic(apptest.Reader), Payload: payload, Ack: func() { acked.Store(true) }},
	)
	apptest.Eventually(t, "the read", acked.Load)
	r, err := a.Ledger.ReadByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Subject.Member)
}

func TestAHandedOverBadgeIsItsHoldersOfThen(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	apply := func(changes ...rights.Change) {
		t.Helper()
		if err := a.Rights.Apply(t.Context(), "test", changes...); err != nil {
			t.Fatal(err)
		}
	}
	long, before := time.Now().Add(-48*time.Hour), time.Now()
	if got := offlineAt(t, a, apptest.AliceUID, long); got != "alice" {
		t.Errorf("its first holder holds it from the beginning, whenever it was entered: %q", got)
	}
	time.Sleep(5 * time.Millisecond) // the badge changes hands after before
	apply(apptest.Deletion(rights.KindCredential, "alice-card"))
	if got := offlineAt(t, a, apptest.AliceUID, long); got != "alice" {
		t.Errorf("deleted: a read of before is %q's", got)
	}
	if got := offlineAt(t, a, apptest.AliceUID, time.Now()); got != "" {
		t.Errorf("deleted: a read of after is %q's", got)
	}
	apply(apptest.Credential(t, a.Keys, "bob-second", "bob", apptest.AliceUID))
	for _, at := range []time.Time{long, before} {
		if got := offlineAt(t, a, apptest.AliceUID, at); got != "alice" {
			t.Errorf("handed over: a read of before is %q's", got)
		}
	}
	time.Sleep(5 * time.Millisecond)
	if got := offlineAt(t, a, apptest.AliceUID, time.Now()); got != "bob" {
		t.Errorf("handed over: a read of after is %q's", got)
	}
	apptest.Stop(t, a)
	a = apptest.Start(t, cfg)
	if got := offlineAt(t, a, apptest.AliceUID, long); got != "alice" {
		t.Errorf("after a restart: a read of before is %q's", got)
	}
	if err := a.Rights.Erase(t.Context(), "test", "alice"); err != nil {
		t.Fatal(err)
	}
	if got := offlineAt(t, a, apptest.AliceUID, long); got != "" {
		t.Errorf("erased: a read of before is %q's", got)
	}
}

// Rights change while somebody badges without end: no read stands in the chain
// behind the act that took its badge away, decided as before it.
func TestReadsAreDecidedByTheActsBeforeThemInTheChain(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				acked := make(chan struct{})
				a.Pipeline.Handle(t.Context(), ingest.Delivery{
					Topic:   apptest.BadgeTopic(apptest.Reader),
					Payload: apptest.BadgeNow(uuid.New(), apptest.AliceUID),
					Ack:     func() { close(acked) },
				})
				select {
				case <-stop:
					return
				case <-acked: // a slow machine has four reads to catch up with, not thousands
				}
			}
		})
	}
	c, _ := a.Rights.InForce().Book.Credential("alice-card")
	for i := range 20 {
		c.Status = []tenancy.Status{tenancy.Revoked, tenancy.Active}[i%2]
		if err := a.Rights.Apply(t.Context(), "test", apptest.Change(c)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	acts, err := a.Ledger.Acts(t.Context(), "credential/alice-card")
	if err != nil {
		t.Fatal(err)
	}
	reads, err := a.Ledger.Reads(t.Context(), ledger.ReadFilter{Member: "alice", Limit: 100_000})
	if err != nil || len(reads) < 20 {
		t.Fatal(len(reads), err)
	}
	for _, r := range reads {
		want := "lease"
		for _, act := range acts {
			if act.Seq < r.Seq && strings.Contains(string(act.Body), `"revoked"`) {
				want = "credential-revoked"
			} else if act.Seq < r.Seq {
				want = "lease"
			}
		}
		if string(r.Reason) != want {
			t.Fatalf("read %d stands after acts by which it is %s, and was decided %s", r.Seq, want, r.Reason)
		}
	}
}

// settable is a clock that a test sets.
type settable struct{ ns atomic.Int64 }

func (c *settable) now() time.Time { return time.Unix(0, c.ns.Load()) }

func (c *settable) set(t time.Time) { c.ns.Store(t.UnixNano()) }

func TestAServiceWhoseClockIsBehindDecidesAndRejectsNothing(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(0)+`,"count":1`, false)
	apptest.Stop(t, a)
	var clock settable
	clock.set(time.Now().Add(-3 * time.Hour))
	a, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard(), Anonymous: true, Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { apptest.Stop(t, a) })
	if faults := a.Ready(t.Context()); len(faults) != 0 {
		t.Errorf("not ready: %v", faults)
	}
	if got := strings.Join(a.Degraded(), " "); !strings.Contains(got, "clock") {
		t.Errorf("degraded: %q", got)
	}
	apptest.Eventually(t, "the alarm", func() bool {
		list, err := a.Ledger.Alarms(t.Context(), ledger.AlarmFilter{OpenOnly: true, Limit: 10})
		return err == nil && len(list) == 1 && list[0].Kind == ingest.AlarmClock && list[0].Device == ""
	})
	var acked atomic.Bool
	payload := fmt.Appendf(nil, `{"id":%q,"at":%q,"count":2}`, uuid.New(), wire.FormatTime(time.Now()))
	a.Pipeline.Handle(
		t.Context(),
		ingest.Delivery{
			Topic:   "totem/v1/metz/metz-coworking-count/count",
			Payload: payload,
			Ack:     func() { acked.Store(true) },
		},
	)
	// A badge by a reader whose clock is as wrong is decided as ever.
	id := uuid.New()
	var decided atomic.Bool
	a.Pipeline.Handle(
		t.Context(),
		ingest.Delivery{Topic: apptest.BadgeTopic(apptest.Reader), Ack: func() { decided.Store(true) },
			Payload: fmt.Appendf(nil, `{"id":%q,"at":%q,"credential":%q}`, id, wire.FormatTime(clock.now()), apptest.AliceUID)},
	)
	apptest.Eventually(t, "the badge", decided.Load)
	if acked.Load() {
		t.Error("a message of now was acknowledged or rejected by a clock that is three hours behind")
	}
	if rejects, err := a.Ledger.Rejects(t.Context(), nil, 0, 10); err != nil || len(rejects) != 0 {
		t.Errorf("rejects: %+v, %v", rejects, err)
	}
	clock.set(time.Now())
	apptest.Eventually(t, "it is taken once the clock is right", acked.Load)
	if got := a.Degraded(); len(got) != 0 {
		t.Errorf("still degraded: %v", got)
	}
}
