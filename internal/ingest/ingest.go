// Package ingest is the one way in: every message of every source is decoded,
// told from its repeats, decided, committed with many others in one durable
// commit, and only then acknowledged and answered.
//
// It knows nothing of MQTT or SQL: sources hand over deliveries, a Store
// commits, and Publish carries answers. Who may pass is package access's
// arithmetic; what the messages mean for rooms is package live's.
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
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// Delivery is one publication as a source hands it over (broker.Delivery). Ack
// is called once, after the ledger has committed it.
type Delivery struct {
	Topic    string
	Payload  []byte
	Retained bool
	Will     bool
	From     string
	Share    string // whose part of the queue it takes; empty: its device's
	Ack      func()
}

// ErrUnstorable marks the errors that a message itself causes when it is
// written: a constraint that it breaks, a value that a column cannot hold. No
// other error is ever a message's fault: a full disk, a lost connection, a
// lock and a cancelled context pass, and their messages wait.
var ErrUnstorable = errors.New("the message cannot be stored")

// Tx is what one durable commit may do. Its errors wrap ErrUnstorable where
// what was to be written causes them.
type Tx interface {
	See(id uuid.UUID, digest [16]byte, read bool) (*Seen, error)
	// Read returns the read of a chain seq; nil where it is no longer kept.
	Read(seq int64) (*Read, error)
	AddRead(*Read) error
	AddReaderDecision(readSeq int64, d *ReaderDecision) error
	AddObservation(*Observation) error
	// ToldAlready reports whether a device said the same about that time, within so much.
	ToldAlready(device catalogue.DeviceID, at time.Time, within time.Duration, body string) (bool, error)
	AddReject(*Reject) error
	PutAlarm(Alarm) error
}

// Store commits durably: all of change or nothing.
type Store interface {
	// Somebody stands at a door for what is urgent: it goes before all other writing.
	Commit(ctx context.Context, urgent bool, change func(Tx) error) error
}

// Moves loads where a member's reads left them in [from, to], oldest first.
type Moves func(ctx context.Context, m tenancy.MemberID, from, to time.Time) ([]Move, error)

// Move is where one read left its member.
type Move struct {
	ID uuid.UUID // the read's
	access.Position
}

// Rights answer by the doors of an instant.
type Rights interface {
	IndexAt(t time.Time) *access.Index
}

// Committed is what one commit held, in its order.
type Committed struct {
	Reads        []*Read
	Observations []*Observation
	Values       []Values // of Observations, one each
	Alarms       []Alarm  // that were raised with them
	Rejects      int
}

// Config is what a pipeline needs.
type Config struct {
	Network *catalogue.Network
	Keys    *keys.Ring
	Store   Store
	// Enrolments are told of badges that nobody has; nil: none.
	Enrolments *Enrolments
	Foreign    *wire.Foreign // real devices with payloads of their own; nil: none
	Moves      Moves
	Rights     func() Rights // those in force; they change only within the Store's commits
	// DeviceAt is a device as it hung at an instant; nil: it hangs as it does now.
	DeviceAt func(*catalogue.Device, time.Time) *catalogue.Device
	// Former is a device that hung at a site at an instant and is no longer there,
	// or is elsewhere now; nil: none did. With a zero instant: at any time.
	Former func(catalogue.SiteID, catalogue.DeviceID, time.Time) *catalogue.Device
	// LeftIn is where a read left its subject, by the doors of its time.
	LeftIn  func(*Read) catalogue.SpaceID
	Publish func(topic string, payload []byte, retain bool) error
	// Newest is the newest arrival in the ledger; zero: it is empty.
	Newest time.Time
	// OnCommit is told of each commit, in order, by one goroutine; it must be quick.
	OnCommit func(Committed)
	Now      func() time.Time
	Log      *slog.Logger
	Metrics  Metrics
}

