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

// places knows which devices belong to which space.
type places struct {
	history catalogue.History
	ever    []catalogue.SpaceID // all spaces that there ever were
	known   map[catalogue.SpaceID]bool
	spaces  []catalogue.SpaceID // spaces with any device
	hung    map[catalogue.DeviceID][]catalogue.Held[*catalogue.Device]
	devices map[catalogue.SpaceID][]catalogue.Held[*catalogue.Device]
	readers map[catalogue.SpaceID][]catalogue.DeviceID // readers that ever led into the space
	leads   map[catalogue.DeviceID][]catalogue.Held[catalogue.SpaceID]
}

func placesOf(h catalogue.History) places {
	p := places{
		history: h,
		ever:    catalogue.EverSpaces(h),
		known:   map[catalogue.SpaceID]bool{},
		hung:    catalogue.Placements(h),
		devices: map[catalogue.SpaceID][]catalogue.Held[*catalogue.Device]{},
		readers: map[catalogue.SpaceID][]catalogue.DeviceID{},
		leads:   catalogue.Leads(h),
	}
	for _, id := range slices.Sorted(maps.Keys(p.leads)) {
		for _, lead := range p.leads[id] {
			if !slices.Contains(p.readers[lead.Value], id) {
				p.readers[lead.Value] = append(p.readers[lead.Value], id)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.hung)) {
		for _, at := range p.hung[id] {
			if isSensor(at.Value) {
				p.devices[at.Value.Space] = append(p.devices[at.Value.Space], at)
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

// isSensor reports whether a device of that kind tells how many people, or
// whether anybody, is in a space.
func isSensor(d *catalogue.Device) bool {
	switch d.Kind {
	case catalogue.PeopleCounter, catalogue.FlowCounter, catalogue.Desk, catalogue.Occupancy:
		return true
	}
	return false
}

// at returns where a device hung at an instant; nil: nowhere.
func (p *places) at(id catalogue.DeviceID, t time.Time) *catalogue.Held[*catalogue.Device] {
	list := p.hung[id]
	for i := range list {
		if list[i].At(t) {
			return &list[i]
		}
	}
	return nil
}

// valued reports whether a message carries a value that the series keeps.
func valued(w wire.What) bool { return w == wire.Count || w == wire.Occupancy || w == wire.Flow }

// livenessOf returns whether a reader's message is a status, and if so, whether it says
// that the reader is online (alive). Any other message shows only that the reader has
// sent something.
func livenessOf(o *ingest.Observation) (alive, status bool, err error) {
	if o.What != wire.Status {
		return false, false, nil
	}
	v, err := o.Values()
	if err != nil {
		return false, false, err
	}
	return v.Online != nil && *v.Online, true, nil
}

// stretches returns what must be computed: the marked minutes and, for every space, the minutes
// [made, now). It cuts them into pieces of limited size, and leaves out minutes before floor and
// minutes that have not passed yet.
func (p *places) stretches(dirty []ledger.Dirty, floor, made, now int64) []stretch {
	spans := map[catalogue.SpaceID][]catalogue.Interval{}
	add := func(space catalogue.SpaceID, from, to int64) {
		from, to = max(from, floor), min(to, now)
		if to > from && p.known[space] {
			spans[space] = append(
				spans[space],
				catalogue.Interval{From: occupancy.MinuteTime(from), To: occupancy.MinuteTime(to)},
			)
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

// evidence loads everything that tells who was in a space during a stretch.
func (p *places) evidence(ctx context.Context, l *ledger.Ledger, w stretch) (*occupancy.Evidence, error) {
	from, to := occupancy.MinuteTime(w.from), occupancy.MinuteTime(w.to)
	e := &occupancy.Evidence{}
	for i := range p.devices[w.space] {
		d := &p.devices[w.space][i]
		if !d.To.IsZero() && !d.To.After(from) || !d.From.Before(to) {
			continue
		}
		if err := p.device(ctx, l, e, d, from, to); err != nil {
			return nil, fmt.Errorf("collect the messages of device %s: %w", d.Value.ID, err)
		}
	}
	if len(e.Flows) > 0 {
		e.Zeros = p.zeros(p.lastZero(from), to)
	}
	if err := p.badges(ctx, l, e, w.space, from, to); err != nil {
		return nil, err
	}
	if e.Badges.Known.IsZero() {
		return e, nil
	}
	var err error
	e.Badges.Stays, err = l.Stays(ctx, w.space, from, to)
	return e, err
}

// badges sets in e when badges are evidence for a space: from the first message of
// a reader that leads into it, while none of the readers that lead into it is
// silent (rules 9.2).
func (p *places) badges(
	ctx context.Context,
	l *ledger.Ledger,
	e *occupancy.Evidence,
	space catalogue.SpaceID,
	from, to time.Time,
) error {
	var known []catalogue.Interval
	for _, id := range p.readers[space] {
		first, silent, err := l.Readers(ctx, []catalogue.DeviceID{id}, from, to)
		if err != nil {
			return err
		}
		for _, lead := range p.leads[id] {
			if lead.Value != space || first.IsZero() {
				continue
			}
			led := catalogue.Interval{From: lead.From, To: lead.To}
			if led.To.IsZero() {
				led.To = farAhead
			}
			for _, s := range silent {
				if s.To.IsZero() {
					s.To = farAhead
				}
				if s = s.Within(led); s.To.After(s.From) {
					e.Badges.Silent = append(e.Badges.Silent, s)
				}
			}
			if led.From.Before(first) {
				led.From = first
			}
			if led.To.After(led.From) {
				known = append(known, led)
			}
		}
	}
	for i, k := range occupancy.Join(known) {
		if i == 0 {
			e.Badges.Known = k.From
		} else {
			e.Badges.Silent[len(e.Badges.Silent)-1].To = k.From
		}
		e.Badges.Silent = append(e.Badges.Silent, catalogue.Interval{From: k.To, To: farAhead})
	}
	return nil
}

// farAhead is an instant after all instants that occur.
var farAhead = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// lastZero and zeros return when flow counters begin again from 0, in the time zone
// that the network had at that time.
func (p *places) lastZero(t time.Time) time.Time {
	return occupancy.LastZero(catalogue.At(p.history, t).Zone, t)
}

func (p *places) zeros(from, to time.Time) []time.Time {
	var list []time.Time
	for _, piece := range catalogue.Pieces(p.history, from, to.Add(time.Millisecond)) {
		list = append(list, occupancy.Zeros(piece.Network.Zone, piece.From, piece.To.Add(-time.Millisecond))...)
	}
	return list
}

// device adds to e the messages of a sensor while it hung in the space. Messages from
// before belong to the space where the sensor hung then. Its last value here ends when
// the sensor was moved.
func (p *places) device(
	ctx context.Context,
	l *ledger.Ledger,
	e *occupancy.Evidence,
	at *catalogue.Held[*catalogue.Device],
	from, to time.Time,
) error {
	d, timing := at.Value, occupancy.TimingOf(at.Value)
	timing.Begins, timing.Ends = at.From, at.To
	if !at.To.IsZero() && at.To.Before(to) {
		to = at.To
	}
	began := from.Add(-timing.Hold)
	if d.Kind == catalogue.FlowCounter {
		if zero := p.lastZero(from); zero.Before(began) {
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
