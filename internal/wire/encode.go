package wire

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/uuid"
)

// Canonical appends what must be equal in two messages with one id: topic, at,
// seq, boot and the body's values, but not offline (rules 2.7).
func (m *Message) Canonical(b []byte) []byte {
	b = append(append(b, m.Topic.String()...), '|')
	b = append(strconv.AppendInt(b, m.At.UnixMilli(), 10), '|')
	if m.HasSeq {
		b = strconv.AppendUint(b, m.Seq, 10)
	}
	b = append(append(b, '|'), m.Boot[:]...)
	switch m.Topic.What {
	case Badge:
		b = strconv.AppendBool(b, m.Badge.Credential.QR)
		b = append(b, m.Badge.Credential.Bytes...)
	case Door:
		b = append(b, m.Door...)
	case Occupancy:
		b = strconv.AppendBool(b, m.Occupied)
	case Count:
		b = strconv.AppendInt(b, int64(m.Count), 10)
	case Flow:
		b = strconv.AppendInt(b, int64(m.In), 10)
		b = strconv.AppendInt(append(b, '|'), int64(m.Out), 10)
		if m.Totals != nil {
			b = strconv.AppendUint(append(b, '|'), m.Totals.In, 10)
			b = strconv.AppendUint(append(b, '|'), m.Totals.Out, 10)
		}
	case Air:
		b = appendNumbers(b, m.Air.CO2, m.Air.Temperature, m.Air.Humidity, m.Air.Noise)
	case Status:
		s := m.Status
		b = appendNumbers(strconv.AppendBool(b, s.Online), s.Battery, s.RSSI, s.Uptime)
		b = appendText(appendText(b, s.Firmware), s.List)
		if s.Lists != nil { // what older firmware does not send must not change its digests
			b = strconv.AppendInt(append(b, "|lists="...), int64(*s.Lists), 10)
		}
		if s.Keys != nil {
			b = fmt.Appendf(b, "|keys=%q", s.Keys)
		}
		if s.Obeyed != nil {
			b = fmt.Appendf(b, "|obeyed=%s", s.Obeyed)
		}
	}
	return b
}

func appendNumbers(b []byte, numbers ...*float64) []byte {
	for _, n := range numbers {
		b = append(b, '|')
		if n != nil {
			b = strconv.AppendFloat(b, *n, 'g', -1, 64)
		}
	}
	return b
}

func appendText(b []byte, s *string) []byte {
	if s == nil {
		return append(b, '|')
	}
	return strconv.AppendQuote(append(b, '|'), *s)
}

// payload has every field of a message, in the order of rules 2.3.
type payload struct {
	ID          *uuid.UUID `json:"id,omitempty"`
	At          *stamp     `json:"at,omitempty"`
	Seq         *uint64    `json:"seq,omitempty"`
	Boot        *uuid.UUID `json:"boot,omitempty"`
	Credential  string     `json:"credential,omitempty"`
	Offline     *Offline   `json:"offline,omitempty"`
	State       DoorState  `json:"state,omitempty"`
	Occupied    *bool      `json:"occupied,omitempty"`
	Count       *int       `json:"count,omitempty"`
	In          *int       `json:"in,omitempty"`
	Out         *int       `json:"out,omitempty"`
	TotalIn     *uint64    `json:"total_in,omitempty"` // counters of foreign devices; never parsed
	TotalOut    *uint64    `json:"total_out,omitempty"`
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
	Keys        []string   `json:"keys,omitempty"`
	Obeyed      *uuid.UUID `json:"obeyed,omitempty"`
}

// Encode writes the message's payload; Decode reads it back equal.
func (m *Message) Encode() ([]byte, error) {
	var p payload
	if m.ID != uuid.Nil {
		p.ID, p.At = &m.ID, &stamp{m.At}
	}
	if m.HasSeq {
		p.Seq = &m.Seq
	}
	if m.Boot != uuid.Nil {
		p.Boot = &m.Boot
	}
	switch m.Topic.What {
	case Badge:
		p.Credential, p.Offline = m.Badge.Credential.String(), m.Badge.Offline
	case Door:
		p.State = m.Door
	case Occupancy:
		p.Occupied = &m.Occupied
	case Count:
		p.Count = &m.Count
	case Flow:
		p.In, p.Out = &m.In, &m.Out
		if m.Totals != nil {
			p.TotalIn, p.TotalOut = &m.Totals.In, &m.Totals.Out
		}
	case Air:
		p.CO2, p.Temperature, p.Humidity, p.Noise = m.Air.CO2, m.Air.Temperature, m.Air.Humidity, m.Air.Noise
	case Status:
		s := m.Status
		p.Online, p.Firmware, p.Battery, p.RSSI, p.Uptime, p.List = &s.Online, s.Firmware, s.Battery, s.RSSI, s.Uptime, s.List
		p.Lists, p.Keys, p.Obeyed = s.Lists, s.Keys, s.Obeyed
	}
	return json.Marshal(p)
}
