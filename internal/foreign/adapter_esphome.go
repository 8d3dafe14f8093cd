package foreign

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// settingValue names what a sensor's number measures.
const settingValue = "value" // co2, temperature, humidity or noise

// esphome reads ESPHome's states: a bare ON, OFF or number on
// <prefix>/<component>/<name>/state, without an id or a time. A node's own
// status belongs to the device whose address is <prefix>/status.
func esphome() adapter {
	return adapter{
		filters: func(address string) []string {
			if strings.HasSuffix(address, "/status") {
				return []string{address}
			}
			return []string{address + "/state"}
		},
		addresses: esphomeAddresses,
		chatter:   esphomeChatter,
		kinds: []catalogue.DeviceKind{
			catalogue.Reader,
			catalogue.PeopleCounter,
			catalogue.Occupancy,
			catalogue.Desk,
			catalogue.Air,
			catalogue.DoorContact,
		},
		settings: []string{settingValue},
		check:    checkESPHome,
		read:     readESPHome,
	}
}

func checkESPHome(d *catalogue.Device) error {
	switch v := d.Settings[settingValue]; {
	case d.Kind == catalogue.Air && v == "":
		return fieldError("settings.value", "is missing: co2, temperature, humidity or noise")
	case v != "" && v != "co2" && v != "temperature" && v != "humidity" && v != "noise":
		return fieldError("settings.value", "must be co2, temperature, humidity or noise")
	}
	return nil
}

func esphomeAddresses(topic string) []string {
	if strings.HasSuffix(topic, "/status") {
		return []string{topic}
	}
	address, ok := strings.CutSuffix(topic, "/state")
	if !ok || strings.Count(address, "/") < 2 {
		return nil
	}
	return []string{address}
}

// esphomeChatter: a node announces its components, writes logs, and publishes
// what its other components measure.
func esphomeChatter(address, topic string) bool {
	parts := strings.Split(address, "/")
	node := strings.Join(parts[:max(0, len(parts)-2)], "/")
	return isDiscovery(topic) || node != "" && node != "homeassistant" && strings.HasPrefix(topic, node+"/")
}

func readESPHome(d *catalogue.Device, topic string, payload []byte, _ time.Time) ([]Reading, error) {
	word := strings.TrimSpace(string(payload))
	switch {
	case strings.HasSuffix(topic, "/status"):
		return onlineWord(word)
	case word == "" || strings.EqualFold(word, "nan") || strings.EqualFold(word, "unavailable") ||
		strings.EqualFold(word, "unknown"):
		return nil, nil // the state is unknown
	}
	switch d.Kind {
	case catalogue.Reader:
		l := loose{fields: map[string]any{"tag": word}, err: new(error)}
		return []Reading{{Badge: l.card(d, "tag")}}, *l.err
	case catalogue.Occupancy, catalogue.Desk:
		on, err := onOff(word)
		return []Reading{{Occupied: on}}, err
	case catalogue.DoorContact:
		on, err := onOff(word) // class door: on means open
		if err != nil {
			return nil, err
		}
		if *on {
			return []Reading{{Door: wire.DoorOpen}}, nil
		}
		return []Reading{{Door: wire.DoorClosed}}, nil
	}
	x, err := strconv.ParseFloat(word, 64)
	if err != nil || math.IsInf(x, 0) {
		return nil, fieldError("", "is not a number")
	}
	if d.Kind == catalogue.PeopleCounter {
		if x < 0 || x != math.Trunc(x) || x > wire.MostPeople {
			return nil, fieldError("", "is not a whole number from 0 to "+strconv.Itoa(wire.MostPeople))
		}
		return []Reading{{Count: new(int(x))}}, nil
	}
	return []Reading{{Air: esphomeAir(d.Settings[settingValue], x)}}, nil
}

func esphomeAir(value string, x float64) wire.AirBody {
	switch value {
	case "co2":
		return wire.AirBody{CO2: &x}
	case "temperature":
		return wire.AirBody{Temperature: &x}
	case "humidity":
		return wire.AirBody{Humidity: &x}
	case "noise":
		return wire.AirBody{Noise: &x}
	}
	return wire.AirBody{}
}
