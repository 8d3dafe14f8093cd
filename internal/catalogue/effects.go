package catalogue

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"
)

// Effects lists what must be computed again when a changed history replaces another one,
// each with the earliest instant from which the two differ.
type Effects struct {
	Minutes map[SpaceID]time.Time // spaces whose devices differ
	Sums    map[SpaceID]time.Time // spaces whose site's opening hours, or whose places, differ
	// Sites whose doors lead elsewhere, whose spaces lie elsewhere, or which close at another time.
	Visits map[SiteID]time.Time
	Hours  map[SpaceID]time.Time // spaces that changed kind or lie elsewhere, so that hours are billed or not
}

// EffectsOf finds what differs between two histories.
func EffectsOf(a, b History) Effects {
	before, after := a.Versions(), b.Versions()
	// The common beginning of both is the same; only its last catalogue matters
	// for what follows.
	same := 0
	for same < min(len(before), len(after)) && before[same].From == after[same].From &&
		*before[same].Value == *after[same].Value {
		same++
	}
	before, after = before[max(0, same-1):], after[max(0, same-1):]
	e := Effects{
		Minutes: map[SpaceID]time.Time{},
		Sums:    map[SpaceID]time.Time{},
		Visits:  map[SiteID]time.Time{},
		Hours:   map[SpaceID]time.Time{},
	}
	differing(placements(before), placements(after), sameDevice, func(_ DeviceID, from time.Time, of []*Device) {
		for _, d := range of {
			earliest(e.Minutes, d.Space, from)
		}
	})
	differing(leads(before), leads(after), equal[SpaceID], func(_ DeviceID, from time.Time, into []SpaceID) {
		for _, space := range into {
			earliest(e.Minutes, space, from)
		}
	})
	differing(
		places(before),
		places(after),
		deepEqual[place],
		func(id SpaceID, from time.Time, _ []place) { earliest(e.Sums, id, from) },
	)
	differing(
		layouts(before),
		layouts(after),
		deepEqual[layout],
		func(id SiteID, from time.Time, _ []layout) { earliest(e.Visits, id, from) },
	)
	differing(coworkings(before), coworkings(after), equal[coworking], func(id SpaceID, from time.Time, of []coworking) {
		if slices.ContainsFunc(of, func(c coworking) bool { return c.outermost != "" }) {
			earliest(e.Hours, id, from)
		}
	})
	differing(zones(before), zones(after), equal[string], func(_ string, from time.Time, _ []string) {
		for _, id := range EverSpaces(b) {
			earliest(e.Minutes, id, from)
		}
	})
	return e
}

// earliest keeps the earlier of two instants.
func earliest[K cmp.Ordered](m map[K]time.Time, key K, from time.Time) {
	var none K
	if at, there := m[key]; key != none && (!there || from.Before(at)) {
		m[key] = from
	}
}

func equal[T comparable](a, b T) bool { return a == b }

func deepEqual[T any](a, b T) bool { return reflect.DeepEqual(a, b) }

// sameDevice compares two devices; it is called for every device of every
// catalogue that there ever was.
func sameDevice(a, b *Device) bool {
	return a.ID == b.ID && a.Site == b.Site && a.Kind == b.Kind && a.Door == b.Door && a.Direction == b.Direction &&
		a.Space == b.Space &&
		a.HoldSeconds == b.HoldSeconds &&
		a.Disabled == b.Disabled &&
		a.Adapter == b.Adapter &&
		a.Address == b.Address &&
		maps.Equal(a.Settings, b.Settings) &&
		maps.Equal(a.Map, b.Map) &&
		slices.Equal(a.Topics, b.Topics)
}

// place holds the properties of a space on which its usage totals depend.
type place struct {
	Site     Site
	Capacity int
	Zone     string
}

func places(h []version) map[SpaceID][]Held[place] {
	return over(h, func(n *Network, yield func(SpaceID, place)) {
		for i := range n.Spaces {
			sp := &n.Spaces[i]
			yield(sp.ID, place{*n.Site(sp.Site), sp.Capacity, n.Zone.Location().String()})
		}
	}, deepEqual[place])
}

