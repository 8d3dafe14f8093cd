package foreign

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// The settings of Tasmota devices, where one has several parts.
const (
	settingSwitch = "switch" // as Switch1
	settingDevice = "device" // a Zigbee device behind it, by address or name
	settingSensor = "sensor" // which driver measures the air, as SCD40
)

// tasmota reads Tasmota's telemetry: JSON nested by driver, with local time
// without an offset. The arrays of an LD2410 radar are distances and energies,
// not presence, and are not read.
func tasmota() adapter {
	return adapter{
		filters: func(address string) []string {
			return []string{
				"tele/" + address + "/SENSOR",
				"tele/" + address + "/LWT",
				"stat/" + address + "/MOTION",
				"stat/" + address + "/RESULT",
			}
		},
		everyone:  []string{"tele/+/SENSOR"},
		addresses: tasmotaAddresses,
		chatter: func(address, topic string) bool {
			return strings.HasPrefix(topic, "tele/"+address+"/") || strings.HasPrefix(topic, "stat/"+address+"/") ||
				strings.HasPrefix(topic, "cmnd/"+address+"/") ||
				strings.HasPrefix(topic, "tasmota/discovery/") ||
				isDiscovery(topic)
		},
		kinds: []catalogue.DeviceKind{
			catalogue.Reader,
			catalogue.Occupancy,
			catalogue.Desk,
			catalogue.Air,
			catalogue.DoorContact,
		},
		settings: []string{settingSwitch, settingDevice, settingSensor},
		read:     readTasmota,
	}
}

func tasmotaAddresses(topic string) []string {
	for _, form := range [][2]string{{"tele/", "/SENSOR"}, {"tele/", "/LWT"}, {"stat/", "/MOTION"}, {"stat/", "/RESULT"}} {
		if rest, ok := strings.CutPrefix(topic, form[0]); ok {
			if address, ok := strings.CutSuffix(rest, form[1]); ok && address != "" {
				return []string{address}
			}
		}
	}
	return nil
}

func readTasmota(d *catalogue.Device, topic string, payload []byte, _ time.Time) ([]Reading, error) {
	switch topic[strings.LastIndexByte(topic, '/')+1:] {
	case "LWT":
		return onlineWord(string(payload))
	case "MOTION":
		on, err := onOff(string(payload))
		return []Reading{{Occupied: on}}, err
	case "RESULT":
		return tasmotaResult(d, payload)
	}
	l, err := parseLoose(payload)
	if err != nil {
		return nil, err
	}
	r := Reading{At: localTime(d, l, "Time")}
	r.ByArrival = r.At.IsZero() && l.has("Time")
	switch d.Kind {
	case catalogue.Reader:
		r.Badge = tasmotaBadge(d, l)
	case catalogue.Occupancy, catalogue.Desk:
		r.Occupied = tasmotaOccupied(d, l)
	case catalogue.DoorContact: // a reed contact on a switch: on means open
		r.Door = doorOf(tasmotaOccupied(d, l))
	}
	r.Air = tasmotaAir(d, l)
	return []Reading{r}, *l.err
}

// tasmotaResult reads what a detached switch sends at once; results of commands
// arrive on the same topic.
func tasmotaResult(d *catalogue.Device, payload []byte) ([]Reading, error) {
	l, err := parseLoose(payload)
	if err != nil {
		return nil, err
	}
	states := loose{fields: map[string]any{}, err: l.err}
	for name, v := range l.fields {
		if o, is := v.(map[string]any); is && strings.HasPrefix(name, "Switch") && o["Action"] != nil {
			states.fields[name] = o["Action"]
		}
	}
	if len(states.fields) == 0 {
		return nil, nil
	}
	on := tasmotaOccupied(d, states)
	if d.Kind == catalogue.DoorContact {
		return []Reading{{Door: doorOf(on)}}, *l.err
	}
	return []Reading{{Occupied: on}}, *l.err
}

// doorOf returns the state of a door from a sensor that tells whether it is
// open; nil: it does not tell.
func doorOf(open *bool) wire.DoorState {
	switch {
	case open == nil:
		return ""
	case *open:
		return wire.DoorOpen
	}
	return wire.DoorClosed
}

