package catalogue

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/dated"
)

// History is every catalogue that a service ran with, by the instant from
// which each holds, in Unix milliseconds. The first holds from the beginning.
type History = dated.History[int64, *Network]

// Always is the history of a network that was never otherwise.
func Always(n *Network) History { return dated.Always[int64](n) }

// Same reports whether two networks say the same, however their files are written.
func Same(a, b *Network) bool {
	text := func(n *Network) string {
		// Values that were read from text: they can be written as text.
		b, _ := json.Marshal([]any{n.Name, n.Zone.Location().String(), n.Sites, n.Buildings, n.Spaces, n.Doors, n.Devices})
		return string(b)
	}
	return text(a) == text(b)
}

// Placed is a device as it hung in one place, in [From, To).
type Placed struct {
	Device   *Device
	From, To time.Time // To is zero for one that hangs there still
}

// farBack and farAhead are before and after everything.
const (
	farBack  = int64(math.MinInt64)
	farAhead = int64(math.MaxInt64)
)

// Placements are where every device hung, when: by device, then time. A device
// that is the same in catalogues that follow each other hung there all along.
func Placements(h History) map[DeviceID][]Placed {
	all := map[DeviceID][]Placed{}
	versions := h.Versions()
	for i, v := range versions {
		from, to := time.Time{}, time.Time{}
		if i > 0 {
			from = time.UnixMilli(v.From).UTC()
		}
		if i+1 < len(versions) {
			to = time.UnixMilli(versions[i+1].From).UTC()
		}
		n := *v.Value
		for j := range n.Devices {
			d := &n.Devices[j]
			list := all[d.ID]
			if last := len(list) - 1; last >= 0 && !list[last].To.IsZero() && list[last].To.Equal(from) && reflect.DeepEqual(*list[last].Device, *d) {
				list[last].To = to
				continue
			}
			all[d.ID] = append(list, Placed{d, from, to})
		}
	}
	return all
}

// At reports whether the device hung there at an instant.
func (p *Placed) At(t time.Time) bool {
	return !t.Before(p.From) && (p.To.IsZero() || t.Before(p.To))
}

// EverSpaces are the ids of all spaces that ever were, those of the present first.
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

// EverBillable are the spaces in which hours were ever measured for bills; never nil.
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

// Moved are the spaces of which devices tell otherwise by two histories, with
// the earliest instant from which they do.
func Moved(a, b History) map[SpaceID]time.Time {
	was, is := Placements(a), Placements(b)
	touched := map[SpaceID]time.Time{}
	touch := func(s SpaceID, from time.Time) {
		if at, there := touched[s]; s != "" && (!there || from.Before(at)) {
			touched[s] = from
		}
	}
	for _, id := range ids(was, is) {
		x, y := was[id], is[id]
		for i := range max(len(x), len(y)) {
			if i < len(x) && i < len(y) && reflect.DeepEqual(x[i], y[i]) {
				continue
			}
			for _, list := range [][]Placed{x, y} { // from the first that differs on
				for _, p := range list[min(i, len(list)):] {
					touch(p.Device.Space, since(x, y, i))
				}
			}
			break
		}
	}
	return touched
}

func ids(a, b map[DeviceID][]Placed) []DeviceID {
	var list []DeviceID
	for id := range a {
		list = append(list, id)
	}
	for id := range b {
		if _, there := a[id]; !there {
			list = append(list, id)
		}
	}
	return list
}

// since is from when two lists of placements differ, of which all before i are the same.
func since(x, y []Placed, i int) time.Time {
	at := func(list []Placed) int64 {
		if i >= len(list) {
			return farAhead
		}
		if list[i].From.IsZero() {
			return farBack
		}
		return list[i].From.UnixMilli()
	}
	from := min(at(x), at(y))
	if i < len(x) && i < len(y) && reflect.DeepEqual(x[i].Device, y[i].Device) && x[i].From.Equal(y[i].From) { // one ends earlier
		end := func(p Placed) int64 {
			if p.To.IsZero() {
				return farAhead
			}
			return p.To.UnixMilli()
		}
		from = min(end(x[i]), end(y[i]))
	}
	if from == farBack {
		return time.Time{}
	}
	return time.UnixMilli(from).UTC()
}
