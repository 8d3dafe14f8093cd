package foreign_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/wire"
)

// arrived is when the tests' messages arrive.
var arrived = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)

func device(kind catalogue.DeviceKind, adapter, address string, settings ...string) *catalogue.Device {
	d := &catalogue.Device{
		ID:       "d",
		Site:     "metz",
		Kind:     kind,
		Adapter:  adapter,
		Address:  address,
		Settings: map[string]string{},
	}
	if kind == catalogue.Reader {
		d.Direction = catalogue.In
	}
	for i := 0; i < len(settings); i += 2 {
		d.Settings[settings[i]] = settings[i+1]
	}
	return d
}

// says reads a foreign payload and writes what came of it, in a few words each.
func says(t testing.TB, d *catalogue.Device, topic, payload string) (out []string, err error) {
	t.Helper()
	messages, err := foreign.Read(d, topic, []byte(payload), arrived)
	for _, m := range messages {
		out = append(out, words(m))
	}
	return out, err
}

func words(m *wire.Message) string {
	s := string(m.Topic.What)
	switch m.Topic.What {
	case wire.Occupancy:
		s += fmt.Sprintf(" %t", m.Occupied)
	case wire.Count:
		s += fmt.Sprintf(" %d", m.Count)
	case wire.Flow:
		s += fmt.Sprintf(" %d/%d", m.In, m.Out)
		if m.Totals != nil {
			s += fmt.Sprintf(" of %d/%d", m.Totals.In, m.Totals.Out)
		}
	case wire.Door:
		s += " " + string(m.Door)
	case wire.Badge:
		s += " " + m.Badge.Credential.String()
		if o := m.Badge.Offline; o != nil {
			s += fmt.Sprintf(" offline=%t", o.Granted)
		}
	case wire.Air:
		for _, v := range []*float64{m.Air.CO2, m.Air.Temperature, m.Air.Humidity} {
			s += " " + opt(v)
		}
	case wire.Status:
		s += fmt.Sprintf(" %t %s", m.Status.Online, opt(m.Status.Battery))
	}
	if !m.ByArrival {
		s += " @" + m.At.Format("15:04:05")
	}
	return s
}

func opt(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%g", *v)
}

const (
	z2m   = "zigbee2mqtt/metz desk 7"
	eui   = "24e124148b001122"
	csUp  = "application/7f9a7a1e-0f7e-4a51-8a57-1c2d3e4f5a6b/device/" + eui + "/event/up"
	ttnUp = "v3/lorn@ttn/devices/vs133-door/up"
)

func cs(object string) string {
	return `{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":"2026-11-20T09:29:58.123456789+00:00","rxInfo":[{"rssi":-101},{"rssi":-88}],"object":` + object + `}`
}

func ttn(payload string) string {
	return `{"end_device_ids":{"dev_eui":"0004A30B001C0530"},"received_at":"2026-11-20T09:29:59Z","uplink_message":{"session_key_id":"AX1","f_cnt":17,"settings":{"time":"2026-11-20T09:29:57Z"},"decoded_payload":` + payload + `}}`
}

