// Package occupancy turns the messages of sensors and badges into how many
// people are where: the best known source of each space (rules 9.2), and what
// that means for people who look for a place (rules 9.5). It also integrates
// the same evidence over minutes (rules 9.4).
//
// It computes on values: instants come in, nothing is stored or sent.
package occupancy

import (
	"bytes"
	"cmp"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/visit"
)

// Source is the kind of evidence that a space's state is taken from; in the
// order of rules 9.2, best first.
type Source string

// The sources.
const (
	FromPeopleCounter Source = "people-counter"
	FromFlowCounter   Source = "flow-counter"
	FromBadge         Source = "badge"
	FromDesk          Source = "desk"
	FromOccupancy     Source = "occupancy"
)

// confidence is how far each source may be believed (rules 9.7): a counter sees
// everyone; flows drift until 04:00; badges miss people who follow others in; a
// desk sees who sits; a yes/no sensor sees that somebody moves.
var confidence = map[Source]float64{
	FromPeopleCounter: 0.95, FromFlowCounter: 0.8, FromBadge: 0.75, FromDesk: 0.7, FromOccupancy: 0.6,
}

const defaultHold = time.Hour

// flowZero is the local second at which flow sums begin again: 04:00 (rules 9.2).
const flowZero = 4 * 3600

// State is the live state of all spaces. It is not safe for concurrent use.
type State struct {
	network   *catalogue.Network
	calendars map[catalogue.SiteID]catalogue.Calendar
	events    map[catalogue.SpaceID][]catalogue.Interval // when events run in each space
	spaces    []*space                                   // in catalogue order
	byID      map[catalogue.SpaceID]*space
	sensors   map[catalogue.DeviceID]*sensor
	flows     map[catalogue.DeviceID]*flowSensor
	people    map[visit.Subject]*presence
	readers   map[catalogue.DeviceID][]*space // the spaces a reader leads into
	zero      time.Time                       // the last 04:00 at which flows were dropped
}

type space struct {
	*catalogue.Space
	counters, desks, yesno []*sensor
	flows                  []*flowSensor
	flowed                 flowLog // the flows of all its flow counters together
	leadIn                 []catalogue.DeviceID
	heard, silent          map[catalogue.DeviceID]bool
	people                 map[visit.Subject]*presence
	moved                  time.Time // the newest badge that changed who is inside
	last                   SpaceAvailability
	since                  time.Time
}

// sensor is one device's latest message.
type sensor struct {
	Timing
	Said
	known bool
}

// flowSensor holds a flow counter's messages since the last zero, and the one
// before them.
type flowSensor struct {
	sensor
	space *space
	said  ordered[FlowSaid]
}

type presence struct {
	space        *space
	since, until time.Time
}

// New returns the state of a network in which nothing is known.
func New(n *catalogue.Network) *State {
	s := &State{
		network:   n,
		calendars: map[catalogue.SiteID]catalogue.Calendar{},
		byID:      map[catalogue.SpaceID]*space{},
		sensors:   map[catalogue.DeviceID]*sensor{},
		flows:     map[catalogue.DeviceID]*flowSensor{},
		people:    map[visit.Subject]*presence{},
		readers:   map[catalogue.DeviceID][]*space{},
	}
	for i := range n.Sites {
		s.calendars[n.Sites[i].ID] = n.Calendar(&n.Sites[i])
	}
	for i := range n.Spaces {
		sp := &space{
			Space: &n.Spaces[i], heard: map[catalogue.DeviceID]bool{}, silent: map[catalogue.DeviceID]bool{},
			people: map[visit.Subject]*presence{}, flowed: flowLog{ordered[flow]{compare: compareFlows}},
		}
		s.spaces = append(s.spaces, sp)
		s.byID[sp.ID] = sp
	}
	for i := range n.Devices {
		s.place(&n.Devices[i])
	}
	return s
}

