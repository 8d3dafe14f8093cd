// Package visit computes from reads where people are and have been: a member's
// granted reads, in order of their instants, make visits (rules 5):
//
//	visits := visit.Make(places, reads)
//
// It computes on values: the same reads in any order, with any repetition, make
// the same visits. It stores nothing and has no clock.
package visit

import (
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Subject is who moves: a member, or a visitor's pass. Exactly one is set.
type Subject struct {
	Member tenancy.MemberID
	Pass   tenancy.PassID
}

// Read is one granted badge of one subject: what moves people.
type Read struct {
	ID        uuid.UUID
	At        time.Time          // to the millisecond
	Device    catalogue.DeviceID // the reader; the door is the one on which it hung at At; empty: Door and Direction count
	Door      catalogue.DoorID
	Direction catalogue.Direction
}

// Ended says how a visit ended (rules 5.3).
type Ended string

// The endings; empty while a visit goes on.
const (
	Open      Ended = ""
	Badge     Ended = "badge"
	Elsewhere Ended = "elsewhere"
	Closing   Ended = "closing"
	Max       Ended = "max"
)

// Visit is one stay in one space, [From, To). To may lie in the future (an
// ending by closing or max that is not yet due): AsOf cuts it.
type Visit struct {
	Space catalogue.SpaceID
	First uuid.UUID // the read that began it; the visit's own id derives from Space and First
	From  time.Time
	To    time.Time
	Ended Ended
}
