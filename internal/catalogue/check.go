package catalogue

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/lorntech/totem/internal/yamldoc"
)

// check finds faults between the parts: ids, references, the tree. It works on
// what could be parsed, so that one fault does not hide others.
func (s *source) check() {
	checkIDs(s.sites, s.net.Sites, func(x *Site) SiteID { return x.ID })
	checkIDs(s.buildings, s.net.Buildings, func(x *Building) BuildingID { return x.ID })
	checkIDs(s.spaces, s.net.Spaces, func(x *Space) SpaceID { return x.ID })
	checkIDs(s.doors, s.net.Doors, func(x *Door) DoorID { return x.ID })
	checkIDs(s.devices, s.net.Devices, func(x *Device) DeviceID { return x.ID })
	sites := register(s.net.Sites, func(x *Site) SiteID { return x.ID })
	buildings := register(s.net.Buildings, func(x *Building) BuildingID { return x.ID })
	s.known = register(s.net.Spaces, func(x *Space) SpaceID { return x.ID })
	doors := register(s.net.Doors, func(x *Door) DoorID { return x.ID })
	s.former = map[SpaceID]SpaceID{}
	for _, sp := range s.net.Spaces {
		if _, twice := s.former[sp.Was]; sp.Was != "" && !twice {
			s.former[sp.Was] = sp.ID
		}
	}
	for i := range s.net.Buildings {
		b := &s.net.Buildings[i]
		if !sites.has(s.buildings[i], "site", b.Site) {
			b.Site = "" // reported once, not again for everything in it
		}
	}
	for i, sp := range s.net.Spaces {
		buildings.has(s.spaces[i], "building", sp.Building)
		if sp.Parent == Outside {
			s.spaces[i].Fail("parent", "\"outside\" is not a space: leave parent out where a space is entered from outside")
			continue
		}
		s.referSpace(s.spaces[i], "parent", sp.Parent)
	}
	s.checkNames()
	s.cutCircles()
	n := New(s.net)
	exits := s.exits(n)
	for i := range n.Spaces {
		s.checkSpace(n, s.spaces[i], &n.Spaces[i], exits)
	}
	for i := range n.Doors {
		s.checkDoor(n, s.doors[i], &n.Doors[i])
	}
	for i := range n.Devices {
		s.checkDevice(n, s.devices[i], &n.Devices[i], sites, doors)
	}
}

// checkNames compares former names of spaces with the present ids.
func (s *source) checkNames() {
	there, taken := map[SpaceID]bool{}, map[SpaceID]bool{}
	for _, sp := range s.net.Spaces {
		there[sp.ID] = true
	}
	for i, sp := range s.net.Spaces {
		switch {
		case sp.Was == "":
		case !Slug(string(sp.Was)):
			s.spaces[i].Fail("was", "%q is not an id: lower-case letters, digits and hyphens, at most 64", string(sp.Was))
		case there[sp.Was]:
			s.spaces[i].Fail("was", "%q still exists: a renamed space has only its new id", string(sp.Was))
		case taken[sp.Was]:
			s.spaces[i].Fail("was", "%q is named as the former id of two spaces", string(sp.Was))
		}
		taken[sp.Was] = true
	}
}

// ValidID reports whether s may be an id: [a-z0-9][a-z0-9-]{0,63}, and not the
// reserved "live" (rules 1.4).
func ValidID(s string) bool { return Slug(s) && s != "live" }

