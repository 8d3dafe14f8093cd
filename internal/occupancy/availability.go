package occupancy

import (
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Availability states (rules 9.5).
const (
	Free    = "free"
	Busy    = "busy"    // no place left, or occupied and not shared
	Unknown = "unknown" // never taken for free
	Closed  = "closed"  // outside the site's opening hours
)

// SpaceAvailability is the present state of one space. Null fields are unknown.
type SpaceAvailability struct {
	Space      catalogue.SpaceID    `json:"space"`
	Site       catalogue.SiteID     `json:"site"`
	Building   catalogue.BuildingID `json:"building"`
	Kind       catalogue.SpaceKind  `json:"kind"`
	Capacity   int                  `json:"capacity"`
	Count      *int                 `json:"count"`    // people
	Occupied   *bool                `json:"occupied"` // anybody there
	Free       *int                 `json:"free"`     // places left; in a space that is not shared all or none
	State      string               `json:"state"`
	Source     *Source              `json:"source"`
	Confidence *float64             `json:"confidence"` // 0 to 1
	Since      *catalogue.Instant   `json:"since"`      // since when state, source and count have been so
	UpdatedAt  *catalogue.Instant   `json:"updated_at"` // time of the newest evidence
}

// few is the number of people below which a display must not show whether anybody is
// there (rules 9.8): a smaller count would point at somebody.
const few = 3

// Public is what everybody may see of a space: a display, or a subscriber of a
// live topic.
type Public struct {
	SpaceAvailability
	Few *bool `json:"few,omitempty" doc:"Fewer than 3 people: shown to displays in place of the count."`
}

// ForDisplay returns what a display may see; ok is false where it may see
// nothing of the space: one that is not shared, or has fewer than 3 places.
func (a SpaceAvailability) ForDisplay() (v Public, ok bool) {
	v = Public{SpaceAvailability: a}
	if !a.Kind.Shared() || a.Capacity < few {
		return v, false
	}
	if a.Count != nil && *a.Count < few {
		// Anything that changes with each person would reveal the count.
		yes := true
		v.Few, v.Count, v.Free, v.Occupied, v.Since, v.UpdatedAt = &yes, nil, nil, nil, nil, nil
		if v.State != Closed {
			v.State = Free
		}
	}
	return v, true
}

// ForLive returns the content of a live topic; ok is false where the space has
// none.
func (a SpaceAvailability) ForLive() (v Public, ok bool) {
	if a.Kind.Office() {
		return v, false
	}
	if a.Kind.Shared() {
		return a.ForDisplay()
	}
	v = Public{
		SpaceAvailability: a,
	} // shows whether a meeting room is in use, but no count, and no time at which the count changed
	v.Count, v.Since, v.UpdatedAt = nil, nil, nil
	return v, true
}

// same reports whether a client would see no difference between a and b. Evidence that is only
// newer makes no difference.
func (a SpaceAvailability) same(b SpaceAvailability) bool {
	return a.State == b.State && equal(a.Count, b.Count) && equal(a.Occupied, b.Occupied) && equal(a.Source, b.Source)
}

func equal[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// reading is the value of the best known source.
type reading struct {
	source   Source
	count    *int
	occupied bool
	at       time.Time
}

// Refresh computes every space at now again and returns those that changed
// since the last Refresh, in catalogue order. The first call returns all.
func (s *State) Refresh(now time.Time) []SpaceAvailability {
	s.dropFlows(LastZero(s.network.Zone, now))
	var changed []SpaceAvailability
	open := map[catalogue.SiteID]bool{}
	for id, c := range s.calendars {
		open[id] = c.Open(now)
	}
	for _, sp := range s.spaces {
		r, known := s.read(sp, now)
		a := sp.availability(r, known, open[sp.Site] || s.eventRuns(sp.ID, now))
		if sp.last.State != "" && a.same(sp.last) {
			a.Since = sp.last.Since
			sp.last = a
			continue
		}
		since := now
		if known && sp.last.State != "" && r.at.After(sp.since) && r.at.Before(now) {
			since = r.at // a change caused by evidence, not by the clock
		}
		sp.since = since
		a.Since = &catalogue.Instant{Time: since.UTC().Truncate(time.Millisecond)}
		sp.last = a
		changed = append(changed, a)
	}
	return changed
}

// SetEvents sets when events run in each space: at these times the space, with
// those below it, is open whatever the hour.
func (s *State) SetEvents(events map[catalogue.SpaceID][]catalogue.Interval) { s.events = events }

func (s *State) eventRuns(id catalogue.SpaceID, now time.Time) bool {
	if len(s.events) == 0 {
		return false
	}
	for sp := s.network.Space(id); sp != nil; sp = s.network.Space(sp.Parent) {
		for _, span := range s.events[sp.ID] {
			if !now.Before(span.From) && now.Before(span.To) {
				return true
			}
		}
	}
	return false
}

// All returns every space as of the last Refresh, in catalogue order.
func (s *State) All() []SpaceAvailability {
	all := make([]SpaceAvailability, len(s.spaces))
	for i, sp := range s.spaces {
		all[i] = sp.last
	}
	return all
}

func (sp *space) availability(r reading, known, open bool) SpaceAvailability {
	a := SpaceAvailability{
		Space:    sp.ID,
		Site:     sp.Site,
		Building: sp.Building,
		Kind:     sp.Kind,
		Capacity: sp.Capacity,
		State:    Unknown,
	}
	if known {
		conf := confidence[r.source]
		a.Count, a.Occupied, a.Source, a.Confidence = r.count, &r.occupied, &r.source, &conf
		if !r.at.IsZero() { // badges may be known although nobody has moved yet
			a.UpdatedAt = &catalogue.Instant{Time: r.at}
		}
		a.Free = sp.places(r)
		a.State = Free
		if r.occupied && !sp.Kind.Shared() || a.Free != nil && *a.Free == 0 {
			a.State = Busy
		}
	}
	if !open {
		a.State = Closed
	}
	return a
}

// places returns how many places are left: in a shared space one by one, in any
// other all or none.
func (sp *space) places(r reading) *int {
	n := sp.Capacity
	switch {
	case sp.Kind.Shared() && r.count == nil && r.occupied:
		return nil // somebody is there, and nobody knows how many
	case sp.Kind.Shared() && r.count != nil:
		n = max(0, sp.Capacity-*r.count)
	case r.occupied:
		n = 0
	}
	return &n
}

// read asks the sources in the order of rules 9.2.
func (s *State) read(sp *space, now time.Time) (reading, bool) {
	if n, at, ok := sum(sp.counters, now); ok {
		return counted(FromPeopleCounter, n, at), true
	}
	if n, at, ok := s.balanced(sp, now); ok {
		return counted(FromFlowCounter, n, at), true
	}
	if sp.badgesKnown() {
		return sp.badges(now), true
	}
	if n, at, ok := sum(sp.desks, now); ok {
		return counted(FromDesk, n, at), true
	}
	return sp.yesNo(now)
}

func counted(source Source, n int, at time.Time) reading {
	return reading{source: source, count: &n, occupied: n > 0, at: at}
}

// sum adds up sensors of one kind; the sum is known when every one of them is.
func sum(sensors []*sensor, now time.Time) (n int, at time.Time, ok bool) {
	for _, v := range sensors {
		if !v.holds(now) {
			return 0, at, false
		}
		n, at = min(n+v.value(now), mostPeople), later(at, v.At)
	}
	return n, at, len(sensors) > 0
}

func (v *sensor) holds(now time.Time) bool { return v.known && now.Before(v.At.Add(v.Hold)) }

func (v *sensor) value(now time.Time) int {
	if v.OffDelay > 0 && !now.Before(v.At.Add(v.OffDelay)) {
		return 0
	}
	return v.Value
}

// balanced returns the running sum of the space's flow messages, known while
// every counter's last message holds.
func (s *State) balanced(sp *space, now time.Time) (n int, at time.Time, ok bool) {
	for _, f := range sp.flows {
		if !f.holds(now) {
			return 0, at, false
		}
		at = later(at, f.At)
	}
	if len(sp.flows) == 0 {
		return 0, at, false
	}
	return sp.flowed.balance(s.zero, now), at, true
}

// badgesKnown reports whether badges are known: from the first message of a
// reader that leads in, while none of those is silent.
func (sp *space) badgesKnown() bool {
	return len(sp.silent) == 0 && slices.ContainsFunc(sp.leadIn, func(id catalogue.DeviceID) bool { return sp.heard[id] })
}

func (sp *space) badges(now time.Time) reading {
	n, at := 0, sp.moved
	for _, p := range sp.people {
		if now.Before(p.until) {
			n++
			continue
		}
		at = later(at, p.until)
	}
	return counted(FromBadge, n, at)
}

// yesNo returns yes when any sensor says yes, no when all say no, else unknown.
func (sp *space) yesNo(now time.Time) (reading, bool) {
	r := reading{source: FromOccupancy}
	all := len(sp.yesno) > 0
	for _, v := range sp.yesno {
		if !v.holds(now) {
			all = false
			continue
		}
		if v.value(now) > 0 {
			r.occupied = true
		}
		r.at = later(r.at, v.At)
	}
	return r, r.occupied || all
}
