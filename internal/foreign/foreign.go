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
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/wire"
)

// Reading is the content of one message of a real device, before it becomes the
// messages of rules 2.3. Nil fields are absent, which is not false.
type Reading struct {
	// Key identifies the message among its repeats, within its device; empty:
	// the device sends nothing to recognise repeats by, and every arrival is a
	// message.
	Key string
	// KeyHasClock is set where the key contains the device's clock: without a
	// credible clock there is no key, as such a time repeats at each start.
	KeyHasClock bool
	// Frame is set where the key is a radio frame's: copies of it differ in how
	// they were received.
	Frame bool
	// History is set for a value from the past that the device may have sent
	// already.
	History bool
	// Live is set where the device sent it at once: its clock should be right.
	Live bool
	// At is the device's own clock; zero: it sends none, or one that cannot be
	// right (see Clock), and the arrival counts.
	At time.Time
	// ByArrival is set where At is the arrival.
	ByArrival bool

	Occupied  *bool
	Count     *int              // people now
	In, Out   *int              // since the last message
	Totals    *occupancy.Totals // lifetime totals: they tell what passed between two messages that both have them
	Door      wire.DoorState    // empty: none
	Badge     *wire.BadgeBody
	Air       wire.AirBody
	Online    *bool
	Firmware  *string
	Battery   *float64 // %
	RSSI      *float64 // dBm
	Uptime    *float64 // s
	Numbering *uint8   // a number that grows with each message, and wraps
}

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

// New indexes a network's devices and checks their settings.
func New(n *catalogue.Network) (*Devices, error) {
	f := &Devices{counting: map[*catalogue.Device]bool{}}
	controllers := map[string]bool{}
	for i := range n.Devices {
		d := &n.Devices[i]
		if d.Adapter == "" {
			continue
		}
		a, ok := adapterOf(d.Adapter)
		if !ok {
			return nil, fmt.Errorf("device %s: adapter %q is unknown", d.ID, d.Adapter)
		}
		if err := checkSettings(d, a); err != nil {
			return nil, err
		}
		if !slices.Contains(a.kinds, d.Kind) {
			return nil, fmt.Errorf("device %s: kind: the adapter %s cannot read what a %s sends", d.ID, d.Adapter, d.Kind)
		}
		fam := f.family(d.Adapter, a)
		if other := taker(d, fam.devices[d.Address]); other != "" {
			return nil, fmt.Errorf("device %s: address: device %s takes the same messages; distinguish them by a setting", d.ID, other)
		}
		fam.devices[d.Address] = append(fam.devices[d.Address], d)
		if controller := d.Address + "\x00" + d.Settings[settingController]; d.Adapter == adapterUhppoted && !controllers[controller] {
			controllers[controller], f.counting[d] = true, true
		}
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

// taker returns a device that would take every message that another takes: of
// the same kind, with the same settings and map.
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
			list = append(list, fmt.Sprintf("device %s: settings.card: is missing: cards that this reader writes in digits alone will be rejected, since they may be hex or decimal; set hex, little or big", d.ID))
		}
	}
	return list
}

