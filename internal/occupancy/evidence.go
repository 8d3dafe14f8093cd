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

// FlowSensor holds one flow counter's messages. The earliest may lie before the
// time of interest: lifetime totals are compared with the message before.
type FlowSensor struct {
	Timing
	Said []FlowSaid
}

// FlowSaid is one message of a flow counter.
type FlowSaid struct {
	At      time.Time
	ID      uuid.UUID
	In, Out int
	Totals  *Totals // lifetime counts: their difference includes what lost messages would have said
}

// Totals are lifetime counts.
type Totals struct{ In, Out uint64 }

// Badges holds what the readers around a space report.
type Badges struct {
	Known time.Time // the first message of a reader that leads in; zero: none yet
	// Silent lists the times when one of those readers was silent; To zero: it
	// still is.
	Silent []Span
	Stays  []Span // presences of members and passes in the space itself
}

// Span is [From, To).
type Span struct{ From, To time.Time }

// Within returns the part of the span that lies in another; empty, with To not
// after From, where there is none.
func (s Span) Within(o Span) Span {
	if s.From.Before(o.From) {
		s.From = o.From
	}
	if s.To.After(o.To) {
		s.To = o.To
	}
	return s
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

// step is the value of a source from an instant on.
type step struct {
	at    int64 // Unix milliseconds
	known bool
	gone  bool // the source does not exist then
	n     int
}

const endOfTime = int64(1) << 60

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

// sortSaid sorts messages by instant, then id, and drops repeats.
func sortSaid[T any](said []T, key func(T) (time.Time, uuid.UUID)) []T {
	order := func(a, b T) int {
		ta, ia := key(a)
		tb, ib := key(b)
		return cmp.Or(ta.Compare(tb), bytes.Compare(ia[:], ib[:]))
	}
	if !slices.IsSortedFunc(said, order) {
		said = slices.Clone(said)
		slices.SortFunc(said, order)
	}
	return slices.CompactFunc(slices.Clip(said), func(a, b T) bool { return order(a, b) == 0 })
}

// holding returns when a flow counter's last message still holds; n is 0.
func (f *FlowSensor) holding() []step {
	s := Sensor{Timing: Timing{Hold: f.Hold, Begins: f.Begins, Ends: f.Ends}}
	for _, v := range f.Said {
		s.Said = append(s.Said, Said{At: v.At, ID: v.ID})
	}
	return s.steps()
}

// flows returns the counter's messages in order, with totals converted to
// differences.
func (f *FlowSensor) flows() []flow {
	said := sortSaid(f.Said, func(v FlowSaid) (time.Time, uuid.UUID) { return v.At, v.ID })
	var out []flow
	var last *Totals
	for _, v := range said {
		out = append(out, flow{v.At, v.ID, v.delta(last)})
		if v.Totals != nil {
			last = v.Totals
		}
	}
	return out
}

// delta returns by how many people a message changes the sum: the difference
// from the totals of the last message that had any, where it has totals, else
// its own in and out.
func (v *FlowSaid) delta(last *Totals) int {
	if v.Totals != nil && last != nil {
		if in, out, reset := v.Totals.Since(last); !reset {
			return in - out
		}
	}
	return v.In - v.Out
}

func compareFlowSaid(a, b FlowSaid) int {
	return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.ID[:], b.ID[:]))
}

// balance returns the running sum of the space's flow messages: never below 0,
// and 0 at each zero.
func (e *Evidence) balance() []step {
	var all []flow
	for i := range e.Flows {
		all = append(all, e.Flows[i].flows()...)
	}
	slices.SortFunc(all, compareFlows)
	out := []step{{at: -endOfTime, known: true}}
	n, z := 0, 0
	for _, f := range all {
		for ; z < len(e.Zeros) && !e.Zeros[z].After(f.at); z++ {
			n = 0
			out = append(out, step{at: e.Zeros[z].UnixMilli(), known: true})
		}
		n = int(through(f.delta).apply(int64(n)))
		out = append(out, step{at: f.at.UnixMilli(), known: true, n: n})
	}
	for ; z < len(e.Zeros); z++ {
		out = append(out, step{at: e.Zeros[z].UnixMilli(), known: true})
	}
	return out
}