// Metrics is told what the pipeline does.
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
	// besideDoors is how many other messages share a commit with a door's.
	besideDoors = 4
	// whileDoors is how many other messages a commit holds while doors are in
	// use: the next badge waits for it.
	whileDoors = 16
	// longestRest bounds how long other messages rest while doors are in use.
	longestRest = 10 * time.Millisecond
	// doorsInUse is how long after a badge doors count as in use.
	doorsInUse = 2 * time.Second
	// sensorsWait is how long a sensor's message waits for others to share its commit.
	sensorsWait = 2 * time.Millisecond
	// enoughToShare is how many make a commit cheap for each.
	enoughToShare = 32
	// answerHere is how many answers the committer gives by itself.
	answerHere = 4
	// openMS is how long a granted read opens the door.
	openMS = 5000
	// answerLife is how long a reader may obey an answer.
	answerLife = 5 * time.Second
	// futureLimit is how far ahead a message's at may lie (rules 2.9).
	futureLimit = 5 * time.Minute
)

// Pipeline is the running way in.
type Pipeline struct {
	cfg     Config
	queue   *lanes
	answers chan *prepared
	// answering counts the batches whose answers are not out yet: they keep their order.
	answering atomic.Int32
	where     *whereabouts
	watch     watchers
	stuck     atomic.Bool // the ledger cannot commit at the moment
	clock     clock
	heard     understanding
	suspects  []*item     // set aside: they could not be stored, and none of their kind was since
	working   atomic.Bool // from before a batch is taken until it is answered
}

// New makes a pipeline; Run runs it.
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

// Whereabouts answers where members are, for checks.
func (p *Pipeline) Whereabouts(ctx context.Context) access.Whereabouts { return p.where.during(ctx) }

// Handle takes one delivery. It returns once the message is queued; a sender
// whose share of the queue is full waits. It may be called from many goroutines.
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

// Run commits what is queued until ctx ends, then returns; what was not
// committed by then was not acknowledged.
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
	var badged time.Time // when the last commit held a door's message
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
			batch = p.wait(batch, others)
		}
		began := time.Now()
		if holdsDoor(batch) {
			badged = began
		}
		p.commitUntilDone(ctx, batch)
		if began.Sub(badged) < doorsInUse && began != badged {
			p.rest(ctx, time.Since(began))
		}
	}
}

// Idle waits until everything that was handed over is committed and answered,
// while nobody hands over more.
func (p *Pipeline) Idle(ctx context.Context) error {
	for {
		// In this order: what has left the queue is being worked on.
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

// Left returns the deliveries that a pipeline which has ended could not commit yet:
// those that wait for the clock, and those that were set aside.
func (p *Pipeline) Left() []Delivery {
	list := p.clock.take()
	for _, it := range p.suspects {
		list = append(list, it.Delivery)
	}
	return list
}

// rest leaves the machine to the doors for twice as long as other messages had it,
// or until somebody badges.
func (p *Pipeline) rest(ctx context.Context, worked time.Duration) {
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

// wait gives messages at which nobody stands a moment for more of them to
// share their commit, up to the first that somebody waits for.
func (p *Pipeline) wait(batch []*item, others int) []*item {
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

// urgent reports whether somebody may stand at a door for it.
func (it *item) urgent() bool {
	return it.msg != nil && it.msg.Badge != nil && it.msg.Badge.Offline == nil
}

// commitUntilDone commits a batch, again and again where the ledger cannot
// (a full disk, say): nothing is acknowledged meanwhile, and nothing is lost.
// A message that cannot be stored is set aside (see isolate.go), so that the
// others do not wait for it.
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

// commit runs one batch through one durable commit, then hands out the answers.
func (p *Pipeline) commit(ctx context.Context, batch []*item) error {
	began := time.Now()
	b := &work{p: p, ctx: ctx}
	var ready *prepared
	err := p.cfg.Store.Commit(ctx, holdsDoor(batch), func(tx Tx) error {
		// The rights are taken while nobody else writes: what is decided here
		// stands in the chain after every act that it was decided by.
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
	for _, it := range batch { // before the answers: who asks after one finds the badge counted
		if it.read != nil && !it.repeated {
			p.cfg.Enrolments.saw(it.read, it.msg.Badge.Credential)
		}
	}
	if waiting, _ := p.queue.len(); len(batch) <= answerHere && waiting == 0 && p.answering.Load() == 0 {
		p.send(ready) // nobody waits for the next commit: spare the reader a change of goroutine
	} else {
		p.answering.Add(1)
		p.answers <- ready
	}
	if p.cfg.OnCommit != nil {
		p.cfg.OnCommit(b.done)
	}
	return nil
}