// Slug reports whether s has the form of an id: [a-z0-9][a-z0-9-]{0,63}.
func Slug(s string) bool {
	if len(s) == 0 || len(s) > 64 || s[0] == '-' {
		return false
	}
	for i := range len(s) { // bytes: it is asked of every topic
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func checkIDs[T any, K ~string](objects []*yamldoc.Object, list []T, id func(*T) K) {
	first := map[K]int{}
	for i := range list {
		o, k := objects[i], id(&list[i])
		if k == "" {
			continue // reported when it was parsed
		}
		line, again := first[k]
		switch {
		case !Slug(string(k)):
			o.Fail("id", "%q is not an id: a-z, 0-9 and -, beginning with a letter or digit, at most 64 characters", string(k))
		case k == "live" || k == K(Outside) || reservedDevice(k):
			o.Fail("id", "%q is reserved", string(k))
		case again:
			o.Fail("id", "%q is already the id in line %d", string(k), line)
		}
		if !again {
			first[k] = o.LineOf("id")
		}
	}
}

// reservedDevice reports whether an id is the username of API tokens at the
// broker (rules 1.4): a device of that name could not be distinguished from
// them.
func reservedDevice(id any) bool { return id == DeviceID("token") }

// ids are the ids of parts of one kind, in the order of the file.
type ids[K ~string] struct {
	list  []K
	index map[K]bool
}

func register[T any, K ~string](list []T, id func(*T) K) ids[K] {
	r := ids[K]{make([]K, len(list)), make(map[K]bool, len(list))}
	for i := range list {
		r.list[i] = id(&list[i])
		r.index[r.list[i]] = true
	}
	return r
}

// has checks that a part with that id exists; an empty id was reported already.
func (r ids[K]) has(o *yamldoc.Object, name string, id K) bool {
	if id == "" || r.index[id] {
		return id != ""
	}
	what := name
	switch name {
	case "parent", "from", "to":
		what = "space"
	}
	known := make([]string, len(r.list))
	for i, k := range r.list {
		known[i] = string(k)
	}
	o.Fail(name, "there is no %s %q%s", what, string(id), yamldoc.Suggestion(string(id), known))
	return false
}

// referSpace does the same for a space; a renamed one is reported with its new
// name.
func (s *source) referSpace(o *yamldoc.Object, name string, id SpaceID) bool {
	if is := s.former[id]; is != "" && !s.known.index[id] {
		o.Fail(name, "there is no space %q: it is now called %q", string(id), string(is))
		return false
	}
	return s.known.has(o, name, id)
}

// cutCircles reports each circle of parents once, where it begins in the file,
// and cuts it there: walking up the tree must end.
func (s *source) cutCircles() {
	parent := map[SpaceID]SpaceID{}
	for _, sp := range s.net.Spaces {
		parent[sp.ID] = sp.Parent
	}
	for i := range s.net.Spaces {
		sp := &s.net.Spaces[i]
		way := []string{string(sp.ID)}
		for at := parent[sp.ID]; at != "" && len(way) <= len(parent); at = parent[at] {
			way = append(way, string(at))
			if at != sp.ID {
				continue
			}
			s.spaces[i].Fail("parent", "is part of a circle of parents: %s", strings.Join(way, " → "))
			sp.Parent, parent[sp.ID] = "", ""
			break
		}
	}
}

func (s *source) checkSpace(n *Network, o *yamldoc.Object, sp *Space, exits map[SpaceID]bool) {
	parent := n.Space(sp.Parent)
	if parent != nil && parent.Site != "" && sp.Site != "" && parent.Site != sp.Site {
		o.Fail("parent", "%q is in %s, this space in %s", string(parent.ID), parent.Site, sp.Site)
	}
	if parent != nil && sp.Kind.Office() && n.Billable(parent.ID) {
		o.Fail("parent", "an office may not lie below a coworking: its hours would be billed as coworking")
	}
	if sp.AntiPassback != NoAntiPassback && !exits[sp.ID] {
		o.Fail(
			"anti_passback",
			"needs a reader of direction out on a door into this space: otherwise nobody could be seen to leave",
		)
	}
}

// exits returns the spaces that somebody can be seen to leave.
func (s *source) exits(n *Network) map[SpaceID]bool {
	out := map[SpaceID]bool{}
	for _, d := range s.net.Devices {
		if door := n.Door(d.Door); door != nil && d.Kind == Reader && d.Direction == Out {
			out[door.To] = true
		}
	}
	return out
}

func (s *source) checkDoor(n *Network, o *yamldoc.Object, d *Door) {
	if d.To == Outside {
		o.Fail("to", "a door must lead to a space: write outside under from")
		return
	}
	to := s.referSpace(o, "to", d.To)
	if d.From == Outside {
		return
	}
	from := s.referSpace(o, "from", d.From)
	if !to || !from {
		return
	}
	a, b := n.Space(d.From), n.Space(d.To)
	switch {
	case a == b:
		o.Fail("to", "is the same space as from, %q", string(d.To))
	case a.Site != "" && b.Site != "" && a.Site != b.Site:
		o.Fail("to", "%q is in %s, from is in %s: a door joins spaces of one site", string(d.To), b.Site, a.Site)
	}
}

// checkDevice checks where a device is and how it is read.
func (s *source) checkDevice(n *Network, o *yamldoc.Object, d *Device, sites ids[SiteID], doors ids[DoorID]) {
	site := sites.has(o, "site", d.Site)
	switch {
	case d.Kind == "":
	case d.Kind == Gateway:
		forbid(o, "a gateway is at no door and in no space", "door", "direction", "space")
	case d.Kind.OnDoor():
		forbid(o, "a "+string(d.Kind)+" is on a door", "space")
		if o.Require("door") && doors.has(o, "door", d.Door) && site {
			sameSite(o, "door", d.Site, n.Door(d.Door).Site)
		}
	default:
		forbid(o, "such a sensor must have a space", "door", "direction")
		if o.Require("space") && s.referSpace(o, "space", d.Space) && site {
			sameSite(o, "space", d.Site, n.Space(d.Space).Site)
		}
	}
	checkReader(o, d)
	checkAdapter(o, d)
	checkTopics(o, d)
}

// checkTopics checks the MQTT filters of a bridge (rules 3.7). Each begins with a name:
// one that began with a wildcard would cover other sites' topics.
func checkTopics(o *yamldoc.Object, d *Device) {
	if o.Has("topics") && d.Kind != Gateway && d.Kind != "" {
		o.Fail("topics", "are for a gateway only")
		return
	}
	if o.Has("topics") && len(d.Topics) == 0 {
		o.Fail("topics", "is empty: leave the field out for a gateway that serves its whole site")
	}
	own := "totem/v1/" + string(d.Site) + "/"
	for i, filter := range d.Topics {
		levels := strings.Split(filter, "/")
		bad := ""
		switch {
		case len(filter) > maxTopic || strings.ContainsFunc(filter, unicode.IsControl):
			bad = fmt.Sprintf("is longer than %d bytes or has control characters", maxTopic)
		case levels[0] == "" || strings.ContainsAny(levels[0], "+#$"):
			bad = "does not begin with a name: a bridge's topics do, as in zigbee2mqtt/#"
		case levels[0] == "totem" && !strings.HasPrefix(filter, own):
			bad = "is not one of the gateway's own site, which begin with " + own
		case levels[0] == "totem" && len(levels) != 5 && (len(levels) > 5 || levels[len(levels)-1] != "#"):
			bad = "is not a topic of Totem's: " + own + "{device}/{what}"
		}
		for j, level := range levels {
			if bad == "" && (len(level) > 1 && strings.ContainsAny(level, "+#") || level == "#" && j < len(levels)-1) {
				bad = "is not an MQTT filter: + stands for one whole level, # for all that follow"
			}
		}
		if bad != "" {
			o.Fail(fmt.Sprintf("topics[%d]", i), "%q %s", filter, bad)
		}
	}
}

func checkReader(o *yamldoc.Object, d *Device) {
	if d.Kind == Reader {
		o.Require("direction")
		return
	}
	if d.Kind == DoorContact {
		forbid(o, "only a reader has a direction", "direction")
	}
	if d.Disabled {
		o.Fail("disabled", "only a reader can be disabled")
	}
}

func checkAdapter(o *yamldoc.Object, d *Device) {
	switch {
	case d.Adapter != "" && !o.Has("address"):
		o.Fail("address", "is missing: the adapter %s needs it to know the device's topic", d.Adapter)
	case !o.Has("adapter") && (o.Has("address") || o.Has("settings")):
		o.Fail("adapter", "is missing: address and settings are for devices with an adapter")
	}
	if o.Has("map") && d.Adapter != AdapterJSON {
		o.Fail("map", "is for the adapter %s only", AdapterJSON)
	}
}

func forbid(o *yamldoc.Object, why string, names ...string) {
	for _, name := range names {
		if o.Has(name) {
			o.Fail(name, "must not be set here: %s", why)
		}
	}
}

func sameSite(o *yamldoc.Object, where string, device, other SiteID) {
	if other != "" && device != other {
		o.Fail("site", "is %s, but the %s is in %s", device, where, other)
	}
}
