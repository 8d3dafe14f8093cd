package app

import (
	"context"
	"log/slog"
	"sort"
	"sync"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/visit"
)

// follower re-makes the visits that newly committed reads touch, a while
// after they were answered: no door waits for it. How far it has come is
// committed with what it made, so that a start goes on where it was.
type follower struct {
	network   *catalogue.Network
	ledger    *ledger.Ledger
	rights    *rights.Keeper
	live      *live.State
	now       func() time.Time
	log       *slog.Logger
	calendars map[catalogue.SiteID]catalogue.Calendar
	remade    func() // told when stays may have changed
	kick      chan struct{}
	hurry     chan struct{}

	mu   sync.Mutex
	done chan struct{} // closed and replaced at each step
	upTo int64
}

const (
	visitsCursor = "visits"
	// followStep bounds the chain entries, and so the time, of one commit of
	// the follower: the pipeline's next commit waits for it.
	followStep = 400
	// followAfter is how long a read waits to be followed.
	followAfter = 50 * time.Millisecond
)

func newFollower(n *catalogue.Network, l *ledger.Ledger, r *rights.Keeper, s *live.State, remade func(), opt Options) *follower {
	f := &follower{network: n, ledger: l, rights: r, live: s, remade: remade, now: opt.Now, log: opt.Log,
		calendars: map[catalogue.SiteID]catalogue.Calendar{}, kick: make(chan struct{}, 1), hurry: make(chan struct{}, 1), done: make(chan struct{})}
	for i := range n.Sites {
		f.calendars[n.Sites[i].ID] = n.Calendar(&n.Sites[i])
	}
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
			more, err := f.step(ctx)
			if err != nil && ctx.Err() == nil {
				f.log.Error("visits not made; trying again", "error", err)
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

// linger waits a moment after a read: whoever badged is answered first, and
// the reads of that moment are followed together.
func (f *follower) linger(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-f.hurry:
	case <-time.After(followAfter):
	}
}

// CaughtUp waits until the visits of every read committed so far are made.
func (f *follower) CaughtUp(ctx context.Context) error {
	head, err := f.ledger.Head(ctx)
	if err != nil {
		return err
	}
	for {
		f.mu.Lock()
		upTo, done := f.upTo, f.done
		f.mu.Unlock()
		if upTo >= head {
			return nil
		}
		select {
		case f.hurry <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
		}
	}
}

// made is what one subject's reads come to.
type made struct {
	subject  visit.Subject
	from, to time.Time // of the re-made visits' beginnings
	visits   []ledger.Visit
	stays    []visit.Stay
	presence ledger.Presence
}

// step follows one bounded stretch of the chain. more says whether it should be called again.
func (f *follower) step(ctx context.Context) (more bool, err error) {
	cursor, err := f.ledger.Cursor(ctx, visitsCursor)
	if err != nil {
		return false, err
	}
	touched, upTo, err := f.ledger.TouchedAfter(ctx, cursor, followStep)
	if err != nil {
		return false, err
	}
	if upTo > cursor {
		if err := f.follow(ctx, touched, upTo); err != nil {
			return false, err
		}
	}
	f.mu.Lock()
	f.upTo = upTo
	close(f.done)
	f.done = make(chan struct{})
	f.mu.Unlock()
	return upTo > cursor, nil
}

func (f *follower) follow(ctx context.Context, touched []ledger.Touched, upTo int64) error {
	var all []made
	for _, t := range touched {
		m, err := f.remake(ctx, t)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	err := f.ledger.Write(ctx, func(tx *ledger.Tx) error {
		for _, m := range all {
			if m.subject.Member != "" {
				if err := tx.ReplaceVisits(m.subject.Member, m.from, m.to, m.visits); err != nil {
					return err
				}
			}
			if err := tx.ReplaceStays(m.subject, m.from, m.to, m.stays); err != nil {
				return err
			}
			if err := tx.PutPresence(m.presence); err != nil {
				return err
			}
		}
		return tx.SetCursor(visitsCursor, upTo)
	})
	if err != nil {
		return err
	}
	f.remade()
	for _, m := range all {
		f.live.SetPresence(m.subject, m.presence.Space, m.presence.Since, m.presence.Until)
	}
	return nil
}

// remake makes the visits around a subject's new reads anew, from the reads
// between two boundaries that they cannot reach across, and finds where the
// subject is now.
func (f *follower) remake(ctx context.Context, t ledger.Touched) (made, error) {
	m := made{subject: t.Subject}
	reads, from, to, err := f.segment(ctx, t)
	if err != nil {
		return m, err
	}
	m.from, m.to = from, to
	tenant := f.tenant(t.Subject.Member)
	for _, v := range visit.Make(f.network, f.calendar, reads) {
		m.visits = append(m.visits, ledger.Visit{ID: visit.ID(v.Space, v.First), Tenant: tenant, Space: v.Space, From: v.From, To: v.To, Ended: v.Ended})
	}
	m.stays = visit.Stays(f.network, f.calendar, reads)
	now := f.now()
	latest, err := f.ledger.Moves(ctx, t.Subject, now.Add(-lookBack), now.Add(lookBack))
	if err != nil {
		return m, err
	}
	m.presence.Subject = t.Subject
	m.presence.Space, m.presence.Since, m.presence.Until = visit.Presence(f.network, f.calendar, latest)
	return m, nil
}

func (f *follower) calendar(id catalogue.SiteID) catalogue.Calendar { return f.calendars[id] }

func (f *follower) tenant(id lease.MemberID) lease.TenantID {
	m, _ := f.rights.InForce().Book.Member(id)
	return m.Tenant
}

// lookBack reaches over any visit (16 h) and the read before it.
const lookBack = 40 * time.Hour

// segment loads the reads between the two boundaries around the new ones, and
// the stretch in which visits begin that are made of them.
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

// between finds the boundaries in reads of [begin, end]: reads[first:last] is
// a stretch that holds all of t and that no visit reaches into or out of,
// neither as they are now nor as they were without what is new. A boundary is
// therefore told by reads that are not new: one that left its subject outside
// everything, or more than 16 hours without a read.
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

// before says whether no visit reaches from before reads[i], or before the
// earliest of what is new, to it or beyond.
func (f *follower) before(reads []visit.Read, i int, from, begin time.Time) bool {
	if i < len(reads) && reads[i].At.Before(from) {
		from = reads[i].At
	}
	if i == 0 {
		return from.Sub(begin) > visit.Longest
	}
	return from.Sub(reads[i-1].At) > visit.Longest || visit.Leaves(f.network, reads[i-1])
}

// after says whether no visit reaches from reads[i-1], or from the latest of
// what is new, to reads[i] or beyond.
func (f *follower) after(reads []visit.Read, i int, to, end time.Time) bool {
	left := false
	if i > 0 && reads[i-1].At.After(to) {
		to, left = reads[i-1].At, visit.Leaves(f.network, reads[i-1])
	}
	if i == len(reads) {
		return left || end.Sub(to) > visit.Longest
	}
	return left || reads[i].At.Sub(to) > visit.Longest
}