// layout holds what the visits of a site depend on.
type layout struct {
	Site    Site
	Zone    string
	Parents map[SpaceID]SpaceID
	Doors   []Door
	Readers map[DeviceID]hanging
}

// hanging is the door and the side on which a reader is mounted.
type hanging struct {
	Door      DoorID
	Direction Direction
}

func layouts(h []version) map[SiteID][]Held[layout] {
	return over(h, func(n *Network, yield func(SiteID, layout)) {
		for i := range n.Sites {
			l := layout{Site: n.Sites[i], Zone: n.Zone.Location().String(), Parents: map[SpaceID]SpaceID{}}
			l.Site.Name, l.Site.City = "", ""
			for j := range n.Spaces {
				if sp := &n.Spaces[j]; sp.Site == l.Site.ID {
					l.Parents[sp.ID] = sp.Parent
				}
			}
			for _, d := range n.Doors {
				if d.Site == l.Site.ID {
					l.Doors = append(l.Doors, d)
				}
			}
			l.Readers = map[DeviceID]hanging{}
			for j := range n.Devices {
				if d := &n.Devices[j]; d.Kind == Reader && d.Site == l.Site.ID {
					l.Readers[d.ID] = hanging{d.Door, d.Direction}
				}
			}
			slices.SortFunc(l.Doors, func(a, b Door) int { return cmp.Compare(a.ID, b.ID) })
			yield(l.Site.ID, l)
		}
	}, deepEqual[layout])
}

// coworking holds what billing a space's hours depends on.
type coworking struct {
	outermost, parent SpaceID
	kind              SpaceKind
}

func coworkings(h []version) map[SpaceID][]Held[coworking] {
	return over(h, func(n *Network, yield func(SpaceID, coworking)) {
		for i := range n.Spaces {
			sp := &n.Spaces[i]
			yield(sp.ID, coworking{n.Coworking(sp.ID), sp.Parent, sp.Kind})
		}
	}, equal[coworking])
}

func zones(h []version) map[string][]Held[string] {
	return over(h,
		func(n *Network, yield func(string, string)) { yield("zone", n.Zone.Location().String()) },
		equal[string],
	)
}

// differing calls yield for everything in which two histories differ: with the
// first instant from which they do, and the versions of both from then on.
func differing[K cmp.Ordered, T any](
	before, after map[K][]Held[T],
	same func(a, b T) bool,
	yield func(K, time.Time, []T),
) {
	keys := map[K]bool{}
	for _, m := range []map[K][]Held[T]{before, after} {
		for key := range m {
			keys[key] = true
		}
	}
	for key := range keys {
		x, y := before[key], after[key]
		i := 0
		for i < len(x) && i < len(y) && same(x[i].Value, y[i].Value) && x[i].From.Equal(y[i].From) && x[i].To.Equal(y[i].To) {
			i++
		}
		if i == len(x) && i == len(y) {
			continue
		}
		var values []T
		for _, list := range [][]Held[T]{x[i:], y[i:]} {
			for _, h := range list {
				values = append(values, h.Value)
			}
		}
		yield(key, firstDifference(x[i:], y[i:], same), values)
	}
}

// firstDifference returns from when two lists differ, whose first items differ.
func firstDifference[T any](x, y []Held[T], same func(a, b T) bool) time.Time {
	switch {
	case len(x) == 0:
		return y[0].From
	case len(y) == 0:
		return x[0].From
	case same(x[0].Value, y[0].Value) && x[0].From.Equal(y[0].From): // one of them ends earlier, or both end
		if x[0].To.IsZero() || !y[0].To.IsZero() && y[0].To.Before(x[0].To) {
			return y[0].To
		}
		return x[0].To
	case x[0].From.Before(y[0].From):
		return x[0].From
	}
	return y[0].From
}
