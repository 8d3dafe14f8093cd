package occupancy

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
)

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

// delta returns by how many people a message changes the sum. Where it has totals, and
// last has those of an earlier message, that is their difference; otherwise, and after
// a reset, it is the message's own in minus out.
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
