// Package ingest takes in all messages of devices, whatever their source. Each message is
// decoded and deduplicated; for a badge, it is decided whether the door opens. The message is
// committed with many others in one durable commit, and only then acknowledged and answered:
//
//	p := ingest.New(config)
//	go p.Run(ctx)
//	p.Handle(ctx, delivery) // for each message
//
// It knows nothing of MQTT or SQL: sources hand over deliveries, a Store
// commits, and Publish sends answers. Package access decides who may pass;
// package live interprets messages about rooms.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/tenancy"
)

// Delivery is one publication as a source hands it over (broker.Delivery). Ack
// is called once, after the ledger has committed it.
type Delivery struct {
	Topic    string
	Payload  []byte
	Retained bool
	Will     bool
	From     string
	Share    string // whose share of the queue it uses; empty: its device's
	Ack      func()
}

// ErrUnstorable marks errors that a message itself causes when it is written: a
// constraint that it breaks, or a value that a column cannot hold. No other
// error is a message's fault: a full disk, a lost connection, a lock or a
// cancelled context passes, and the messages wait.
var ErrUnstorable = errors.New("the message cannot be stored")

// Tx is what one durable commit may do. Its errors wrap ErrUnstorable where the
// written values cause them.
type Tx interface {
	// Expect announces the ids of the messages that See will be asked for.
	Expect(ids []uuid.UUID) error
	See(id uuid.UUID, digest [16]byte, read bool) (*Seen, error)
	// Read returns the read of a chain entry; nil where it is no longer kept.
	Read(seq int64) (*Read, error)
	AddRead(*Read) error
	AddReaderDecision(readSeq int64, d *ReaderDecision) error
	AddObservation(*Observation) error
	// ToldAlready reports whether a device sent the same values for about that
	// time.
	ToldAlready(device catalogue.DeviceID, at time.Time, within time.Duration, body string) (bool, error)
	AddReject(*Reject) error
	PutAlarm(Alarm) error
}

// Store commits durably: all of change or nothing.
type Store interface {
	// Commit runs change in one commit. urgent is set if somebody waits at a door
	// for one of the messages: the commit then goes before other writing.
	Commit(ctx context.Context, urgent bool, change func(Tx) error) error
}

// Moves returns where a member's reads left them in [from, to], oldest first.
type Moves func(ctx context.Context, m tenancy.MemberID, from, to time.Time) ([]Move, error)

// Move is where one read left its member.
type Move struct {
	ID uuid.UUID // the id of the read
	access.Position
}

// Rights decides with the doors of an instant.
type Rights interface {
	IndexAt(t time.Time) *access.Index
}

// Committed is what one commit contained, in order.
type Committed struct {
	Reads        []*Read
	Observations []*Observation
	Values       []Values // one for each of Observations
	Alarms       []Alarm  // alarms that were raised with them
	Rejects      int
}

// Config is what a pipeline needs of the other parts.
type Config struct {
	Network *catalogue.Network
	Keys    *keys.Ring
	Store   Store
	// Enrolments learns of badges that nobody has; nil: none.
	Enrolments *Enrolments
	Foreign    *foreign.Devices // real devices with payloads of their own; nil: none
	Moves      Moves
	Rights     func() Rights // the rights in force; they change only within the Store's commits
	// DeviceAt returns a device as it hung at an instant; nil: as it hangs now.
	DeviceAt func(*catalogue.Device, time.Time) *catalogue.Device
	// Former returns a device that hung at a site at an instant and does not
	// hang there now; nil: none did. A zero instant means at any time.
	Former func(catalogue.SiteID, catalogue.DeviceID, time.Time) *catalogue.Device
	// LeftIn returns where a read left its subject, by the doors of its time.
	LeftIn  func(*Read) catalogue.SpaceID
	Publish func(topic string, payload []byte, retain bool) error
	// Newest is the newest arrival in the ledger; zero: the ledger is empty.
	Newest time.Time
	// OnCommit is called for each commit, in order, by one goroutine; it must
	// return quickly.
	OnCommit func(Committed)
	Now      func() time.Time
	Log      *slog.Logger
	Metrics  Metrics
}

// Metrics counts what the pipeline does.
type Metrics interface {
	Committed(messages int, took time.Duration)
	Decided(site catalogue.SiteID, door catalogue.DoorID, reason access.Reason, granted bool, took time.Duration)
	Rejected(code string)
	Repeated()
	Ignored()
	CommitFailed()
}

const (
	maxBatch = 512
	// besideDoors is how many other messages may share a commit with a door's.
	besideDoors = 4
	// whileDoors is how many other messages one commit holds while doors are in
	// use: the next badge waits for that commit.
	whileDoors = 16
	// longestRest limits how long other messages wait while doors are in use.
	longestRest = 10 * time.Millisecond
	// doorsInUse is how long after a badge doors count as in use.
	doorsInUse = 2 * time.Second
	// sensorsWait is how long a sensor's message waits for others to share its
	// commit.
	sensorsWait = 2 * time.Millisecond
	// enoughToShare is how many messages make a commit cheap for each.
	enoughToShare = 32
	// answerHere is how many answers the committer sends by itself.
	answerHere = 4
	// openMS is how long a granted read opens the door.
	openMS = 5000
	// answerLife is how long a reader may obey an answer.
	answerLife = 5 * time.Second
	// futureLimit is how far in the future a message's at may lie (rules 2.9).
	futureLimit = 5 * time.Minute
)
