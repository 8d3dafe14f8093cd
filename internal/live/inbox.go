package live

import (
	"context"
	"sync"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/visit"
)

// inbox holds what was committed and is not processed yet. Commits put it there
// and never wait. Where more arrives than is processed, the rest stays in the
// ledger, from which the state catches up later.
type inbox struct {
	mu      sync.Mutex
	commits []ingest.Committed
	moves   []moved
	n       int  // number of messages in commits
	lagging bool // messages were left in the ledger
}

// moved is one report of presence.Follower: the space in which a subject is,
// since when, and until when.
type moved struct {
	who          visit.Subject
	where        catalogue.SpaceID
	since, until time.Time
}

// inboxBound is how many messages may wait to be processed.
const inboxBound = 20_000

// Committed puts one commit into the inbox. It never waits.
func (s *State) Committed(c ingest.Committed) {
	in := &s.in
	n := len(c.Observations) + len(c.Reads) + len(c.Alarms)
	in.mu.Lock()
	switch {
	case in.lagging:
	case in.n+n > inboxBound:
		in.lagging, in.commits, in.n = true, nil, 0
	default:
		in.commits, in.n = append(in.commits, c), in.n+n
	}
	in.mu.Unlock()
	s.wake()
}

// SetPresence puts into the inbox where the visits' follower found a subject.
func (s *State) SetPresence(who visit.Subject, where catalogue.SpaceID, since, until time.Time) {
	s.in.mu.Lock()
	s.in.moves = append(s.in.moves, moved{who, where, since, until})
	s.in.mu.Unlock()
	s.wake()
}

// takeIn processes what is in the inbox, and what was left in the ledger.
func (s *State) takeIn(ctx context.Context) {
	in := &s.in
	in.mu.Lock()
	commits, moves, lagging := in.commits, in.moves, in.lagging
	in.commits, in.moves, in.n, in.lagging = nil, nil, 0, false
	in.mu.Unlock()
	for _, c := range commits {
		s.mu.Lock() // mu is held for one commit at a time, so that requests are answered in between
		for i, o := range c.Observations {
			s.observe(o, c.Values[i])
		}
		for _, r := range c.Reads {
			s.read(r)
			s.events = append(s.events, &Event{Topic: TopicReads, Read: r})
		}
		for _, a := range c.Alarms {
			s.events = append(s.events, &Event{Topic: TopicAlarms, Alarm: a})
		}
		s.mu.Unlock()
	}
	if lagging {
		if err := s.catchUp(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Error("live state is behind; trying again", "error", err)
			in.mu.Lock()
			in.lagging, in.commits, in.n = true, nil, 0
			in.mu.Unlock()
		}
	}
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range moves {
		s.occ.SetPresence(m.who, m.where, m.since, m.until, now)
	}
}

// catchUp processes the ledger's messages after those processed before.
func (s *State) catchUp(ctx context.Context) error {
	locked := func(f func()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	}
	err := s.cfg.Store.ObservationsAfter(ctx, s.seen.ObservationSeq, func(o *ingest.Observation) error {
		v, err := o.Values()
		if err != nil { // one unreadable message must not stop the service
			s.cfg.Log.Error("a message cannot be read; the live state continues without it", "error", err)
			return nil
		}
		locked(func() { s.observe(o, *v) })
		return nil
	})
	if err != nil {
		return err
	}
	return s.cfg.Store.ReadsAfter(ctx, s.seen.ReadSeq, func(r *ingest.Read) error {
		locked(func() { s.read(r) })
		return nil
	})
}

// loadFlows loads the flow messages since the last zero, and the one before
// them.
func (s *State) loadFlows(ctx context.Context, now time.Time) error {
	zero := occupancy.LastZero(s.cfg.Network.Zone, now)
	for i := range s.cfg.Network.Devices {
		d := &s.cfg.Network.Devices[i]
		if d.Kind != catalogue.FlowCounter {
			continue
		}
		add := ledger.FlowsInto(func(f occupancy.FlowSaid) { s.occ.AddFlow(d.ID, f) })
		if err := s.cfg.Store.SensorBefore(ctx, d.ID, zero, add); err != nil {
			return err
		}
		if err := s.cfg.Store.SensorSaid(ctx, d.ID, zero, now.Add(time.Hour), add); err != nil {
			return err
		}
	}
	return nil
}