// onOff reads Tasmota's words ON and OFF as true and false.
func onOff(word string) (*bool, error) {
	switch strings.ToUpper(word) {
	case "ON":
		return new(true), nil
	case "OFF":
		return new(false), nil
	}
	return nil, fieldError("", "is neither ON nor OFF")
}

// localTime reads a local time by the setting timezone; zero where there is
// none, or no zone.
func localTime(d *catalogue.Device, l loose, key string) time.Time {
	if _, is := l.fields[key].(json.Number); is { // seconds since 1970, where the device is configured so
		return l.seconds(key)
	}
	text, ok := l.word(key)
	if !ok {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t
	}
	zone, err := time.LoadLocation(d.Settings[SettingTimezone])
	if err != nil || d.Settings[SettingTimezone] == "" {
		return time.Time{}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t
		}
	}
	l.fail(key, "is not a local time like 2026-11-23T08:00:00")
	return time.Time{}
}

// tasmotaBadge reads a card. The text of its blocks can be written by anybody
// and is ignored; a card that failed authentication is not a badge.
func tasmotaBadge(d *catalogue.Device, l loose) *wire.BadgeBody {
	for _, driver := range []string{"PN532", "RC522", "RDM6300", "Wiegand"} {
		c := l.object(driver)
		if !c.has("UID") {
			continue
		}
		if auth, has := c.word("Auth"); has && !strings.EqualFold(auth, "Ok") {
			c.fail("Auth", "is not Ok: the reader could not authenticate the card")
			return nil
		}
		return c.card(d, "UID")
	}
	return nil
}

// tasmotaOccupied reads a motion sensor on a switch, or behind a Zigbee bridge.
func tasmotaOccupied(d *catalogue.Device, l loose) *bool {
	if l.has("ZbReceived") {
		return zigbeeBehind(d, l.object("ZbReceived"))
	}
	key := d.Settings[settingSwitch]
	if key == "" {
		for name := range l.fields {
			if rest, ok := strings.CutPrefix(name, "Switch"); ok && strings.Trim(rest, "0123456789") == "" {
				if key != "" {
					l.needs("Switch", settingSwitch, "occurs several times: choose one with the setting switch")
					return nil
				}
				key = name
			}
		}
	}
	if key == "" {
		return nil
	}
	return l.yesNoWord(key, []string{"ON"}, []string{"OFF"})
}

func zigbeeBehind(d *catalogue.Device, l loose) *bool {
	want := d.Settings[settingDevice]
	var found []loose
	for name := range l.fields {
		o := l.object(name)
		if alias, _ := o.word("Name"); o.has("Occupancy") && (want == "" || want == name || want == alias) {
			found = append(found, o)
		}
	}
	if len(found) > 1 {
		l.needs("ZbReceived", settingDevice, "has several devices: choose one with the setting device")
	}
	if len(found) != 1 {
		return nil
	}
	if n := found[0].total("Occupancy"); n != nil {
		return new(*n == 1)
	}
	return nil
}

// tasmotaAir reads the driver that measures the air; several need the setting.
func tasmotaAir(d *catalogue.Device, l loose) wire.AirBody {
	var drivers []string
	for name, v := range l.fields {
		if _, is := v.(map[string]any); !is || name == "ZbReceived" {
			continue
		}
		if want := d.Settings[settingSensor]; (want == "" || want == name) &&
			l.object(name).any("Temperature", "Humidity", "CarbonDioxide", "eCO2") {
			drivers = append(drivers, name)
		}
	}
	if len(drivers) > 1 && d.Kind == catalogue.Air {
		l.needs("", settingSensor, "has several drivers that measure the air: choose one with the setting sensor")
	}
	if len(drivers) != 1 {
		return wire.AirBody{}
	}
	o := l.object(drivers[0])
	o = o.air(d)
	air := wire.AirBody{
		Temperature: o.number("Temperature"),
		Humidity:    o.number("Humidity"),
		CO2:         o.number("CarbonDioxide"),
	}
	if air.CO2 == nil {
		air.CO2 = o.number("eCO2")
	}
	if unit, _ := l.word("TempUnit"); unit == "F" && air.Temperature != nil {
		*air.Temperature = (*air.Temperature - 32) / 1.8
	}
	return air
}
