// Package occupancy turns what sensors and badges say into how many people
// are where: the best known source of each space (contract §5), and what that
// means for who looks for a place (§6, availability).
//
// It is arithmetic on values: instants come in, nothing is stored or sent.
package occupancy

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

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
	flows     map[catalogue.DeviceID]*flowSensor
	people    map[visit.Subject]*presence
	readers   map[catalogue.DeviceID][]*space // the spaces a reader leads into
}

type space struct {
	*catalogue.Space
	counters, desks, yesno []*sensor
	flows                  []*flowSensor
	leadIn                 []catalogue.DeviceID
	heard, silent          map[catalogue.DeviceID]bool
	people                 map[visit.Subject]*presence
	moved                  time.Time // the newest badge that changed who is in
	last                   SpaceAvailability
	since                  time.Time
}

// sensor is one device's latest message.
type sensor struct {
	Timing
	Said
	known bool
}

// flowSensor is a flow counter's messages since the last zero, and the one before them.
type flowSensor struct {
	sensor
	said []FlowSaid
}

type presence struct {
	space        *space
	since, until time.Time
}

// New makes the state of a network in which nothing is known.
func New(n *catalogue.Network) *State {
	s := &State{
		network: n, calendars: map[catalogue.SiteID]catalogue.Calendar{}, byID: map[catalogue.SpaceID]*space{},
		sensors: map[catalogue.DeviceID]*sensor{}, flows: map[catalogue.DeviceID]*flowSensor{}, people: map[visit.Subject]*presence{}, readers: map[catalogue.DeviceID][]*space{},
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
		if sp := s.byID[LeadsInto(s.network, d)]; sp != nil {
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
		f := &flowSensor{sensor: *v}
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

// SetValue takes a counter's count, or 1 and 0 for a desk's or sensor's yes
// and no. An older message than the one known changes nothing.
func (s *State) SetValue(device catalogue.DeviceID, v Said) {
	if have := s.sensors[device]; have != nil {
		have.take(v)
	}
}

func (v *sensor) take(said Said) {
	if v.known && cmp.Or(said.At.Compare(v.At), bytes.Compare(said.ID[:], v.ID[:])) < 0 {
		return
	}
	v.Said, v.known = said, true
}

// AddFlow takes a flow counter's message. reset says that its totals went back
// in a way that says nothing of who passed.
func (s *State) AddFlow(device catalogue.DeviceID, said FlowSaid) (reset bool) {
	f := s.flows[device]
	if f == nil {
		return false
	}
	f.take(Said{At: said.At, ID: said.ID})
	f.said = append(f.said, said)
	f.said = sortSaid(f.said, func(v FlowSaid) (time.Time, uuid.UUID) { return v.At, v.ID })
	zero := LastZero(s.network.Zone, f.At)
	for len(f.said) > 1 && f.said[1].At.Before(zero) { // what totals count from is kept
		f.said = f.said[1:]
	}
	i := slices.IndexFunc(f.said, func(v FlowSaid) bool { return v.ID == said.ID })
	if i > 0 && said.Totals != nil {
		_, _, reset = said.Totals.Since(f.said[i-1].Totals)
	}
	return reset
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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