// flowSteps returns the balance while every counter's last message holds.
func (e *Evidence) flowSteps() []step {
	if len(e.Flows) == 0 {
		return nil
	}
	var lists [][]step
	for i := range e.Flows {
		lists = append(lists, e.Flows[i].holding())
	}
	return merge([][]step{e.balance(), merge(lists, total)}, total)
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

// count returns how many spans cover each instant.
func count(spans []Span) []step {
	type edge struct {
		at int64
		by int
	}
	var edges []edge
	for _, s := range spans {
		edges = append(edges, edge{s.From.UnixMilli(), 1}, edge{s.To.UnixMilli(), -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	out := []step{{at: -endOfTime, known: true}}
	n := 0
	for i, e := range edges {
		n += e.by
		if i+1 == len(edges) || edges[i+1].at != e.at {
			out = append(out, step{at: e.at, known: true, n: n})
		}
	}
	return out
}

// merge combines sources instant by instant; before its first step a source is
// unknown.
func merge(lists [][]step, f func(now []step) step) []step {
	if len(lists) == 0 {
		return nil
	}
	next := make([]int, len(lists))
	now := make([]step, len(lists))
	var out []step
	for {
		at := endOfTime
		for i, l := range lists {
			if next[i] < len(l) {
				at = min(at, l[next[i]].at)
			}
		}
		if at == endOfTime {
			return out
		}
		for i, l := range lists {
			for next[i] < len(l) && l[next[i]].at == at {
				now[i] = l[next[i]]
				next[i]++
			}
		}
		s := f(now)
		s.at = at
		if k := len(out); k == 0 || out[k-1].known != s.known || out[k-1].n != s.n {
			out = append(out, s)
		}
	}
}

// total returns the sum, known where every existing source is.
func total(now []step) step {
	s, any := step{known: true}, false
	for _, v := range now {
		if v.gone {
			continue
		}
		any = true
		s.known = s.known && v.known
		s.n = min(s.n+v.n, mostPeople)
	}
	if !s.known || !any {
		return step{}
	}
	return s
}

// anyYes returns yes where any source says yes, and no where all say no.
func anyYes(now []step) step {
	all, any := true, false
	for _, v := range now {
		if v.gone {
			continue
		}
		any = true
		if v.known && v.n > 0 {
			return step{known: true, n: 1}
		}
		all = all && v.known
	}
	return step{known: all && any}
}

// firstKnown returns the first source that is known.
func firstKnown(now []step) step {
	for _, v := range now {
		if v.known {
			return v
		}
	}
	return step{}
}

// steps returns the state of the space, from the best source of rules 9.2.
func (e *Evidence) steps() []step {
	return merge([][]step{
		merge(sensorSteps(e.Counters), total), e.flowSteps(), e.badgeSteps(), merge(sensorSteps(e.Desks), total), merge(sensorSteps(e.YesNo), anyYes),
	}, firstKnown)
}

func sensorSteps(list []Sensor) [][]step {
	var out [][]step
	for i := range list {
		out = append(out, list[i].steps())
	}
	return out
}

// Zeros returns the instants in [from, to] at which flow sums begin again: 04:00 local.
func Zeros(zone *catalogue.Zone, from, to time.Time) []time.Time {
	var out []time.Time
	for day := zone.At(from).Day; ; day++ {
		zero := zone.Instant(day, flowZero)
		if zero.After(to) {
			return out
		}
		if !zero.Before(from) {
			out = append(out, zero)
		}
	}
}

// LastZero returns the last 04:00 local at or before t.
func LastZero(zone *catalogue.Zone, t time.Time) time.Time {
	day := zone.At(t).Day
	if zero := zone.Instant(day, flowZero); !zero.After(t) {
		return zero
	}
	return zone.Instant(day-1, flowZero)
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
func Join(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return a.From.Compare(b.From) })
	var out []Span
	for _, s := range spans {
		if k := len(out); k > 0 && !s.From.After(out[k-1].To) {
			out[k-1].To = later(out[k-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}