func TestRealDevicesPayloads(t *testing.T) {
	const (
		pc, fc, oc, desk, air, dc = catalogue.PeopleCounter, catalogue.FlowCounter, catalogue.Occupancy, catalogue.Desk,
			catalogue.Air, catalogue.DoorContact
		rd = catalogue.Reader
	)
	for _, c := range []struct {
		name    string
		d       *catalogue.Device
		topic   string
		payload string
		want    []string // nil: ignored
		err     string   // part of the rejection
	}{
		{"zigbee occupancy", device(desk, "zigbee2mqtt", z2m), z2m, `{"occupancy":true,"battery":87,"linkquality":120}`, []string{"occupancy true", "status true 87"}, ""},
		{"zigbee presence before occupancy", device(oc, "zigbee2mqtt", z2m), z2m, `{"presence":false,"occupancy":true}`, []string{"occupancy false"}, ""},
		{"zigbee null is not said", device(oc, "zigbee2mqtt", z2m), z2m, `{"occupancy":null}`, nil, ""},
		{"zigbee contact true is closed", device(dc, "zigbee2mqtt", z2m), z2m, `{"contact":true}`, []string{"door closed"}, ""},
		{"zigbee people", device(pc, "zigbee2mqtt", z2m), z2m, `{"people":4,"occupancy":true}`, []string{"count 4"}, ""},
		{"zigbee air", device(air, "zigbee2mqtt", z2m), z2m, `{"temperature":21.5,"humidity":40,"co2":612}`, []string{"air 612 21.5 40"}, ""},
		{"zigbee availability", device(oc, "zigbee2mqtt", z2m), z2m + "/availability", `{"state":"offline"}`, []string{"status false -"}, ""},
		{"zigbee words are no flags", device(oc, "zigbee2mqtt", z2m), z2m, `{"occupancy":"yes"}`, nil, "occupancy: is neither true nor false"},
		{"documented examples are often no JSON", device(oc, "zigbee2mqtt", z2m), z2m, `{"occupancy": true, // yes`, nil, "is not valid JSON"},

		{"VS121 people now", device(pc, "chirpstack-v4", eui), csUp, cs(`{"people_count_all":3.0,"people_count_max":7.0,"region_count":2.0,"region_1":1.0}`), []string{"count 3 @09:29:58", "status true - @09:29:58"}, ""},
		{"VS121 zero left out", device(pc, "chirpstack-v4", eui), csUp, cs(`{"region_count":2}`), []string{"count 0 @09:29:58", "status true - @09:29:58"}, ""},
		{"VS121 peak alone says nothing of now", device(pc, "chirpstack-v4", eui), csUp, cs(`{"people_count_max":7}`), []string{"status true - @09:29:58"}, ""},
		{"VS121 line, out left out", device(fc, "chirpstack-v4", eui), csUp, cs(`{"people_in":2}`), []string{"flow 2/0 @09:29:58", "status true - @09:29:58"}, ""},
		{"VS121 snapshot is dropped", device(pc, "chirpstack-v4", eui), csUp, cs(`{"people_count_all":1,"snapshot":"aGVsbG8="}`), []string{"count 1 @09:29:58", "status true - @09:29:58"}, ""},
		{"VS121 region", device(oc, "chirpstack-v4", eui, "region", "2"), csUp, cs(`{"region_count":2,"region_1":1}`), []string{"occupancy false @09:29:58", "status true - @09:29:58"}, ""},
		{"VS133 line", device(fc, "ttn-v3", "vs133-door"), ttnUp, ttn(`{"line_1_total_in":120,"line_1_total_out":131,"line_1_period_in":3}`), []string{"flow 3/0 of 120/131 @09:29:57"}, ""},
		{"VS133 several lines", device(fc, "ttn-v3", "vs133-door"), ttnUp, ttn(`{"line_1_period_in":1,"line_2_period_in":5}`), nil, "the setting line"},
		{"VS133 chosen line, the other way round", device(fc, "ttn-v3", "vs133-door", "line", "2", "in", "out"), ttnUp, ttn(`{"line_1_period_in":1,"line_2_period_in":5,"line_2_period_out":2}`), []string{"flow 2/5 @09:29:57"}, ""},
		{"VS133 several lines matter to flows alone", device(air, "ttn-v3", "vs133-door"), ttnUp, ttn(`{"line_1_period_in":1,"line_2_period_in":5}`), nil, ""},
		{"VS133 region", device(pc, "ttn-v3", "vs133-door", "region", "1"), ttnUp, ttn(`{"region_1_count":6,"region_2_count":9}`), []string{"count 6 @09:29:57"}, ""},
		{"VS340 words", device(desk, "chirpstack-v4", eui), csUp, cs(`{"occupancy":"vacant","battery":92}`), []string{"occupancy false @09:29:58", "status true 92 @09:29:58"}, ""},
		{"VS340 another word", device(desk, "chirpstack-v4", eui), csUp, cs(`{"occupancy":"maybe"}`), nil, "occupancy: must be one of the words"},
		{"VS350 with late data", device(fc, "chirpstack-v4", eui), csUp, cs(`{"total_in":90,"total_out":88,"period_in":2,"period_out":1,"history":[{"timestamp":1795161600,"period_in":4,"period_out":0}]}`),
			[]string{"flow 2/1 of 90/88 @09:29:58", "status true - @09:29:58"}, ""}, // totals tell of the time that was lost
		{"VS350 with late data and no totals", device(fc, "chirpstack-v4", eui), csUp, cs(`{"period_in":2,"period_out":1,"history":[{"timestamp":1795161600,"period_in":4,"period_out":0}]}`),
			[]string{"flow 2/1 @09:29:58", "status true - @09:29:58", "flow 4/0 @08:00:00"}, ""},
		{"WS202 is motion", device(oc, "chirpstack-v4", eui), csUp, cs(`{"pir":"trigger","daylight":"light"}`), []string{"occupancy true @09:29:58", "status true - @09:29:58"}, ""},
		{"WS203 history", device(oc, "chirpstack-v4", eui), csUp, cs(`{"occupancy":"occupied","history":[{"timestamp":1795161600,"report_type":"pir occupancy","occupancy":"vacant"}]}`),
			[]string{"occupancy true @09:29:58", "status true - @09:29:58", "occupancy false @08:00:00"}, ""},
		{"WS301", device(dc, "chirpstack-v4", eui), csUp, cs(`{"magnet_status":"closed"}`), []string{"door closed @09:29:58", "status true - @09:29:58"}, ""},
		{"EM300-MCS", device(dc, "chirpstack-v4", eui), csUp, cs(`{"door":"open","temperature":19}`), []string{"door open @09:29:58", "air - 19 - @09:29:58", "status true - @09:29:58"}, ""},
		{"AM307", device(air, "chirpstack-v4", eui), csUp, cs(`{"co2":800.0,"temperature":21.0,"humidity":41.0,"pir":"trigger"}`), []string{"air 800 21 41 @09:29:58", "status true - @09:29:58"}, ""},
		{"Browan occupied, volts are no percent", device(oc, "ttn-v3", "vs133-door"), ttnUp, ttn(`{"status":1,"time":0,"count":120,"battery":3.1}`), []string{"occupancy true @09:29:57"}, ""},
		{"Browan free, zero left out", device(oc, "ttn-v3", "vs133-door"), ttnUp, ttn(`{"time":61,"count":120,"battery":3.1}`), []string{"occupancy false @09:29:57"}, ""},
		{"Elsys needs to be told", device(oc, "ttn-v3", "vs133-door"), ttnUp, ttn(`{"occupancy":1,"motion":4}`), nil, "the setting occupied"},
		{"Elsys", device(oc, "ttn-v3", "vs133-door", "occupied", "1, 2"), ttnUp, ttn(`{"occupancy":2,"motion":4}`), []string{"occupancy true @09:29:57"}, ""},
		{"Elsys triggers are no people", device(pc, "ttn-v3", "vs133-door", "occupied", "2"), ttnUp, ttn(`{"occupancy":2,"motion":4}`), nil, ""},
		{"IMBuildings needs to be told", device(fc, "ttn-v3", "vs133-door"), ttnUp, ttn(`{"counter_a":3,"counter_b":1}`), nil, "the setting in"},
		{"IMBuildings", device(fc, "ttn-v3", "vs133-door", "in", "b"), ttnUp, ttn(`{"counter_a":3,"counter_b":1,"total_counter_a":300,"total_counter_b":290,"payload_counter":255}`), []string{"flow 1/3 of 290/300 @09:29:57"}, ""},
		{"ChirpStack without a codec", device(pc, "chirpstack-v4", eui), csUp, `{"deduplicationId":"x","time":"2026-11-20T09:29:58Z","data":"AXU="}`, nil, "needs a codec"},
		{"ChirpStack's own log", device(pc, "chirpstack-v4", eui), strings.Replace(csUp, "/up", "/log", 1), `{"level":"ERROR"}`, nil, ""},
		{"ChirpStack join", device(pc, "chirpstack-v4", eui), strings.Replace(csUp, "/up", "/join", 1), `{"deduplicationId":"x","time":"2026-11-20T09:29:58Z"}`, []string{"status true - @09:29:58"}, ""},
		{"ChirpStack battery", device(pc, "chirpstack-v4", eui), strings.Replace(csUp, "/up", "/status", 1), `{"deduplicationId":"x","time":"2026-11-20T09:29:58Z","batteryLevel":12.5}`, []string{"status true 12.5 @09:29:58"}, ""},
		{"TTN for the network alone", device(pc, "ttn-v3", "vs133-door"), ttnUp, `{"uplink_message":{"f_cnt":1}}`, nil, ""},

		{"Shelly presence", device(oc, "shelly-gen2", "lobby"), "lobby/events/rpc", `{"method":"NotifyEvent","params":{"events":[{"component":"presencezone:200","event":"presence","value":true,"ts":1795166998.5}]}}`, []string{"occupancy true @09:29:58"}, ""},
		{"Shelly event without a value changes nothing", device(oc, "shelly-gen2", "lobby"), "lobby/events/rpc", `{"method":"NotifyEvent","params":{"events":[{"component":"presencezone:200","event":"presence","ts":1795166998.5}]}}`, nil, ""},
		{"Shelly count", device(pc, "shelly-gen2", "lobby"), "lobby/events/rpc", `{"method":"NotifyEvent","params":{"events":[{"component":"presencezone:200","event":"counter","num_objects":2,"ts":1795166998}]}}`, []string{"count 2 @09:29:58"}, ""},
		{"Shelly zones", device(pc, "shelly-gen2", "lobby"), "lobby/events/rpc", `{"method":"NotifyEvent","params":{"events":[{"component":"presencezone:200","event":"counter","num_objects":2,"ts":1},{"component":"presencezone:201","event":"counter","num_objects":1,"ts":1}]}}`, nil, "the setting component"},
		{"Shelly status, a zone gone", device(oc, "shelly-gen2", "lobby", "component", "presencezone:200"), "lobby/events/rpc", `{"method":"NotifyStatus","params":{"ts":1795166998,"presencezone:200":null,"wifi":{"rssi":-60}}}`, []string{"status true - @09:29:58"}, ""},
		{"Shelly state", device(oc, "shelly-gen2", "lobby"), "lobby/status/presencezone:200", `{"id":200,"value":false}`, []string{"occupancy false"}, ""},
		{"Shelly offline", device(oc, "shelly-gen2", "lobby"), "lobby/online", `false`, []string{"status false -"}, ""},

		{"Tasmota card", device(rd, "tasmota", "door"), "tele/door/SENSOR", `{"Time":"2026-11-20T10:29:58","PN532":{"UID":"04A1B2C3","DATA":"admin"}}`, []string{"badge 04A1B2C3"}, ""},
		{"Tasmota local time", device(rd, "tasmota", "door", "timezone", "Europe/Paris"), "tele/door/SENSOR", `{"Time":"2026-11-20T10:29:58","RC522":{"UID":"04A1B2C3D4E5F6"}}`, []string{"badge 04A1B2C3D4E5F6 @09:29:58"}, ""},
		{"Tasmota refused card", device(rd, "tasmota", "door"), "tele/door/SENSOR", `{"PN532":{"UID":"04A1B2C3","Auth":"NOk"}}`, nil, "could not authenticate"},
		{"Tasmota without its leading zeros", device(rd, "tasmota", "door"), "tele/door/SENSOR", `{"PN532":{"UID":"4A1B2C3"}}`, nil, "ambiguous"},
		{"Tasmota switch", device(oc, "tasmota", "hall"), "tele/hall/SENSOR", `{"Time":"1970-01-01T00:00:07","Switch1":"ON"}`, []string{"occupancy true"}, ""},
		{"Tasmota switches", device(oc, "tasmota", "hall"), "tele/hall/SENSOR", `{"Switch1":"ON","Switch2":"OFF"}`, nil, "the setting switch"},
		{"Tasmota Zigbee", device(oc, "tasmota", "hall"), "tele/hall/SENSOR", `{"ZbReceived":{"0x4F2E":{"Device":"0x4F2E","Occupancy":1}}}`, []string{"occupancy true"}, ""},
		{"Tasmota air", device(air, "tasmota", "hall"), "tele/hall/SENSOR", `{"SCD40":{"CarbonDioxide":711,"Temperature":20.5,"Humidity":44},"TempUnit":"C"}`, []string{"air 711 20.5 44"}, ""},
		{"Tasmota will", device(oc, "tasmota", "hall"), "tele/hall/LWT", `Offline`, []string{"status false -"}, ""},

		{"ESPHome on", device(oc, "esphome", "lobby/binary_sensor/pir"), "lobby/binary_sensor/pir/state", `ON`, []string{"occupancy true"}, ""},
		{"ESPHome door", device(dc, "esphome", "lobby/binary_sensor/door"), "lobby/binary_sensor/door/state", `ON`, []string{"door open"}, ""},
		{"ESPHome number", device(air, "esphome", "lobby/sensor/co2", "value", "co2"), "lobby/sensor/co2/state", `640.2`, []string{"air 640.2 - -"}, ""},
		{"ESPHome not measured", device(air, "esphome", "lobby/sensor/co2", "value", "co2"), "lobby/sensor/co2/state", `nan`, nil, ""},

		{"esp-rfid knows", device(rd, "esp-rfid", "lock"), "lock/send", `{"type":"access","time":1795166998,"isKnown":"true","access":"Always","username":"Zoé","uid":"04a1b2c3","hostname":"lock"}`, []string{"badge 04A1B2C3 offline=true @09:29:58"}, ""},
		{"esp-rfid knows and refuses", device(rd, "esp-rfid", "lock"), "lock/send", `{"type":"access","time":1795166998,"isKnown":"true","access":"Disabled","username":"Zoé","uid":"04a1b2c3"}`, []string{"badge 04A1B2C3 offline=false @09:29:58"}, ""},
		{"esp-rfid asks", device(rd, "esp-rfid", "lock"), "lock/send", `{"type":"access","time":1795166998,"isKnown":"false","access":"Denied","username":"Unknown","uid":"04a1b2c3"}`, []string{"badge 04A1B2C3 @09:29:58"}, ""},
		{"esp-rfid doors", device(rd, "esp-rfid", "lock", "doorname", "B"), "lock/send", `{"type":"access","time":1795166998,"isKnown":"true","access":["Disabled","Always"],"doorName":["A","B"],"uid":"04a1b2c3"}`, []string{"badge 04A1B2C3 offline=true @09:29:58"}, ""},
		{"esp-rfid door", device(rd, "esp-rfid", "lock"), "lock/send", `{"type":"INFO","src":"door","desc":"Door Closed","time":1795166998}`, []string{"door closed @09:29:58"}, ""},
		{"esp-rfid unknown word", device(rd, "esp-rfid", "lock"), "lock/send", `{"type":"access","time":1795166998,"isKnown":"true","access":"Perhaps","uid":"04a1b2c3"}`, nil, "access"},

		{"json", mapped(device(pc, "json", "any/topic", "time", "unix"), "count", "$.people[0].n", "at", "$['when at']"), "any/topic", `{"people":[{"n":5}],"when at":1795166998}`, []string{"count 5 @09:29:58"}, ""},
		{"json words", mapped(device(oc, "json", "t", "true", "busy, 1", "false", "free,0"), "occupied", "$.s"), "t", `{"s":"Busy"}`, []string{"occupancy true"}, ""},
		{"json another word", mapped(device(oc, "json", "t", "true", "busy", "false", "free"), "occupied", "$.s"), "t", `{"s":"?"}`, nil, "occupied: is not one of the words"},
		{"json bare value", mapped(device(pc, "json", "t"), "count", "$"), "t", `7`, []string{"count 7"}, ""},
		{"json nothing said", mapped(device(pc, "json", "t"), "count", "$.n"), "t", `{"m":7}`, nil, ""},
		{"json wrong type", mapped(device(pc, "json", "t"), "count", "$.n"), "t", `{"n":"seven"}`, nil, "count: is not a number"},
		{"a value beside the main one is dropped alone", device(oc, "zigbee2mqtt", z2m), z2m, `{"occupancy":true,"battery":255,"temperature":"warm"}`, []string{"occupancy true"}, ""},
		{"to a device of the air it is the main one", device(air, "zigbee2mqtt", z2m), z2m, `{"temperature":"warm"}`, nil, "temperature: is not a number"},
		{"what the bridge remembers holds from then", device(oc, "zigbee2mqtt", z2m), z2m, `{"occupancy":true,"last_seen":"2026-11-20T04:29:58Z"}`, []string{"occupancy true @04:29:58"}, ""},
		{"the bridge's own no is news", device(oc, "zigbee2mqtt", z2m), z2m, `{"occupancy":false,"last_seen":1795148998000}`, []string{"occupancy false"}, ""},
		{"VS133 region whose zero is left out", device(pc, "ttn-v3", "vs133-door", "region", "2"), ttnUp, ttn(`{"region_1_count":6,"region_2_avg_dwell":3}`), []string{"count 0 @09:29:57"}, ""},
		{"VS121 line frame without in and out", device(fc, "chirpstack-v4", eui), csUp, cs(`{"people_count_max":7}`), []string{"flow 0/0 @09:29:58", "status true - @09:29:58"}, ""},
		{"Elsys vacant at TTN", device(oc, "ttn-v3", "vs133-door", "occupied", "1,2"), ttnUp, ttn(`{"temperature":21.5,"humidity":40}`), []string{"occupancy false @09:29:57", "air - 21.5 40 @09:29:57"}, ""},
		{"WS302", device(air, "chirpstack-v4", eui), csUp, cs(`{"LAeq":46.5,"LAFmax":60}`), []string{"air - - - @09:29:58", "status true - @09:29:58"}, ""},
		{"TBDW100 closed, zero left out", device(dc, "ttn-v3", "vs133-door"), ttnUp, ttn(`{"time":3,"count":9,"battery":3.4}`), []string{"door closed @09:29:57"}, ""},
		{"TTN simulated", device(fc, "ttn-v3", "vs133-door"), ttnUp, `{"simulated":true,"uplink_message":{"decoded_payload":{"people_in":3}}}`, nil, ""},
		{"digits alone may be two cards", device(rd, "esp-rfid", "lock"), "lock/send", `{"type":"access","time":1795166998,"isKnown":"false","uid":"16770365"}`, nil, "card-spelling"},
		{"digits that are hex", device(rd, "esp-rfid", "lock", "card", "hex"), "lock/send", `{"type":"access","time":1795166998,"isKnown":"false","uid":"16770365"}`, []string{"badge 16770365 @09:29:58"}, ""},
		{"digits that are decimal, the bytes the other way round", device(rd, "tasmota", "door", "card", "big"), "tele/door/SENSOR", `{"Wiegand":{"UID":3283263748,"Size":32}}`, []string{"badge C3B2A104"}, ""},
		{"separators make it hex", device(rd, "esphome", "lobby/sensor/tag", "card", "little"), "lobby/sensor/tag/state", `74-10-37-94`, []string{"badge 74103794"}, ""},
		{"a number in JSON is never hex", mapped(device(rd, "json", "t", "card", "hex"), "credential", "$.c"), "t", `{"c":16770365}`, nil, "card-spelling"},
		{"json records", mapped(device(fc, "json", "t", "time", "unix"), "in", "$.r[*].i", "out", "$.r[*].o", "at", "$.r[*].t"), "t", `{"r":[{"i":3,"o":1,"t":1795166990},{"i":1,"t":"1795166998"}]}`, []string{"flow 3/1 @09:29:50", "flow 1/0 @09:29:58"}, ""},
		{"json bare word", mapped(device(dc, "json", "t", "closed", "shut"), "door", "$"), "t", " shut\n", []string{"door closed"}, ""},
		{"json of another device", mapped(device(oc, "json", "t", "where", "$.id = 7"), "occupied", "$.on"), "t", `{"id":8,"on":true}`, nil, ""},
		{"json of this device", mapped(device(oc, "json", "t", "where", "$.id = 7"), "occupied", "$.on"), "t", `{"id":7.0,"on":"true"}`, []string{"occupancy true"}, ""},
		{"a clock in the future", mapped(device(pc, "json", "t"), "count", "$.n", "at", "$.t"), "t", `{"n":1,"t":"2031-01-01T00:00:00Z"}`, []string{"count 1"}, ""},
		{"a clock at 1970", mapped(device(pc, "json", "t"), "count", "$.n", "at", "$.t"), "t", `{"n":1,"t":"1970-01-01T00:00:09Z"}`, []string{"count 1"}, ""},
	} {
		got, err := says(t, c.d, c.topic, c.payload)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want …%s…", c.name, err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func mapped(d *catalogue.Device, pairs ...string) *catalogue.Device {
	d.Map = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		d.Map[pairs[i]] = pairs[i+1]
	}
	return d
}

