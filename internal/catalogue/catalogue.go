// Package catalogue describes the buildings: the network, its sites and
// buildings, the tree of spaces, the doors between them and the devices on
// them, with opening hours, public holidays and local time.
//
// It knows nothing of people or rights (package tenancy). Its only I/O is
// parsing the catalogue file (Parse, rules 13.2).
package catalogue

import (
	"slices"
	"strconv"
	"time"
)

// Identifiers have the form of [Slug]; some words are reserved (rules 1.4).
type (
	// SiteID identifies a site.
	SiteID string
	// BuildingID identifies a building.
	BuildingID string
	// SpaceID identifies a space.
	SpaceID string
	// DoorID identifies a door.
	DoorID string
	// DeviceID identifies a device.
	DeviceID string
)

// Outside is the side of a door that is not a space: the street.
const Outside SpaceID = "outside"

// SpaceKind is what a space is for (rules 1.2).
type SpaceKind string

// The kinds of spaces.
const (
	PrivateOffice      SpaceKind = "private-office"
	Coworking          SpaceKind = "coworking"
	MeetingRoom        SpaceKind = "meeting-room"
	AssociationsOffice SpaceKind = "associations-office"
	Demo               SpaceKind = "demo"
	Common             SpaceKind = "common"
	Cafe               SpaceKind = "cafe"
	FabLab             SpaceKind = "fablab"
	Training           SpaceKind = "training"
	Videoconference    SpaceKind = "videoconference"
	Incubator          SpaceKind = "incubator"
	Accelerator        SpaceKind = "accelerator"
	Auditorium         SpaceKind = "auditorium"
	Studio             SpaceKind = "studio"
)

// SpaceKinds lists every kind, in the order of rules 1.2.
func SpaceKinds() []SpaceKind {
	return []SpaceKind{
		PrivateOffice, Coworking, MeetingRoom, AssociationsOffice, Demo, Common, Cafe,
		FabLab, Training, Videoconference, Incubator, Accelerator, Auditorium, Studio,
	}
}

// Valid reports whether k is one of SpaceKinds.
func (k SpaceKind) Valid() bool { return slices.Contains(SpaceKinds(), k) }

// Shared reports whether people who do not know each other use such a space
// together, so that it has free places instead of being free or taken (rules
// 1.2).
func (k SpaceKind) Shared() bool {
	switch k {
	case Coworking, Common, Cafe, FabLab, Demo, Studio, Auditorium:
		return true
	}
	return false
}

// Office reports whether the space is somebody's office, which has no live
// topic (rules 9.9).
func (k SpaceKind) Office() bool { return k == PrivateOffice || k == AssociationsOffice }

// DeviceKind is what a device is (rules 1.3).
type DeviceKind string

// The kinds of devices.
const (
	Reader        DeviceKind = "reader"
	DoorContact   DeviceKind = "door-contact"
	PeopleCounter DeviceKind = "people-counter"
	FlowCounter   DeviceKind = "flow-counter"
	Occupancy     DeviceKind = "occupancy"
	Desk          DeviceKind = "desk"
	Air           DeviceKind = "air"
	Gateway       DeviceKind = "gateway"
)

// DeviceKinds lists every kind, in the order of rules 1.3.
func DeviceKinds() []DeviceKind {
	return []DeviceKind{Reader, DoorContact, PeopleCounter, FlowCounter, Occupancy, Desk, Air, Gateway}
}

// Valid reports whether k is one of DeviceKinds.
func (k DeviceKind) Valid() bool { return slices.Contains(DeviceKinds(), k) }

// OnDoor reports whether such a device sits on a door; all others but gateways
// sit in a space.
func (k DeviceKind) OnDoor() bool { return k == Reader || k == DoorContact }

// Adapters lists the adapters for payloads of real devices.
func Adapters() []string {
	return []string{
		"zigbee2mqtt",
		"chirpstack-v4",
		"ttn-v3",
		"shelly-gen2",
		"tasmota",
		"esphome",
		"esp-rfid",
		"uhppoted",
		AdapterJSON,
	}
}

// AdapterJSON is the adapter for payloads described by Device.Map.
const AdapterJSON = "json"

// Direction is the way through a door: in is from → to.
type Direction string

// The two directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// AntiPassback is what a space does when a member enters it twice without
// leaving (rules 4.8).
type AntiPassback string

