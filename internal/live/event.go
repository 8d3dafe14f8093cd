// Package live is what is so now: what each device last said, which alarms
// stand, how many people are where, and the stream of changes. One goroutine
// owns it and follows the commits of package ingest; a start takes it up from
// a snapshot and the few messages since.
package live

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/occupancy"
)

// Event is one change of one space's availability, as the stream carries it.
// Its ID grows with each event and survives a restart without repeating.
type Event struct {
	ID           string
	Availability occupancy.SpaceAvailability
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

	// Of a sensor: its latest value, since when it has been so, and as of when that is known.
	Value      int
	ValueSince time.Time
	ValueAt    time.Time
	// Of a door: the state's own instant and id, by which a late one is told.
	DoorAt time.Time
	DoorID uuid.UUID
	// Wrapped is the last number of a device whose numbers wrap at 256.
	Wrapped *uint64
}

// Knows reports whether a reader has said that it verifies by a site key.
func (d Device) Knows(key string) bool { return slices.Contains(d.Keys, key) }