func checkSettings(d *catalogue.Device, a adapter) error {
	for name, value := range d.Settings {
		if !slices.Contains(commonSettings, name) && !slices.Contains(a.settings, name) {
			return fmt.Errorf("device %s: settings.%s: the adapter %s has no such setting", d.ID, name, d.Adapter)
		}
		if n, err := strconv.Atoi(value); name == SettingOffDelay && (err != nil || n < 1) {
			return fmt.Errorf("device %s: settings.%s: is not a whole number of seconds", d.ID, name)
		}
		if name == settingCard && !slices.Contains(cardSpellings(), value) {
			return fmt.Errorf("device %s: settings.%s: must be hex, little or big", d.ID, name)
		}
		if name == SettingTimezone {
			if _, err := time.LoadLocation(value); err != nil {
				return fmt.Errorf("device %s: settings.%s: %w", d.ID, name, err)
			}
		}
	}
	if a.check != nil {
		if err := a.check(d); err != nil {
			return fmt.Errorf("device %s: %w", d.ID, err)
		}
	}
	return nil
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

// Filters returns the subscriptions for all foreign devices, sorted, without
// repeats; with everyone also those for unknown devices.
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
		if !ok && slices.ContainsFunc(fam.everyone, func(filter string) bool { return Covers(filter, topic) }) {
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
func (f *family) chatters(topic string) []*catalogue.Device {
	if f.chatter == nil {
		return nil
	}
	for address, devices := range f.devices {
		if f.chatter(address, topic) {
			return devices
		}
	}
	return nil
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
		d := &catalogue.Device{ID: "unknown", Site: "unknown", Kind: k, Direction: catalogue.In, Adapter: adapter, Address: address}
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

// Covers reports whether an MQTT filter matches a topic.
func Covers(filter, topic string) bool {
	for {
		f, restF, moreF := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, restT, moreT := strings.Cut(topic, "/")
		if f != "+" && f != t || moreF != moreT && restF != "#" {
			return false
		}
		if !moreF || !moreT {
			return true
		}
		filter, topic = restF, restT
	}
}

// namespace is the UUID namespace of foreign messages' ids.
var namespace = uuid.MustParse("0c5a4a1e-90d3-5f4e-8a52-6d2f1f9a7c10")

// Read returns the messages of rules 2.3 for one foreign payload and one
// device. None: the message may be ignored. Errors are *FieldError.
func Read(d *catalogue.Device, topic string, payload []byte, received time.Time) ([]*wire.Message, error) {
	a, ok := adapterOf(d.Adapter)
	if !ok {
		return nil, fieldError("", "the device has no adapter")
	}
	readings, err := a.read(d, topic, payload, received)
	if err != nil {
		return nil, err
	}
	var out []*wire.Message
	for i := range readings {
		out = append(out, readings[i].messages(d, received)...)
	}
	return out, nil
}

// messages returns the part of a reading that a device of that kind can send.
func (r *Reading) messages(d *catalogue.Device, received time.Time) []*wire.Message {
	var out []*wire.Message
	r.believe(received)
	add := func(w wire.What, m wire.Message) {
		if !wire.CanSend(d.Kind, w) {
			return
		}
		m.Topic = wire.Topic{Site: d.Site, Device: d.ID, What: w}
		m.At, m.ByArrival, m.Counter = r.At, r.ByArrival, r.Numbering
		m.ID = r.id(d.ID, w)
		m.Frame, m.History, m.Live = r.Frame, r.History, r.Live
		out = append(out, &m)
	}
	if r.Badge != nil {
		add(wire.Badge, wire.Message{Badge: r.Badge})
	}
	if r.Door != "" {
		add(wire.Door, wire.Message{Door: r.Door})
	}
	if r.Occupied != nil {
		add(wire.Occupancy, wire.Message{Occupied: *r.Occupied})
	}
	if r.Count != nil {
		add(wire.Count, wire.Message{Count: *r.Count})
	}
	if r.In != nil && r.Out != nil || r.Totals != nil {
		add(wire.Flow, wire.Message{In: orZero(r.In), Out: orZero(r.Out), Totals: r.Totals})
	}
	if air := r.Air; air != (wire.AirBody{}) {
		add(wire.Air, wire.Message{Air: &air})
	}
	if s := r.status(); s != nil {
		add(wire.Status, wire.Message{Status: s, Explicit: r.Online != nil})
	}
	return out
}

// status returns what a reading says of the device itself. A device that sends
// anything but offline is online.
func (r *Reading) status() *wire.StatusBody {
	if r.Online == nil && r.Battery == nil && r.RSSI == nil && r.Uptime == nil && r.Firmware == nil {
		return nil
	}
	return &wire.StatusBody{Online: r.Online == nil || *r.Online, Battery: r.Battery, RSSI: r.RSSI, Uptime: r.Uptime, Firmware: r.Firmware}
}

// clockAhead is how far a message's clock may be ahead of its arrival (rules
// 2.9).
const clockAhead = 5 * time.Minute

// believe replaces a time that cannot be right by the arrival.
func (r *Reading) believe(received time.Time) {
	if !r.At.IsZero() && (r.At.Before(wire.Earliest) || r.At.After(received.Add(clockAhead))) {
		r.At, r.ByArrival = time.Time{}, true
	}
	if r.KeyHasClock && r.At.IsZero() {
		r.Key = ""
	}
	if r.At.IsZero() {
		r.At, r.ByArrival = received, true
	}
	r.At = r.At.UTC().Truncate(time.Millisecond)
}

// id derives a message's id from the reading's key; without a key it is new.
func (r *Reading) id(d catalogue.DeviceID, w wire.What) uuid.UUID {
	if r.Key == "" {
		return uuid.Must(uuid.NewV7())
	}
	return uuid.NewSHA1(namespace, []byte(strings.Join([]string{string(d), string(w), r.Key}, "\x00")))
}
