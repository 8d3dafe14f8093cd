package ingest

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/access"
)

// Pipeline takes messages from a broker, commits them in batches, and answers the
// badges among them.
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
	suspects  []*item     // could not be stored, and no message of their kind was stored since (isolate.go)
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

// Handle decodes a delivery and queues its messages. It blocks while the sender's share of
// the queue is full, until ctx ends. It acknowledges at once a delivery that contains nothing
// for Totem, and holds one that seems to lie in the future until the clock is right. It may be
// called from many goroutines.
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
		// The order matters: a message is in the queue, then working is set, then
		// answering is counted. Checked in that order, none is overlooked.
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

// yieldToDoors waits for twice as long as the commit of other messages took (worked), at
// most longestRest, or until somebody badges.
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

// gatherMore waits a moment for more messages, so that they share one commit. It is called
// with messages for which nobody waits at a door, and returns early when the first message
// arrives for which somebody does.
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
