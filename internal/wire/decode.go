package wire

import (
	"math"

	"github.com/google/uuid"
)

// Decode parses the payload of a device's message. It ignores fields that rules
// 2.3 does not name; those that it names must be as it says. Errors are
// *FieldError.
func Decode(t Topic, payload []byte) (*Message, error) {
	f, err := parseObject(payload)
	if err != nil {
		return nil, err
	}
	m := &Message{Topic: t}
	f.head(m)
	f.body(m)
	if f.err != nil {
		return nil, f.err
	}
	return m, nil
}

// head reads the fields that every message has.
func (o *object) head(m *Message) {
	will := m.Topic.What == Status && !o.has("id") && !o.has("at")
	if !will {
		m.ID, m.At = o.uuid("id"), o.instant("at")
		if o.err == nil && m.ID == uuid.Nil {
			o.fail("id", "must not be the nil UUID")
		}
	}
	if o.has("seq") {
		m.HasSeq, m.Seq = true, uint64(o.count("seq", math.MaxInt64))
	}
	if o.has("boot") {
		m.Boot = o.uuid("boot")
	}
}

func (o *object) body(m *Message) {
	switch m.Topic.What {
	case Badge:
		m.Badge = o.badge()
	case Door:
		m.Door = DoorState(o.text("state"))
		switch m.Door {
		case DoorOpen, DoorClosed, DoorForced, DoorHeld:
		default:
			o.fail("state", "must be open, closed, forced or held")
		}
	case Occupancy:
		m.Occupied = o.flag("occupied")
	case Count:
		m.Count = int(o.count("count", MostPeople))
	case Flow:
		m.In, m.Out = int(o.count("in", MostPeople)), int(o.count("out", MostPeople))
	case Air:
		m.Air = &AirBody{o.number("co2_ppm"), o.number("temperature_c"), o.number("humidity_pct"), o.number("noise_db")}
		if *m.Air == (AirBody{}) {
			o.fail("", "must have one of co2_ppm, temperature_c, humidity_pct, noise_db")
		}
	case Status:
		m.Status = o.status()
	default:
		o.fail("", "is not a message that a device sends")
	}
}

func (o *object) badge() *BadgeBody {
	b := &BadgeBody{}
	raw := o.text("credential")
	if o.err != nil {
		return b
	}
	c, err := ParseCredential(raw)
	if err != nil {
		o.fail("credential", err.Error())
	}
	b.Credential = c
	if !o.has("offline") {
		return b
	}
	inner, err := parseObject(o.fields["offline"])
	if err != nil {
		o.fail("offline", err.Error())
		return b
	}
	inner.prefix = "offline."
	b.Offline = &Offline{Granted: inner.flag("granted"), Reason: inner.text("reason"), List: inner.version("list")}
	if inner.err != nil && o.err == nil {
		o.err = inner.err
	}
	return b
}

func (o *object) status() *StatusBody {
	s := &StatusBody{
		Online:  o.flag("online"),
		Battery: o.number("battery_pct"),
		RSSI:    o.number("rssi_dbm"),
		Uptime:  o.number("uptime_s"),
	}
	if o.has("firmware") {
		v := o.text("firmware")
		s.Firmware = &v
	}
	if o.has("list") {
		v := o.version("list")
		s.List = &v
	}
	if o.has("lists") {
		s.Lists = new(int(o.count("lists", maxListForm)))
	}
	if o.has("keys") {
		s.Keys = o.texts("keys")
	}
	if o.has("obeyed") {
		s.Obeyed = new(o.uuid("obeyed"))
	}
	return s
}
