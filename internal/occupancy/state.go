// Package occupancy turns what sensors and badges say into how many people
// are where: the best known source of each space (contract §5), and what that
// means for who looks for a place (§6, availability).
//
// It is arithmetic on values: instants come in, nothing is stored or sent.
package occupancy

import (
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/visit"
)

// Source is where a space's state is taken from; the order is the contract's, best first.
type Source string

// The sources.
const (
	FromPeopleCounter Source = "people-counter"
	FromFlowCounter   Source = "flow-counter"
	FromBadge         Source = "badge"
	FromDesk          Source = "desk"
	FromOccupancy     Source = "occupancy"
)

// confidence is how far each source may be believed, 0 to 1: a counter sees
// everyone; flows drift until 04:00; badges miss those who follow others in;
// a desk sees who sits; a yes/no sensor sees that somebody moves.
var confidence = map[Source]float64{
	FromPeopleCounter: 0.95, FromFlowCounter: 0.8, FromBadge: 0.75, FromDesk: 0.7, FromOccupancy: 0.6,
}

const defaultHold = time.Hour

// flowZero is the local second at which flow sums begin again: 04:00 (§5).
const flowZero = 4 * 3600

// State is the live state of all spaces. It is not safe for concurrent use.
type State struct {
	network   *catalogue.Network
	calendars map[catalogue.SiteID]catalogue.Calendar
	spaces    []*space // in catalogue order
	byID      map[catalogue.SpaceID]*space
	sensors   map[catalogue.DeviceID]*sensor
	people    map[visit.Subject]*presence
	readers   map[catalogue.DeviceID][]*space // the spaces a reader leads into
}

type space struct {
	*catalogue.Space
	counters, desks, yesno []*sensor
	flows                  []*sensor
	flow                   []Flow // since the last zero, by At
	flowAt                 time.Time
	leadIn                 []catalogue.DeviceID
	heard, silent          map[catalogue.DeviceID]bool
	people                 map[visit.Subject]*presence
	moved                  time.Time // the newest badge that changed who is in
	last                   SpaceAvailability
	since                  time.Time
}

// sensor is one device's latest value.
type sensor struct {
	hold  time.Duration
	At    time.Time
	Value int // a count; 0 or 1 for yes/no
	known bool
}

// Flow is one flow message's balance.
type Flow struct {
	At    time.Time
	Delta int // in − out
}

type presence struct {
	space        *space
	since, until time.Time
}

// New makes the state of a network in which nothing is known.
func New(n *catalogue.Network) *State {
	s := &State{
		network: n, calendars: map[catalogue.SiteID]catalogue.Calendar{}, byID: map[catalogue.SpaceID]*space{},
		sensors: map[catalogue.DeviceID]*sensor{}, people: map[visit.Subject]*presence{}, readers: map[catalogue.DeviceID][]*space{},
	}
	for i := range n.Sites {
		s.calendars[n.Sites[i].ID] = n.Calendar(&n.Sites[i])
	}
	for i := range n.Spaces {
		sp := &space{
			Space: &n.Spaces[i], heard: map[catalogue.DeviceID]bool{}, silent: map[catalogue.DeviceID]bool{},
			people: map[visit.Subject]*presence{},
		}
		s.spaces = append(s.spaces, sp)
		s.byID[sp.ID] = sp
	}
	for i := range n.Devices {
		s.place(&n.Devices[i])
	}
	return s
}

// place puts a device where its values count.
func (s *State) place(d *catalogue.Device) {
	if d.Kind == catalogue.Reader {
		door := s.network.Door(d.Door)
		into := door.To
		if d.Direction == catalogue.Out {
			into = door.From
		}
		if sp := s.byID[into]; sp != nil {
			sp.leadIn = append(sp.leadIn, d.ID)
			s.readers[d.ID] = append(s.readers[d.ID], sp)
		}
		return
	}
	sp := s.byID[d.Space]
	if sp == nil {
		return
	}
	v := &sensor{hold: time.Duration(d.HoldSeconds) * time.Second}
	if v.hold == 0 {
		v.hold = defaultHold
	}
	switch d.Kind {
	case catalogue.PeopleCounter:
		sp.counters = append(sp.counters, v)
	case catalogue.FlowCounter:
		sp.flows = append(sp.flows, v)
	case catalogue.Desk:
		sp.desks = append(sp.desks, v)
	case catalogue.Occupancy:
		sp.yesno = append(sp.yesno, v)
	default:
		return
	}
	s.sensors[d.ID] = v
}

// SetValue takes a counter's count, or 1 and 0 for a desk's or sensor's yes
// and no. An older value than the one known changes nothing.
func (s *State) SetValue(device catalogue.DeviceID, at time.Time, value int) {
	v := s.sensors[device]
	if v == nil || v.known && at.Before(v.At) {
		return
	}
	v.At, v.Value, v.known = at, value, true
}

// AddFlow takes a flow counter's message.
func (s *State) AddFlow(device catalogue.DeviceID, at time.Time, in, out int) {
	d, v := s.network.Device(device), s.sensors[device]
	if d == nil || v == nil {
		return
	}
	sp := s.byID[d.Space]
	if !v.known || at.After(v.At) {
		v.At, v.known = at, true
	}
	zero := s.lastZero(later(at, sp.flowAt))
	if at.Before(zero) {
		return // before the day's zero: it no longer counts
	}
	sp.flowAt = later(at, sp.flowAt)
	sp.flow = slices.DeleteFunc(sp.flow, func(f Flow) bool { return f.At.Before(zero) })
	i, _ := slices.BinarySearchFunc(sp.flow, at, func(f Flow, t time.Time) int {
		if f.At.After(t) {
			return 1
		}
		return -1
	})
	sp.flow = slices.Insert(sp.flow, i, Flow{At: at, Delta: in - out})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// lastZero is the last 04:00 local at or before t.
func (s *State) lastZero(t time.Time) time.Time {
	day := s.network.Zone.At(t).Day
	if zero := s.network.Zone.Instant(day, flowZero); !zero.After(t) {
		return zero
	}
	return s.network.Zone.Instant(day-1, flowZero)
}

// Heard notes a reader's message: badge presence is known from the first on.
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

// SetPresence says where a subject is, since when, and until when that counts
// (package visit, Presence); an unknown or no space means nowhere.
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
