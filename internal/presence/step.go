package presence

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/visit"
)

// Step notes what is new, then computes a limited part of what waits. more
// reports whether it should be called again.
func (f *Follower) Step(ctx context.Context) (more bool, err error) {
	if f.moved {
		if err := f.locateAll(ctx); err != nil {
			return false, err
		}
		f.moved = false
	}
	s := f.cfg.Store
	cursor, err := s.Cursor(ctx, Cursor)
	if err != nil {
		return false, err
	}
	touched, upTo, err := s.TouchedAfter(ctx, cursor, s.Portion(noteStep))
	if err != nil {
		return false, err
	}
	if upTo > cursor {
		if err := f.note(ctx, touched, upTo); err != nil {
			return false, err
		}
	}
	computed, err := f.computeSome(ctx)
	if err != nil {
		return false, err
	}
	since, err := s.WaitingSince(ctx, upTo)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	f.upTo, f.since = upTo, since
	close(f.done)
	f.done = make(chan struct{})
	f.mu.Unlock()
	return upTo > cursor || computed > 0, nil
}

// locateAll determines again where everybody is, after doors or closing times
// have changed.
func (f *Follower) locateAll(ctx context.Context) error {
	now := f.cfg.Now()
	there, err := f.cfg.Store.Presences(ctx, now)
	if err != nil {
		return err
	}
	waiting, err := f.cfg.Store.Touched(ctx, 0)
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
	all, err := f.locateEach(ctx, slices.Collect(maps.Keys(subjects)), now)
	if err != nil {
		return err
	}
	return f.place(ctx, all, func(Tx) error { return nil })
}

// note writes down which subjects new reads touch. The present place of those
// who badged lately is known at once, however much else waits.
func (f *Follower) note(ctx context.Context, touched []ledger.Touched, upTo int64) error {
	var lately []visit.Subject
	now := f.cfg.Now()
	for _, t := range touched {
		if !t.To.Before(now.Add(-lookBack)) {
			lately = append(lately, t.Subject)
		}
	}
	present, err := f.locateEach(ctx, lately, now)
	if err != nil {
		return err
	}
	return f.place(ctx, present, func(tx Tx) error {
		for _, t := range touched {
			if err := ifStillThere(tx, t.Subject, func() error { return tx.Touch(t) }); err != nil {
				return err
			}
		}
		return tx.SetCursor(Cursor, upTo)
	})
}

// place writes down where subjects are now, in one commit with write, and then
// reports it.
func (f *Follower) place(ctx context.Context, found []ledger.Presence, write func(Tx) error) error {
	err := f.cfg.Store.Commit(ctx, func(tx Tx) error {
		for _, p := range found {
			if err := ifStillThere(tx, p.Subject, func() error { return tx.PutPresence(p) }); err != nil {
				return err
			}
		}
		return write(tx)
	})
	if err != nil {
		return err
	}
	for _, p := range found {
		f.cfg.Placed(p.Subject, p.Space, p.Since, p.Until)
	}
	return nil
}

// ifStillThere writes a subject's data, unless the subject was erased since it
// was read.
func ifStillThere(tx Tx, who visit.Subject, write func() error) error {
	there, err := tx.StillThere(who)
	if err != nil || !there {
		return err
	}
	return write()
}

// locateEach returns where subjects are now. One that cannot be located is
// postponed, and does not hold up the others.
func (f *Follower) locateEach(ctx context.Context, subjects []visit.Subject, now time.Time) ([]ledger.Presence, error) {
	found := make([]ledger.Presence, 0, len(subjects))
	for _, who := range subjects {
		p, err := f.locate(ctx, who, now)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			f.Postpone(who, err)
		default:
			found = append(found, p)
		}
	}
	return found, nil
}

// locate returns where a subject is now.
func (f *Follower) locate(ctx context.Context, who visit.Subject, now time.Time) (p ledger.Presence, err error) {
	latest, err := f.cfg.Store.Moves(ctx, who, now.Add(-lookBack), now.Add(lookBack))
	if err != nil {
		return p, err
	}
	p.Subject = who
	p.Space, p.Since, p.Until = visit.Presence(f.cfg.Places, latest)
	return p, nil
}

// computeSome computes the visits of some subjects and returns for how many. A
// subject whose visits cannot be computed is left for later and does not hold
// up the others.
func (f *Follower) computeSome(ctx context.Context) (int, error) {
	waiting, err := f.cfg.Store.Touched(ctx, makeSubjects)
	if err != nil {
		return 0, err
	}
	var all []Computed
	left := f.cfg.Store.Portion(makeStep)
	for _, t := range waiting {
		if f.waits(t.Subject) {
			continue
		}
		c, err := computeSafely(ctx, f.cfg.Store, f.cfg.Places, t)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err != nil {
			f.Postpone(t.Subject, err)
			continue
		}
		f.Resume(t.Subject)
		all = append(all, c)
		if left -= c.reads + 1; left <= 0 {
			break
		}
	}
	if len(all) == 0 {
		return 0, nil
	}
	err = f.cfg.Store.Commit(ctx, func(tx Tx) error {
		for _, c := range all {
			if err := f.write(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	f.cfg.Changed()
	return len(all), nil
}

func (f *Follower) write(tx Tx, c Computed) error {
	err := ifStillThere(tx, c.touched.Subject, func() error {
		if who := c.touched.Subject.Member; who != "" {
			tenant := f.cfg.Tenant(who)
			for i := range c.Visits {
				c.Visits[i].Tenant = tenant
			}
			if err := tx.ReplaceVisits(who, c.From, c.To, c.Visits); err != nil {
				return err
			}
		}
		return tx.ReplaceStays(c.touched.Subject, c.From, c.To, c.stays)
	})
	if err != nil {
		return err
	}
	return tx.Made(c.touched)
}
