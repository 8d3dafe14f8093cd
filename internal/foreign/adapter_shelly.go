package foreign

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

const (
	settingComponent = "component" // which zone of a presence sensor, as presencezone:200
	shellyZone       = "presencezone:"
	shellyBLU        = "bthomesensor:" // a Bluetooth sensor behind a gateway
)

// shellyGen2 reads Shelly's second generation: notifications of events and of
// changed states, and states by component. What is null or absent changes
// nothing.
func shellyGen2() adapter {
	return adapter{
		filters: func(address string) []string {
			return []string{address + "/events/rpc", address + "/status/+", address + "/online"}
		},
		everyone:  []string{"+/events/rpc"},
		addresses: shellyAddresses,
		chatter:   func(address, topic string) bool { return strings.HasPrefix(topic, address+"/") || isDiscovery(topic) },
		kinds: []catalogue.DeviceKind{
			catalogue.PeopleCounter,
			catalogue.Occupancy,
			catalogue.Desk,
			catalogue.Air,
			catalogue.DoorContact,
		},
		check: func(d *catalogue.Device) error {
			if d.Kind == catalogue.DoorContact && !strings.HasPrefix(d.Settings[settingComponent], shellyBLU) {
				return fieldError("settings.component", "is missing: which sensor behind the gateway, as "+shellyBLU+"202")
			}
			return nil
		},
		settings: []string{settingComponent},
		read:     readShelly,
	}
}

func shellyAddresses(topic string) []string {
	for _, tail := range []string{"/events/rpc", "/online"} {
		if id, ok := strings.CutSuffix(topic, tail); ok && id != "" {
			return []string{id}
		}
	}
	if i := strings.LastIndex(topic, "/status/"); i > 0 && !strings.Contains(topic[i+8:], "/") {
		return []string{topic[:i]}
	}
	return nil
}

func readShelly(d *catalogue.Device, topic string, payload []byte, _ time.Time) ([]Reading, error) {
	if strings.HasSuffix(topic, "/online") {
		switch string(payload) {
		case "true":
			return []Reading{{Online: new(true)}}, nil
		case "false":
			return []Reading{{Online: new(false)}}, nil
		}
		return nil, fieldError("", "is neither true nor false")
	}
	l, err := parseLoose(payload)
	if err != nil {
		return nil, err
	}
	if i := strings.LastIndex(topic, "/status/"); i > 0 {
		s := shelly{d: d, parts: map[string]loose{topic[i+8:]: l}}
		return s.states(time.Time{}, ""), *l.err
	}
	params := l.object("params")
	method, _ := l.word("method")
	switch method {
	case "NotifyEvent":
		return shellyEvents(d, l, params), *l.err
	case "NotifyStatus", "NotifyFullStatus":
		s := shelly{d: d, parts: map[string]loose{}}
		for name, v := range params.fields {
			if _, is := v.(map[string]any); is { // null: the component does not exist any more
				s.parts[name] = params.object(name)
			}
		}
		out := s.states(params.seconds("ts"), spelled(params, "ts"))
		s.choose(l)
		return out, *l.err
	}
	return nil, nil
}

// spelled returns a number as it was written, for use in a key.
func spelled(l loose, key string) string {
	n, _ := l.fields[key].(json.Number)
	return n.String()
}

// shellyEvents reads presence and counts of the device's zone.
func shellyEvents(d *catalogue.Device, l, params loose) []Reading {
	events := params.objects("events")
	s := shelly{d: d, parts: map[string]loose{}}
	for _, e := range events {
		if c, _ := e.word("component"); c != "" {
			s.parts[c] = e
		}
	}
	zone := s.choose(l)
	var out []Reading
	for _, e := range events {
		component, _ := e.word("component")
		if component == "" || component != zone {
			continue
		}
		r := Reading{At: e.seconds("ts")}
		if ts := spelled(e, "ts"); ts != "" {
			r.Key, r.KeyHasClock = component+" "+ts, true
		}
		switch name, _ := e.word("event"); name {
		case "presence":
			r.Occupied = e.flag("value")
		case "counter":
			r.Count = e.count("num_objects")
		}
		out = append(out, r)
	}
	return out
}

// shelly is the content of one message, by component.
type shelly struct {
	d     *catalogue.Device
	parts map[string]loose
}

// choose returns the zone of the catalogue's device; where there are several a
// setting is needed, if the device's kind needs a zone at all.
func (s *shelly) choose(l loose) string {
	if c := s.d.Settings[settingComponent]; c != "" {
		return c
	}
	zone := ""
	for name := range s.parts {
		if !strings.HasPrefix(name, shellyZone) {
			continue
		}
		if zone != "" {
			if k := s.d.Kind; k == catalogue.PeopleCounter || k == catalogue.Occupancy || k == catalogue.Desk {
				l.needs("params", settingComponent, "has several zones: choose one with the setting component")
			}
			return ""
		}
		zone = name
	}
	return zone
}

// states reads the states of components.
func (s *shelly) states(at time.Time, ts string) []Reading {
	r := Reading{At: at}
	zone := s.choose(loose{err: new(error)})
	for name, c := range s.parts {
		kind, _, _ := strings.Cut(name, ":")
		switch {
		case name == zone && kind+":" == shellyBLU:
			s.blu(c, &r)
		case name == zone:
			r.Occupied, r.Count = c.flag("value"), c.count("num_objects")
		case kind == "devicepower":
			r.Battery = c.secondary().object("battery").percent("percent")
		case kind == "wifi":
			r.RSSI = c.secondary().number("rssi")
		case kind == "temperature":
			r.Air.Temperature = c.air(s.d).number("tC")
		case kind == "humidity":
			r.Air.Humidity = c.air(s.d).number("rh")
		}
	}
	if ts != "" {
		r.Key, r.KeyHasClock = "status "+zone+" "+ts, true
	}
	return []Reading{r}
}

// blu reads a Bluetooth sensor behind a gateway: true is open, or motion. The
// gateway repeats its last value, with when it was last updated.
func (s *shelly) blu(c loose, r *Reading) {
	if at := c.secondary().seconds("last_updated_ts"); !at.IsZero() {
		r.At = at
	}
	value := c.flag("value")
	switch {
	case value == nil:
	case s.d.Kind != catalogue.DoorContact:
		r.Occupied = value
	case *value:
		r.Door = wire.DoorOpen
	default:
		r.Door = wire.DoorClosed
	}
}
