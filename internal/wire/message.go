package wire

import (
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/occupancy"
)

// MostPeople is the largest value that one message may have for count, in or out.
const MostPeople = 100_000

// Earliest is the first instant that a message may have: a clock that shows an
// earlier one has not been set.
var Earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// DoorState is the state of a door as a contact or reader reports it.
type DoorState string

// The states of a door.
const (
	DoorOpen   DoorState = "open"
	DoorClosed DoorState = "closed"
	DoorForced DoorState = "forced"
	DoorHeld   DoorState = "held"
)

// Message is one message of a device; Topic.What decides which body it has.
type Message struct {
	Topic    Topic
	ID       uuid.UUID // uuid.Nil: a last will without one
	At       time.Time // UTC, to the millisecond; zero with a nil ID
	HasSeq   bool
	Seq      uint64
	Boot     uuid.UUID // uuid.Nil: none
	Badge    *BadgeBody
	Door     DoorState
	Occupied bool
	Count    int
	In, Out  int
	Totals   *occupancy.Totals // lifetime totals of a foreign counter
	Air      *AirBody
	Status   *StatusBody

	// ByArrival marks a foreign message whose device has no clock, or one that
	// is not credible.
	ByArrival bool
	// Frame marks a message from a radio frame: another with its id is a copy
	// of the frame, received elsewhere or again, whatever its time and
	// reception.
	Frame bool
	// History marks a foreign message from the past that may have been sent
	// already.
	History bool
	// Live marks a foreign message that was sent at once.
	Live bool
	// Explicit marks a foreign status that itself says whether the device is
	// online.
	Explicit bool
	// Counter is a foreign device's own number of the message, which wraps at
	// 256; nil: none.
	Counter *uint8
}

// BadgeBody is one badge at a reader.
type BadgeBody struct {
	Credential Credential
	Offline    *Offline // nil: the reader asks for a decision
}

// Offline is what the reader decided by itself.
type Offline struct {
	Granted bool   `json:"granted"`
	Reason  string `json:"reason"`
	List    string `json:"list"` // version of its allowlist
}

// AirBody is the air's quality; nil fields were not measured.
type AirBody struct {
	CO2         *float64 // ppm
	Temperature *float64 // °C
	Humidity    *float64 // %
	Noise       *float64 // dB
}

// StatusBody is a device's status; nil fields are absent.
type StatusBody struct {
	Online   bool
	Firmware *string
	Battery  *float64 // %
	RSSI     *float64 // dBm
	Uptime   *float64 // s
	List     *string  // version of the allowlist that a reader has applied
	Lists    *int     // the newest form of allowlists that a reader understands; nil: absent
	Keys     []string // ids of the site keys with which a reader verifies; nil: absent
	// Obeyed is the last command that a reader obeyed; nil: absent.
	Obeyed *uuid.UUID
}

// FieldError is an error in one field of a payload; it never contains the
// value.
type FieldError struct{ Field, Msg string }

// Error writes field and message.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return e.Field + ": " + e.Msg
}
