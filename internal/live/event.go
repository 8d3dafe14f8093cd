// Package live is what is so now: what each device last said, which alarms
// stand, how many people are where, and the stream of changes. One goroutine
// owns it and follows the commits of package ingest; a start takes it up from
// a snapshot and the few messages since.
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

// Event is one change, as the stream carries it. Its ID grows with each event
// and survives a restart without repeating. The field that Topic names is set.
type Event struct {
	ID           string
	Topic        Topic
	Availability occupancy.SpaceAvailability // how one space is now
	Read         *ingest.Read                // that was committed; not to be changed
	Alarm        ingest.Alarm                // that was raised, cleared or acknowledged
	Device       catalogue.DeviceID          // whose status has changed
}

// Subscription is one client's place at the stream.
type Subscription struct {
	// Replay is what the client has missed; where that is not remembered
	// (Resumed is false), every space as it is.
	Replay  []*Event
	Resumed bool
	ID      string        // of the newest event that Replay stands for
	Events  <-chan *Event // what comes after; closed where the client is too slow
	Cancel  func()
}

// Device is what is known of a device now.
type Device struct {
	LastSeenAt time.Time // its last message's arrival; zero: never
	Online     *bool     // nil: it never said
	StatusAt   time.Time // the last status's own time, or a will's arrival
	StatusIn   time.Time // when that arrived: of two statuses the one that arrived last counts
	Boot       uuid.UUID // of the last status; nil: none
	Keys       []string  // ids of the site keys that a reader says it verifies by
	Lists      int       // the newest form of allowlists that a reader says it reads; 0: it does not say
	Firmware   *string
	Battery    *float64 // percent
	RSSI       *float64 // dBm
	Uptime     *float64 // seconds
	List       *string  // version of the allowlist a reader has applied
	ListSince  time.Time
	Numbering  Numbering
	// Obeyed is the last command that a reader says it obeyed, and when it first said so; nil: it never did.
	Obeyed   uuid.UUID `json:",omitzero"`
	ObeyedAt time.Time `json:",omitzero"`

	// Of a sensor: its latest value, since when it has been so, and as of when that is known.
	Value      int
	ValueSince time.Time
	ValueAt    time.Time
	// Of a door: the state's own instant and id, by which a late one is told.
	DoorAt time.Time
	DoorID uuid.UUID
	// Air is what an air sensor, or any device that measures air, said last.
	Air *Air `json:",omitempty"`
	// Wrapped is the last number of a device whose numbers wrap at 256.
	Wrapped *uint64
}

// Air is what was last measured of a room's air; nil: it does not say.
type Air struct {
	At          time.Time
	CO2         *float64 // ppm
	Temperature *float64 // °C
	Humidity    *float64 // %
	Noise       *float64 // dB
}

// Knows reports whether a reader has said that it verifies by a site key.
func (d Device) Knows(key string) bool { return slices.Contains(d.Keys, key) }
