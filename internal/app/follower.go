package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sort"
	"sync"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// follower recomputes the visits that newly committed reads touch, shortly
// after they were answered: no door waits for it. It first notes whose visits
// the new reads touch, and where those people are who badged lately; then it
// computes visits person by person, each once for all new reads, those who
// badged today first. Its progress is committed together with its results, so
// that a restart continues where it was.
type follower struct {
	places *visit.Places
	ledger *ledger.Ledger
	rights *rights.Keeper
	live   *live.State
	now    func() time.Time
	log    *slog.Logger
	remade func() // called when stays may have changed
	// moved is set when doors or closing times differ from when everybody's
	// place was last noted. Only the goroutine that makes visits uses it.
	moved bool
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

const (
	visitsCursor = "visits"
	// noteStep limits the chain entries that are noted in one commit.
	noteStep = 4000
	// makeStep limits the reads of one commit's visits, except for a subject
	// that has more: the next badge waits for the commit.
	makeStep = 1000
	// faultWaits is how long a subject waits whose visits could not be
	// computed.
	faultWaits = time.Minute
	// followAfter is how long a read waits before the follower takes it up.
	followAfter = 50 * time.Millisecond
)

func newFollower(h catalogue.History, l *ledger.Ledger, r *rights.Keeper, s *live.State, remade func(), opt Options) *follower {
	f := &follower{places: visit.NewPlaces(h), ledger: l, rights: r, live: s, remade: remade, now: opt.Now, log: opt.Log,
		kick: make(chan struct{}, 1), hurry: make(chan struct{}, 1), done: make(chan struct{}), faults: map[visit.Subject]fault{}}
	f.wake()
	return f
}

func (f *follower) wake() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

func (f *follower) run(ctx context.Context) {
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for {
		for {
			began := time.Now()
			more, err := f.step(ctx)
			f.ledger.Rest(ctx, time.Since(began))
			if err != nil && ctx.Err() == nil {
				f.log.Error("could not compute visits; trying again", "error", err)
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
func (f *follower) linger(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-f.hurry:
	case <-time.After(followAfter):
	}
}

// CaughtUp waits until the visits of every read committed so far are computed.
// Where ctx ends before, or some visits cannot be computed, it returns the
// arrival time up to which they are; zero: all are.
func (f *follower) CaughtUp(ctx context.Context) (asOf time.Time, err error) {
	head, err := f.ledger.Head(ctx)
	if err != nil {
		return asOf, err
	}
	asked := f.now()
	for {
		f.mu.Lock()
		upTo, since, done, faults := f.upTo, f.since, f.done, len(f.faults)
		f.mu.Unlock()
		if upTo >= head && (since.IsZero() || since.After(asked)) {
			return time.Time{}, nil
		}
		if upTo >= head && faults > 0 {
			if waiting, err := f.ledger.Touched(ctx, faults+1); err == nil && len(waiting) <= faults {
				return since.Add(-time.Millisecond), nil
			}
		}
		select {
		case f.hurry <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			if since.IsZero() { // nothing is noted yet: visits are complete up to what was noted before
				since, err = f.ledger.WaitingSince(context.WithoutCancel(ctx), upTo)
			}
			return since.Add(-time.Millisecond), errors.Join(ctx.Err(), err)
		case <-done:
		}
	}
}

// Faults reports for how many people visits cannot be computed, and why.
func (f *follower) Faults() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, why := range f.faults { // one reason is enough: the log has the others
		return []string{fmt.Sprintf("the visits of %d people cannot be computed: %v", len(f.faults), why.err)}
	}
	return nil
}

// made holds the visits computed for one subject.
type made struct {
	touched  ledger.Touched
	reads    int       // reads of which it was computed
	from, to time.Time // span of the beginnings of recomputed visits
	visits   []ledger.Visit
	stays    []visit.Stay
}

// step notes what is new, then computes a limited part of what waits. more
// reports whether it should be called again.
func (f *follower) step(ctx context.Context) (more bool, err error) {
	if f.moved {
		if err := f.locate(ctx); err != nil {
			return false, err
		}
		f.moved = false
	}
	cursor, err := f.ledger.Cursor(ctx, visitsCursor)
	if err != nil {
		return false, err
	}
	touched, upTo, err := f.ledger.TouchedAfter(ctx, cursor, f.ledger.Portion(noteStep))
	if err != nil {
		return false, err
	}
	if upTo > cursor {
		if err := f.note(ctx, touched, upTo); err != nil {
			return false, err
		}
	}
	made, err := f.makeSome(ctx)
	if err != nil {
		return false, err
	}
	since, err := f.ledger.WaitingSince(ctx, upTo)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	f.upTo, f.since = upTo, since
	close(f.done)
	f.done = make(chan struct{})
	f.mu.Unlock()
	return upTo > cursor || made > 0, nil
}

// locate determines again where everybody is, after doors or closing times have
// changed.
func (f *follower) locate(ctx context.Context) error {
	now := f.now()
	there, err := f.ledger.Presences(ctx, now)
	if err != nil {
		return err
	}
	waiting, err := f.ledger.Touched(ctx, math.MaxInt)
	if err != nil {
		return err
	}
	subjects := map[visit.Subject]bool{}
	for _, p := range there {
		subjects[p.Subject] = true
	}
	for _, t := range waiting {
		if t.To.After(now.Add(-lookBack)) {
			subjects[t.Subject] = true
		}
	}
	var all []ledger.Presence
	for who := range subjects {
		p, err := f.presence(ctx, who, now)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	return f.place(ctx, all, func(*ledger.Tx) error { return nil })
}

// note writes down which subjects new reads touch. The present place of those
// who badged lately is known at once, however much else waits.
func (f *follower) note(ctx context.Context, touched []ledger.Touched, upTo int64) error {
	var present []ledger.Presence
	now := f.now()
	for _, t := range touched {
		if t.To.Before(now.Add(-lookBack)) {
			continue
		}
		p, err := f.presence(ctx, t.Subject, now)
		if err != nil {
			return err
		}
		present = append(present, p)
	}
	return f.place(ctx, present, func(tx *ledger.Tx) error {
		for _, t := range touched {
			if err := ifStillThere(tx, t.Subject, func() error { return tx.Touch(t) }); err != nil {
				return err
			}
		}
		return tx.SetCursor(visitsCursor, upTo)
	})
}

// place writes down where subjects are now, in one commit with write, and then
// updates the live state.
func (f *follower) place(ctx context.Context, found []ledger.Presence, more func(*ledger.Tx) error) error {
	err := f.ledger.Write(ctx, func(tx *ledger.Tx) error {
		for _, p := range found {
			if err := ifStillThere(tx, p.Subject, func() error { return tx.PutPresence(p) }); err != nil {
				return err
			}
		}
		return more(tx)
	})
	if err != nil {
		return err
	}
	for _, p := range found {
		f.live.SetPresence(p.Subject, p.Space, p.Since, p.Until)
	}
	return nil
}

// ifStillThere writes a subject's data, unless the subject was erased since it
// was read.
func ifStillThere(tx *ledger.Tx, who visit.Subject, write func() error) error {
	there, err := tx.StillThere(who)
	if err != nil || !there {
		return err
	}
	return write()
}

// presence returns where a subject is now.
func (f *follower) presence(ctx context.Context, who visit.Subject, now time.Time) (p ledger.Presence, err error) {
	latest, err := f.ledger.Moves(ctx, who, now.Add(-lookBack), now.Add(lookBack))
	if err != nil {
		return p, err
	}
	p.Subject = who
	p.Space, p.Since, p.Until = visit.Presence(f.places, latest)
	return p, nil
}

// makeSome computes the visits of some subjects and returns for how many. A
// subject whose visits cannot be computed is left for later and does not hold
// up the others.
func (f *follower) makeSome(ctx context.Context) (int, error) {
	waiting, err := f.ledger.Touched(ctx, 256)
	if err != nil {
		return 0, err
	}
	var all []made
	left := f.ledger.Portion(makeStep)
	for _, t := range waiting {
		if f.waits(t.Subject) {
			continue
		}
		m, err := f.remakeSafely(ctx, t)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		f.setFault(t.Subject, err)
		if err != nil {
			continue
		}
		all = append(all, m)
		if left -= m.reads + 1; left <= 0 {
			break
		}
	}
	if len(all) == 0 {
		return 0, nil
	}
	err = f.ledger.Write(ctx, func(tx *ledger.Tx) error {
		for _, m := range all {
			if err := m.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	f.remade()
	return len(all), nil
}

func (m *made) write(tx *ledger.Tx) error {
	there, err := tx.StillThere(m.touched.Subject)
	if err != nil {
		return err
	}
	if !there { // it was erased since
		return tx.Made(m.touched)
	}
	if who := m.touched.Subject.Member; who != "" {
		if err := tx.ReplaceVisits(who, m.from, m.to, m.visits); err != nil {
			return err
		}
	}
	if err := tx.ReplaceStays(m.touched.Subject, m.from, m.to, m.stays); err != nil {
		return err
	}
	return tx.Made(m.touched)
}

// waits reports whether a subject's visits could not be computed a moment ago.
func (f *follower) waits(who visit.Subject) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults[who].again.After(f.now())
}

func (f *follower) setFault(who visit.Subject, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.faults, who)
		return
	}
	if f.faults[who].err == nil {
		f.log.Error("could not compute a person's visits; those of all others continue", "error", err)
	}
	f.faults[who] = fault{err, f.now().Add(faultWaits)}
}

// remakeSafely calls remake and turns a panic into an error.
func (f *follower) remakeSafely(ctx context.Context, t ledger.Touched) (m made, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault: %v", r)
		}
	}()
	return f.remake(ctx, t)
}

// remake computes the visits around a subject's new reads again, from the reads
// between two boundaries that no visit reaches across.
func (f *follower) remake(ctx context.Context, t ledger.Touched) (made, error) {
	m := made{touched: t}
	reads, from, to, err := f.segment(ctx, t)
	if err != nil {
		return m, err
	}
	m.from, m.to, m.reads = from, to, len(reads)
	tenant := tenancy.TenantID("")
	if f.rights != nil { // a verification does not compare tenants
		tenant = f.tenant(t.Subject.Member)
	}
	for _, v := range visit.Make(f.places, reads) {
		m.visits = append(m.visits, ledger.Visit{ID: f.places.ID(v), Tenant: tenant, Space: v.Space, From: v.From, To: v.To, Ended: v.Ended})
	}
	m.stays = visit.Stays(f.places, reads)
	return m, nil
}

func (f *follower) tenant(id tenancy.MemberID) tenancy.TenantID {
	m, _ := f.rights.InForce().Book.Member(id)
	return m.Tenant
}

// lookBack is longer than any visit (16 h) and includes the read before it.
const lookBack = 40 * time.Hour

// segment loads the reads between the two boundaries around the new ones. It
// also returns the stretch in which the visits computed from them begin.
func (f *follower) segment(ctx context.Context, t ledger.Touched) (reads []visit.Read, from, to time.Time, err error) {
	for back := lookBack; ; back *= 2 {
		begin, end := t.From.Add(-back), t.To.Add(back)
		reads, err = f.ledger.Moves(ctx, t.Subject, begin, end)
		if err != nil {
			return nil, from, to, err
		}
		first, last, ok := f.between(reads, t, begin, end)
		if ok {
			from, to = begin, end
			if first > 0 { // a read that moved nobody after all may have begun a visit
				from = t.From
				if first < len(reads) && reads[first].At.Before(from) {
					from = reads[first].At
				}
			}
			if last < len(reads) {
				to = reads[last].At
			}
			return reads[first:last], from, to, nil
		}
	}
}

// between finds the boundaries in reads of [begin, end]: reads[first:last] is a
// stretch that contains all of t, and no visit reaches into it or out of it,
// neither with the new reads nor without them. A boundary is therefore decided
// by reads that are not new: one that left its subject outside everything, or
// more than 16 hours without a read.
func (f *follower) between(reads []visit.Read, t ledger.Touched, begin, end time.Time) (first, last int, ok bool) {
	first = sort.Search(len(reads), func(i int) bool { return !reads[i].At.Before(t.From) })
	last = sort.Search(len(reads), func(i int) bool { return reads[i].At.After(t.To) })
	for first >= 0 && !f.before(reads, first, t.From, begin) {
		first--
	}
	for last <= len(reads) && !f.after(reads, last, t.To, end) {
		last++
	}
	return first, last, first >= 0 && last <= len(reads)
}

// before reports whether no visit reaches from before reads[i], or before the
// earliest new read, to it or beyond.
func (f *follower) before(reads []visit.Read, i int, from, begin time.Time) bool {
	if i < len(reads) && reads[i].At.Before(from) {
		from = reads[i].At
	}
	if i == 0 {
		return from.Sub(begin) > visit.Longest
	}
	return from.Sub(reads[i-1].At) > visit.Longest || visit.Leaves(f.places, reads[i-1])
}

// after reports whether no visit reaches from reads[i-1], or from the latest
// new read, to reads[i] or beyond.
func (f *follower) after(reads []visit.Read, i int, to, end time.Time) bool {
	left := false
	if i > 0 && reads[i-1].At.After(to) {
		to, left = reads[i-1].At, visit.Leaves(f.places, reads[i-1])
	}
	if i == len(reads) {
		return left || end.Sub(to) > visit.Longest
	}
	return left || reads[i].At.Sub(to) > visit.Longest
}
