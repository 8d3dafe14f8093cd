package foreign

import (
	"errors"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// Filters returns the subscriptions for all foreign devices of the catalogue and
// for unknown ones of their families, sorted, without repeats.
func (f *Devices) Filters() []string {
	var list []string
	for i := range f.families {
		fam := &f.families[i]
		list = append(list, fam.everyone...)
		for address := range fam.devices {
			list = append(list, fam.filters(address)...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// FiltersOf returns the subscriptions for the devices that fit accepts and,
// with everyone, for unknown ones of their families.
func (f *Devices) FiltersOf(fits func(*catalogue.Device) bool, everyone bool) []string {
	var list []string
	for i := range f.families {
		fam := &f.families[i]
		for address, devices := range fam.devices {
			if !slices.ContainsFunc(devices, fits) {
				continue
			}
			list = append(list, fam.filters(address)...)
			if everyone {
				list = append(list, fam.everyone...)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Found is what a foreign topic belongs to.
type Found struct {
	Adapter string
	// Devices are those of the catalogue that it belongs to.
	Devices []*catalogue.Device
	// Address is the likeliest address that it belongs to; empty: it carries no
	// device's values (a bridge's own).
	Address string
	// Chatter is set where it carries nothing that a device measures:
	// discovery, logs. Chatterers are the devices that send it, where they are
	// known.
	Chatter    bool
	Chatterers []*catalogue.Device
}

// Find returns what a topic outside totem/v1 belongs to; ok is false where no
// family of the network has such topics.
func (f *Devices) Find(topic string) (found Found, ok bool) {
	for i := range f.families {
		fam := &f.families[i]
		list := fam.addresses(topic)
		for _, address := range list {
			if d := fam.devices[address]; len(d) > 0 {
				return Found{Adapter: fam.name, Devices: d, Address: address}, true
			}
		}
		if owners := fam.chatters(topic); owners != nil && found.Address == "" {
			return Found{Adapter: fam.name, Chatter: true, Chatterers: owners}, true
		}
		if !ok && slices.ContainsFunc(fam.everyone, func(filter string) bool { return wire.Covers(filter, topic) }) {
			found, ok = Found{Adapter: fam.name}, true
			if len(list) > 0 {
				found.Address = list[0]
			} else {
				found.Chatter = true
			}
		}
	}
	return found, ok
}

// chatters returns the devices for which a topic is chatter; nil: none.
func (f *family) chatters(topic string) (owners []*catalogue.Device) {
	if f.chatter == nil {
		return nil
	}
	for address, devices := range f.devices {
		if f.chatter(address, topic) {
			owners = append(owners, devices...)
		}
	}
	return owners
}

// Owners returns the devices that a foreign topic belongs to; known reports
// whether it is one of real devices at all.
func (f *Devices) Owners(topic string) (owners []*catalogue.Device, known bool) {
	found, ok := f.Find(topic)
	return append(found.Devices, found.Chatterers...), ok
}

// Commanded returns the devices that are opened by a message on the topic.
func (f *Devices) Commanded(topic string) []*catalogue.Device {
	var out []*catalogue.Device
	for i := range f.families {
		for _, devices := range f.families[i].devices {
			for _, d := range devices {
				if t, _, ok := Open(d); ok && t == topic {
					out = append(out, d)
				}
			}
		}
	}
	return out
}

// KindsOf returns the kinds of devices that could send a foreign payload, for
// whoever adds its device to the catalogue.
func KindsOf(adapter, address, topic string, payload []byte, received time.Time) []catalogue.DeviceKind {
	var out []catalogue.DeviceKind
	for _, k := range catalogue.DeviceKinds() {
		d := &catalogue.Device{
			ID:        "unknown",
			Site:      "unknown",
			Kind:      k,
			Direction: catalogue.In,
			Adapter:   adapter,
			Address:   address,
		}
		messages, err := Read(d, topic, payload, received)
		_, needsSetting := errors.AsType[*SettingError](err)
		tells := slices.ContainsFunc(messages, func(m *wire.Message) bool {
			return m.Topic.What != wire.Status && (m.Topic.What != wire.Air || k == catalogue.Air)
		})
		if tells || needsSetting {
			out = append(out, k)
		}
	}
	return out
}
