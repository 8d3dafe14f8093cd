package foreign

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// chirpstackV4 reads ChirpStack 4's events: protobuf as JSON, which leaves out
// default values. The device's codec must decode: its result is in object.
func chirpstackV4() adapter {
	return adapter{
		filters:   func(address string) []string { return []string{"application/+/device/" + address + "/event/+"} },
		everyone:  []string{"application/+/device/+/event/+"},
		addresses: chirpstackAddresses,
		settings:  loraSettings(),
		kinds: []catalogue.DeviceKind{
			catalogue.PeopleCounter,
			catalogue.FlowCounter,
			catalogue.Occupancy,
			catalogue.Desk,
			catalogue.Air,
			catalogue.DoorContact,
		},
		check: func(d *catalogue.Device) error {
			if eui := devEUI(d.Address); len(eui) != 16 || strings.Trim(eui, "0123456789abcdef") != "" {
				return fieldError("address", "must be the DevEUI: 16 hex digits")
			}
			return nil
		},
		spelling: devEUI,
		read:     readChirpstack,
	}
}

// devEUI returns a DevEUI as ChirpStack's topics have it. Labels and consoles write it in
// capitals, and in pairs, as 24-E1-24.
func devEUI(address string) string {
	return strings.NewReplacer("-", "", ":", "", " ", "").Replace(strings.ToLower(address))
}

func chirpstackAddresses(topic string) []string {
	p := strings.Split(topic, "/")
	if len(p) != 6 || p[0] != "application" || p[2] != "device" || p[4] != "event" || p[3] == "" {
		return nil
	}
	return []string{strings.ToLower(p[3])}
}

func readChirpstack(d *catalogue.Device, topic string, payload []byte, _ time.Time) ([]Reading, error) {
	l, err := parseLoose(payload)
	if err != nil {
		return nil, err
	}
	event := topic[strings.LastIndexByte(topic, '/')+1:]
	head := Reading{At: l.instant("time")}
	head.Key, head.Frame = chirpstackKey(l, event, head.At), event == "up"
	switch event {
	case "up":
		if !l.has("object") {
			return nil, fieldError("object", "is missing: the device's profile in ChirpStack needs a codec")
		}
		head.RSSI = bestRSSI(l.secondary().objects("rxInfo"))
		return loraReadings(d, l.object("object"), head)
	case "status":
		if external := l.flag("externalPowerSource"); external == nil || !*external {
			head.Battery = l.secondary().percent("batteryLevel")
		}
		head.Online = new(true)
		return []Reading{head}, *l.err
	case "join":
		head.Online = new(true)
		return []Reading{head}, *l.err
	}
	return nil, nil
}

// chirpstackKey returns a key that all copies of a frame share. Copies of a frame that is
// received on two channels, or sent again a minute later, have different
// deduplicationIds, but the same address, counter and bytes. Other frames have another
// key: a device that joined again has another address, and one whose counter started
// again sends other bytes, or sends hours later.
func chirpstackKey(l loose, event string, at time.Time) string {
	address, _ := l.secondary().word("devAddr")
	if event != "up" || address == "" {
		id, _ := l.word("deduplicationId")
		if id == "" {
			return ""
		}
		return event + " " + id // a join must never be taken for the frame after it
	}
	bytes, _ := json.Marshal([]any{l.fields["data"], l.fields["object"]}) // parsed JSON can always be encoded
	sum := sha256.Sum256(bytes)
	return fmt.Sprintf(
		"frame %s %d %x %d",
		address,
		orZero(l.secondary().total("fCnt")),
		sum[:12],
		at.Unix()/int64(frameMemory.Seconds()),
	)
}

// frameMemory is for how long the same frame counts as a copy.
const frameMemory = 6 * time.Hour

// bestRSSI returns the strongest reception among the gateways.
func bestRSSI(gateways []loose) *float64 {
	var best *float64
	for _, g := range gateways {
		if x := g.number("rssi"); x != nil && (best == nil || *x > *best) {
			best = x
		}
	}
	return best
}
