package wire

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// The settings of the adapter json: which words mean what, and how time is written.
const (
	settingTrue  = "true"  // words or numbers for yes, as "occupied, 1"
	settingFalse = "false" // for no
	settingTime  = "time"  // rfc3339 (default), unix, unix_ms or local
)

func doorStates() []DoorState { return []DoorState{DoorOpen, DoorClosed, DoorForced, DoorHeld} }

// jsonKeys are what Device.Map may map.
func jsonKeys() []string {
	return []string{"id", "at", "count", "in", "out", "total_in", "total_out", "occupied", "door", "credential",
		"co2_ppm", "temperature_c", "humidity_pct", "noise_db", "battery_pct", "rssi_dbm", "uptime_s", "online", "firmware"}
}

// jsonAdapter reads a payload of one's own: the catalogue's map says where
// each value is ("$.people", "$.a.b[0]", "$['odd key']"), the settings what
// its words mean. The address is the topic.
func jsonAdapter() adapter {
	settings := []string{settingTrue, settingFalse, settingTime}
	for _, s := range doorStates() {
		settings = append(settings, string(s))
	}
	return adapter{
		filters:   func(address string) []string { return []string{address} },
		addresses: func(topic string) []string { return []string{topic} },
		settings:  settings,
		check:     checkMap,
		read:      readJSON,
	}
}

func checkMap(d *catalogue.Device) error {
	for key, path := range d.Map {
		if !slices.Contains(jsonKeys(), key) {
			return &FieldError{"map." + key, "is nothing that can be mapped: " + strings.Join(jsonKeys(), " ")}
		}
		if _, err := parsePath(path); err != nil {
			return &FieldError{"map." + key, err.Error()}
		}
	}
	switch t := d.Settings[settingTime]; {
	case len(d.Map) == 0:
		return &FieldError{"map", "is missing: it says where the values are"}
	case !slices.Contains([]string{"", "rfc3339", "unix", "unix_ms", "local"}, t):
		return &FieldError{"settings.time", "is none of rfc3339, unix, unix_ms, local"}
	case t == "local" && d.Settings[SettingTimezone] == "":
		return &FieldError{"settings.timezone", "is missing: local time is of some zone"}
	}
	return nil
}

// parsePath reads $, $.name, $[0] and $['odd key'] into names and indices.
func parsePath(path string) ([]string, error) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, &FieldError{"", "must begin with $"}
	}
	var steps []string
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "['"):
			end := strings.Index(rest, "']")
			if end < 0 {
				return nil, &FieldError{"", "lacks a closing ']"}
			}
			steps, rest = append(steps, rest[2:end]), rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, &FieldError{"", "lacks a closing ]"}
			}
			if n, err := strconv.Atoi(rest[1:end]); err != nil || n < 0 {
				return nil, &FieldError{"", "has no index between [ and ]"}
			}
			steps, rest = append(steps, rest[:end]), rest[end+1:] // with its bracket: an index
		case rest[0] == '.':
			end := len(rest)
			if i := strings.IndexAny(rest[1:], ".["); i >= 0 {
				end = i + 1
			}
			if end == 1 {
				return nil, &FieldError{"", "has an empty name"}
			}
			steps, rest = append(steps, rest[1:end]), rest[end:]
		default:
			return nil, &FieldError{"", "is no path like $.people or $.a.b[0]"}
		}
	}
	return steps, nil
}

// follow walks a path; nil where it leads nowhere.
func follow(v any, path string) any {
	steps, err := parsePath(path)
	if err != nil {
		return nil
	}
	for _, s := range steps {
		if index, is := strings.CutPrefix(s, "["); is {
			list, _ := v.([]any)
			i, err := strconv.Atoi(index)
			if err != nil || i >= len(list) {
				return nil
			}
			v = list[i]
			continue
		}
		m, _ := v.(map[string]any)
		v = m[s]
	}
	return v
}

func readJSON(d *catalogue.Device, _ string, payload []byte, _ time.Time) ([]Reading, error) {
	v, err := parseAny(payload)
	if err != nil {
		return nil, err
	}
	l := loose{fields: map[string]any{}, err: new(error)}
	for key, path := range d.Map {
		l.fields[key] = follow(v, path)
	}
	r := Reading{Key: text(l.fields["id"]), At: mappedTime(d, l), Count: l.count("count"), In: l.count("in"), Out: l.count("out"),
		Occupied: meaning(d, l, "occupied"), Online: meaning(d, l, "online"), Battery: l.percent("battery_pct"), RSSI: l.number("rssi_dbm"), Uptime: l.number("uptime_s"),
		Air: AirBody{CO2: l.number("co2_ppm"), Temperature: l.number("temperature_c"), Humidity: l.number("humidity_pct"), Noise: l.number("noise_db")}}
	if l.any("total_in", "total_out") {
		r.Totals = totals(l, "total_in", "total_out")
	}
	if firmware, ok := l.word("firmware"); ok {
		r.Firmware = &firmware
	}
	if r.In != nil || r.Out != nil { // mapped, and one of them was not said
		r.In, r.Out = zeroed(r.In), zeroed(r.Out)
	}
	r.Door = mappedDoor(d, l)
	if uid, ok := l.word("credential"); ok {
		if c, err := ParseCredential(uid); err != nil {
			l.fail("credential", err.Error())
		} else {
			r.Badge = &BadgeBody{Credential: c}
		}
	}
	return []Reading{r}, *l.err
}

// text is a value as it is compared with words: a text, a number or a flag.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// meaning reads yes or no by the settings' words; without them only true and false will do.
func meaning(d *catalogue.Device, l loose, key string) *bool {
	if !l.has(key) {
		return nil
	}
	yes, no := d.Settings[settingTrue], d.Settings[settingFalse]
	if yes == "" && no == "" {
		return l.flag(key)
	}
	word := text(l.fields[key])
	switch {
	case among(word, yes):
		return ptr(true)
	case among(word, no):
		return ptr(false)
	}
	l.fail(key, "is none of the words that the settings true and false name")
	return nil
}

func among(word, list string) bool {
	return list != "" && slices.ContainsFunc(strings.Split(list, ","), func(w string) bool { return strings.EqualFold(strings.TrimSpace(w), word) })
}

func mappedDoor(d *catalogue.Device, l loose) DoorState {
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
	l.fail("door", "is none of the words for open, closed, forced, held")
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
