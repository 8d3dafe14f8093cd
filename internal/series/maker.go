// Package series computes and stores what was used: for every space and minute
// who was there (rules 9.4), computed again wherever a late message affects it.
//
// The ledger always holds the whole series. An InfluxDB may have a copy for
// dashboards; it may be away or lost, and gets everything again. The names of
// measurements, tags and fields are used here and nowhere else. What the
// numbers mean is package occupancy's arithmetic.
package series

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
)

// MakerConfig configures a Maker.
type MakerConfig struct {
	History catalogue.History // history of where devices hung
	Ledger  *ledger.Ledger
	// Outbox queues what is computed for an outside database.
	Outbox bool
	Now    func() time.Time
	Log    *slog.Logger
}

// Maker follows the ledger and keeps the series in agreement with its messages.
// One goroutine drives it (Run), or a command that has the data folder to
// itself (Catch).
type Maker struct {
	cfg    MakerConfig
	places places
	kick   chan struct{}
	asked  chan chan error
	made   atomic.Int64 // minutes computed since the start

	mu     sync.Mutex
	asOf   time.Time                   // the series includes every message that arrived before
	faults map[catalogue.SpaceID]error // errors of the spaces that cannot be computed at the moment
}

// How much is done at a time: doors share the ledger, and wait for each of its
// commits.
const (
	observationsPage = 4000
	readsPage        = 2000
	dirtyPage        = 4000
	pieceMinutes     = 7 * 24 * 60
	writeMinutes     = 20_000 // minutes of one commit
	lingerAfter      = 5 * time.Second
)

// The names of the cursors in the ledger.
const (
	cursorObservations = "series-observations"
	cursorReads        = "series-reads"
	cursorMinute       = "series-minute" // the first minute that has not passed yet
)

// NewMaker returns a maker; it does nothing yet.
func NewMaker(cfg MakerConfig) *Maker {
	return &Maker{cfg: cfg, places: placesOf(cfg.History), kick: make(chan struct{}, 1), asked: make(chan chan error), faults: map[catalogue.SpaceID]error{}}
}

// Wake is called when something was committed. It never waits.
func (m *Maker) Wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Faults returns the spaces that cannot be computed at the moment, each with
// its error. They are tried again every minute; the others continue.
func (m *Maker) Faults() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, id := range slices.Sorted(maps.Keys(m.faults)) {
		list = append(list, fmt.Sprintf("series: %s cannot be computed: %v", id, m.faults[id]))
	}
	return list
}

func (m *Maker) setFault(space catalogue.SpaceID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		delete(m.faults, space)
		return
	}
	if m.faults[space] == nil {
		m.cfg.Log.Error("could not compute the series of a space; the others continue", "space", space, "error", err)
	}
	m.faults[space] = err
}

// Made returns how many minutes were computed since the start.
func (m *Maker) Made() int64 { return m.made.Load() }

// CaughtUp waits until the series includes every message committed before.
func (m *Maker) CaughtUp(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case m.asked <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run keeps the series until ctx ends.
func (m *Maker) Run(ctx context.Context) {
	for {
		if err := m.Catch(ctx); err != nil && ctx.Err() == nil {
			m.cfg.Log.Error("could not compute the series; trying again", "error", err)
		}
		// A minute that has passed is computed a second later.
		next := occupancy.MinuteTime(occupancy.MinuteOf(m.cfg.Now()) + 1).Sub(m.cfg.Now())
		select {
		case <-ctx.Done():
			return
		case <-m.kick:
			select {
			case <-ctx.Done():
				return
			case <-time.After(lingerAfter): // messages of a short time are processed together; a caller who waits ends the delay
			case done := <-m.asked:
				done <- m.Catch(ctx)
			}
		case done := <-m.asked:
			done <- m.Catch(ctx)
		case <-time.After(next + time.Second):
		}
	}
}

// AsOf returns the arrival time up to which the series certainly includes all
// messages.
func (m *Maker) AsOf() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asOf
}

// Catch processes everything that is committed, and the passing of minutes.
func (m *Maker) Catch(ctx context.Context) error {
	began := m.cfg.Now()
	err := m.follow(ctx)
	if err == nil {
		m.mu.Lock()
		m.asOf = began
		m.mu.Unlock()
	}
	return err
}

func (m *Maker) follow(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = m.notice(ctx); err != nil {
			return err
		}
	}
	if err := m.repair(ctx); err != nil {
		return err
	}
	for more := true; more; {
		var err error
		if more, err = m.makeDue(ctx); err != nil {
			return err
		}
	}
	return nil
}

