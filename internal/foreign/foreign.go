// Package foreign reads the payloads of real devices that do not speak Totem's own
// messages (docs/devices.md): an adapter for each family makes the messages of rules
// 2.3 of them.
//
//	devices, err := foreign.New(network)         // checks settings
//	found, ok := devices.Find("tele/pir/SENSOR") // whose topic it is
//	messages, err := devices.Read(found.Devices[0], topic, payload, time.Now())
//
// It never guesses: what cannot be read for certain is an error that names the key,
// and never its value.
package foreign

import (
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// Settings that more than one adapter knows.
const (
	SettingOffDelay = catalogue.SettingOffDelay
	SettingTimezone = "timezone"
)

// Understood reports whether messages contain anything that a device of that
// kind is there for; news of the device itself (that it is online) is also
// enough.
func Understood(d *catalogue.Device, messages []*wire.Message) bool {
	return slices.ContainsFunc(messages, func(m *wire.Message) bool {
		switch m.Topic.What {
		case wire.Status:
			return m.Explicit
		case wire.Air:
			return d.Kind == catalogue.Air
		}
		return true
	})
}
