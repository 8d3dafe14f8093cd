package ingest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A machine may start with its clock behind, before it has been set. The ledger
// reveals that: it holds messages that arrived later than now. Such a service
// goes on deciding. But a message that seems to lie in the future, and does not
// when compared with the newest arrival in the ledger, is neither accepted nor
// rejected: it waits, unacknowledged, until the clock is right.

// clock holds the newest arrival, and the messages that wait for the clock.
type clock struct {
	newest atomic.Int64 // Unix milliseconds; 0: nothing ever arrived

	mu    sync.Mutex
	early []Delivery
}

const (
	// behindLimit is how far the clock may be behind the newest arrival: less
	// is a correction by the time service.
	behindLimit = 2 * time.Minute
	// earlyEvery is how often the messages that wait for the clock are tried
	// again.
	earlyEvery = time.Second
)

func (c *clock) saw(received time.Time) {
	if received.IsZero() {
		return
	}
	ms := received.UnixMilli()
	for have := c.newest.Load(); ms > have; have = c.newest.Load() {
		if c.newest.CompareAndSwap(have, ms) {
			return
		}
	}
}

// Newest returns the newest arrival ever; a long-past instant where there is
// none.
func (c *clock) Newest() time.Time { return time.UnixMilli(c.newest.Load()) }

func (c *clock) hold(d Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.early = append(c.early, d)
}

func (c *clock) take() []Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.early
	c.early = nil
	return list
}

// Behind returns by how much this machine's clock is behind the newest arrival in
// the ledger; 0: it is not.
func (p *Pipeline) Behind() time.Duration {
	if by := p.clock.Newest().Sub(p.cfg.Now()); by > behindLimit {
		return by
	}
	return 0
}

// retryEarly hands over again the messages that wait for the clock, until ctx
// ends.
func (p *Pipeline) retryEarly(ctx context.Context) {
	tick := time.NewTicker(earlyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, d := range p.clock.take() {
				p.Handle(ctx, d)
			}
		}
	}
}