// event returns a uhppoted event of controller 405419896, door 1, inwards.
func event(key, fields string) string {
	message := `{"event":{"event":{"device-id":405419896,"event-id":73,"door-id":1,"direction":1,"event-reason":1,"timestamp":"2026-11-20 10:29:58 CEST",` + fields + `}}}`
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return `{"message":` + message + `,"hmac":"` + hex.EncodeToString(mac.Sum(nil)) + `"}`
}

// unsigned returns such an event of a gateway that does not sign.
func unsigned(fields string) string {
	return `{"message":{"event":{"event":{"device-id":405419896,"event-id":73,"door-id":1,"direction":1,"timestamp":"2026-11-20 10:29:58 CEST",` + fields + `}}}}`
}

func TestUhppoteEvents(t *testing.T) {
	settings := []string{"controller", "405419896", "door", "1", "hmac_key", "k", "timezone", "Europe/Paris"}
	reader := device(catalogue.Reader, "uhppoted", "uhppoted", settings...)
	contact := device(catalogue.DoorContact, "uhppoted", "uhppoted", settings...)
	plain := device(catalogue.Reader,
		"uhppoted",
		"uhppoted",
		"controller",
		"405419896",
		"door",
		"1",
		"timezone",
		"Europe/Paris",
	)
	other := device(catalogue.Reader, "uhppoted", "uhppoted", "controller", "1", "door", "1")
	for _, c := range []struct {
		name    string
		d       *catalogue.Device
		payload string
		want    []string
		err     string
	}{
		{"a card, little-endian as dec:", reader, event("k", `"event-type":1,"card-number":3283263748,"access-granted":true`), []string{"badge 04A1B2C3 offline=true @09:29:58"}, ""},
		{"a card refused", reader, event("k", `"event-type":1,"card-number":3283263748,"access-granted":false`), []string{"badge 04A1B2C3 offline=false @09:29:58"}, ""},
		{"granted, as an event of the door", reader, event("k", `"event-type":2,"card-number":3283263748,"access-granted":true`), []string{"badge 04A1B2C3 offline=true @09:29:58"}, ""},
		{"refused without a direction", plain, strings.ReplaceAll(unsigned(`"event-type":1,"event-reason":6,"card-number":3283263748,"access-granted":false`), `"direction":1`, `"direction":0`), []string{"badge 04A1B2C3 offline=false @09:29:58"}, ""},
		{"the door opened", reader, event("k", `"event-type":1,"card-number":8,"access-granted":true`), nil, ""},
		{"a door that closes is not an entry", reader, event("k", `"event-type":2,"card-number":9,"access-granted":true`), nil, ""},
		{"a button", reader, event("k", `"event-type":1,"card-number":1,"access-granted":true`), nil, ""},
		{"a supervisor", reader, event("k", `"event-type":1,"card-number":10,"access-granted":true`), nil, ""},
		{"opened from afar", reader, event("k", `"event-type":1,"card-number":3922570474,"access-granted":true`), nil, ""},
		{"another controller", other, event("k", `"event-type":1,"card-number":3283263748,"access-granted":true`), nil, ""},
		{"a wrong hmac", reader, event("x", `"event-type":1,"card-number":3283263748,"access-granted":true`), nil, "hmac"},
		{"no hmac", reader, `{"message":{}}`, nil, "hmac"},
		{"a contact opens", contact, event("k", `"event-type":2,"card-number":8,"access-granted":true`), []string{"door open @09:29:58"}, ""},
		{"a contact closes", contact, event("k", `"event-type":2,"card-number":9,"access-granted":true`), []string{"door closed @09:29:58"}, ""},
	} {
		got, err := says(t, c.d, "uhppoted/events", c.payload)
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) ||
			c.err == "" && (err != nil || !slices.Equal(got, c.want)) {
			t.Errorf("%s: %q, %v, want %q %s", c.name, got, err, c.want, c.err)
		}
	}
}

