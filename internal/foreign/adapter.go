package foreign

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// adapter reads the payloads of one family of devices. All adapters are strict:
// what cannot be read for certain is an error, what may be ignored gives no
// reading.
type adapter struct {
	// filters returns the MQTT subscriptions for a device with an address.
	filters func(address string) []string
	// everyone returns the subscriptions for devices that are not in the
	// catalogue; none where they would match half of a broker's topics.
	everyone []string
	// addresses returns the addresses that a topic may belong to, the likeliest
	// first; none: the topic is not of this family, or carries no device's
	// values (a bridge's own).
	addresses func(topic string) []string
	// chatter reports whether a topic carries something else that a device at
	// the address, or its family, is known to send: it is ignored, whatever its
	// size. May be nil.
	chatter func(address, topic string) bool
	// kinds lists the kinds of devices that the adapter can read.
	kinds []catalogue.DeviceKind
	// settings lists the names that Device.Settings may have.
	settings []string
	// spelling returns an address of the catalogue as the family's topics have it. May
	// be nil: as it is.
	spelling func(address string) string
	// check returns what is wrong with a device of the catalogue; may be nil.
	check func(d *catalogue.Device) error
	// read parses one payload for one device of its address: several devices
	// may share one, and each is asked for what its kind can send. Errors are
	// *FieldError and never repeat a value.
	read func(d *catalogue.Device, topic string, payload []byte, received time.Time) ([]Reading, error)
}

// adapterOf returns the adapter with a name in the catalogue.
func adapterOf(name string) (adapter, bool) {
	switch name {
	case "zigbee2mqtt":
		return zigbee2mqtt(), true
	case "chirpstack-v4":
		return chirpstackV4(), true
	case "ttn-v3":
		return ttnV3(), true
	case "shelly-gen2":
		return shellyGen2(), true
	case "tasmota":
		return tasmota(), true
	case "esphome":
		return esphome(), true
	case "esp-rfid":
		return espRFID(), true
	case "uhppoted":
		return uhppoted(), true
	case catalogue.AdapterJSON:
		return jsonAdapter(), true
	}
	return adapter{}, false
}

// commonSettings are known to every adapter: the seconds after which a motion
// sensor that never reports off is off, the zone of a clock without offset, and
// how a reader spells cards.
var commonSettings = []string{SettingOffDelay, SettingTimezone, settingCard}
