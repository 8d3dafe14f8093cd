// Package wire makes and parses the topics and payloads that Totem speaks
// (rules 2 and 3):
//
//	topic, err := wire.ParseUp("totem/v1/metz/metz-entrance-in/badge")
//	message, err := wire.Decode(topic, payload)
//
// Nothing else makes or parses them; the service and firmware-sim share the
// package. It is strict where it parses and canonical where it writes. It opens
// no connection and has no state.
package wire

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
)

// Prefix is the beginning of every topic of Totem.
const Prefix = "totem/v1"

// MaxPayload is the largest message in bytes (rules 2.8).
const MaxPayload = 64 << 10

// What is the last level of a device's topic.
type What string

// What devices send, and what they are sent.
const (
	Badge     What = "badge"
	Door      What = "door"
	Occupancy What = "occupancy"
	Count     What = "count"
	Flow      What = "flow"
	Air       What = "air"
	Status    What = "status"

	Decision  What = "decision"
	Command   What = "command"
	Allowlist What = "allowlist"
)

// Live is the level that replaces a device in live topics.
const Live = "live"

// UpWhats lists what devices send.
func UpWhats() []What { return []What{Badge, Door, Occupancy, Count, Flow, Air, Status} }

// DownWhats lists what devices are sent.
func DownWhats() []What { return []What{Decision, Command, Allowlist} }

// Topic is a device's topic, up or down.
type Topic struct {
	Site   catalogue.SiteID
	Device catalogue.DeviceID
	What   What
}

// String writes totem/v1/{site}/{device}/{what}.
func (t Topic) String() string {
	return Prefix + "/" + string(t.Site) + "/" + string(t.Device) + "/" + string(t.What)
}

// LiveTopic returns the retained topic of a space's availability.
func LiveTopic(site catalogue.SiteID, space catalogue.SpaceID) string {
	return Prefix + "/" + string(site) + "/" + Live + "/" + string(space)
}

// IsUp reports whether the last level of a topic is what devices send.
func IsUp(what string) bool {
	switch What(what) {
	case Badge, Door, Occupancy, Count, Flow, Air, Status:
		return true
	}
	return false
}

// IsDown reports whether the last level of a topic is what devices are sent.
func IsDown(what string) bool {
	switch What(what) {
	case Decision, Command, Allowlist:
		return true
	}
	return false
}

// SplitTopic divides totem/v1/{site}/{device}/{what}, or a filter of that form;
// ok is false for every other form.
func SplitTopic(topic string) (site, device, what string, ok bool) {
	rest, ok := strings.CutPrefix(topic, Prefix+"/")
	if !ok {
		return "", "", "", false
	}
	site, rest, ok = strings.Cut(rest, "/")
	if !ok {
		return "", "", "", false
	}
	device, what, ok = strings.Cut(rest, "/")
	return site, device, what, ok && !strings.Contains(what, "/")
}

// ParseUp parses a topic on which a device sends; any other is an error.
func ParseUp(topic string) (Topic, error) {
	site, device, what, ok := SplitTopic(topic)
	if !ok {
		return Topic{}, errors.New("is not totem/v1/{site}/{device}/{what}")
	}
	t := Topic{Site: catalogue.SiteID(site), Device: catalogue.DeviceID(device), What: What(what)}
	switch {
	case !catalogue.Slug(site):
		return Topic{}, fmt.Errorf("site %.80q is not an id", site)
	case !catalogue.Slug(device) || device == Live:
		return Topic{}, fmt.Errorf("device %.80q is not the id of a device", device)
	case !IsUp(what):
		return Topic{}, fmt.Errorf("%.80q is not a message that a device sends", what)
	}
	return t, nil
}

// CanSend reports whether a device of that kind sends w (rules 2.4).
func CanSend(kind catalogue.DeviceKind, w What) bool {
	if w == Status {
		return true
	}
	if kind == catalogue.Gateway {
		return false
	}
	if w == Air {
		return true
	}
	switch kind {
	case catalogue.Reader:
		return w == Badge || w == Door
	case catalogue.DoorContact:
		return w == Door
	case catalogue.PeopleCounter:
		return w == Count
	case catalogue.FlowCounter:
		return w == Flow
	case catalogue.Occupancy, catalogue.Desk:
		return w == Occupancy
	}
	return false
}
