package foreign

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// The settings of the adapter json: the meaning of words, and how time is
// written.
const (
	settingTrue  = "true"  // words or numbers for yes, as "occupied, 1"
	settingFalse = "false" // for no
	settingTime  = "time"  // rfc3339 (default), unix, unix_ms or local
	settingWhere = "where" // $.path = value: which of several devices on one topic
)

func doorStates() []wire.DoorState {
	return []wire.DoorState{wire.DoorOpen, wire.DoorClosed, wire.DoorForced, wire.DoorHeld}
}

// jsonKeys returns the keys that Device.Map may have.
func jsonKeys() []string {
	return []string{"id", "at", "count", "in", "out", "total_in", "total_out", "occupied", "door", "credential",
		"co2_ppm", "temperature_c", "humidity_pct", "noise_db", "battery_pct", "rssi_dbm", "uptime_s", "online", "firmware"}
}

// jsonAdapter reads payloads of any form: the catalogue's map names where each
// value is ("$.people", "$.a.b[0]", "$['odd key']", "$.records[*].in" for
// several records in one message), the settings what its words mean. The
// address is the topic.
func jsonAdapter() adapter {
	settings := []string{settingTrue, settingFalse, settingTime, settingWhere}
	for _, s := range doorStates() {
		settings = append(settings, string(s))
	}
	return adapter{
		filters:   func(address string) []string { return []string{address} },
		addresses: func(topic string) []string { return []string{topic} },
		settings:  settings,
		kinds: []catalogue.DeviceKind{
			catalogue.Reader,
			catalogue.DoorContact,
			catalogue.PeopleCounter,
			catalogue.FlowCounter,
			catalogue.Occupancy,
			catalogue.Desk,
			catalogue.Air,
		},
		check: checkMap,
		read:  readJSON,
	}
}

func checkMap(d *catalogue.Device) error {
	for key, path := range d.Map {
		if !slices.Contains(jsonKeys(), key) {
			return fieldError("map."+key, "is not a key that can be mapped: "+strings.Join(jsonKeys(), " "))
		}
		if _, err := parsePath(path); err != nil {
			return fieldError("map."+key, err.Error())
		}
	}
	if w := d.Settings[settingWhere]; w != "" {
		if _, _, err := parseWhere(w); err != nil {
			return fieldError("settings.where", err.Error())
		}
	}
	switch t := d.Settings[settingTime]; {
	case len(d.Map) == 0:
		return fieldError("map", "is missing: it names where the values are")
	case !slices.ContainsFunc(needed(d.Kind), func(key string) bool { return d.Map[key] != "" }):
		return fieldError("map", "has none of "+strings.Join(needed(d.Kind), ", ")+": a "+string(d.Kind)+" needs one of them")
	case !slices.Contains([]string{"", "rfc3339", "unix", "unix_ms", "local"}, t):
		return fieldError("settings.time", "must be rfc3339, unix, unix_ms or local")
	case t == "local" && d.Settings[SettingTimezone] == "":
		return fieldError("settings.timezone", "is missing: local time needs a time zone")
	}
	return nil
}

// needed returns the keys of which a device of a kind needs one.
func needed(kind catalogue.DeviceKind) []string {
	switch kind {
	case catalogue.Reader:
		return []string{"credential"}
	case catalogue.DoorContact:
		return []string{"door"}
	case catalogue.PeopleCounter:
		return []string{"count"}
	case catalogue.FlowCounter:
		return []string{"in", "out", "total_in", "total_out"}
	case catalogue.Occupancy, catalogue.Desk:
		return []string{"occupied"}
	}
	return []string{"co2_ppm", "temperature_c", "humidity_pct", "noise_db"}
}

