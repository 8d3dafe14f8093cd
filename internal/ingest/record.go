package ingest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/wire"
)

// Read is one badge at one reader with Totem's own answer to it.
type Read struct {
	Seq        int64 // number in the audit chain; the ledger sets it
	ID         uuid.UUID
	At         time.Time
	ReceivedAt time.Time
	Device     catalogue.DeviceID
	Door       catalogue.DoorID
	Direction  catalogue.Direction
	Credential tenancy.CredentialHash // zero once erased
	Subject    visit.Subject
	Granted    bool
	Reason     access.Reason
	Lease      tenancy.LeaseID
	OpenMS     int
	NotAfter   time.Time
	Numbered   *Numbered       // nil: the device does not number its messages
	Live       bool            // a reader that decides by itself reported it at once; not stored
	Reader     *ReaderDecision // what the reader did by itself; nil: it obeyed, or was never asked
}

// Moved reports whether the read moved somebody: what the reader did counts
// where it decided by itself.
func (r *Read) Moved() bool {
	if r.Reader != nil {
		return r.Reader.Granted
	}
	return r.Granted
}

// ReaderDecision is what a reader did without an answer in time (rules 3.5).
type ReaderDecision struct {
	Granted    bool
	Reason     string
	List       string
	ReceivedAt time.Time
}

// Observation is a message of a sensor, a door or a status. Body holds its
// values as JSON.
type Observation struct {
	Seq        int64
	ID         uuid.UUID
	At         time.Time
	ReceivedAt time.Time
	Device     catalogue.DeviceID
	What       wire.What
	Body       string // Values as JSON
}

// Values parses the body.
func (o *Observation) Values() (*Values, error) {
	v := &Values{}
	if err := json.Unmarshal([]byte(o.Body), v); err != nil {
		return nil, fmt.Errorf("read observation %d: %w", o.Seq, err)
	}
	return v, nil
}

// Numbered is the number that a device gives a message, counted since a boot.
type Numbered struct {
	Boot uuid.UUID
	Seq  uint64
}

// Values is what an observation says, under the field names of rules 2.3, as the
// ledger keeps it.
type Values struct {
	Seq         *uint64    `json:"seq,omitempty"`
	Boot        *uuid.UUID `json:"boot,omitempty"`
	State       string     `json:"state,omitempty"`
	Occupied    *bool      `json:"occupied,omitempty"`
	Count       *int       `json:"count,omitempty"`
	In          *int       `json:"in,omitempty"`
	Out         *int       `json:"out,omitempty"`
	CO2         *float64   `json:"co2_ppm,omitempty"`
	Temperature *float64   `json:"temperature_c,omitempty"`
	Humidity    *float64   `json:"humidity_pct,omitempty"`
	Noise       *float64   `json:"noise_db,omitempty"`
	Online      *bool      `json:"online,omitempty"`
	Firmware    *string    `json:"firmware,omitempty"`
	Battery     *float64   `json:"battery_pct,omitempty"`
	RSSI        *float64   `json:"rssi_dbm,omitempty"`
	Uptime      *float64   `json:"uptime_s,omitempty"`
	List        *string    `json:"list,omitempty"`
	Lists       *int       `json:"lists,omitempty"`
	Keys        *[]string  `json:"keys,omitempty"`
	Obeyed      *uuid.UUID `json:"obeyed,omitempty"`

	// Of foreign devices: a counter's lifetime totals, a number that wraps at
	// 256, and "arrival" where the device's own clock could not be believed.
	TotalIn  *uint64 `json:"total_in,omitempty"`
	TotalOut *uint64 `json:"total_out,omitempty"`
	Counter  *uint8  `json:"counter,omitempty"`
	Clock    string  `json:"clock,omitempty"`
}

// clockArrival marks a message whose at is its arrival.
const clockArrival = "arrival"

// Flow returns the values of a flow counter's message.
func (v *Values) Flow(at time.Time, id uuid.UUID) occupancy.FlowSaid {
	f := occupancy.FlowSaid{At: at, ID: id}
	if v.In != nil && v.Out != nil {
		f.In, f.Out = *v.In, *v.Out
	}
	if v.TotalIn != nil && v.TotalOut != nil {
		f.Totals = &occupancy.Totals{In: *v.TotalIn, Out: *v.TotalOut}
	}
	return f
}

// Value returns the value of a counter's, a desk's or a yes/no sensor's
// message: a count, or 1 and 0.
func (v *Values) Value(at time.Time, id uuid.UUID) (said occupancy.Said, ok bool) {
	said = occupancy.Said{At: at, ID: id}
	switch {
	case v.Count != nil:
		said.Value = *v.Count
	case v.Occupied == nil:
		return said, false
	case *v.Occupied:
		said.Value = 1
	}
	return said, true
}

