package ingest

import (
	"context"
	"sync"
)

// lanes holds what waits to be committed. Messages for which somebody waits (a
// badge that asks) have a lane of their own, and within a lane each sender has
// a share: a gateway that uploads a week of late messages takes turns with
// everybody else, and a full share blocks its own sender and nobody else.
//
// Messages of one sender and lane keep their order.
type lanes struct {
	mu     sync.Mutex
	doors  lane
	others lane
	filled chan struct{} // capacity 1
}

const (
	// shareBound is how many messages of one sender may wait in a lane.
	shareBound = 256
	// unnamedBound is the same for messages of an outside broker, which does
	// not tell who sent them: blocking one would block all behind it.
	unnamedBound = 16_384
)

// lane holds the shares of the senders that wait, taken in turns.
type lane struct {
	shares map[string]*share
	turns  []*share // shares that are not empty, the next one first
	n      int
}

type share struct {
	sender string
	items  []*item
	room   chan struct{} // closed when there is room again; nil: nobody waits
}

func newLanes() *lanes {
	return &lanes{
		doors:  lane{shares: map[string]*share{}},
		others: lane{shares: map[string]*share{}},
		filled: make(chan struct{}, 1),
	}
}

// put queues an item. It blocks while its sender's share is full; it returns
// false where ctx ended before.
func (q *lanes) put(ctx context.Context, it *item) bool {
	sender, bound := it.Share, shareBound
	if sender == "" {
		bound = unnamedBound
		if it.device != nil {
			sender = "device " + string(it.device.ID)
		}
	}
	for {
		q.mu.Lock()
		l := &q.others
		if it.urgent() {
			l = &q.doors
		}
		full := l.put(sender, it, bound)
		q.mu.Unlock()
		if full == nil {
			poke(q.filled)
			return true
		}
		select {
		case <-full:
		case <-ctx.Done():
			return false
		}
	}
}

// put adds an item, or returns a channel to wait for where the share is full.
func (l *lane) put(sender string, it *item, bound int) (full <-chan struct{}) {
	s := l.shares[sender]
	if s == nil {
		s = &share{sender: sender}
		l.shares[sender] = s
	}
	if len(s.items) >= bound {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		return s.room
	}
	if len(s.items) == 0 {
		l.turns = append(l.turns, s)
	}
	s.items = append(s.items, it)
	l.n++
	return nil
}

// take appends at most n items to batch, one of each sender in turn.
func (l *lane) take(batch []*item, n int) []*item {
	for ; n > 0 && len(l.turns) > 0; n-- {
		s := l.turns[0]
		l.turns = l.turns[1:]
		batch = append(batch, s.items[0])
		s.items[0], s.items = nil, s.items[1:]
		l.n--
		if len(s.items) > 0 {
			l.turns = append(l.turns, s)
		} else {
			delete(l.shares, s.sender)
		}
		if s.room != nil {
			close(s.room)
			s.room = nil
		}
	}
	return batch
}

// take appends what is to be committed next to batch: the doors' messages with
// a few others, so that these advance too; or only others, up to a limit.
func (q *lanes) take(batch []*item, others int) []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(batch)
	batch = q.doors.take(batch, maxBatch-len(batch))
	if len(batch) > before {
		others = min(others, besideDoors)
	}
	return q.others.take(batch, min(others, maxBatch-len(batch)))
}

// len returns how many items wait, and how many of them are doors'.
func (q *lanes) len() (all, doors int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.doors.n + q.others.n, q.doors.n
}
