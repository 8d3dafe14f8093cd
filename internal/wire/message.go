package wire

import (
	"time"

	"github.com/google/uuid"
)

// MostPeople is the largest count, in or out of one message.
const MostPeople = 100_000

// Earliest is the first instant that a message may be of: a clock that shows
// an earlier one has not been set.
var Earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// DoorState is what a door contact or reader says of its door.
type DoorState string

// The states of a door.
const (
	DoorOpen   DoorState = "open"
	DoorClosed DoorState = "closed"
	DoorForced DoorState = "forced"
	DoorHeld   DoorState = "held"
)

// Message is one message of a device; which body it has follows from Topic.What.
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
	Totals   *Totals // a foreign counter's lifetime counts
	Air      *AirBody
	Status   *StatusBody

	// ByArrival marks a foreign message whose device has no clock, or one that cannot be believed.
	ByArrival bool
	// Frame marks what a radio frame says: another with its id is a copy of the
	// frame, heard elsewhere or again, whatever its time and reception.
	Frame bool
	// History marks a foreign message of a past that may have been told already.
	History bool
	// Live marks a foreign message that was sent at once.
	Live bool
	// Explicit marks a foreign status that says itself whether the device is online.
	Explicit bool
	// Counter is a foreign device's own numbering, which wraps at 256; nil: none.
	Counter *uint8
}

// BadgeBody is one badge at a reader.
type BadgeBody struct {
	Credential Credential
	Offline    *Offline // nil: the reader asks
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

// StatusBody is what a device says of itself; nil fields it did not say.
type StatusBody struct {
	Online   bool
	Firmware *string
	Battery  *float64 // %
	RSSI     *float64 // dBm
	Uptime   *float64 // s
	List     *string  // version of the allowlist that a reader has applied
	Lists    *int     // the newest form of allowlists that a reader reads; nil: it does not say
	Keys     []string // ids of the site keys that a reader verifies by; nil: it does not say
	// Obeyed is the last command that a reader obeyed; nil: it does not say.
	Obeyed *uuid.UUID
}

// FieldError says which field of a payload is wrong and how; never its value.
type FieldError struct{ Field, Msg string }

// Error writes field and message.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return e.Field + ": " + e.Msg
}
