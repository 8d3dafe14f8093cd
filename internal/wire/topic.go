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
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
)

// Prefix begins every topic.
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

// ParseUp parses a topic on which a device sends; any other is an error.
func ParseUp(topic string) (Topic, error) {
	rest, ok := strings.CutPrefix(topic, Prefix+"/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return Topic{}, errors.New("is not totem/v1/{site}/{device}/{what}")
	}
	t := Topic{Site: catalogue.SiteID(parts[0]), Device: catalogue.DeviceID(parts[1]), What: What(parts[2])}
	switch {
	case !slug(parts[0]):
		return Topic{}, fmt.Errorf("site %.80q is not an id", parts[0])
	case !slug(parts[1]) || parts[1] == Live:
		return Topic{}, fmt.Errorf("device %.80q is not the id of a device", parts[1])
	case !slices.Contains(UpWhats(), t.What):
		return Topic{}, fmt.Errorf("%.80q is not a message that a device sends", parts[2])
	}
	return t, nil
}

// slug reports whether s is [a-z0-9][a-z0-9-]{0,63}.
func slug(s string) bool {
	if len(s) == 0 || len(s) > 64 || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
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
