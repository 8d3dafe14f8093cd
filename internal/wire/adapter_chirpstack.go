package wire

import (
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// chirpstackV4 reads ChirpStack 4's events: protobuf as JSON, in which what
// has its default is left out. The device's codec must decode: what it made
// is in object.
func chirpstackV4() adapter {
	return adapter{
		filters:   func(address string) []string { return []string{"application/+/device/" + address + "/event/+"} },
		everyone:  []string{"application/+/device/+/event/+"},
		addresses: chirpstackAddresses,
		settings:  loraSettings(),
		check: func(d *catalogue.Device) error {
			if len(d.Address) != 16 || strings.Trim(d.Address, "0123456789abcdef") != "" {
				return &FieldError{"address", "must be the DevEUI: 16 hex digits in lower case"}
			}
			return nil
		},
		read: readChirpstack,
	}
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
	if id, ok := l.word("deduplicationId"); ok {
		head.Key = event + " " + id // a join and the frame after it may never be taken for one
	}
	switch event {
	case "up":
		if !l.has("object") {
			return nil, &FieldError{"object", "is missing: the device's profile in ChirpStack needs a codec"}
		}
		head.RSSI = bestRSSI(l.objects("rxInfo"))
		return loraReadings(d, l.object("object"), head)
	case "status":
		if external := l.flag("externalPowerSource"); external == nil || !*external {
			head.Battery = l.percent("batteryLevel")
		}
		head.Online = ptr(true)
		return []Reading{head}, *l.err
	case "join":
		head.Online = ptr(true)
		return []Reading{head}, *l.err
	}
	return nil, nil
}

// bestRSSI is how well the nearest of the gateways heard it.
func bestRSSI(gateways []loose) *float64 {
	var best *float64
	for _, g := range gateways {
		if x := g.number("rssi"); x != nil && (best == nil || *x > *best) {
			best = x
		}
	}
	return best
}