func TestRepeatsHaveOneIDAndNothingElseHas(t *testing.T) {
	id := func(d *catalogue.Device, topic, payload string) string {
		m, err := foreign.Read(d, topic, []byte(payload), arrived)
		if err != nil || len(m) == 0 {
			t.Fatalf("%s: %v %v", topic, m, err)
		}
		return m[0].ID.String()
	}
	up := device(catalogue.PeopleCounter, "ttn-v3", "vs133-door")
	frame := ttn(`{"people_count_all":1}`)
	if a, b := id(up, ttnUp, frame), id(up, ttnUp, frame); a != b {
		t.Error("a frame sent again is another message")
	}
	if a, b := id(up, ttnUp, frame), id(up, ttnUp, strings.Replace(frame, "AX1", "AX2", 1)); a == b {
		t.Error("after a join, the same frame count is taken for a repeat")
	}
	reader := device(catalogue.Reader,
		"uhppoted",
		"uhppoted",
		"controller",
		"405419896",
		"door",
		"1",
		"timezone",
		"Europe/Paris",
	)
	card := event("k", `"event-type":1,"card-number":3283263748,"access-granted":true`)
	if a, b := id(reader, "uhppoted/events", card), id(reader, "uhppoted/events/live", card); a != b {
		t.Error("one event on two topics is two messages")
	}
	z := device(catalogue.Occupancy, "zigbee2mqtt", z2m)
	if a, b := id(z, z2m, `{"occupancy":true}`), id(z, z2m, `{"occupancy":true}`); a == b {
		t.Error("what has no id is a message each time it arrives")
	}
}

