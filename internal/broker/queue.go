package broker

import (
	"context"
	"sync"
)

// queue is a first-in, first-out list between goroutines. put waits only where
// the weights in the queue exceed its bound; 0 means no bound.
type queue[T any] struct {
	mu     sync.Mutex
	items  []weighted[T]
	weight int
	bound  int
	filled chan struct{} // capacity 1
	room   chan struct{} // capacity 1
}

type weighted[T any] struct {
	item   T
	weight int
}

func newQueue[T any](bound int) *queue[T] {
	return &queue[T]{bound: bound, filled: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put adds an item; where there is a bound only one goroutine may put. It gives
// up when ctx ends.
func (q *queue[T]) put(ctx context.Context, item T, weight int) {
	for {
		q.mu.Lock()
		if q.bound == 0 || q.weight == 0 || q.weight+weight <= q.bound {
			q.items = append(q.items, weighted[T]{item, weight})
			q.weight += weight
			q.mu.Unlock()
			poke(q.filled)
			return
		}
		q.mu.Unlock()
		select {
		case <-q.room:
		case <-ctx.Done():
			return
		}
	}
}

// take waits for the next item; only one goroutine may take. false: ctx has ended.
func (q *queue[T]) take(ctx context.Context) (item T, ok bool) {
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			first := q.items[0]
			q.items[0] = weighted[T]{}
			q.items = q.items[1:]
			q.weight -= first.weight
			q.mu.Unlock()
			poke(q.room)
			return first.item, true
		}
		q.items = nil
		q.mu.Unlock()
		select {
		case <-q.filled:
		case <-ctx.Done():
			return item, false
		}
	}
}

func (q *queue[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
