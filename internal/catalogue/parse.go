package catalogue

import (
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/yamldoc"
)

// Error is one fault of a catalogue file, written "file:line: field: message".
type Error = yamldoc.Error

// Suggestion returns "; did you mean …?" with the nearest of the known words; empty where
// none is near.
func Suggestion(word string, known []string) string { return yamldoc.Suggestion(word, known) }

// Report joins faults in the order of their lines, at most 20; nil where there are none.
func Report(faults []*Error) error {
	if len(faults) == 0 {
		return nil
	}
	return yamldoc.Report(faults[0].File, faults)
}

// Parse parses a catalogue file (rules 13.2). file is its name in errors, which
// are *Error joined (at most 20, in the order of lines). All faults are
// reported at once, and a network is returned only where there is none.
func Parse(file string, data []byte) (*Network, error) {
	d := yamldoc.New(file)
	root := d.Root(data,
		"a catalogue",
		[]string{"network", "timezone", "sites", "buildings", "spaces", "doors", "devices"},
	)
	if root == nil {
		return nil, yamldoc.Report(file, d.Faults)
	}
	src := &source{doc: d}
	src.net.Name = root.Text("network")
	src.net.Zone = zone(root)
	src.read(root)
	src.check()
	if err := yamldoc.Report(file, d.Faults); err != nil {
		return nil, err
	}
	n := New(src.net)
	n.from = make(map[SpaceID]at, len(n.Spaces))
	for i := range n.Spaces {
		n.from[n.Spaces[i].ID] = at{file, src.spaces[i].Line, src.spaces[i].Path}
	}
	n.fromDevices = make(map[DeviceID]at, len(n.Devices))
	for i := range n.Devices {
		n.fromDevices[n.Devices[i].ID] = at{file, src.devices[i].Line, src.devices[i].Path}
	}
	return n, nil
}

// source is a network with the position of each of its parts in the file.
type source struct {
	doc *yamldoc.Document
	net Network

	sites, buildings, spaces, doors, devices []*yamldoc.Object // as in net

	known  ids[SpaceID]
	former map[SpaceID]SpaceID // the present id of each space that was renamed
}

// The largest numbers that a catalogue may contain: anything larger is a typing
// error.
const (
	deepest, highest = -20, 200
	maxCapacity      = 100_000
	maxArea          = 1e6
	maxRent          = 1_000_000
	maxHold          = 31 * 86400
	maxTopic         = 256
)

func zone(root *yamldoc.Object) *Zone {
	name := root.Text("timezone")
	if name == "" {
		return NewZone(time.UTC)
	}
	// "Local" would be this machine's zone, whatever it is.
	z, err := LoadZone(name)
	if err != nil || name == "Local" {
		root.Fail("timezone", "%q is not a time zone like Europe/Paris", name)
		return NewZone(time.UTC)
	}
	return z
}

// read parses all parts in the order in which they are written.
func (s *source) read(root *yamldoc.Object) {
	s.sites = each(root,
		"sites",
		"a site",
		[]string{"id", "name", "city", "holidays", "opening"},
		func(o *yamldoc.Object) {
			s.net.Sites = append(s.net.Sites, Site{ID: SiteID(o.Text("id")), Name: o.Text("name"), City: o.Text("city"),
				Holidays: required(o, "holidays", []Holidays{French, Moselle}), Opening: opening(o)})
		},
	)
	s.buildings = each(root, "buildings", "a building", []string{"id", "site", "name", "plan"}, func(o *yamldoc.Object) {
		s.net.Buildings = append(s.net.Buildings,
			Building{ID: BuildingID(o.Text("id")), Site: SiteID(o.Text("site")), Name: o.Text("name"), Plan: o.Optional("plan")},
		)
	})
	s.spaces = each(root, "spaces", "a space", []string{
		"id",
		"building",
		"floor",
		"name",
		"kind",
		"parent",
		"capacity",
		"area_m2",
		"rent_cents_m2_month",
		"anti_passback",
		"was",
	}, func(o *yamldoc.Object) {
		s.net.Spaces = append(s.net.Spaces, space(o))
	})
	s.doors = each(root, "doors", "a door", []string{"id", "from", "to"}, func(o *yamldoc.Object) {
		s.net.Doors = append(s.net.Doors,
			Door{ID: DoorID(o.Text("id")), From: SpaceID(o.Text("from")), To: SpaceID(o.Text("to"))},
		)
	})
	s.devices = each(root, "devices", "a device", []string{
		"id",
		"site",
		"kind",
		"door",
		"direction",
		"space",
		"hold_seconds",
		"disabled",
		"adapter",
		"address",
		"settings",
		"map",
		"topics",
	}, func(o *yamldoc.Object) {
		s.net.Devices = append(s.net.Devices, device(o))
	})
}