// place assigns a device to the space where its values count.
func (s *State) place(d *catalogue.Device) {
	if d.Kind == catalogue.Reader {
		if sp := s.byID[s.network.LeadsInto(d)]; sp != nil {
			sp.leadIn = append(sp.leadIn, d.ID)
			s.readers[d.ID] = append(s.readers[d.ID], sp)
		}
		return
	}
	sp := s.byID[d.Space]
	if sp == nil {
		return
	}
	v := &sensor{Timing: TimingOf(d)}
	switch d.Kind {
	case catalogue.PeopleCounter:
		sp.counters = append(sp.counters, v)
	case catalogue.FlowCounter:
		f := &flowSensor{sensor: *v, space: sp, said: ordered[FlowSaid]{compare: compareFlowSaid}}
		sp.flows = append(sp.flows, f)
		s.flows[d.ID] = f
		return
	case catalogue.Desk:
		sp.desks = append(sp.desks, v)
	case catalogue.Occupancy:
		sp.yesno = append(sp.yesno, v)
	default:
		return
	}
	s.sensors[d.ID] = v
}

// SetValue sets a counter's count, or 1 and 0 for a desk's or sensor's yes and
// no. A message older than the known one changes nothing, nor does a repeat of
// it.
func (s *State) SetValue(device catalogue.DeviceID, v Said) {
	if have := s.sensors[device]; have != nil {
		have.take(v)
	}
}

func (v *sensor) take(said Said) {
	if v.known && cmp.Or(said.At.Compare(v.At), bytes.Compare(said.ID[:], v.ID[:])) <= 0 {
		return
	}
	v.Said, v.known = said, true
}

// AddFlow adds a flow counter's message. reset reports that its totals differ from
// those before in a way that does not tell how many people passed (Totals.Since).
func (s *State) AddFlow(device catalogue.DeviceID, said FlowSaid) (reset bool) {
	f := s.flows[device]
	if f == nil {
		return false
	}
	f.take(Said{At: said.At, ID: said.ID})
	if !f.said.put(said) {
		return false
	}
	if said.Totals == nil {
		f.space.flowed.put(flow{said.At, said.ID, said.delta(nil)})
		return false
	}
	last := f.totalsBefore(said)
	f.space.flowed.put(flow{said.At, said.ID, said.delta(last)})
	f.said.after(said, func(next FlowSaid) bool { // its totals count from these on
		if next.Totals != nil {
			f.space.flowed.put(flow{next.At, next.ID, next.delta(said.Totals)})
		}
		return next.Totals == nil
	})
	_, _, reset = said.Totals.Since(last)
	return reset
}

// totalsBefore returns the last totals of a counter before a message; nil:
// none.
func (f *flowSensor) totalsBefore(said FlowSaid) (last *Totals) {
	f.said.before(said, func(v FlowSaid) bool {
		last = v.Totals
		return last == nil
	})
	return last
}

// dropFlows drops the flows before a zero, except the totals from which later
// ones count.
func (s *State) dropFlows(zero time.Time) {
	if zero.Equal(s.zero) {
		return
	}
	s.zero = zero
	for _, sp := range s.spaces {
		sp.flowed.drop(func(last flow) bool { return last.at.Before(zero) })
		for _, f := range sp.flows {
			f.said.drop(func(last FlowSaid) bool { return last.At.Before(zero) })
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Heard notes a reader's message: badge presence is known from the first one
// on.
func (s *State) Heard(reader catalogue.DeviceID) {
	for _, sp := range s.readers[reader] {
		sp.heard[reader] = true
	}
}

// SetSilent notes that a reader has gone silent, or is back.
func (s *State) SetSilent(reader catalogue.DeviceID, silent bool) {
	for _, sp := range s.readers[reader] {
		if silent {
			sp.silent[reader] = true
		} else {
			delete(sp.silent, reader)
		}
	}
}

// SetPresence sets where a subject is, since when, and until when that counts
// (package visit, Presence); an unknown or empty space means nowhere.
func (s *State) SetPresence(who visit.Subject, where catalogue.SpaceID, since, until, now time.Time) {
	if p := s.people[who]; p != nil {
		delete(p.space.people, who)
		p.space.moved = now
		delete(s.people, who)
	}
	sp := s.byID[where]
	if sp == nil || !until.After(now) {
		return
	}
	p := &presence{space: sp, since: since, until: until}
	s.people[who], sp.people[who] = p, p
	sp.moved = later(sp.moved, since)
}