func readJSON(d *catalogue.Device, _ string, payload []byte, received time.Time) ([]Reading, error) {
	v, err := parseAny(payload)
	bare := bareWord(payload)
	if err != nil {
		if bare == "" || !slices.Contains(slices.Collect(maps.Values(d.Map)), "$") {
			return nil, err
		}
		v = bare // a bare word is the whole value, which $ names
	}
	if w := d.Settings[settingWhere]; w != "" {
		path, value, err := parseWhere(w)
		if err != nil || !strings.EqualFold(text(follow(v, path, 0)), value) && !strings.Contains(path, "[*]") {
			return nil, err
		}
	}
	var out []Reading
	for i := range records(d, v) {
		if w := d.Settings[settingWhere]; strings.Contains(w, "[*]") {
			path, value, _ := parseWhere(w)
			if !strings.EqualFold(text(follow(v, path, i)), value) {
				continue
			}
		}
		r, err := readRecord(d, v, i, bare, payload, received)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// bareWord returns a payload that is one bare word or number; empty: it is not.
func bareWord(payload []byte) string {
	word := strings.TrimSpace(string(payload))
	if len(word) > 256 || !utf8.ValidString(word) || strings.ContainsAny(word, "{}[]\"\n\r") {
		return ""
	}
	return word
}

// numeric reports whether the values of a key are numbers, which a device may
// also write in quotes.
func numeric(key string) bool {
	switch key {
	case "count",
		"in",
		"out",
		"total_in",
		"total_out",
		"co2_ppm",
		"temperature_c",
		"humidity_pct",
		"noise_db",
		"battery_pct",
		"rssi_dbm",
		"uptime_s":
		return true
	}
	return false
}

func readRecord(
	d *catalogue.Device,
	v any,
	record int,
	bare string,
	payload []byte,
	received time.Time,
) (Reading, error) {
	l := loose{fields: map[string]any{}, err: new(error)}
	for key, path := range d.Map {
		found := follow(v, path, record)
		quoted, isText := found.(string)
		clock := d.Settings[settingTime]
		if isText && (numeric(key) || key == "at" && (clock == "unix" || clock == "unix_ms")) {
			if n, err := strconv.ParseFloat(strings.TrimSpace(quoted), 64); err == nil && !math.IsInf(n, 0) && !math.IsNaN(n) {
				found = json.Number(strings.TrimSpace(quoted))
			}
		}
		if path == "$" && key == "credential" && bare != "" { // bare digits are text: their meaning is a setting
			found = bare
		}
		l.fields[key] = found
	}
	air, beside := l.air(d), l.secondary()
	r := Reading{
		At:       mappedTime(d, l),
		Count:    l.count("count"),
		In:       l.count("in"),
		Out:      l.count("out"),
		Occupied: meaning(d, l, "occupied"),
		Online:   meaning(d, beside, "online"),
		Battery:  beside.percent("battery_pct"),
		RSSI:     beside.number("rssi_dbm"),
		Uptime:   beside.number("uptime_s"),
		Air: wire.AirBody{
			CO2:         air.number("co2_ppm"),
			Temperature: air.number("temperature_c"),
			Humidity:    air.number("humidity_pct"),
			Noise:       air.number("noise_db"),
		},
	}
	r.Key, r.KeyHasClock = mappedKey(l, r.At, record, payload, received)
	if l.any("total_in", "total_out") {
		r.Totals = totals(l, "total_in", "total_out")
	}
	if firmware, ok := beside.word("firmware"); ok {
		r.Firmware = &firmware
	}
	if r.In != nil || r.Out != nil { // mapped, but missing in the message
		r.In, r.Out = zeroed(r.In), zeroed(r.Out)
	}
	r.Door = mappedDoor(d, l)
	if l.has("credential") {
		r.Badge = l.card(d, "credential")
	}
	return r, *l.err
}

const (
	// ownID is how long an id must be to be unique for ever.
	ownID = 16
	// idMemory is for how long a short id, without a time, counts as a copy.
	idMemory = 5 * time.Minute
)

// mappedKey makes a message's key from the mapped id. A short id, as a packet's
// number, repeats when it wraps: it is combined with the message's own time or,
// without one, with its bytes for a while.
func mappedKey(l loose, at time.Time, record int, payload []byte, received time.Time) (key string, hasClock bool) {
	id := text(l.fields["id"])
	switch {
	case id == "":
		return "", false
	case len(id) >= ownID:
		return fmt.Sprintf("%s %d", id, record), false
	case !at.IsZero():
		return fmt.Sprintf("%s %d %d", id, record, at.UnixMilli()), true
	}
	sum := sha256.Sum256(payload)
	return fmt.Sprintf("%s %d %x %d", id, record, sum[:12], received.Unix()/int64(idMemory.Seconds())), false
}

// text returns a value as a text to compare with words: a text, a number or a
// flag.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		if x, err := v.Float64(); err == nil && x == math.Trunc(x) && math.Abs(x) < 1<<53 { // 1.0 is 1
			return strconv.FormatInt(int64(x), 10)
		}
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// meaning reads yes or no by the settings' words; without settings only true
// and false are accepted.
func meaning(d *catalogue.Device, l loose, key string) *bool {
	if !l.has(key) {
		return nil
	}
	yes, no := d.Settings[settingTrue], d.Settings[settingFalse]
	if yes == "" && no == "" {
		if word, isText := l.fields[key].(string); isText && (word == "true" || word == "false") {
			return new(word == "true")
		}
		return l.flag(key)
	}
	word := text(l.fields[key])
	switch {
	case among(word, yes):
		return new(true)
	case among(word, no):
		return new(false)
	}
	l.needs(key, settingTrue, "is not one of the words in the settings true and false")
	return nil
}

func among(word, list string) bool {
	return list != "" &&
		slices.ContainsFunc(
			strings.Split(list, ","),
			func(w string) bool { return strings.EqualFold(strings.TrimSpace(w), word) },
		)
}

func mappedDoor(d *catalogue.Device, l loose) wire.DoorState {
	if !l.has("door") {
		return ""
	}
	word := text(l.fields["door"])
	for _, s := range doorStates() {
		words := d.Settings[string(s)]
		if words == "" {
			words = string(s)
		}
		if among(word, words) {
			return s
		}
	}
	l.fail("door", "is not one of the words for open, closed, forced, held")
	return ""
}

func mappedTime(d *catalogue.Device, l loose) time.Time {
	switch d.Settings[settingTime] {
	case "unix":
		return l.seconds("at")
	case "unix_ms":
		if x := l.number("at"); x != nil {
			return unixTime(*x / 1000)
		}
		return time.Time{}
	case "local":
		return localTime(d, l, "at")
	}
	return l.instant("at")
}
