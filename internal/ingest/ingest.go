// Package ingest is the one way in. Every message of every source is decoded,
// deduplicated, decided if it is a badge, committed with many others in one
// durable commit, and only then acknowledged and answered:
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
	"slices"
	"sync/atomic"
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
	// WriteFirst is for messages for which somebody waits at a door: it goes
	// before all other writing.
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

// Config configures a pipeline.
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
	Decided(site catalogue.SiteID, reason access.Reason, granted bool, took time.Duration)
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

// Pipeline is the running pipeline.
type Pipeline struct {
	cfg     Config
	queue   *lanes
	answers chan *prepared
	// answering counts the batches whose answers are not sent yet: they keep
	// their order.
	answering atomic.Int32
	where     *whereabouts
	watch     watchers
	stuck     atomic.Bool // the ledger cannot commit at the moment
	clock     clock
	heard     understanding
	suspects  []*item     // suspects: they could not be stored, and no message of their kind was stored since
	working   atomic.Bool // held from before a batch is taken until it is answered
}

// New returns a pipeline; Run runs it.
func New(cfg Config) *Pipeline {
	p := &Pipeline{
		cfg: cfg, queue: newLanes(), answers: make(chan *prepared, 16),
		where: newWhereabouts(cfg.Network, cfg.Moves, cfg.LeftIn),
	}
	p.clock.saw(cfg.Newest)
	return p
}

// Stuck reports whether the ledger cannot commit at the moment.
func (p *Pipeline) Stuck() bool { return p.stuck.Load() }

// Whereabouts reports where members are, for checks.
func (p *Pipeline) Whereabouts(ctx context.Context) access.Whereabouts { return p.where.during(ctx) }

// Handle takes one delivery. It returns once the message is queued; it blocks
// while the sender's share of the queue is full. It may be called from many
// goroutines.
func (p *Pipeline) Handle(ctx context.Context, d Delivery) {
	items := p.decode(d, p.cfg.Now())
	if len(items) == 1 && items[0].early {
		p.clock.hold(d)
		return
	}
	if len(items) == 0 {
		p.cfg.Metrics.Ignored()
		p.watch.ignored(d, p.cfg.Now())
		d.Ack()
		return
	}
	for _, it := range items {
		if !p.queue.put(ctx, it) { // not acknowledged: the sender will send it again
			return
		}
	}
}

