package series

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/wire"
)

// places knows which devices tell of which space.
type places struct {
	network *catalogue.Network
	ever    []catalogue.SpaceID // all that ever were
	known   map[catalogue.SpaceID]bool
	spaces  []catalogue.SpaceID // those of which any device ever told
	hung    map[catalogue.DeviceID][]catalogue.Placed
	devices map[catalogue.SpaceID][]catalogue.Placed
	readers map[catalogue.SpaceID][]catalogue.DeviceID // that lead into it
	leads   map[catalogue.DeviceID][]catalogue.SpaceID
}

func placesOf(n *catalogue.Network, h catalogue.History) places {
	p := places{network: n, ever: catalogue.EverSpaces(h), known: map[catalogue.SpaceID]bool{}, hung: catalogue.Placements(h), devices: map[catalogue.SpaceID][]catalogue.Placed{},
		readers: map[catalogue.SpaceID][]catalogue.DeviceID{}, leads: map[catalogue.DeviceID][]catalogue.SpaceID{}}
	for i := range n.Devices {
		if d := &n.Devices[i]; d.Kind == catalogue.Reader {
			if space := occupancy.LeadsInto(n, d); space != "" {
				p.readers[space] = append(p.readers[space], d.ID)
				p.leads[d.ID] = append(p.leads[d.ID], space)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.hung)) {
		for _, at := range p.hung[id] {
			if isSensor(at.Device) {
				p.devices[at.Device.Space] = append(p.devices[at.Device.Space], at)
			}
		}
	}
	for _, s := range p.ever {
		p.known[s] = true
		if len(p.devices[s])+len(p.readers[s]) > 0 {
			p.spaces = append(p.spaces, s)
		}
	}
	return p
}

// isSensor reports whether a device tells how many, or whether anybody, is in a space.
func isSensor(d *catalogue.Device) bool {
	switch d.Kind {
	case catalogue.PeopleCounter, catalogue.FlowCounter, catalogue.Desk, catalogue.Occupancy:
		return true
	}
	return false
}

// at is where a device hung at an instant; nil: nowhere.
func (p *places) at(id catalogue.DeviceID, t time.Time) *catalogue.Placed {
	list := p.hung[id]
	for i := range list {
		if list[i].At(t) {
			return &list[i]
		}
	}
	return nil
}

// valued reports whether a message carries a value of §5.
func valued(w wire.What) bool { return w == wire.Count || w == wire.Occupancy || w == wire.Flow }

// life says what a reader's message shows of it: a status reports whether it is
// silent, any other message only that it was heard at some time.
func life(o *ingest.Observation) (alive, status bool, err error) {
	if o.What != wire.Status {
		return false, false, nil
	}
	v, err := o.Values()
	if err != nil {
		return false, false, err
	}
	return v.Online != nil && *v.Online, true, nil
}

// stretches joins what is marked with the minutes [made, now) of every space,
// in pieces of bearable size, none before floor or from now on.
func (p *places) stretches(dirty []ledger.Dirty, floor, made, now int64) []stretch {
	spans := map[catalogue.SpaceID][]occupancy.Span{}
	add := func(space catalogue.SpaceID, from, to int64) {
		from, to = max(from, floor), min(to, now)
		if to > from && p.known[space] {
			spans[space] = append(spans[space], occupancy.Span{From: occupancy.MinuteTime(from), To: occupancy.MinuteTime(to)})
		}
	}
	for _, d := range dirty {
		add(d.Space, d.From, d.To)
	}
	for _, space := range p.spaces {
		add(space, made, now)
	}
	var out []stretch
	for _, space := range p.ever {
		for _, s := range occupancy.Join(spans[space]) {
			from, to := occupancy.MinuteOf(s.From), occupancy.MinuteOf(s.To)
			for ; from < to; from += pieceMinutes {
				out = append(out, stretch{space, from, min(to, from+pieceMinutes)})
			}
		}
	}
	return out
}

// evidence loads all that says who was in a space over a stretch.
func (p *places) evidence(ctx context.Context, l *ledger.Ledger, w stretch) (*occupancy.Evidence, error) {
	from, to := occupancy.MinuteTime(w.from), occupancy.MinuteTime(w.to)
	e := &occupancy.Evidence{}
	for i := range p.devices[w.space] {
		d := &p.devices[w.space][i]
		if !d.To.IsZero() && !d.To.After(from) || !d.From.Before(to) {
			continue
		}
		if err := p.device(ctx, l, e, d, from, to); err != nil {
			return nil, fmt.Errorf("evidence of %s: %w", d.Device.ID, err)
		}
	}
	if len(e.Flows) > 0 {
		e.Zeros = occupancy.Zeros(p.network.Zone, occupancy.LastZero(p.network.Zone, from), to)
	}
	var err error
	if readers := p.readers[w.space]; len(readers) > 0 {
		if e.Badges.Known, e.Badges.Silent, err = l.Readers(ctx, readers, from, to); err == nil && !e.Badges.Known.IsZero() {
			e.Badges.Stays, err = l.Stays(ctx, w.space, from, to)
		}
	}
	return e, err
}

// device adds what a device said while it hung there; what it said before counts
// for where it hung then, and what it said last holds no longer than it hung.
func (p *places) device(ctx context.Context, l *ledger.Ledger, e *occupancy.Evidence, at *catalogue.Placed, from, to time.Time) error {
	d, timing := at.Device, occupancy.TimingOf(at.Device)
	timing.Ends = at.To
	if !at.To.IsZero() && at.To.Before(to) {
		to = at.To
	}
	began := from.Add(-timing.Hold)
	if d.Kind == catalogue.FlowCounter {
		if zero := occupancy.LastZero(p.network.Zone, from); zero.Before(began) {
			began = zero
		}
		f := occupancy.FlowSensor{Timing: timing}
		add := ledger.FlowsInto(func(v occupancy.FlowSaid) { f.Said = append(f.Said, v) })
		if began.Before(at.From) {
			began = at.From
		} else if err := l.SensorBefore(ctx, d.ID, began, add); err != nil {
			return err
		}
		err := l.SensorSaid(ctx, d.ID, began, to, add)
		e.Flows = append(e.Flows, f)
		return err
	}
	if began.Before(at.From) {
		began = at.From
	}
	s := occupancy.Sensor{Timing: timing}
	err := l.SensorSaid(ctx, d.ID, began, to, func(at time.Time, id uuid.UUID, v *ingest.Values) {
		if said, ok := v.Value(at, id); ok {
			s.Said = append(s.Said, said)
		}
	})
	list := map[catalogue.DeviceKind]*[]occupancy.Sensor{
		catalogue.PeopleCounter: &e.Counters, catalogue.Desk: &e.Desks, catalogue.Occupancy: &e.YesNo,
	}[d.Kind]
	*list = append(*list, s)
	return err
}
