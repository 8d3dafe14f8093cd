package ledger

import (
	"sync"
	"time"
)

// turns lets one write transaction at a time use the ledger, in the order in
// which they came, except that those for which somebody waits at a door go
// first.
type turns struct {
	mu     sync.Mutex
	taken  bool
	first  []chan struct{}
	others []chan struct{}
	row    int       // how many of first had their turn since one of others had
	last   time.Time // when take(true) was last called
}

const (
	// firstInARow is how many go first before one of the others does: doors in
	// constant use must not stop everything else.
	firstInARow = 16
	// hurriedFor is how long after a door's transaction the others should
	// hurry.
	hurriedFor = 2 * time.Second
)

// take waits for its turn. pass must follow.
func (t *turns) take(first bool) {
	t.mu.Lock()
	if first {
		t.last = time.Now()
	}
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return
	}
	mine := make(chan struct{})
	if first {
		t.first = append(t.first, mine)
	} else {
		t.others = append(t.others, mine)
	}
	t.mu.Unlock()
	<-mine
}

// pass gives the turn to the next.
func (t *turns) pass() {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := &t.others
	if len(t.first) > 0 && (len(t.others) == 0 || t.row < firstInARow) {
		queue = &t.first
		t.row++
	} else {
		t.row = 0
	}
	if len(*queue) == 0 {
		t.taken = false
		return
	}
	next := (*queue)[0]
	*queue = (*queue)[1:]
	close(next)
}

// hurried reports whether doors are in use.
func (t *turns) hurried() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.last) < hurriedFor
}
