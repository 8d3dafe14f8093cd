package visit

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
)

// Longest is the longest visit (rules 5.3). No visit reaches across a longer
// gap between two reads.
const Longest = 16 * time.Hour

// namespace is the UUID namespace of visits' ids.
var namespace = uuid.MustParse("b0c7e0f4-8f6e-5c57-9f0c-2f6f8a5d3e11")

// ID derives a visit's id from its space and first read.
func ID(space catalogue.SpaceID, first uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(namespace, append(first[:], space...))
}

// AsOf returns the visit as it stands at now: one whose end is not due yet
// still goes on, its To zero and Ended Open.
func (v Visit) AsOf(now time.Time) Visit {
	if v.To.After(now) {
		v.To, v.Ended = time.Time{}, Open
	}
	return v
}

// Make returns the visits to every space that one subject's reads make, ordered by
// From, then space. The reads may be in any order, and any of them may be repeated.
func Make(p *Places, reads []Read) []Visit {
	m := maker{places: p, steps: steps(p, reads)}
	seen := map[catalogue.SpaceID]bool{}
	for _, s := range m.steps {
		for _, space := range s.network.Chain(s.after) {
			if !seen[space] {
				seen[space] = true
				m.space(space)
			}
		}
	}
	slices.SortStableFunc(m.visits, func(a, b Visit) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return bytes.Compare([]byte(a.Space), []byte(b.Space))
	})
	return m.visits
}

// Presence returns where the reads leave their subject: the innermost space,
// since when the present visit to it lasts, and until when it counts. It is
// empty outside everything.
func Presence(p *Places, reads []Read) (space catalogue.SpaceID, since, until time.Time) {
	m := maker{places: p, steps: steps(p, reads)}
	if len(m.steps) == 0 {
		return "", since, until
	}
	last := m.steps[len(m.steps)-1]
	for _, id := range last.network.Chain(last.after) { // if it no longer exists: the nearest space around it that does
		if space = id; (*p.history.Last()).Space(id) != nil {
			break
		}
	}
	if last.network.Space(space) == nil {
		return "", since, until
	}
	m.space(space)
	v := m.visits[len(m.visits)-1]
	return space, v.From, v.To
}

// Leaves reports whether a read leaves its subject outside everything.
func Leaves(p *Places, r Read) bool {
	n := p.at(r.At)
	_, after := sides(n, atItsDoor(n, r))
	return n.Space(after) == nil
}

// step is a read and the spaces in which it shows the subject, in the network
// of that time.
type step struct {
	Read
	network       *catalogue.Network
	before, after catalogue.SpaceID
}

func (s *step) wasWithin(space catalogue.SpaceID) bool { return s.network.Within(s.before, space) }
func (s *step) isWithin(space catalogue.SpaceID) bool  { return s.network.Within(s.after, space) }

// steps sorts reads by At, then id, and drops repeats and reads at doors that
// the catalogue of their instant does not have.
func steps(p *Places, reads []Read) []step {
	list := make([]step, 0, len(reads))
	for _, r := range reads {
		s := step{network: p.at(r.At)}
		s.Read = atItsDoor(s.network, r)
		if s.network.Door(r.Door) == nil {
			continue
		}
		s.before, s.after = sides(s.network, s.Read)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b step) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	return slices.CompactFunc(list, func(a, b step) bool { return a.ID == b.ID })
}

// atItsDoor returns a read with the door and the direction that its reader had at that
// time. They may differ from those in the read: where a reader hung may be recorded
// only after the read.
func atItsDoor(n *catalogue.Network, r Read) Read {
	if d := n.Device(r.Device); d != nil && d.Kind == catalogue.Reader {
		r.Door, r.Direction = d.Door, d.Direction
	}
	return r
}

// At returns where a read left its subject, and by which door.
func (p *Places) At(r Read) (space catalogue.SpaceID, door catalogue.DoorID) {
	n := p.at(r.At)
	r = atItsDoor(n, r)
	_, space = sides(n, r)
	return space, r.Door
}

// sides returns where a read comes from and where it leads: an in read goes
// from → to, an out read back.
func sides(n *catalogue.Network, r Read) (before, after catalogue.SpaceID) {
	d := n.Door(r.Door)
	switch {
	case d == nil:
		return catalogue.Outside, catalogue.Outside
	case r.Direction == catalogue.In:
		return d.From, d.To
	}
	return d.To, d.From
}

type maker struct {
	places *Places
	steps  []step
	visits []Visit
}

// space computes one subject's visits to one space.
func (m *maker) space(s catalogue.SpaceID) {
	for i := 0; i < len(m.steps); {
		if !m.steps[i].isWithin(s) {
			i++
			continue
		}
		// A stretch begins with a read that leads inside, and ends before out: the
		// first later read that shows the subject outside, before it or after it.
		out := i + 1
		for out < len(m.steps) && m.steps[out].wasWithin(s) && m.steps[out].isWithin(s) {
			out++
		}
		m.stretch(s, i, out)
		i = out
	}
}

// stretch appends the visits that the reads [i, out) make. All of them leave the
// subject in the space; the read at out, if there is one, shows them outside.
func (m *maker) stretch(space catalogue.SpaceID, i, out int) {
	for i < out {
		v := Visit{Space: space, First: m.steps[i].ID, From: m.steps[i].At}
		if out < len(m.steps) && m.endsByBadge(space, out) && !m.steps[out].At.After(v.From.Add(Longest)) {
			v.To, v.Ended = m.steps[out].At, Badge
			m.visits = append(m.visits, v)
			return
		}
		v.To, v.Ended = v.From.Add(Longest), Max
		if closing := m.closing(space, &m.steps[i]); !closing.After(v.To) {
			v.To, v.Ended = closing, Closing
		}
		if out < len(m.steps) && !m.steps[out].At.After(v.To) {
			v.To, v.Ended = m.steps[out].At, Elsewhere
		}
		m.visits = append(m.visits, v)
		for i++; i < out && m.steps[i].At.Before(v.To); i++ {
		}
	}
}

// endsByBadge reports whether a read is an out read that leads out of the space.
func (m *maker) endsByBadge(space catalogue.SpaceID, i int) bool {
	s := &m.steps[i]
	return s.Direction == catalogue.Out && s.wasWithin(space) && !s.isWithin(space)
}

// closing returns the site's last closing time on the local day of a read, if
// that is after it, else the end of that day.
func (m *maker) closing(space catalogue.SpaceID, s *step) time.Time {
	c := m.places.calendars.Of(s.network, s.network.Space(space).Site)
	day := c.Zone.At(s.At).Day
	if t, ok := c.LastClosing(day); ok && t.After(s.At) {
		return t
	}
	return c.Zone.Start(day + 1)
}
