package live

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/lorntech/totem/internal/occupancy"
)

const (
	// hubMemory is how many past changes a client may have missed and still
	// be sent one by one; who missed more is sent every space.
	hubMemory = 4096
	// clientQueue is how many changes may wait for one slow client before it
	// is let go, to come back with its last id.
	clientQueue = 1024
)

// hub spreads changes to the clients of the stream. It never waits for one.
type hub struct {
	mu      sync.Mutex
	epoch   int64 // of this process; ids of another are unknown
	last    uint64
	ring    []*Event // the newest hubMemory, oldest first
	clients map[chan *Event]struct{}
	current func() []occupancy.SpaceAvailability
}

func newHub(epoch int64, current func() []occupancy.SpaceAvailability) *hub {
	return &hub{epoch: epoch, clients: map[chan *Event]struct{}{}, current: current}
}

func (h *hub) id(n uint64) string { return fmt.Sprintf("%d-%d", h.epoch, n) }

// send numbers changes and hands them to every client.
func (h *hub) send(changes []occupancy.SpaceAvailability) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range changes {
		h.last++
		e := &Event{ID: h.id(h.last), Availability: a}
		if len(h.ring) == hubMemory {
			h.ring = append(h.ring[:0], h.ring[hubMemory/4:]...)
		}
		h.ring = append(h.ring, e)
		for c := range h.clients {
			select {
			case c <- e:
			default:
				delete(h.clients, c)
				close(c)
			}
		}
	}
}

// subscribe registers a client and returns what it missed since lastID: the
// changes themselves where they are remembered, else every space as it is.
// The channel is closed where the client is too slow.
func (h *hub) subscribe(lastID string) (replay []*Event, events <-chan *Event, cancel func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan *Event, clientQueue)
	h.clients[c] = struct{}{}
	cancel = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, there := h.clients[c]; there {
			delete(h.clients, c)
			close(c)
		}
	}
	if n, ok := h.known(lastID); ok {
		return append([]*Event(nil), h.ring[len(h.ring)-int(h.last-n):]...), c, cancel
	}
	for _, a := range h.current() {
		replay = append(replay, &Event{ID: h.id(h.last), Availability: a})
	}
	return replay, c, cancel
}

// known reports whether all changes after lastID are still remembered.
func (h *hub) known(lastID string) (n uint64, ok bool) {
	epoch, number, found := strings.Cut(lastID, "-")
	if !found || epoch != strconv.FormatInt(h.epoch, 10) {
		return 0, false
	}
	n, err := strconv.ParseUint(number, 10, 64)
	return n, err == nil && n <= h.last && h.last-n <= uint64(len(h.ring))
}

// close lets every client go.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		delete(h.clients, c)
		close(c)
	}
}
