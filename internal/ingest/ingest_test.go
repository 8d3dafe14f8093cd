package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// flaky is a real ledger on a disk that can be full.
type flaky struct {
	*ledger.Ledger
	full   atomic.Bool
	poison atomic.Value // a device whose observations cannot be stored: catalogue.DeviceID
	panics atomic.Bool  // instead of an error
}

// poisoned is a transaction in which one device's observations break a constraint.
type poisoned struct {
	*ledger.Tx
	f *flaky
}

func (p poisoned) AddObservation(o *ingest.Observation) error {
	if o.Device != p.f.poison.Load() {
		return p.Tx.AddObservation(o)
	}
	if p.f.panics.Load() {
		panic("no such value")
	}
	return fmt.Errorf("%w: constraint", ingest.ErrUnstorable)
}

func (f *flaky) Commit(ctx context.Context, _ bool, change func(ingest.Tx) error) error {
	return f.Write(ctx, func(tx *ledger.Tx) error {
		if err := change(poisoned{tx, f}); err != nil {
			return err
		}
		if f.full.Load() { // everything was written, and cannot be committed
			return fmt.Errorf("commit: %w", syscall.ENOSPC)
		}
		return nil
	})
}

type counts struct{ failed, repeated atomic.Int64 }

func (c *counts) Committed(int, time.Duration)                                                   {}
func (c *counts) Ignored()                                                                       {}
func (c *counts) Decided(catalogue.SiteID, catalogue.DoorID, access.Reason, bool, time.Duration) {}
func (c *counts) Rejected(string)                                                                {}
func (c *counts) Repeated()                                                                      { c.repeated.Add(1) }
func (c *counts) CommitFailed()                                                                  { c.failed.Add(1) }

type rig struct {
	t      *testing.T
	p      *ingest.Pipeline
	store  *flaky
	counts counts
	mu     sync.Mutex
	acked  map[string]int
	sent   []string // topics published
}

