// Package presence follows the reads that are committed: it keeps where everybody
// is now, and computes the visits that new reads change.
//
//	f := presence.New(presence.Config{Store: store, Places: visit.NewPlaces(catalogues), …})
//	go f.Run(ctx)
//	f.Wake()            // a read was committed
//	f.CaughtUp(ctx)     // wait until visits include it
//
// No door waits for it. It first notes whose visits the new reads touch, and where
// those people are who badged lately; then it computes visits person by person,
// each once for all new reads, those who badged today first. Its progress is
// committed together with its results, so that a restart continues where it was.
// Package visit defines what a visit is; package ledger stores it.
package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Cursor is the name under which the ledger keeps how far visits are computed.
const Cursor = "visits"

const (
	// noteStep limits the chain entries that are noted in one commit.
	noteStep = 4000
	// makeStep limits the reads from which one commit computes visits, because the
	// next badge waits for the commit. The last subject of a commit may exceed it.
	makeStep = 1000
	// makeSubjects limits the subjects whose visits one commit computes.
	makeSubjects = 256
	// faultWaits is how long a subject waits whose visits could not be computed.
	faultWaits = time.Minute
	// followAfter is how long a read waits before it is taken up.
	followAfter = 50 * time.Millisecond
	// retryEvery is how often a failed step is tried again.
	retryEvery = time.Second
	// lookBack is longer than any visit (16 h) and includes the read before it.
	lookBack = 40 * time.Hour
)

// Reads loads what visits are computed from.
type Reads interface {
	// Moves returns a subject's reads that moved them, with At in [from, to],
	// oldest first.
	Moves(ctx context.Context, who visit.Subject, from, to time.Time) ([]visit.Read, error)
}

// Store is what this package needs of the ledger.
type Store interface {
	Reads
	Head(context.Context) (int64, error)
	Cursor(ctx context.Context, name string) (int64, error)
	TouchedAfter(ctx context.Context, seq int64, n int) ([]ledger.Touched, int64, error)
	// Touched lists at most n subjects that wait; 0: all.
	Touched(ctx context.Context, n int) ([]ledger.Touched, error)
	WaitingSince(ctx context.Context, cursor int64) (time.Time, error)
	Presences(ctx context.Context, now time.Time) ([]ledger.Presence, error)
	// Commit runs change in one durable transaction.
	Commit(ctx context.Context, change func(Tx) error) error
	// Portion and Rest make this work give way while doors are in use, by smaller
	// transactions and pauses between them (ledger.Ledger).
	Portion(n int) int
	Rest(ctx context.Context, worked time.Duration)
}

// Tx is the part of the ledger's transaction that the follower writes with.
type Tx interface {
	// StillThere reports whether the subject has any read: an erasure may have
	// deleted them.
	StillThere(visit.Subject) (bool, error)
	Touch(ledger.Touched) error
	Made(ledger.Touched) error
	SetCursor(name string, seq int64) error
	PutPresence(ledger.Presence) error
	ReplaceVisits(m tenancy.MemberID, from, to time.Time, visits []ledger.Visit) error
	ReplaceStays(who visit.Subject, from, to time.Time, stays []visit.Stay) error
}

// Config is what a Follower needs of the other parts.
type Config struct {
	Store  Store
	Places *visit.Places
	// Tenant returns whose member somebody is now.
	Tenant func(tenancy.MemberID) tenancy.TenantID
	// Placed is called with where a subject is, after that is committed.
	Placed func(who visit.Subject, space catalogue.SpaceID, since, until time.Time)
	// Changed is called after visits and stays have changed. It must not wait.
	Changed func()
	// Moved is set where doors or closing times differ from when everybody's
	// place was last noted.
	Moved bool
	Now   func() time.Time
	Log   *slog.Logger
}

// Follower keeps visits and presence in agreement with the reads in the ledger.
type Follower struct {
	cfg   Config
	moved bool // used only by the goroutine that runs Run
	kick  chan struct{}
	hurry chan struct{}

	mu     sync.Mutex
	done   chan struct{} // closed and replaced at each step
	upTo   int64         // last chain entry noted
	since  time.Time     // the earliest arrival that still waits; zero: none
	faults map[visit.Subject]fault
}

// fault is why a subject's visits cannot be computed, and when to try again.
type fault struct {
	err   error
	again time.Time
}

// New returns a follower; Run runs it.
func New(cfg Config) *Follower {
	f := &Follower{
		cfg: cfg, moved: cfg.Moved,
		kick: make(chan struct{}, 1), hurry: make(chan struct{}, 1), done: make(chan struct{}),
		faults: map[visit.Subject]fault{},
	}
	f.Wake()
	return f
}

// Wake is called when reads were committed. It never waits.
func (f *Follower) Wake() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// Run follows the ledger until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for {
		for {
			began := time.Now()
			more, err := f.Step(ctx)
			f.cfg.Store.Rest(ctx, time.Since(began))
			if err != nil && ctx.Err() == nil {
				f.cfg.Log.Error("could not compute visits; trying again", "error", err)
			}
			if err != nil || !more {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-f.kick:
			f.linger(ctx)
		case <-f.hurry:
		case <-retry.C:
		}
	}
}

// linger waits a moment after a read: the badge is answered first, and all
// reads of that moment are processed together.
func (f *Follower) linger(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-f.hurry:
	case <-time.After(followAfter):
	}
}

// CaughtUp waits until the visits of every read committed so far are computed, and
// returns the zero time. Where ctx ends first, or some visits cannot be computed, it
// returns a time instead: the visits of all reads that arrived until then are computed.
func (f *Follower) CaughtUp(ctx context.Context) (asOf time.Time, err error) {
	head, err := f.cfg.Store.Head(ctx)
	if err != nil {
		return asOf, err
	}
	asked := f.cfg.Now()
	for {
		f.mu.Lock()
		upTo, since, done, faults := f.upTo, f.since, f.done, len(f.faults)
		f.mu.Unlock()
		if upTo >= head && (since.IsZero() || since.After(asked)) {
			return time.Time{}, nil
		}
		if upTo >= head && faults > 0 {
			if waiting, err := f.cfg.Store.Touched(ctx, faults+1); err == nil && len(waiting) <= faults {
				return since.Add(-time.Millisecond), nil
			}
		}
		select {
		case f.hurry <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			if since.IsZero() { // nothing that was noted waits: the first read that is not noted yet bounds the answer
				since, err = f.cfg.Store.WaitingSince(context.WithoutCancel(ctx), upTo)
			}
			return since.Add(-time.Millisecond), errors.Join(ctx.Err(), err)
		case <-done:
		}
	}
}

// Faults reports for how many people visits cannot be computed, and why.
func (f *Follower) Faults() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, why := range f.faults { // one reason is enough: the log has the others
		return []string{fmt.Sprintf("the visits of %d people cannot be computed: %v", len(f.faults), why.err)}
	}
	return nil
}

// waits reports whether a subject is postponed, since its visits could not be computed.
func (f *Follower) waits(who visit.Subject) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults[who].again.After(f.cfg.Now())
}

// Postpone leaves a subject's visits for a minute, because of a fault.
func (f *Follower) Postpone(who visit.Subject, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults[who].err == nil {
		f.cfg.Log.Error("could not compute a person's visits; those of all others continue", "error", why)
	}
	f.faults[who] = fault{why, f.cfg.Now().Add(faultWaits)}
}

// Resume lets the visits of a subject be computed again at once, after Postpone.
func (f *Follower) Resume(who visit.Subject) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.faults, who)
}