func TestForeignTopicsFindTheirDevices(t *testing.T) {
	n := catalogue.New(catalogue.Network{Devices: []catalogue.Device{
		*device(catalogue.Desk, "zigbee2mqtt", "zigbee2mqtt/ desk/7"),
		*device(catalogue.PeopleCounter, "chirpstack-v4", eui),
		*device(catalogue.FlowCounter, "chirpstack-v4", eui),
		*device(catalogue.PeopleCounter, "ttn-v3", "lorn/vs133-door"),
	}})
	f, err := foreign.New(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		topic   string
		devices int
		address string
		known   bool
	}{
		{"zigbee2mqtt/ desk/7", 1, "zigbee2mqtt/ desk/7", true},
		{"zigbee2mqtt/ desk/7/availability", 1, "zigbee2mqtt/ desk/7", true},
		{"zigbee2mqtt/ desk/7/set", 0, "", true},
		{"zigbee2mqtt/bridge/state", 0, "", true},
		{"zigbee2mqtt/new one", 0, "zigbee2mqtt/new one", true},
		{csUp, 2, eui, true},
		{strings.Replace(csUp, eui, "ffffffffffffffff", 1), 0, "ffffffffffffffff", true},
		{ttnUp, 1, "lorn/vs133-door", true},
		{"tele/x/SENSOR", 0, "", false},
		{"lights/on", 0, "", false},
	} {
		found, ok := f.Find(c.topic)
		if ok != c.known || len(found.Devices) != c.devices || found.Address != c.address {
			t.Errorf("%s: %+v %t", c.topic, found, ok)
		}
	}
	want := []string{
		"application/+/device/" + eui + "/event/+",
		"application/+/device/+/event/+",
		"v3/+/devices/+/+",
		"v3/lorn/devices/vs133-door/+",
		"zigbee2mqtt/ desk/7",
		"zigbee2mqtt/ desk/7/availability",
		"zigbee2mqtt/#",
	}
	slices.Sort(want)
	if got := f.Filters(); !reflect.DeepEqual(got, want) {
		t.Errorf("filters %q", got)
	}
}