// repair marks the days that could not be decoded, so that they are computed
// again.
func (m *Maker) repair(ctx context.Context) error {
	days := m.cfg.Ledger.Damaged()
	if len(days) == 0 {
		return nil
	}
	return m.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		for _, d := range days {
			m.cfg.Log.Warn("a day of the series cannot be decoded; it will be computed again", "space", d.Space, "day", d.Day)
			start := occupancy.MinuteTime(d.Day * dayMinutes)
			if err := tx.MarkDirty(d.Space, start, start.Add(24*time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
}

// notice marks the minutes that new messages affect, and stores its progress in
// the same commit.
func (m *Maker) notice(ctx context.Context) (more bool, err error) {
	l := m.cfg.Ledger
	after, err := l.Cursor(ctx, cursorObservations)
	if err != nil {
		return false, err
	}
	page := l.Portion(observationsPage)
	obs, err := l.ObservationsPage(ctx, after, page)
	if err != nil {
		return false, err
	}
	readsAfter, err := l.Cursor(ctx, cursorReads)
	if err != nil {
		return false, err
	}
	readPage := int64(l.Portion(readsPage))
	reads, upTo, err := l.ReadersHeard(ctx, readsAfter, readPage)
	if err != nil || len(obs) == 0 && upTo == readsAfter {
		return false, err
	}
	err = l.Write(ctx, func(tx *ledger.Tx) error {
		n := noticed{m: m, tx: tx, spans: map[catalogue.SpaceID][]occupancy.Span{}}
		for i := range obs {
			if err := n.observation(&obs[i]); err != nil {
				return err
			}
		}
		for _, r := range reads {
			if err := n.noteReader(r.Device, r.At, r.Asked, false); err != nil {
				return err
			}
		}
		if err := n.mark(); err != nil {
			return err
		}
		if len(obs) > 0 {
			if err := tx.SetCursor(cursorObservations, obs[len(obs)-1].Seq); err != nil {
				return err
			}
		}
		return tx.SetCursor(cursorReads, upTo)
	})
	return len(obs) == page || upTo-readsAfter == readPage, err
}

// stretch is the minutes [from, to) of a space, to be computed.
type stretch struct {
	space    catalogue.SpaceID
	from, to int64
}

// makeDue computes the minutes that are marked, and those that have passed.
func (m *Maker) makeDue(ctx context.Context) (more bool, err error) {
	l := m.cfg.Ledger
	now := occupancy.MinuteOf(m.cfg.Now())
	made, err := l.Cursor(ctx, cursorMinute)
	if err != nil {
		return false, err
	}
	dirty, err := l.DirtyMinutes(ctx, dirtyPage)
	if err != nil || len(dirty) == 0 && made == now {
		return false, err
	}
	floor, err := l.Final(ctx)
	if err != nil {
		return false, err
	}
	if made > now {
		m.cfg.Log.Warn("the clock has gone back; the series continues from now", "minutes", made-now)
	}
	if made == 0 || made > now {
		made = now
	}
	upTo := min(now, made+pieceMinutes)
	work := m.places.stretches(dirty, floor, made, upTo)
	var failed []stretch
	for len(work) > 0 {
		n := takeForCommit(work, int64(l.Portion(writeMinutes)))
		skipped, err := m.write(ctx, work[:n])
		if err != nil {
			return false, err
		}
		failed = append(failed, skipped...)
		work = work[n:]
	}
	err = l.Write(ctx, func(tx *ledger.Tx) error {
		if len(dirty) > 0 {
			if err := tx.ClearDirty(dirty[len(dirty)-1].ID); err != nil {
				return err
			}
		}
		for _, w := range failed { // to be tried again
			if err := tx.MarkDirty(w.space, occupancy.MinuteTime(w.from), occupancy.MinuteTime(w.to)); err != nil {
				return err
			}
		}
		return tx.SetCursor(cursorMinute, upTo)
	})
	return len(failed) == 0 && len(dirty) == dirtyPage || upTo < now, err
}

// takeForCommit returns how many stretches one commit computes.
func takeForCommit(work []stretch, most int64) int {
	var minutes int64
	for i, w := range work {
		if minutes += w.to - w.from; minutes >= most {
			return i + 1
		}
	}
	return len(work)
}

// write computes stretches from the ledger and commits them. It skips and
// returns those of spaces that cannot be computed.
func (m *Maker) write(ctx context.Context, work []stretch) (skipped []stretch, err error) {
	type product struct {
		stretch
		runs []occupancy.Run
	}
	var done []product
	for _, w := range work {
		began := time.Now()
		runs, err := m.evaluate(ctx, w)
		m.cfg.Ledger.Rest(ctx, time.Since(began))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m.setFault(w.space, err)
		if err != nil {
			skipped = append(skipped, w)
			continue
		}
		done = append(done, product{w, runs})
		m.made.Add(w.to - w.from)
	}
	return skipped, m.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		for _, p := range done {
			if err := tx.PutMinutes(p.space, p.from, p.runs, m.cfg.Outbox); err != nil {
				return err
			}
		}
		return nil
	})
}

// evaluate computes the minutes of one stretch; it turns a panic into an error.
func (m *Maker) evaluate(ctx context.Context, w stretch) (runs []occupancy.Run, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault: %v", r)
		}
	}()
	e, err := m.places.evidence(ctx, m.cfg.Ledger, w)
	if err != nil {
		return nil, err
	}
	return e.Minutes(w.from, w.to), nil
}

