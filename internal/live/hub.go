package live

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lorntech/totem/internal/occupancy"
)

const (
	// hubMemory is how many past changes a client may have missed and still get
	// one by one; a client that missed more gets every space.
	hubMemory = 4096
	// clientQueue is how many changes may wait for one slow client before its
	// stream ends; it returns with its last id.
	clientQueue = 1024
)

// hub distributes changes to the clients of the stream. It never waits for one.
type hub struct {
	mu      sync.Mutex
	epoch   int64 // id of this process; ids of another are unknown
	last    uint64
	ring    []*Event                // the newest hubMemory, oldest first
	clients map[chan *Event][]Topic // the clients and their topics
	current func() []occupancy.SpaceAvailability
}

func newHub(epoch int64, current func() []occupancy.SpaceAvailability) *hub {
	return &hub{epoch: epoch, clients: map[chan *Event][]Topic{}, current: current}
}

func (h *hub) id(n uint64) string { return fmt.Sprintf("%d-%d", h.epoch, n) }

// send numbers events and passes them to every client.
func (h *hub) send(list []*Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range list {
		h.last++
		e.ID = h.id(h.last)
		if len(h.ring) == hubMemory {
			h.ring = append(h.ring[:0], h.ring[hubMemory/4:]...)
		}
		h.ring = append(h.ring, e)
		for c, topics := range h.clients {
			if !slices.Contains(topics, e.Topic) {
				continue
			}
			select {
			case c <- e:
			default:
				delete(h.clients, c)
				close(c)
			}
		}
	}
}

// subscribe registers a client for some topics, with what it missed of them since lastID.
func (h *hub) subscribe(lastID string, topics []Topic) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan *Event, clientQueue)
	h.clients[c] = topics
	s := &Subscription{ID: h.id(h.last), Events: c, Cancel: func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, there := h.clients[c]; there {
			delete(h.clients, c)
			close(c)
		}
	}}
	n, known := h.known(lastID)
	if known {
		s.Resumed = true
		for _, e := range h.ring[len(h.ring)-int(h.last-n):] {
			if slices.Contains(topics, e.Topic) {
				s.Replay = append(s.Replay, e)
			}
		}
		return s
	}
	if !slices.Contains(topics, TopicAvailability) {
		return s
	}
	for _, a := range h.current() {
		s.Replay = append(s.Replay, &Event{ID: s.ID, Topic: TopicAvailability, Availability: a})
	}
	return s
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

// endStreams ends every client's stream.
func (h *hub) endStreams() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		delete(h.clients, c)
		close(c)
	}
}
