package catalogue

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/dated"
)

// History holds every catalogue that a service ran with, by the instant from
// which each holds, in Unix milliseconds. The first holds from the beginning.
type History = dated.History[int64, *Network]

// Always returns the history of a network that never changed.
func Always(n *Network) History { return dated.Always[int64](n) }

// At returns the network of an instant; before everything, the first.
func At(h History, t time.Time) *Network {
	if n := h.On(t.UnixMilli()); n != nil {
		return *n
	}
	return *h.Versions()[0].Value
}

// ZoneOn returns the time zone in which a local day was.
func ZoneOn(h History, d Day) *Zone { return At(h, time.Unix(int64(d)*86400, 0)).Zone }

// SpaceAt returns a space as it was at an instant, in the network of that time;
// where there was none, as it was first or last. Nil where there never was one.
func SpaceAt(h History, id SpaceID, t time.Time) (*Network, *Space) {
	n := At(h, t)
	sp := n.Space(id)
	for _, v := range slices.Backward(h.Versions()) {
		if sp != nil {
			break
		}
		n = *v.Value
		sp = n.Space(id)
	}
	return n, sp
}

// DeviceAt returns a device as it hung at an instant; where it did not hang
// then, as it hangs now. Nil where there never was one.
func DeviceAt(h History, id DeviceID, t time.Time) *Device {
	if d := At(h, t).Device(id); d != nil {
		return d
	}
	return (*h.Last()).Device(id)
}

// DecidesSince returns from when all catalogues agree on everything that
// decides who may pass: doors, spaces with their kinds and parents, sites and
// their time.
func DecidesSince(h History) time.Time {
	versions := h.Versions()
	last := len(versions) - 1
	is := (*versions[last].Value).decides()
	for last > 0 && bytes.Equal((*versions[last-1].Value).decides(), is) {
		last--
	}
	if last == 0 {
		return time.Time{}
	}
	return time.UnixMilli(versions[last].From).UTC()
}

// decides returns the parts of a network on which it depends who may pass, as a text
// that can be compared.
func (n *Network) decides() []byte {
	type space struct {
		ID, Parent   SpaceID
		Site         SiteID
		Kind         SpaceKind
		AntiPassback AntiPassback
	}
	var spaces []space
	for _, sp := range n.Spaces {
		spaces = append(spaces, space{sp.ID, sp.Parent, sp.Site, sp.Kind, sp.AntiPassback})
	}
	holidays := map[SiteID]Holidays{}
	for _, s := range n.Sites {
		holidays[s.ID] = s.Holidays
	}
	// These values were read from text and can be written as text.
	text, _ := json.Marshal([]any{n.Zone.Location().String(), holidays, spaces, n.Doors})
	return text
}

// Piece is a stretch of time during which one catalogue held.
type Piece struct {
	From, To time.Time
	Network  *Network
}

// Pieces divides [from, to) where another catalogue begins to hold.
func Pieces(h History, from, to time.Time) []Piece {
	var list []Piece
	for at := from; at.Before(to); {
		p := Piece{at, to, At(h, at)}
		for _, v := range h.Versions() {
			if begins := time.UnixMilli(v.From).UTC(); begins.After(at) {
				if begins.Before(to) {
					p.To = begins
				}
				break
			}
		}
		list = append(list, p)
		at = p.To
	}
	return list
}

// Same reports whether two networks have the same content, however their files
// are written.
func Same(a, b *Network) bool {
	return bytes.Equal(a.Canonical(), b.Canonical())
}

// Canonical returns the content of a network, however its file is written.
func (n *Network) Canonical() []byte {
	// Values that were read from text can be written as text.
	spaces := slices.Clone(n.Spaces)
	for i := range spaces {
		spaces[i].Was = "" // former names are not part of the content
	}
	b, _ := json.Marshal([]any{n.Name, n.Zone.Location().String(), n.Sites, n.Buildings, spaces, n.Doors, n.Devices})
	return b
}

// Held is a value of the catalogue, such as a space, that held from From until before To.
type Held[T any] struct {
	Value    T
	From, To time.Time // From is zero from the beginning; To where it still holds
}

// At reports whether it held at an instant.
func (p *Held[T]) At(t time.Time) bool {
	return !t.Before(p.From) && (p.To.IsZero() || t.Before(p.To))
}