func TestADevEUIMayBeWrittenAsOnTheLabel(t *testing.T) {
	for _, eui := range []string{"24e124148b001122", "24E124148B001122", "24-E1-24-14-8B-00-11-22", "24:e1:24:14:8b:00:11:22"} {
		d := device(catalogue.Desk, "chirpstack-v4", eui)
		f, err := foreign.New(catalogue.New(catalogue.Network{Devices: []catalogue.Device{*d}}))
		if err != nil {
			t.Error(err)
			continue
		}
		found, ok := f.Find("application/7/device/24e124148b001122/event/up")
		if !ok || len(found.Devices) != 1 {
			t.Errorf("%s: %+v", eui, found)
		}
		if want := []string{"application/+/device/24e124148b001122/event/+"}; !slices.Contains(f.Filters(), want[0]) {
			t.Errorf("%s: filters %q", eui, f.Filters())
		}
	}
}

func TestWrongSettingsAreToldAtTheStart(t *testing.T) {
	for _, d := range []*catalogue.Device{
		device(catalogue.Desk, "zigbee2mqtt", "desk 7"),
		device(catalogue.Desk, "zigbee2mqtt", z2m, "colour", "red"),
		device(catalogue.Desk, "zigbee2mqtt", z2m, "off_delay", "soon"),
		device(catalogue.Desk, "tasmota", "x", "timezone", "Mars/Base"),
		device(catalogue.Desk, "chirpstack-v4", "24E124148B00112"),
		device(catalogue.Reader, "uhppoted", "uhppoted", "door", "1"),
		device(catalogue.Air, "esphome", "a/sensor/b"),
		device(catalogue.Desk, "json", "t"),
		mapped(device(catalogue.Desk, "json", "t"), "people", "$.n"),
		mapped(device(catalogue.Desk, "json", "t"), "count", "$.n["),
		mapped(device(catalogue.Desk, "json", "t"), "count", "$.n"),
		mapped(device(catalogue.PeopleCounter, "json", "t", "where", "id=7"), "count", "$.n"),
		device(catalogue.Reader, "zigbee2mqtt", z2m),
		device(catalogue.FlowCounter, "tasmota", "x"),
		device(catalogue.DoorContact, "shelly-gen2", "x"),
		device(catalogue.Reader, "esp-rfid", "x", "card", "roman"),
		device(catalogue.Reader, "uhppoted", "uhppoted", "controller", "1", "door", "1"),
	} {
		if _, err := foreign.New(catalogue.New(catalogue.Network{Devices: []catalogue.Device{*d}})); err == nil {
			t.Errorf("%s %s %v %v starts", d.Adapter, d.Address, d.Settings, d.Map)
		}
	}
}