// Run commits queued messages until ctx ends. What was not committed by then
// was not acknowledged.
func (p *Pipeline) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for batch := range p.answers {
			p.send(batch)
			p.answering.Add(-1)
		}
	}()
	defer func() { close(p.answers); <-done }()
	early := make(chan struct{})
	go func() {
		defer close(early)
		p.retryEarly(ctx)
	}()
	defer func() { <-early }()
	batch := make([]*item, 0, maxBatch)
	var badged time.Time // when the last commit contained a door's message
	for {
		others := maxBatch
		if time.Since(badged) < doorsInUse {
			others = whileDoors
		}
		p.working.Store(true)
		if batch = p.queue.take(batch[:0], others); len(batch) == 0 {
			p.working.Store(false)
			select {
			case <-ctx.Done():
				return
			case <-p.queue.filled:
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if len(batch) < enoughToShare && !holdsDoor(batch) {
			batch = p.gatherMore(batch, others)
		}
		began := time.Now()
		if holdsDoor(batch) {
			badged = began
		}
		p.commitUntilDone(ctx, batch)
		if began.Sub(badged) < doorsInUse && began != badged {
			p.yieldToDoors(ctx, time.Since(began))
		}
	}
}

// Idle waits until everything that was handed over is committed and answered.
// Nobody may hand over more in the meantime.
func (p *Pipeline) Idle(ctx context.Context) error {
	for {
		// In this order: what has left the queue is being processed.
		if others, doors := p.queue.len(); others+doors == 0 && !p.working.Load() && p.answering.Load() == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// Left returns the deliveries that an ended pipeline could not commit: those
// that wait for the clock, and suspects.
func (p *Pipeline) Left() []Delivery {
	list := p.clock.take()
	for _, it := range p.suspects {
		list = append(list, it.Delivery)
	}
	return list
}

// yieldToDoors leaves the machine to the doors for twice as long as other messages used
// it, or until somebody badges.
func (p *Pipeline) yieldToDoors(ctx context.Context, worked time.Duration) {
	end := time.NewTimer(min(2*worked, longestRest))
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			poke(p.queue.filled)
			return
		case <-p.queue.filled:
			if _, doors := p.queue.len(); doors > 0 {
				poke(p.queue.filled)
				return
			}
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func holdsDoor(batch []*item) bool { return slices.ContainsFunc(batch, (*item).urgent) }

// gatherMore gives messages for which nobody waits a moment for more of them to share
// their commit; it ends with the first message for which somebody does.
func (p *Pipeline) gatherMore(batch []*item, others int) []*item {
	moment := time.NewTimer(sensorsWait)
	defer moment.Stop()
	for len(batch) < enoughToShare {
		select {
		case <-moment.C:
			return batch
		case <-p.queue.filled:
			if batch = p.queue.take(batch, others-len(batch)); holdsDoor(batch) {
				return batch
			}
		}
	}
	return batch
}

// urgent reports whether somebody may be waiting at a door for the message.
func (it *item) urgent() bool {
	return it.msg != nil && it.msg.Badge != nil && it.msg.Badge.Offline == nil
}

// commitUntilDone commits a batch, again and again while the ledger cannot (a
// full disk, for example): nothing is acknowledged in the meantime, and nothing
// is lost. A message that cannot be stored is set aside (see isolate.go), so
// that the others do not wait for it.
func (p *Pipeline) commitUntilDone(ctx context.Context, batch []*item) {
	wait := 50 * time.Millisecond
	for attempt := 1; len(batch) > 0; attempt++ {
		err := p.commit(ctx, batch)
		if errors.Is(err, ErrUnstorable) {
			batch, err = p.isolate(ctx, batch)
		}
		if err == nil {
			p.stuck.Store(false)
			if attempt > 1 {
				p.cfg.Log.Info("ledger commits again", "attempts", attempt, "messages", len(batch))
			}
			p.judge(ctx, batch)
			return
		}
		if ctx.Err() != nil {
			return
		}
		p.stuck.Store(true)
		p.cfg.Metrics.CommitFailed()
		if attempt == 1 || wait >= 5*time.Second {
			p.cfg.Log.Error("ledger cannot commit; messages wait unacknowledged", "error", err, "messages", len(batch))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// commit runs one batch through one durable commit, then sends the answers.
func (p *Pipeline) commit(ctx context.Context, batch []*item) error {
	began := time.Now()
	b := &work{p: p, ctx: ctx}
	var ready *prepared
	err := p.cfg.Store.Commit(ctx, holdsDoor(batch), func(tx Tx) error {
		// The rights are read while nobody else writes: a decision stands in
		// the chain after every act that it depends on.
		b.tx, b.rights = tx, p.cfg.Rights()
		for _, it := range batch {
			if err := b.guarded(it); err != nil {
				return err
			}
		}
		ready = p.prepare(b.answers)
		return nil
	})
	if err != nil {
		p.where.forget(b.moved)
		return err
	}
	p.cfg.Metrics.Committed(len(batch), time.Since(began))
	for _, it := range batch {
		p.clock.saw(it.received)
	}
	b.report(p.cfg.Metrics)
	p.watch.committed(batch)
	for _, it := range batch { // before the answers: whoever asks after an answer finds the badge counted
		if it.read != nil && !it.repeated {
			p.cfg.Enrolments.noteBadge(it.read, it.msg.Badge.Credential)
		}
	}
	if waiting, _ := p.queue.len(); len(batch) <= answerHere && waiting == 0 && p.answering.Load() == 0 {
		p.send(ready) // nobody waits for the next commit: answering here saves a change of goroutine
	} else {
		p.answering.Add(1)
		p.answers <- ready
	}
	if p.cfg.OnCommit != nil {
		p.cfg.OnCommit(b.done)
	}
	return nil
}
