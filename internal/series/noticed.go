package series

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
)

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
	done := 0 // messages of the page that were noticed
	err = l.Write(ctx, func(tx *ledger.Tx) error {
		n := noticed{m: m, tx: tx, spans: map[catalogue.SpaceID][]catalogue.Interval{}}
		if err := n.expect(obs, reads); err != nil {
			return err
		}
		for done = 0; done < len(obs) && !tx.Enough(); done++ {
			if err := n.observation(&obs[done]); err != nil {
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
		if done > 0 {
			if err := tx.SetCursor(cursorObservations, obs[done-1].Seq); err != nil {
				return err
			}
		}
		return tx.SetCursor(cursorReads, upTo)
	})
	return len(obs) == page || done < len(obs) || upTo-readsAfter == readPage, err
}

// expect announces the readers of a page.
func (n *noticed) expect(obs []ingest.Observation, reads []ledger.Heard) error {
	all := map[catalogue.DeviceID]bool{}
	var from time.Time
	add := func(id catalogue.DeviceID, at time.Time) {
		all[id] = true
		if from.IsZero() || at.Before(from) {
			from = at
		}
	}
	for _, r := range reads {
		add(r.Device, r.At)
	}
	for i := range obs {
		o := &obs[i]
		if p := n.m.places.at(o.Device, o.At); p != nil && p.Value.Kind == catalogue.Reader && o.At.UnixMilli() > 0 {
			add(o.Device, o.At)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return n.tx.ExpectReaders(slices.Sorted(maps.Keys(all)), from)
}

// noticed collects what a page of messages affects.
type noticed struct {
	m     *Maker
	tx    *ledger.Tx
	spans map[catalogue.SpaceID][]catalogue.Interval
}

func (n *noticed) add(space catalogue.SpaceID, from, to time.Time) {
	if to.After(from) {
		n.spans[space] = append(n.spans[space], catalogue.Interval{From: from, To: to})
	}
}

// mark stores which minutes must be computed again, touching stretches joined.
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
		led := catalogue.Interval{From: lead.From, To: lead.To}
		if led.To.IsZero() {
			led.To = farAhead
		}
		led = led.Within(catalogue.Interval{From: from, To: until})
		n.add(lead.Value, led.From, led.To)
	}
}
