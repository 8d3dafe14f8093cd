package catalogue

import (
	"fmt"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Parse parses a catalogue file (rules 13.2). file is its name in errors, which
// are *Error joined (at most 20, in the order of lines). All faults are
// reported at once, and a network is returned only where there is none.
func Parse(file string, data []byte) (*Network, error) {
	d := &document{file: file, anchors: map[string]ast.Node{}}
	root := d.root(data, []string{"network", "timezone", "sites", "buildings", "spaces", "doors", "devices"})
	if root == nil {
		return nil, report(file, d.faults)
	}
	src := &source{doc: d}
	src.net.Name = root.text("network")
	src.net.Zone = zone(root)
	src.read(root)
	src.check()
	if err := report(file, d.faults); err != nil {
		return nil, err
	}
	n := New(src.net)
	n.from = make(map[SpaceID]at, len(n.Spaces))
	for i := range n.Spaces {
		n.from[n.Spaces[i].ID] = at{file, src.spaces[i].line, src.spaces[i].path}
	}
	return n, nil
}

// source is a network with the position of each of its parts in the file.
type source struct {
	doc *document
	net Network

	sites, buildings, spaces, doors, devices []*object // as in net
}

// The largest numbers that a catalogue may contain: anything larger is a typing
// error.
const (
	deepest, highest = -20, 200
	maxCapacity      = 100_000
	maxArea          = 1e6
	maxRent          = 1_000_000
	maxHold          = 31 * 86400
)

func zone(root *object) *Zone {
	name := root.text("timezone")
	if name == "" {
		return NewZone(time.UTC)
	}
	// "Local" would be this machine's zone, whatever it is.
	z, err := LoadZone(name)
	if err != nil || name == "Local" {
		root.fail("timezone", "%q is not a time zone like Europe/Paris", name)
		return NewZone(time.UTC)
	}
	return z
}

// read parses all parts in the order in which they are written.
func (s *source) read(root *object) {
	s.sites = each(root, "sites", "a site", []string{"id", "name", "city", "holidays", "opening"}, func(o *object) {
		s.net.Sites = append(s.net.Sites, Site{ID: SiteID(o.text("id")), Name: o.text("name"), City: o.text("city"),
			Holidays: required(o, "holidays", []Holidays{French, Moselle}), Opening: opening(o)})
	})
	s.buildings = each(root, "buildings", "a building", []string{"id", "site", "name", "plan"}, func(o *object) {
		s.net.Buildings = append(s.net.Buildings, Building{ID: BuildingID(o.text("id")), Site: SiteID(o.text("site")), Name: o.text("name"), Plan: o.optional("plan")})
	})
	s.spaces = each(root, "spaces", "a space", []string{
		"id", "building", "floor", "name", "kind", "parent", "capacity", "area_m2", "rent_cents_m2_month", "anti_passback", "was",
	}, func(o *object) {
		s.net.Spaces = append(s.net.Spaces, space(o))
	})
	s.doors = each(root, "doors", "a door", []string{"id", "from", "to"}, func(o *object) {
		s.net.Doors = append(s.net.Doors, Door{ID: DoorID(o.text("id")), From: SpaceID(o.text("from")), To: SpaceID(o.text("to"))})
	})
	s.devices = each(root, "devices", "a device", []string{
		"id", "site", "kind", "door", "direction", "space", "hold_seconds", "disabled", "adapter", "address", "settings", "map",
	}, func(o *object) {
		s.net.Devices = append(s.net.Devices, device(o))
	})
}

// each parses the mappings of a list; anything else in it is left out.
func each(root *object, list, what string, known []string, read func(*object)) []*object {
	var objects []*object
	for i, n := range root.list(list) {
		o := root.doc.object(n, fmt.Sprintf("%s[%d]", root.at(list), i), what, known)
		if o == nil {
			continue
		}
		read(o)
		objects = append(objects, o)
	}
	return objects
}

func required[T ~string](o *object, name string, known []T) T {
	if !o.require(name) {
		return ""
	}
	return pick(o, name, known)
}

func space(o *object) Space {
	return Space{
		ID: SpaceID(o.text("id")), Building: BuildingID(o.text("building")), Floor: o.whole("floor", deepest, highest), Name: o.text("name"),
		Kind: required(o, "kind", SpaceKinds()), Parent: SpaceID(o.optional("parent")),
		Capacity: o.whole("capacity", 1, maxCapacity), AreaM2: o.positive("area_m2", maxArea),
		RentCents: o.wholeOr("rent_cents_m2_month", 0, maxRent, 0), AntiPassback: pick(o, "anti_passback", []AntiPassback{Alert, Enforce}),
		Was: SpaceID(o.optional("was")),
	}
}

func device(o *object) Device {
	return Device{
		ID: DeviceID(o.text("id")), Site: SiteID(o.text("site")), Kind: required(o, "kind", DeviceKinds()),
		Door: DoorID(o.optional("door")), Direction: pick(o, "direction", []Direction{In, Out}), Space: SpaceID(o.optional("space")),
		HoldSeconds: o.wholeOr("hold_seconds", 1, maxHold, 0), Disabled: o.flag("disabled"),
		Adapter: pick(o, "adapter", Adapters()), Address: o.optional("address"),
		Settings: o.texts("settings"), Map: o.texts("map"),
	}
}

// opening reads the weekly windows; two of one day must not overlap, or their
// hours would count twice.
func opening(o *object) Week {
	var week Week
	each(o, "opening", "an opening", []string{"days", "from", "to"}, func(w *object) {
		window := Window{Days: days(w), From: minute(w, "from"), To: minute(w, "to")}
		if field, err := window.Check(); err != nil && w.has("from") && w.has("to") && len(window.Days) > 0 {
			w.fail(field, "%s", err)
			return
		}
		for _, d := range window.Days {
			if week.overlaps(time.Weekday(d), window.From, window.To) {
				w.doc.fail(w.line, w.path, "overlaps another opening on %s", d)
			}
		}
		week = append(week, window)
	})
	return week
}

func (w Week) overlaps(d time.Weekday, from, to Minute) bool {
	for _, other := range w {
		for _, wd := range other.Days {
			if time.Weekday(wd) == d && other.From < to && from < other.To {
				return true
			}
		}
	}
	return false
}

func days(w *object) []Weekday {
	if !w.require("days") {
		return nil
	}
	nodes := w.list("days")
	if len(nodes) == 0 {
		w.fail("days", "names no weekday")
	}
	var list []Weekday
	seen := map[Weekday]bool{}
	for i, n := range nodes {
		field := fmt.Sprintf("%s[%d]", w.at("days"), i)
		text, ok := scalarText(n)
		var d Weekday
		if err := d.UnmarshalText([]byte(text)); !ok || err != nil {
			w.doc.fail(lineOf(n, w.line), field, "%q is not a weekday: mon tue wed thu fri sat sun", text)
			continue
		}
		if seen[d] {
			w.doc.fail(lineOf(n, w.line), field, "%s is named twice", d)
			continue
		}
		seen[d] = true
		list = append(list, d)
	}
	return list
}

func minute(w *object, name string) Minute {
	s := w.text(name)
	if s == "" {
		return 0
	}
	m, err := ParseMinute(s)
	if err != nil {
		w.fail(name, "%q is not a time of day like 08:00", s)
		delete(w.fields, name)
	}
	return m
}
