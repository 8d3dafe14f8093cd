package foreign

import (
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

const adapterTTN = "ttn-v3"

// ttnV3 reads The Things Stack's messages, which leave out zeros, false and
// empty texts. A frame's key contains the session's, since a join starts the
// frame counter again.
func ttnV3() adapter {
	return adapter{
		filters: func(address string) []string {
			if app, id, ok := strings.Cut(address, "/"); ok {
				return []string{"v3/" + app + "/devices/" + id + "/+"}
			}
			return []string{"v3/+/devices/" + address + "/+"}
		},
		everyone:  []string{"v3/+/devices/+/+"},
		addresses: ttnAddresses,
		settings:  loraSettings(),
		kinds: []catalogue.DeviceKind{
			catalogue.PeopleCounter,
			catalogue.FlowCounter,
			catalogue.Occupancy,
			catalogue.Desk,
			catalogue.Air,
			catalogue.DoorContact,
		},
		read: readTTN,
	}
}

// ttnAddresses: a device is known by its id or, where two applications have the
// same id, by app/id.
func ttnAddresses(topic string) []string {
	p := strings.Split(topic, "/")
	if len(p) < 5 || p[0] != "v3" || p[2] != "devices" || p[3] == "" {
		return nil
	}
	app, _, _ := strings.Cut(p[1], "@")
	return []string{p[1] + "/" + p[3], app + "/" + p[3], p[3]}
}

func readTTN(d *catalogue.Device, topic string, payload []byte, _ time.Time) ([]Reading, error) {
	l, err := parseLoose(payload)
	if err != nil {
		return nil, err
	}
	switch topic[strings.LastIndexByte(topic, '/')+1:] {
	case "join":
		r := Reading{At: l.instant("received_at"), Online: new(true)}
		if id := l.object("join_accept"); id.has("session_key_id") {
			key, _ := id.word("session_key_id")
			r.Key = "join " + key
		}
		return []Reading{r}, *l.err
	case "up":
		return ttnUplink(d, l)
	}
	return nil, nil
}

func ttnUplink(d *catalogue.Device, l loose) ([]Reading, error) {
	if simulated := l.flag("simulated"); simulated != nil && *simulated { // typed into the console: nobody passed
		return nil, *l.err
	}
	up := l.object("uplink_message")
	if !up.has("decoded_payload") {
		if !up.has("frm_payload") { // a frame for the network alone
			return nil, *l.err
		}
		return nil, fieldError("uplink_message.decoded_payload", "is missing: the device needs a payload formatter")
	}
	head := Reading{At: ttnTime(l, up), RSSI: bestRSSI(up.secondary().objects("rx_metadata"))}
	eui, _ := l.object("end_device_ids").word("dev_eui")
	session, _ := up.word("session_key_id")
	if count := up.total("f_cnt"); eui != "" && session != "" {
		head.Frame = true
		head.Key = eui + " " + session + " " + uintText(orZero(count)) // the first frame's 0 is left out
	}
	return loraReadings(d, up.object("decoded_payload"), head)
}

// ttnTime returns the network's time of the frame, else the earliest of the
// servers'.
func ttnTime(l, up loose) time.Time {
	if t := up.object("settings").instant("time"); !t.IsZero() {
		return t
	}
	times := []time.Time{l.instant("received_at"), up.instant("received_at")}
	for _, g := range up.objects("rx_metadata") {
		times = append(times, g.instant("time"), g.instant("received_at"))
	}
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