// each parses the mappings of a list; anything else in it is left out.
func each(root *yamldoc.Object, list, what string, known []string, read func(*yamldoc.Object)) []*yamldoc.Object {
	var objects []*yamldoc.Object
	for i, n := range root.List(list) {
		o := root.Doc.Object(n, fmt.Sprintf("%s[%d]", root.At(list), i), what, known)
		if o == nil {
			continue
		}
		read(o)
		objects = append(objects, o)
	}
	return objects
}

func required[T ~string](o *yamldoc.Object, name string, known []T) T {
	if !o.Require(name) {
		return ""
	}
	return yamldoc.Pick(o, name, known)
}

func space(o *yamldoc.Object) Space {
	return Space{
		ID:           SpaceID(o.Text("id")),
		Building:     BuildingID(o.Text("building")),
		Floor:        o.Whole("floor", deepest, highest),
		Name:         o.Text("name"),
		Kind:         required(o, "kind", SpaceKinds()),
		Parent:       SpaceID(o.Optional("parent")),
		Capacity:     o.Whole("capacity", 1, maxCapacity),
		AreaM2:       o.Positive("area_m2", maxArea),
		RentCents:    o.WholeOr("rent_cents_m2_month", 0, maxRent, 0),
		AntiPassback: yamldoc.Pick(o, "anti_passback", []AntiPassback{Alert, Enforce}),
		Was:          SpaceID(o.Optional("was")),
	}
}

func device(o *yamldoc.Object) Device {
	return Device{
		ID:          DeviceID(o.Text("id")),
		Site:        SiteID(o.Text("site")),
		Kind:        required(o, "kind", DeviceKinds()),
		Door:        DoorID(o.Optional("door")),
		Direction:   yamldoc.Pick(o, "direction", []Direction{In, Out}),
		Space:       SpaceID(o.Optional("space")),
		HoldSeconds: o.WholeOr("hold_seconds", 1, maxHold, 0),
		Disabled:    o.Flag("disabled"),
		Adapter:     yamldoc.Pick(o, "adapter", Adapters()),
		Address:     o.Optional("address"),
		Settings:    o.Texts("settings"),
		Map:         o.Texts("map"),
		Topics:      o.TextList("topics"),
	}
}

// opening reads the weekly windows; two of one day must not overlap, or their
// hours would count twice.
func opening(o *yamldoc.Object) Week {
	var week Week
	each(o, "opening", "an opening", []string{"days", "from", "to"}, func(w *yamldoc.Object) {
		window := Window{Days: days(w), From: minute(w, "from"), To: minute(w, "to")}
		if field, err := window.Check(); err != nil && w.Has("from") && w.Has("to") && len(window.Days) > 0 {
			w.Fail(field, "%s", err)
			return
		}
		for _, d := range window.Days {
			if week.overlaps(time.Weekday(d), window.From, window.To) {
				w.Doc.Fail(w.Line, w.Path, "overlaps another opening on %s", d)
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

func days(w *yamldoc.Object) []Weekday {
	if !w.Require("days") {
		return nil
	}
	nodes := w.List("days")
	if len(nodes) == 0 {
		w.Fail("days", "names no weekday")
	}
	var list []Weekday
	seen := map[Weekday]bool{}
	for i, n := range nodes {
		field := fmt.Sprintf("%s[%d]", w.At("days"), i)
		text, ok := yamldoc.ScalarText(n)
		var d Weekday
		if err := d.UnmarshalText([]byte(text)); !ok || err != nil {
			w.Doc.Fail(yamldoc.LineOf(n, w.Line), field, "%q is not a weekday: mon tue wed thu fri sat sun", text)
			continue
		}
		if seen[d] {
			w.Doc.Fail(yamldoc.LineOf(n, w.Line), field, "%s is named twice", d)
			continue
		}
		seen[d] = true
		list = append(list, d)
	}
	return list
}

func minute(w *yamldoc.Object, name string) Minute {
	s := w.Text(name)
	if s == "" {
		return 0
	}
	m, err := ParseMinute(s)
	if err != nil {
		w.Fail(name, "%q is not a time of day like 08:00", s)
		w.Drop(name)
	}
	return m
}