// noticed collects what a page of messages affects.
type noticed struct {
	m     *Maker
	tx    *ledger.Tx
	spans map[catalogue.SpaceID][]occupancy.Span
}

func (n *noticed) add(space catalogue.SpaceID, from, to time.Time) {
	if to.After(from) {
		n.spans[space] = append(n.spans[space], occupancy.Span{From: from, To: to})
	}
}

// mark stores the collected marks, joined.
func (n *noticed) mark() error {
	for space, spans := range n.spans {
		for _, s := range occupancy.Join(spans) {
			if err := n.tx.MarkDirty(space, s.From, s.To); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *noticed) observation(o *ingest.Observation) error {
	p := n.m.places.at(o.Device, o.At)
	switch {
	case p == nil:
		return nil
	case p.Value.Kind == catalogue.Reader:
		return n.reader(o)
	case isSensor(p.Value):
		return n.sensor(p, o)
	}
	return nil
}

// sensor marks what a sensor's value may change: the time for which it holds
// and, for a flow, until the sum begins again.
func (n *noticed) sensor(p *catalogue.Held[*catalogue.Device], o *ingest.Observation) error {
	if !valued(o.What) {
		return nil
	}
	d := p.Value
	end := o.At.Add(occupancy.TimingOf(d).Hold)
	if d.Kind == catalogue.FlowCounter {
		last, err := n.tx.NextSaid(d.ID, o.At) // totals: the next message counts from this one
		if err != nil {
			return err
		}
		for _, t := range []time.Time{o.At, last} {
			if zeros := n.m.places.zeros(t.Add(time.Millisecond), t.Add(26*time.Hour)); !t.IsZero() && zeros[0].After(end) {
				end = zeros[0]
			}
		}
	}
	if !p.To.IsZero() && p.To.Before(end) { // it hung somewhere else then
		end = p.To
	}
	n.add(d.Space, o.At, end)
	return nil
}

// reader notes a reader's status or will, or any other message of it.
func (n *noticed) reader(o *ingest.Observation) error {
	if o.At.UnixMilli() <= 0 { // an old will: nobody knows from when
		return nil
	}
	alive, status, err := livenessOf(o)
	if err != nil { // one unreadable message must not stop the series
		n.m.cfg.Log.Error("a message cannot be read; the series continues without it", "error", err)
		return nil
	}
	at := o.At
	switch {
	case status && !alive && o.At.Equal(o.ReceivedAt): // a will
		err = n.tx.NoteWill(o.Device, o.ReceivedAt)
	case status: // a status that arrives after a will holds from the will's arrival at the earliest
		var will time.Time
		if will, err = n.tx.LastWill(o.Device); at.Before(will) {
			at = will
		}
	}
	if err != nil {
		return err
	}
	return n.noteReader(o.Device, at, alive, status)
}

// noteReader notes a reader's message, and what it shows: that the reader sent
// something, is online, or is offline.
func (n *noticed) noteReader(reader catalogue.DeviceID, at time.Time, alive, status bool) error {
	first, until, err := n.tx.NoteHeard(reader, at)
	if err != nil {
		return err
	}
	if first {
		n.markLedInto(reader, at, until)
	}
	if !alive && !status {
		return nil
	}
	changed, until, err := n.tx.NoteLife(reader, at, alive, status)
	if changed {
		n.markLedInto(reader, at, until)
	}
	return err
}

// markLedInto marks the spaces that a reader leads into; until is zero for now.
func (n *noticed) markLedInto(reader catalogue.DeviceID, from, until time.Time) {
	if until.IsZero() {
		until = n.m.cfg.Now()
	}
	for _, lead := range n.m.places.leads[reader] {
		led := occupancy.Span{From: lead.From, To: lead.To}
		if led.To.IsZero() {
			led.To = farAhead
		}
		led = led.Within(occupancy.Span{From: from, To: until})
		n.add(lead.Value, led.From, led.To)
	}
}