// adapters returns every adapter with a topic and payloads to begin from.
func adapters() map[string][]string {
	return map[string][]string{
		"zigbee2mqtt":   {z2m, `{"occupancy":true,"people":2,"contact":false}`, `online`},
		"chirpstack-v4": {csUp, cs(`{"people_count_all":3,"occupancy":"vacant","history":[{"timestamp":1,"period_in":2}]}`)},
		"ttn-v3":        {ttnUp, ttn(`{"line_1_total_in":3,"status":1,"time":2,"count":4}`)},
		"shelly-gen2": {
			"lobby/events/rpc",
			`{"method":"NotifyEvent","params":{"events":[{"component":"presencezone:200","event":"presence","value":true,"ts":1.5}]}}`,
		},
		"tasmota": {"tele/hall/SENSOR", `{"Time":"2026-11-20T10:29:58","PN532":{"UID":"04A1B2C3"},"Switch1":"ON"}`},
		"esphome": {"lobby/sensor/co2/state", `ON`, `12.5`},
		"esp-rfid": {
			"lock/send",
			`{"type":"access","time":1795166998,"isKnown":"true","access":["Always"],"username":"Zoé","uid":"04a1b2c3"}`,
		},
		"uhppoted": {"uhppoted/events", event("k", `"event-type":1,"card-number":3283263748,"access-granted":true`)},
		"json":     {"t", `{"n":5,"o":"yes","t":"2026-11-20T10:29:58Z"}`},
	}
}