func newRig(t *testing.T) *rig {
	t.Helper()
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l, err := ledger.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	k, err := keys.Open(filepath.Join(dir, "keys.json"), n.Sites, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: &flaky{Ledger: l}, acked: map[string]int{}}
	index := access.NewCompiler(n).Compile(tenancy.NewBook(n), nil)
	r.p = ingest.New(ingest.Config{
		Network: n,
		Keys:    k,
		Store:   r.store,
		Rights:  func() ingest.Rights { return only{index} },
		Now:     time.Now,
		Log:     slog.New(slog.DiscardHandler),
		Metrics: &r.counts,
		Moves: func(context.Context, tenancy.MemberID, time.Time, time.Time) ([]ingest.Move, error) {
			return nil, nil
		},
		Publish: func(topic string, _ []byte, _ bool) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sent = append(r.sent, topic)
			return nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

// badge hands a badge over and returns its id.
func (r *rig) badge(retained bool) uuid.UUID {
	id := uuid.New()
	payload := fmt.Appendf(nil, `{"id":%q,"at":%q,"credential":"04A1B2C3"}`, id, wire.FormatTime(time.Now()))
	r.p.Handle(
		r.t.Context(),
		ingest.Delivery{Topic: "totem/v1/metz/metz-entrance-in/badge", Payload: payload, Retained: retained, Ack: func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.acked[id.String()]++
		}},
	)
	return id
}

func (r *rig) state(id uuid.UUID) (acked, decisions int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.acked[id.String()], len(r.sent)
}

func (r *rig) await(what string, so func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestFullDiskAcknowledgesNothingAndLosesNothing(t *testing.T) {
	r := newRig(t)
	r.store.full.Store(true)
	var ids []uuid.UUID
	for range 20 {
		ids = append(ids, r.badge(false))
	}
	r.await("two failed commits", func() bool { return r.counts.failed.Load() >= 2 })
	for _, id := range ids {
		if acked, decisions := r.state(id); acked != 0 || decisions != 0 {
			t.Fatalf("acknowledged %d times and %d decisions went out without a commit", acked, decisions)
		}
	}
	if !r.p.Stuck() {
		t.Error("the pipeline does not say that it is stuck")
	}
	r.store.full.Store(false)
	r.await("all acknowledged", func() bool {
		for _, id := range ids {
			if acked, _ := r.state(id); acked != 1 {
				return false
			}
		}
		return true
	})
	if _, decisions := r.state(ids[0]); decisions != 20 || r.p.Stuck() {
		t.Errorf("%d decisions, stuck %t", decisions, r.p.Stuck())
	}
	for _, id := range ids {
		if _, err := r.store.ReadByID(t.Context(), id); err != nil {
			t.Errorf("read %s: %v", id, err)
		}
	}
	if a, err := r.store.Verify(t.Context(), nil); err != nil || !a.OK || a.Entries != 20 {
		t.Errorf("chain: %+v, %v", a, err)
	}
}

func TestRetainedBadgeIsOldNews(t *testing.T) {
	r := newRig(t)
	id := r.badge(true)
	fresh := r.badge(false)
	r.await("the fresh one", func() bool { acked, _ := r.state(fresh); return acked == 1 })
	if acked, decisions := r.state(id); acked != 1 || decisions != 1 {
		t.Errorf("acknowledged %d times, %d decisions", acked, decisions)
	}
	if _, err := r.store.ReadByID(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("it is in the ledger: %v", err)
	}
}

func TestRepeatsWithinOneCommitAreOne(t *testing.T) {
	r := newRig(t)
	id := uuid.New()
	payload := fmt.Appendf(nil, `{"id":%q,"at":%q,"count":3}`, id, wire.FormatTime(time.Now()))
	var acks atomic.Int64
	for range 50 {
		r.p.Handle(
			t.Context(),
			ingest.Delivery{Topic: "totem/v1/metz/metz-coworking-count/count", Payload: payload, Ack: func() { acks.Add(1) }},
		)
	}
	r.await("all acknowledged", func() bool { return acks.Load() == 50 })
	n := 0
	err := r.store.ObservationsAfter(t.Context(), 0, func(*ingest.Observation) error { n++; return nil })
	if err != nil || n != 1 || r.counts.repeated.Load() != 49 {
		t.Errorf("%d observations, %d repeats: %v", n, r.counts.repeated.Load(), err)
	}
}

// count hands a counter's message over and tells when it is acknowledged.
func (r *rig) count(device string) (acked *atomic.Bool) {
	acked = &atomic.Bool{}
	payload := fmt.Appendf(nil, `{"id":%q,"at":%q,"count":3}`, uuid.New(), wire.FormatTime(time.Now()))
	r.p.Handle(
		r.t.Context(),
		ingest.Delivery{Topic: "totem/v1/metz/" + device + "/count", Payload: payload, Ack: func() { acked.Store(true) }},
	)
	return acked
}

func TestABatchNeverFailsForOneOfItsMessages(t *testing.T) {
	for _, panics := range []bool{false, true} {
		t.Run(fmt.Sprintf("panics=%t", panics), func(t *testing.T) {
			r := newRig(t)
			r.store.poison.Store(catalogue.DeviceID("metz-coworking-count"))
			r.store.panics.Store(panics)
			poison := r.count("metz-coworking-count")
			door := r.badge(false)
			r.await(
				"the badge behind it is answered",
				func() bool { acked, sent := r.state(door); return acked == 1 && sent == 1 },
			)
			if poison.Load() {
				t.Fatal("the poison is acknowledged although nothing of its kind was committed: the ledger may be at fault")
			}
			sound := r.count("metz-fablab-count")
			r.await("another sensor's message", sound.Load)
			r.await("the poison is rejected", poison.Load)
			rejects, err := r.store.Rejects(t.Context(), nil, 0, 10)
			if err != nil || len(rejects) != 1 || !strings.HasPrefix(rejects[0].Reason, "unstorable: ") {
				t.Errorf("rejects: %+v, %v", rejects, err)
			}
			alarms, err := r.store.Alarms(t.Context(), ledger.AlarmFilter{Limit: 10})
			if err != nil || len(alarms) != 1 || alarms[0].Kind != ingest.AlarmUnstorable ||
				alarms[0].Device != "metz-coworking-count" {
				t.Errorf("alarms: %+v, %v", alarms, err)
			}
		})
	}
}

func TestALedgerThatTakesNothingOfAKindRejectsNothing(t *testing.T) {
	r := newRig(t)
	r.store.poison.Store(catalogue.DeviceID("metz-coworking-count"))
	a, b := r.count("metz-coworking-count"), r.count("metz-coworking-count")
	door := r.badge(false)
	r.await("the badge", func() bool { acked, _ := r.state(door); return acked == 1 })
	if a.Load() || b.Load() {
		t.Error("a message was given up although no other of its kind could be committed")
	}
	r.store.poison.Store(catalogue.DeviceID("none"))
	sound := r.count("metz-coworking-count")
	r.await("all three are committed", func() bool { return a.Load() && b.Load() && sound.Load() })
	if rejects, err := r.store.Rejects(t.Context(), nil, 0, 10); err != nil || len(rejects) != 0 {
		t.Errorf("rejects: %+v, %v", rejects, err)
	}
}

func TestARepeatOfAPurgedReadIsARepeat(t *testing.T) {
	r := newRig(t)
	id := uuid.New()
	send := func() (acked *atomic.Bool) {
		acked = &atomic.Bool{}
		payload := fmt.Appendf(
			nil,
			`{"id":%q,"at":"2026-01-05T07:00:00Z","credential":"04A1B2C3","offline":{"granted":true,"reason":"lease","list":"1"}}`,
			id,
		)
		r.p.Handle(
			t.Context(),
			ingest.Delivery{Topic: "totem/v1/metz/metz-entrance-in/badge", Payload: payload, Ack: func() { acked.Store(true) }},
		)
		return acked
	}
	r.await("the offline read", send().Load)
	err := r.store.Write(t.Context(), func(tx *ledger.Tx) error {
		_, err := tx.Purge(
			time.Now().Add(200*24*time.Hour),
			ledger.Retention{Reads: 90 * 24 * time.Hour, Rejects: time.Hour, Observations: time.Hour},
			nil,
			100,
		)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.ReadByID(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("it was not purged: %v", err)
	}
	r.await("its repeat is acknowledged", send().Load)
	door := r.badge(false)
	r.await("doors are answered", func() bool { acked, sent := r.state(door); return acked == 1 && sent == 1 })
	if r.counts.repeated.Load() != 1 {
		t.Errorf("%d repeats counted", r.counts.repeated.Load())
	}
}

// only are rights by the doors of now.
type only struct{ index *access.Index }

func (o only) IndexAt(time.Time) *access.Index { return o.index }
