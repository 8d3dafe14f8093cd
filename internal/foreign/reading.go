package foreign

import (
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
	return &wire.StatusBody{
		Online:   r.Online == nil || *r.Online,
		Battery:  r.Battery,
		RSSI:     r.RSSI,
		Uptime:   r.Uptime,
		Firmware: r.Firmware,
	}
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