// The anti-passback modes; the zero value is none.
const (
	NoAntiPassback AntiPassback = ""
	Alert          AntiPassback = "alert"
	Enforce        AntiPassback = "enforce"
)

// Network is the whole catalogue. Once made by Parse or New it is immutable.
type Network struct {
	Name      string
	Zone      *Zone
	Sites     []Site
	Buildings []Building
	Spaces    []Space
	Doors     []Door
	Devices   []Device

	sites     map[SiteID]*Site
	buildings map[BuildingID]*Building
	spaces    map[SpaceID]*Space
	doors     map[DoorID]*Door
	devices   map[DeviceID]*Device

	names *Names // former names of its spaces; nil: none was ever renamed

	// Lines of its parts in the file; nil: there is no file.
	from        map[SpaceID]at
	fromDevices map[DeviceID]at
}

// DeviceFault returns what is wrong with a field of a device, with the line of the file
// that the catalogue was parsed from.
func (n *Network) DeviceFault(id DeviceID, field, msg string) *Error {
	at := n.fromDevices[id]
	if at.field == "" {
		at.field = "device " + string(id)
	}
	return &Error{File: at.file, Line: at.line, Field: at.field + "." + field, Msg: msg}
}

// at is a line of the catalogue's file, for error messages.
type at struct {
	file  string
	line  int
	field string
}

// Site is one city of the network.
type Site struct {
	ID       SiteID   `json:"id"`
	Name     string   `json:"name"`
	City     string   `json:"city"`
	Holidays Holidays `json:"holidays"`
	Opening  Week     `json:"opening"`
}

// Building is a Totem building of a site.
type Building struct {
	ID   BuildingID `json:"id"`
	Site SiteID     `json:"site"`
	Name string     `json:"name"`
	// Plan is the file of its plan, an SVG drawing whose ids are spaces; empty:
	// floors are drawn by area.
	Plan string `json:"plan,omitempty" doc:"The file of its plan, where it has one: GET /v1/buildings/{id}/plan."`
}

// Space is a room or area. Parent is the space one crosses to reach it; it is
// empty, and missing in JSON and YAML, where the space is reached from
// outside. A space without a door of its own is an open part of its parent.
type Space struct {
	ID           SpaceID      `json:"id"`
	Building     BuildingID   `json:"building"`
	Site         SiteID       `json:"site"` // the building's
	Floor        int          `json:"floor"`
	Name         string       `json:"name"`
	Kind         SpaceKind    `json:"kind"`
	Parent       SpaceID      `json:"parent,omitempty"` // empty: reached from outside
	Capacity     int          `json:"capacity"`         // people
	AreaM2       float64      `json:"area_m2"`
	RentCents    int          `json:"rent_cents_m2_month,omitempty"` // EUR cents per m² and month
	AntiPassback AntiPassback `json:"anti_passback,omitempty"`
	Was          SpaceID      `json:"was,omitempty" doc:"Its id before it was renamed, where the catalogue says so."`
}

// Door joins From (a space or Outside) and To (a space).
type Door struct {
	ID   DoorID  `json:"id"`
	From SpaceID `json:"from"`
	To   SpaceID `json:"to"`
	Site SiteID  `json:"site"` // the site of To
}

// Device is a reader, a contact, a sensor or a gateway.
//
// A real device that speaks its own payloads has an Adapter and an Address, the
// topic or the id under which it publishes; several devices may share an
// address where one box measures several things. Settings tell the adapter what
// the payload does not, as texts: which of two counters is in ("in: a"), which
// numbers mean occupied ("occupied: 1,2"), the zone of a clock without offset
// ("timezone: Europe/Paris"), the seconds after which a motion sensor that
// never reports off is off ("off_delay: 90"). Map tells the adapter "json"
// where to find each value ("count: $.people").
type Device struct {
	ID          DeviceID          `json:"id"`
	Site        SiteID            `json:"site"`
	Kind        DeviceKind        `json:"kind"`
	Door        DoorID            `json:"door,omitempty"`
	Direction   Direction         `json:"direction,omitempty"` // readers only
	Space       SpaceID           `json:"space,omitempty"`
	HoldSeconds int               `json:"hold_seconds,omitempty"` // how long a value holds in seconds; default 3600
	Disabled    bool              `json:"disabled,omitempty"`     // a disabled reader opens for nobody inwards
	Adapter     string            `json:"adapter,omitempty"`
	Address     string            `json:"address,omitempty"`
	Settings    map[string]string `json:"settings,omitempty"`
	Map         map[string]string `json:"map,omitempty"`
	Topics      []string          `json:"topics,omitempty"` // gateways only: MQTT filters of a bridge
}