// Over returns, for each key, the values that the networks of a history give it, and when each
// held. each calls its second argument for every key and value of one network. Values of
// consecutive catalogues that are equal by same are joined into one.
func Over[K comparable, T any](h History, each func(*Network, func(K, T)), same func(a, b T) bool) map[K][]Held[T] {
	return over(h.Versions(), each, same)
}

type version = dated.Version[int64, *Network]

func over[K comparable, T any](
	versions []version,
	each func(*Network, func(K, T)),
	same func(a, b T) bool,
) map[K][]Held[T] {
	all := map[K][]Held[T]{}
	for i, v := range versions {
		from, to := time.Time{}, time.Time{}
		if i > 0 {
			from = time.UnixMilli(v.From).UTC()
		}
		if i+1 < len(versions) {
			to = time.UnixMilli(versions[i+1].From).UTC()
		}
		each(*v.Value, func(key K, value T) {
			list := all[key]
			if last := len(list) - 1; last >= 0 && list[last].To.Equal(from) && same(list[last].Value, value) {
				list[last].To = to
				return
			}
			all[key] = append(list, Held[T]{value, from, to})
		})
	}
	return all
}

// Placements returns where every device hung and when, by device, then time.
func Placements(h History) map[DeviceID][]Held[*Device] { return placements(h.Versions()) }

func placements(versions []version) map[DeviceID][]Held[*Device] {
	return over(versions, func(n *Network, yield func(DeviceID, *Device)) {
		for i := range n.Devices {
			yield(n.Devices[i].ID, &n.Devices[i])
		}
	}, sameDevice)
}

// Leads returns the spaces that the readers led into and when. Readers that
// lead outside are not in it.
func Leads(h History) map[DeviceID][]Held[SpaceID] { return leads(h.Versions()) }

func leads(versions []version) map[DeviceID][]Held[SpaceID] {
	return over(versions, func(n *Network, yield func(DeviceID, SpaceID)) {
		for i := range n.Devices {
			if into := n.LeadsInto(&n.Devices[i]); into != "" {
				yield(n.Devices[i].ID, into)
			}
		}
	}, equal[SpaceID])
}

// EverSpaces returns the ids of all spaces that ever were, the present ones
// first.
func EverSpaces(h History) []SpaceID {
	var ids []SpaceID
	seen := map[SpaceID]bool{}
	for _, v := range slices.Backward(h.Versions()) {
		for _, s := range (*v.Value).Spaces {
			if !seen[s.ID] {
				seen[s.ID] = true
				ids = append(ids, s.ID)
			}
		}
	}
	return ids
}

// Ever returns a network with every site, building, space, door and device that any
// catalogue ever had, each as it was last. It is for showing the past. Its parts need not
// fit together, so it must not decide anything.
func Ever(h History) *Network {
	versions := h.Versions()
	last := *versions[len(versions)-1].Value
	if len(versions) == 1 {
		return last
	}
	all := Network{Name: last.Name, Zone: last.Zone}
	for _, v := range slices.Backward(versions) {
		n := *v.Value
		all.Sites = addNew(all.Sites, n.Sites, func(v Site) string { return string(v.ID) })
		all.Buildings = addNew(all.Buildings, n.Buildings, func(v Building) string { return string(v.ID) })
		all.Spaces = addNew(all.Spaces, n.Spaces, func(v Space) string { return string(v.ID) })
		all.Doors = addNew(all.Doors, n.Doors, func(v Door) string { return string(v.ID) })
		all.Devices = addNew(all.Devices, n.Devices, func(v Device) string { return string(v.ID) })
	}
	return New(all)
}

func addNew[T any](have, more []T, id func(T) string) []T {
	seen := map[string]bool{}
	for _, v := range have {
		seen[id(v)] = true
	}
	for _, v := range more {
		if !seen[id(v)] {
			have = append(have, v)
		}
	}
	return have
}

// BillableOver returns, for each space, the spans of time in which its hours were
// billable.
func BillableOver(h History) map[SpaceID][]Held[bool] {
	return Over(h, func(n *Network, yield func(SpaceID, bool)) {
		for _, id := range n.BillableSpaces() {
			yield(id, true)
		}
	}, equal[bool])
}

// EverBillable returns the spaces in which hours were ever billed; never nil.
func EverBillable(h History) []SpaceID {
	list := []SpaceID{}
	for _, v := range h.Versions() {
		for _, s := range (*v.Value).BillableSpaces() {
			if !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}
