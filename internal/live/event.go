// Package live is the present state: what each device last reported, which
// alarms stand, how many people are where, and the stream of changes. One
// goroutine owns the state and follows the commits of package ingest. A start
// loads a snapshot and the few messages since.
package live

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/occupancy"
)

// Topic is what an event is about.
type Topic string

// The topics.
const (
	TopicAvailability Topic = "availability"
	TopicReads        Topic = "reads"
	TopicAlarms       Topic = "alarms"
	TopicDevices      Topic = "devices"
)

// Topics lists every topic.
func Topics() []Topic { return []Topic{TopicAvailability, TopicReads, TopicAlarms, TopicDevices} }

// Event is one change in the stream. Its ID grows with each event and survives
// a restart without repeating. The field named by Topic is set.
type Event struct {
	ID           string
	Topic        Topic
	Availability occupancy.SpaceAvailability // a space's present state
	Read         *ingest.Read                // a read that was committed; not to be modified
	Alarm        ingest.Alarm                // an alarm that was raised, cleared or acknowledged
	Device       catalogue.DeviceID          // a device whose status has changed
}

// Subscription is one client of the stream.
type Subscription struct {
	// Replay is what the client has missed; where that is not remembered
	// (Resumed is false), every space's present state.
	Replay  []*Event
	Resumed bool
	ID      string        // id of the newest event included in Replay
	Events  <-chan *Event // the events that follow; closed where the client is too slow
	Cancel  func()
}

// Device is what is known of a device now.
type Device struct {
	LastSeenAt time.Time // its last message's arrival; zero: never
	Online     *bool     // nil: it never reported
	StatusAt   time.Time // the last status's own time, or a will's arrival
	StatusIn   time.Time // when that arrived: of two statuses the one that arrived last counts
	Boot       uuid.UUID // of the last status; nil: none
	Keys       []string  // ids of the site keys with which a reader verifies
	Lists      int       // the newest form of allowlists that a reader understands; 0: it does not report
	Firmware   *string
	Battery    *float64 // percent
	RSSI       *float64 // dBm
	Uptime     *float64 // seconds
	List       *string  // version of the allowlist that a reader has applied
	ListSince  time.Time
	Numbering  Numbering
	// Obeyed is the last command that a reader reports having obeyed, and when
	// it first did so; nil: never.
	Obeyed   uuid.UUID `json:",omitzero"`
	ObeyedAt time.Time `json:",omitzero"`

	// Of a sensor: its latest value, since when it has had it, and the time of
	// the last message.
	Value      int
	ValueSince time.Time
	ValueAt    time.Time
	// Of a door: the instant and id of its state, so that a late state is
	// recognised.
	DoorAt time.Time
	DoorID uuid.UUID
	// Air is the last measurement of an air sensor, or of any device that
	// measures air.
	Air *Air `json:",omitempty"`
	// Wrapped is the last number of a device whose numbers wrap at 256.
	Wrapped *uint64
}

// Air is a measurement of a room's air; nil fields were not measured.
type Air struct {
	At          time.Time
	CO2         *float64 // ppm
	Temperature *float64 // °C
	Humidity    *float64 // %
	Noise       *float64 // dB
}

// Knows reports whether a reader has reported that it verifies with a site key.
func (d Device) Knows(key string) bool { return slices.Contains(d.Keys, key) }