// SettingOffDelay names the setting of OffDelay.
const SettingOffDelay = "off_delay"

// OffDelay is for motion sensors that report "yes" but never "no". It returns how long after
// its last "yes" such a sensor counts as off; 0: the sensor reports "no" by itself.
func (d *Device) OffDelay() time.Duration {
	s, err := strconv.Atoi(d.Settings[SettingOffDelay])
	if err != nil || s < 0 {
		return 0
	}
	return time.Duration(s) * time.Second
}

// New indexes the parts of a network. It does not validate them: Parse does.
func New(n Network) *Network {
	n.sites = index(n.Sites, func(s *Site) SiteID { return s.ID })
	n.buildings = index(n.Buildings, func(b *Building) BuildingID { return b.ID })
	n.spaces = index(n.Spaces, func(s *Space) SpaceID { return s.ID })
	n.doors = index(n.Doors, func(d *Door) DoorID { return d.ID })
	n.devices = index(n.Devices, func(d *Device) DeviceID { return d.ID })
	for i := range n.Spaces {
		if b := n.buildings[n.Spaces[i].Building]; b != nil {
			n.Spaces[i].Site = b.Site
		}
	}
	for i := range n.Doors {
		if s := n.spaces[n.Doors[i].To]; s != nil {
			n.Doors[i].Site = s.Site
		}
	}
	return &n
}

func index[K comparable, T any](list []T, key func(*T) K) map[K]*T {
	m := make(map[K]*T, len(list))
	for i := range list {
		m[key(&list[i])] = &list[i]
	}
	return m
}

// Site returns the site, or nil.
func (n *Network) Site(id SiteID) *Site { return n.sites[id] }

// Building returns the building, or nil.
func (n *Network) Building(id BuildingID) *Building { return n.buildings[id] }

// Space returns the space, or nil (also for Outside).
func (n *Network) Space(id SpaceID) *Space { return n.spaces[id] }

// Door returns the door, or nil.
func (n *Network) Door(id DoorID) *Door { return n.doors[id] }

// Device returns the device, or nil.
func (n *Network) Device(id DeviceID) *Device { return n.devices[id] }

// Within reports whether space a is space s or lies inside it, so that whoever
// is in a is also in s. It is always false when a or s is Outside.
func (n *Network) Within(a, s SpaceID) bool {
	if s == Outside || s == "" {
		return false
	}
	for sp := n.spaces[a]; sp != nil; sp = n.spaces[sp.Parent] {
		if sp.ID == s {
			return true
		}
	}
	return false
}

// LeadsInto returns the space that a reader's door leads into, in the reader's
// direction; empty where that is outside.
func (n *Network) LeadsInto(d *Device) SpaceID {
	door := n.Door(d.Door)
	if d.Kind != Reader || door == nil {
		return ""
	}
	into := door.To
	if d.Direction == Out {
		into = door.From
	}
	if n.Space(into) == nil {
		return ""
	}
	return into
}

// Chain returns a and the spaces that must be crossed to reach it, innermost
// first; nil for Outside.
func (n *Network) Chain(a SpaceID) []SpaceID {
	var chain []SpaceID
	for sp := n.spaces[a]; sp != nil; sp = n.spaces[sp.Parent] {
		chain = append(chain, sp.ID)
	}
	return chain
}

// Billable reports whether hours in the space are billed: coworking and what
// lies below it (rules 6.1).
func (n *Network) Billable(a SpaceID) bool { return n.Coworking(a) != "" }

// Coworking returns the outermost space of kind coworking at or above a, to
// which hours in a belong. Empty: there is none.
func (n *Network) Coworking(a SpaceID) (outermost SpaceID) {
	for sp := n.spaces[a]; sp != nil; sp = n.spaces[sp.Parent] {
		if sp.Kind == Coworking {
			outermost = sp.ID
		}
	}
	return outermost
}

// BillableSpaces returns the spaces in which hours are billed; never nil.
func (n *Network) BillableSpaces() []SpaceID {
	list := []SpaceID{}
	for _, sp := range n.Spaces {
		if n.Billable(sp.ID) {
			list = append(list, sp.ID)
		}
	}
	return list
}