// FuzzForeign: whatever real devices send, nothing panics, every message can
// be written and belongs to its device, and nobody's name comes through.
func FuzzForeign(f *testing.F) {
	names := catalogue.Adapters()
	for i, name := range names {
		seeds := adapters()[name]
		for _, p := range seeds[1:] {
			f.Add(i, uint8(0), seeds[0], []byte(p))
		}
	}
	kinds := catalogue.DeviceKinds()
	f.Fuzz(func(t *testing.T, adapter int, kind uint8, topic string, payload []byte) {
		name := names[((adapter%len(names))+len(names))%len(names)]
		d := device(
			kinds[int(kind)%len(kinds)],
			name,
			"a",
			"controller",
			"405419896",
			"door",
			"1",
			"timezone",
			"Europe/Paris",
			"value",
			"co2",
		)
		if name == "json" {
			mapped(d, "count", "$.n", "occupied", "$.o", "at", "$.t", "in", "$.a.b[0]", "credential", "$['c']")
		}
		messages, err := foreign.Read(d, topic, payload, arrived)
		if err != nil {
			return
		}
		for _, m := range messages {
			b, err := m.Encode()
			if err != nil {
				t.Fatalf("%s: %+v cannot be written: %v", name, m, err)
			}
			if m.Topic.Device != d.ID || !wire.CanSend(d.Kind, m.Topic.What) || m.At.After(arrived.Add(5*time.Minute)) {
				t.Errorf("%s: %+v", name, m)
			}
			if strings.Contains(string(b), "Zoé") {
				t.Errorf("%s: a name came through: %s", name, b)
			}
		}
	})
}

func TestTwoLinesThatTakeEachOthersMessagesAreAnError(t *testing.T) {
	region := func(n string) *catalogue.Device {
		return device(catalogue.PeopleCounter, "ttn-v3", "vs133-door", "region", n)
	}
	where := func(w string) *catalogue.Device {
		d := mapped(device(catalogue.Occupancy, "json", "t"), "occupied", "$.on")
		if w != "" {
			d.Settings["where"] = w
		}
		return d
	}
	for _, c := range []struct {
		name string
		a, b *catalogue.Device
		ok   bool
	}{
		{"the same line twice", region("1"), region("1"), false},
		{"two regions", region("1"), region("2"), true},
		{"two kinds of one box", region("1"), device(catalogue.Air, "ttn-v3", "vs133-door"), true},
		{"told apart by where", where("$.id = 1"), where("$.id = 2"), true},
		{"one without where takes the other's", where("$.id = 1"), where(""), false},
	} {
		a, b := *c.a, *c.b
		a.ID, b.ID = "a", "b"
		_, err := foreign.New(catalogue.New(catalogue.Network{Devices: []catalogue.Device{a, b}}))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
