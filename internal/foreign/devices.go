package foreign

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// Devices knows which devices of a network use which adapter at which address.
// It is immutable and safe for concurrent use.
type Devices struct {
	families []family
	counting map[*catalogue.Device]bool // the devices by which a controller's numbers are followed
}

type family struct {
	name string
	adapter
	devices map[string][]*catalogue.Device // by address
}

// New indexes a network's devices and checks their settings. All faults are reported at
// once, each a *catalogue.Error.
func New(n *catalogue.Network) (*Devices, error) {
	f := &Devices{counting: map[*catalogue.Device]bool{}}
	controllers := map[string]bool{}
	var faults []*catalogue.Error
	for i := range n.Devices {
		d := &n.Devices[i]
		if d.Adapter == "" {
			continue
		}
		fail := func(field, format string, args ...any) {
			faults = append(faults, n.DeviceFault(d.ID, field, fmt.Sprintf(format, args...)))
		}
		a, ok := adapterOf(d.Adapter)
		if !ok {
			fail("adapter", "%q is unknown", d.Adapter)
			continue
		}
		checkSettings(d, a, fail)
		if !slices.Contains(a.kinds, d.Kind) {
			fail("kind", "the adapter %s cannot read what a %s sends", d.Adapter, d.Kind)
		}
		fam := f.family(d.Adapter, a)
		address := d.Address
		if a.spelling != nil {
			address = a.spelling(address)
		}
		if other := taker(d, fam.devices[address]); other != "" {
			fail("address", "device %s takes the same messages; distinguish them by a setting", other)
		}
		fam.devices[address] = append(fam.devices[address], d)
		if controller := address + "\x00" + d.Settings[settingController]; d.Adapter == adapterUhppoted &&
			!controllers[controller] {
			controllers[controller], f.counting[d] = true, true
		}
	}
	if err := catalogue.Report(faults); err != nil {
		return nil, err
	}
	return f, nil
}

// Read returns the messages of rules 2.3 for one foreign payload and one device
// of the network (Read). One device of each controller that numbers its
// events also carries each number, so that a missing one is noticed.
func (f *Devices) Read(d *catalogue.Device, topic string, payload []byte, received time.Time) ([]*wire.Message, error) {
	messages, err := Read(d, topic, payload, received)
	if err != nil || !f.counting[d] {
		return messages, err
	}
	if boot, n, ok := uhppotedNumber(d, payload); ok {
		r := Reading{Key: fmt.Sprintf("number %s %d", boot, n), Online: new(true)}
		for _, m := range r.messages(d, received) {
			m.Boot, m.Seq, m.HasSeq, m.Frame = boot, n, true, true
			messages = append(messages, m)
		}
	}
	return messages, nil
}

// taker returns the id of another device at the address that would read the same messages
// as d: one of the same kind and direction, with the same settings and map. It returns ""
// if there is none.
func taker(d *catalogue.Device, others []*catalogue.Device) catalogue.DeviceID {
	for _, o := range others {
		if o.Kind == d.Kind && o.Direction == d.Direction && o.Settings[settingWhere] == d.Settings[settingWhere] &&
			maps.Equal(o.Settings, d.Settings) && maps.Equal(o.Map, d.Map) {
			return o.ID
		}
		// A line without where would take the messages of a line with where.
		if d.Adapter == catalogue.AdapterJSON && o.Kind == d.Kind && o.Direction == d.Direction && maps.Equal(o.Map, d.Map) &&
			(o.Settings[settingWhere] == "" || d.Settings[settingWhere] == "") {
			return o.ID
		}
	}
	return ""
}

// Warnings returns what may be wrong with a network's real devices without
// being an error.
func Warnings(n *catalogue.Network) []string {
	var list []string
	for i := range n.Devices {
		d := &n.Devices[i]
		if d.Kind == catalogue.Reader && d.Adapter != "" && d.Adapter != adapterUhppoted && d.Settings[settingCard] == "" {
			list = append(list,
				fmt.Sprintf(
					"device %s: settings.card: is missing: cards that this reader writes in digits alone will be rejected, since they may be hex or decimal; set hex, little or big",
					d.ID,
				),
			)
		}
	}
	return list
}

// checkSettings calls fail for each fault in a device's settings.
func checkSettings(d *catalogue.Device, a adapter, fail func(field, format string, args ...any)) {
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		value, field := d.Settings[name], "settings."+name
		switch {
		case !slices.Contains(commonSettings, name) && !slices.Contains(a.settings, name):
			known := append(slices.Clone(commonSettings), a.settings...)
			fail(field, "the adapter %s has no such setting%s", d.Adapter, catalogue.Suggestion(name, known))
		case name == SettingOffDelay:
			if n, err := strconv.Atoi(value); err != nil || n < 1 {
				fail(field, "is not a whole number of seconds")
			}
		case name == settingCard:
			if !slices.Contains(cardSpellings(), value) {
				fail(field, "must be hex, little or big")
			}
		case name == SettingTimezone:
			if _, err := time.LoadLocation(value); err != nil {
				fail(field, "%s", err)
			}
		}
	}
	if a.check == nil {
		return
	}
	if err := a.check(d); err != nil {
		field, msg := "adapter", err.Error()
		if at, ok := errors.AsType[*wire.FieldError](err); ok {
			field, msg = at.Field, at.Msg
		}
		fail(field, "%s", msg)
	}
}

func (f *Devices) family(name string, a adapter) *family {
	for i := range f.families {
		if f.families[i].name == name {
			return &f.families[i]
		}
	}
	f.families = append(f.families, family{name: name, adapter: a, devices: map[string][]*catalogue.Device{}})
	return &f.families[len(f.families)-1]
}
