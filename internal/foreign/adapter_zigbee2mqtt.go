package foreign

import (
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

const zigbeeBase = "zigbee2mqtt/"

// zigbee2mqtt reads what Zigbee2MQTT publishes for its devices: flat JSON on
// zigbee2mqtt/<friendly name>, without an id or a time. Of two messages in one
// second, as it sends when another attribute changes, the later counts.
func zigbee2mqtt() adapter {
	return adapter{
		filters:   func(address string) []string { return []string{address, address + "/availability"} },
		everyone:  []string{zigbeeBase + "#"},
		addresses: zigbeeAddresses,
		chatter: func(_, topic string) bool {
			return strings.HasPrefix(topic, zigbeeBase+"bridge/") || topic == zigbeeBase+"bridge" || isDiscovery(topic) ||
				strings.HasPrefix(topic, zigbeeBase) && (strings.HasSuffix(topic, "/set") || strings.HasSuffix(topic, "/get"))
		},
		kinds: []catalogue.DeviceKind{
			catalogue.PeopleCounter,
			catalogue.Occupancy,
			catalogue.Desk,
			catalogue.Air,
			catalogue.DoorContact,
		},
		check: func(d *catalogue.Device) error {
			if !strings.HasPrefix(d.Address, zigbeeBase) {
				return fieldError("address", "must be the device's whole topic, as zigbee2mqtt/metz desk 7")
			}
			return nil
		},
		read: readZigbee,
	}
}

// zigbeeAddresses: names may contain spaces, even leading ones, and slashes.
func zigbeeAddresses(topic string) []string {
	name, ok := strings.CutPrefix(topic, zigbeeBase)
	if !ok || name == "" || name == "bridge" || strings.HasPrefix(name, "bridge/") || strings.HasSuffix(name, "/set") ||
		strings.HasSuffix(name, "/get") {
		return nil
	}
	return []string{strings.TrimSuffix(topic, "/availability")}
}

// isDiscovery reports whether a topic is an announcement to Home Assistant.
func isDiscovery(topic string) bool {
	return strings.HasPrefix(topic, "homeassistant/") && strings.HasSuffix(topic, "/config")
}

func readZigbee(d *catalogue.Device, topic string, payload []byte, _ time.Time) ([]Reading, error) {
	if strings.HasSuffix(topic, "/availability") {
		return zigbeeAvailability(payload)
	}
	if len(payload) == 0 { // a retained state was cleared
		return nil, nil
	}
	l, err := parseLoose(payload)
	if err != nil {
		return nil, err
	}
	air := l.air(d)
	r := Reading{Occupied: l.flag("presence"), Count: l.count("people"), Battery: l.secondary().percent("battery"),
		Air: wire.AirBody{CO2: air.number("co2"), Temperature: air.number("temperature"), Humidity: air.number("humidity")}}
	if r.Occupied == nil {
		r.Occupied = l.flag("occupancy")
	}
	// When the bridge starts it publishes cached values, which count from when the
	// device was last seen. But when the bridge's own timer ends a motion, last_seen
	// is still the time of that motion: a "no" counts from its arrival.
	if r.Occupied == nil || *r.Occupied {
		r.At = lastSeen(l.secondary())
	}
	if contact := l.flag("contact"); contact != nil {
		r.Door = wire.DoorOpen
		if *contact {
			r.Door = wire.DoorClosed
		}
	}
	return []Reading{r}, *l.err
}

// lastSeen returns when the bridge last received something from the device,
// given as text or milliseconds since 1970; zero where it is missing.
func lastSeen(l loose) time.Time {
	if _, isText := l.fields["last_seen"].(string); isText {
		return l.instant("last_seen")
	}
	if ms := l.number("last_seen"); ms != nil {
		return unixTime(*ms / 1000)
	}
	return time.Time{}
}

func zigbeeAvailability(payload []byte) ([]Reading, error) {
	word := string(payload)
	if strings.HasPrefix(word, "{") {
		l, err := parseLoose(payload)
		if err != nil {
			return nil, err
		}
		word, _ = l.word("state")
	}
	return onlineWord(word)
}

// onlineWord reads online or offline, in any case.
func onlineWord(word string) ([]Reading, error) {
	switch strings.ToLower(word) {
	case "online":
		return []Reading{{Online: new(true)}}, nil
	case "offline":
		return []Reading{{Online: new(false)}}, nil
	case "":
		return nil, nil
	}
	return nil, fieldError("", "is neither online nor offline")
}