// body encodes the values as JSON. The most frequent case, a single value of a
// sensor, is encoded by hand: reflection over all fields takes longer than its
// commit.
func (v *Values) body() ([]byte, error) {
	bare := Values{Count: v.Count, Occupied: v.Occupied}
	switch {
	case *v != bare:
	case v.Count != nil && v.Occupied == nil:
		return append(strconv.AppendInt([]byte(`{"count":`), int64(*v.Count), 10), '}'), nil
	case v.Occupied != nil && v.Count == nil:
		return append(strconv.AppendBool([]byte(`{"occupied":`), *v.Occupied), '}'), nil
	}
	return json.Marshal(v)
}

// numbered returns the device's own number of a message, nil where it has none.
func numbered(m *wire.Message) *Numbered {
	if !m.HasSeq || m.Boot == uuid.Nil {
		return nil
	}
	return &Numbered{Boot: m.Boot, Seq: m.Seq}
}

// values copies the measurements of a sensor's message.
func values(m *wire.Message) Values {
	var v Values
	if n := numbered(m); n != nil {
		v.Seq, v.Boot = &n.Seq, &n.Boot
	} else if m.Topic.What == wire.Status && m.Boot != uuid.Nil {
		v.Boot = &m.Boot
	}
	v.Counter = m.Counter
	if m.ByArrival {
		v.Clock = clockArrival
	}
	switch m.Topic.What {
	case wire.Door:
		v.State = string(m.Door)
	case wire.Occupancy:
		v.Occupied = &m.Occupied
	case wire.Count:
		v.Count = &m.Count
	case wire.Flow:
		v.In, v.Out = &m.In, &m.Out
		if m.Totals != nil {
			v.TotalIn, v.TotalOut = &m.Totals.In, &m.Totals.Out
		}
	case wire.Air:
		v.CO2, v.Temperature, v.Humidity, v.Noise = m.Air.CO2, m.Air.Temperature, m.Air.Humidity, m.Air.Noise
	case wire.Status:
		s := m.Status
		v.Online, v.Firmware, v.Battery, v.RSSI, v.Uptime, v.List = &s.Online, s.Firmware, s.Battery, s.RSSI, s.Uptime, s.List
		if v.Lists, v.Obeyed = s.Lists, s.Obeyed; s.Keys != nil {
			v.Keys = &s.Keys
		}
	}
	return v
}

// Reject is a rejected message, kept without what may be a card's number.
type Reject struct {
	Seq        int64
	ReceivedAt time.Time
	Topic      string
	Payload    []byte
	Reason     string
}

// AlarmKind is what an alarm is about.
type AlarmKind string

// The kinds of alarms. The pipeline and package live raise them.
const (
	AlarmGap             AlarmKind = "gap"
	AlarmOfflineMismatch AlarmKind = "offline-mismatch"
	AlarmAntiPassback    AlarmKind = "anti-passback"
	AlarmDoorForced      AlarmKind = "door-forced"
	AlarmDoorHeld        AlarmKind = "door-held"
	AlarmClock           AlarmKind = "clock"
	AlarmSilent          AlarmKind = "silent"
	AlarmStuck           AlarmKind = "stuck"
	AlarmCounterReset    AlarmKind = "counter-reset"
	AlarmBatteryLow      AlarmKind = "battery-low"
	AlarmImplausible     AlarmKind = "implausible"
	AlarmUnstorable      AlarmKind = "unstorable"
	AlarmCardSpelling    AlarmKind = "card-spelling"
	AlarmListTooLarge    AlarmKind = "list-too-large"
)

// Alarm asks for somebody's attention. Alarms with the same id are the same
// alarm: raising it again changes nothing, clearing sets ClearedAt.
type Alarm struct {
	ID             string
	Kind           AlarmKind
	Site           catalogue.SiteID
	Device         catalogue.DeviceID
	Door           catalogue.DoorID
	Space          catalogue.SpaceID
	Detail         string // contains no UID and no name
	Since          time.Time
	ClearedAt      *time.Time
	AcknowledgedBy string
}

// Act is an administrative act or a remote action, as the audit chain keeps it.
type Act struct {
	Seq    int64
	At     time.Time
	Actor  string // a token's id, or the part of Totem that acted
	Action string // put, delete, unlock, lockdown, …
	Target string // kind/id
	Body   []byte // JSON, without secrets; nil once erased
}

// Seen is what was committed under a message's id before.
type Seen struct {
	Digest  [16]byte
	ReadSeq int64 // 0: not a read
}
