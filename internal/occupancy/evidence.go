package occupancy

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
)

// Evidence holds everything that tells who was in one space over some time. Its
// result depends on its content, not on the order in which messages arrived.
type Evidence struct {
	Counters []Sensor
	Flows    []FlowSensor
	Desks    []Sensor
	YesNo    []Sensor
	Badges   Badges
	Zeros    []time.Time // instants at which flow sums begin again, ascending
}

// Sensor holds one sensor's messages: a count, or 1 and 0 for yes and no.
type Sensor struct {
	Timing
	Said []Said
}

// Said is one message of a sensor.
type Said struct {
	At    time.Time
	ID    uuid.UUID
	Value int
}

// Badges holds what the readers around a space report.
type Badges struct {
	Known time.Time // the first message of a reader that leads in; zero: none yet
	// Silent lists the times when one of those readers was silent; To zero: it
	// still is.
	Silent []catalogue.Interval
	Stays  []catalogue.Interval // presences of members and passes in the space itself
}

// Timing is how long a sensor's value counts.
type Timing struct {
	Hold time.Duration
	// OffDelay turns a yes into a no after this time, for motion sensors that
	// never report no; 0: never.
	OffDelay time.Duration
	// Begins and Ends are when the sensor hung in the space; zero: always. At
	// other times it is not a sensor of the space, and the others count alone.
	Begins, Ends time.Time
}

// steps returns the values of one sensor: each holds until the next, or for its
// hold time.
func (s *Sensor) steps() []step {
	said := sortSaid(s.Said, func(v Said) (time.Time, uuid.UUID) { return v.At, v.ID })
	var out []step
	if !s.Begins.IsZero() {
		out = append(out, step{at: -endOfTime, gone: true}, step{at: s.Begins.UnixMilli()})
	}
	for i, v := range said {
		at := v.At.UnixMilli()
		next := s.ends()
		if i+1 < len(said) {
			next = said[i+1].At.UnixMilli()
		}
		if next == at {
			continue // of two at one instant the later id counts
		}
		out = append(out, step{at: at, known: true, n: v.Value})
		if off := at + s.OffDelay.Milliseconds(); s.OffDelay > 0 && v.Value > 0 && off < min(next, at+s.Hold.Milliseconds()) {
			out = append(out, step{at: off, known: true})
		}
		if end := at + s.Hold.Milliseconds(); end < next {
			out = append(out, step{at: end})
		}
	}
	if !s.Ends.IsZero() {
		out = append(out, step{at: s.ends(), gone: true})
	}
	return out
}

// ends returns the instant from which no value of the sensor holds.
func (t *Timing) ends() int64 {
	if t.Ends.IsZero() {
		return endOfTime
	}
	return t.Ends.UnixMilli()
}

// sortSaid sorts messages by instant, then id, and keeps the first of those
// that have both alike.
func sortSaid[T any](said []T, key func(T) (time.Time, uuid.UUID)) []T {
	order := func(a, b T) int {
		ta, ia := key(a)
		tb, ib := key(b)
		return cmp.Or(ta.Compare(tb), bytes.Compare(ia[:], ib[:]))
	}
	if !slices.IsSortedFunc(said, order) {
		said = slices.Clone(said)
		slices.SortStableFunc(said, order)
	}
	return slices.CompactFunc(slices.Clip(said), func(a, b T) bool { return order(a, b) == 0 })
}

// badgeSteps counts who is there; known while no reader is silent.
func (e *Evidence) badgeSteps() []step {
	b := e.Badges
	if b.Known.IsZero() {
		return nil
	}
	lists := [][]step{{{at: b.Known.UnixMilli(), known: true}}, count(b.Stays)}
	for _, s := range b.Silent {
		hush := []step{{at: -endOfTime, known: true}, {at: s.From.UnixMilli()}}
		if !s.To.IsZero() {
			hush = append(hush, step{at: s.To.UnixMilli(), known: true})
		}
		lists = append(lists, hush)
	}
	return merge(lists, total)
}

// steps returns the state of the space, from the best source of rules 9.2.
func (e *Evidence) steps() []step {
	return merge([][]step{
		merge(sensorSteps(e.Counters), total),
		e.flowSteps(),
		e.badgeSteps(),
		merge(sensorSteps(e.Desks), total),
		merge(sensorSteps(e.YesNo), anyYes),
	}, firstKnown)
}

func sensorSteps(list []Sensor) [][]step {
	var out [][]step
	for i := range list {
		out = append(out, list[i].steps())
	}
	return out
}

// TimingOf returns how long a device's value counts.
func TimingOf(d *catalogue.Device) Timing {
	t := Timing{Hold: time.Duration(d.HoldSeconds) * time.Second, OffDelay: d.OffDelay()}
	if t.Hold == 0 {
		t.Hold = defaultHold
	}
	return t
}

// Join sorts spans and joins those that touch.
func Join(spans []catalogue.Interval) []catalogue.Interval {
	slices.SortFunc(spans, func(a, b catalogue.Interval) int { return a.From.Compare(b.From) })
	var out []catalogue.Interval
	for _, s := range spans {
		if k := len(out); k > 0 && !s.From.After(out[k-1].To) {
			out[k-1].To = later(out[k-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}
