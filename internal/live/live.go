package live

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/wire"
)

// Store is what the live state needs of the ledger.
type Store interface {
	Write(ctx context.Context, change func(*ledger.Tx) error) error
	Snapshot(ctx context.Context, name string) (ledger.Snapshot, error)
	ObservationsAfter(ctx context.Context, seq int64, yield func(*ingest.Observation) error) error
	ReadsAfter(ctx context.Context, seq int64, yield func(*ingest.Read) error) error
	Presences(ctx context.Context, now time.Time) ([]ledger.Presence, error)
	Alarms(ctx context.Context, f ledger.AlarmFilter) ([]ingest.Alarm, error)
	SensorSaid(ctx context.Context, device catalogue.DeviceID, from, to time.Time, yield ledger.YieldValues) error
	SensorBefore(ctx context.Context, device catalogue.DeviceID, t time.Time, yield ledger.YieldValues) error
}

// Config is what a live state needs of the other parts.
type Config struct {
	Network *catalogue.Network
	Store   Store
	// Publish sends a retained live topic; it may fail while a broker is away.
	Publish func(topic string, payload []byte, retain bool) error
	// Online is called when a reader's status shows that it has reconnected or
	// restarted, so that it can be greeted; wasAway reports that it was known
	// to be offline before. May be nil.
	Online func(reader catalogue.DeviceID, wasAway bool)
	// Lists is called when a reader reports which form of allowlists it
	// understands; may be nil.
	Lists func(reader catalogue.DeviceID, form int)
	// Applied is called with the version of the allowlist that a reader reports
	// as applied; may be nil.
	Applied func(reader catalogue.DeviceID, version string)
	Now     func() time.Time
	Log     *slog.Logger
}

// State is the running live state.
type State struct {
	cfg Config
	hub *hub
	in  inbox

	mu       sync.Mutex
	occ      *occupancy.State
	devices  map[catalogue.DeviceID]*Device
	alarms   map[string]ingest.Alarm // alarms to be written, by id
	opened   map[string]ingest.Alarm // standing alarms, by id
	standing map[string]string       // kind-device → id of the alarm that stands
	seen     ledger.Snapshot         // the last messages that this state includes; no body
	pending  int                     // messages since the last snapshot
	unsent   map[string][]byte       // by topic, what must be published; nil: the topic must be cleared
	sent     map[string]string       // by topic, what was published last
	topics   map[string]bool         // topics that an outside broker may have retained

	events  []*Event                    // events to be sent: reads and alarms
	renewed map[catalogue.DeviceID]bool // devices whose status is to be sent

	all  atomic.Pointer[[]occupancy.SpaceAvailability]
	kick chan struct{}
}

const (
	snapshotName = "live"
	// refreshEvery limits how often clients get changes under load.
	refreshEvery = 20 * time.Millisecond
	// clockEvery is how often changes by the clock alone are computed: holds,
	// closings.
	clockEvery = time.Second
	// snapshotEvery limits how much a start has to replay.
	snapshotEvery = 10 * time.Second
	// snapshotMessages is after how many messages a snapshot is made under load.
	snapshotMessages = 20000
	// clockLimit is how far a device's clock may be off before it is an alarm.
	clockLimit = 10 * time.Second
)

// Open loads the live state: the last snapshot, the messages since, and who is
// where.
func Open(ctx context.Context, cfg Config) (*State, error) {
	s := &State{
		cfg:      cfg,
		occ:      occupancy.New(cfg.Network),
		devices:  map[catalogue.DeviceID]*Device{},
		alarms:   map[string]ingest.Alarm{},
		opened:   map[string]ingest.Alarm{},
		standing: map[string]string{},
		unsent:   map[string][]byte{},
		sent:     map[string]string{},
		topics:   map[string]bool{},
		renewed:  map[catalogue.DeviceID]bool{},
		kick:     make(chan struct{}, 1),
	}
	s.hub = newHub(cfg.Now().UnixMilli(), s.Availability)
	if err := s.restore(ctx); err != nil {
		return nil, fmt.Errorf("load the live state: %w", err)
	}
	s.refresh(cfg.Now())
	return s, nil
}

// memory is the live state as a snapshot stores it.
type memory struct {
	Devices   map[catalogue.DeviceID]*Device
	Occupancy occupancy.Snapshot
	Opened    map[string]ingest.Alarm
	Standing  map[string]string
	Topics    map[string]bool // topics that an outside broker may have retained
}

func (s *State) restore(ctx context.Context) error {
	snap, err := s.cfg.Store.Snapshot(ctx, snapshotName)
	if err != nil {
		return err
	}
	if snap.Body != nil {
		m := memory{Devices: s.devices, Opened: s.opened, Standing: s.standing, Topics: s.topics}
		if err := json.Unmarshal(snap.Body, &m); err != nil {
			return fmt.Errorf("read a snapshot of the live state: %w", err)
		}
		s.devices, s.opened, s.standing, s.topics = m.Devices, m.Opened, m.Standing, m.Topics
		s.occ.Restore(m.Occupancy)
	}
	s.seen = ledger.Snapshot{ObservationSeq: snap.ObservationSeq, ReadSeq: snap.ReadSeq}
	if err := s.closeGone(ctx); err != nil {
		return err
	}
	for id, d := range s.devices {
		if d.Lists != 0 && s.cfg.Lists != nil {
			s.cfg.Lists(id, d.Lists)
		}
	}
	if err := s.loadFlows(ctx, s.cfg.Now()); err != nil {
		return err
	}
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	people, err := s.cfg.Store.Presences(ctx, s.cfg.Now())
	for _, p := range people {
		s.occ.SetPresence(p.Subject, p.Space, p.Since, p.Until, s.cfg.Now())
	}
	return err
}

func (s *State) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Run sends changes to clients and retained topics and saves them in the
// ledger, until ctx ends.
func (s *State) Run(ctx context.Context) {
	defer s.hub.endStreams()
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	s.Republish()
	saved := s.cfg.Now()
	for {
		select {
		case <-ctx.Done():
			s.takeIn(context.WithoutCancel(ctx))
			s.save(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		case <-s.kick:
			pause(ctx, refreshEvery) // the badge is answered first, and changes share a round
		}
		s.takeIn(ctx)
		s.refresh(s.cfg.Now())
		s.writeAlarms(ctx)
		s.sendLive()
		if now := s.cfg.Now(); now.Sub(saved) >= snapshotEvery || s.behind() {
			s.save(ctx)
			saved = now
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *State) refresh(now time.Time) {
	s.mu.Lock()
	changed := s.occ.Refresh(now)
	s.checkCrowd(changed, now)
	s.watch(now)
	all := s.occ.All()
	for _, a := range changed {
		s.toSend(a)
	}
	s.mu.Unlock()
	s.all.Store(&all)
	s.sendChanges(changed)
}

// sendChanges sends what has changed since the last call to the clients of the stream.
func (s *State) sendChanges(changed []occupancy.SpaceAvailability) {
	s.mu.Lock()
	list := s.events
	s.events = nil
	for id := range s.renewed {
		list = append(list, &Event{Topic: TopicDevices, Device: id})
	}
	clear(s.renewed)
	s.mu.Unlock()
	for _, a := range changed {
		list = append(list, &Event{Topic: TopicAvailability, Availability: a})
	}
	if len(list) > 0 {
		s.hub.send(list)
	}
}

// AlarmChanged sends clients an alarm that was written: raised, cleared or
// acknowledged.
func (s *State) AlarmChanged(a ingest.Alarm) {
	s.mu.Lock()
	s.events = append(s.events, &Event{Topic: TopicAlarms, Alarm: a})
	s.mu.Unlock()
	s.wake()
}

// DeviceChanged sends clients a device of which something else is known than
// before.
func (s *State) DeviceChanged(id catalogue.DeviceID) {
	s.mu.Lock()
	s.renewed[id] = true
	s.mu.Unlock()
	s.wake()
}

// toSend queues the new content of a live topic, if it changed. The caller
// holds mu.
func (s *State) toSend(a occupancy.SpaceAvailability) {
	v, ok := a.ForLive()
	if !ok {
		return
	}
	topic := wire.LiveTopic(a.Site, a.Space)
	payload, err := json.Marshal(v)
	if err != nil {
		s.cfg.Log.Error("live topic not written", "topic", topic, "error", err)
		return
	}
	if s.sent[topic] != string(payload) {
		s.unsent[topic] = payload
	}
}

// SetEvents sets when events run in each space.
func (s *State) SetEvents(events map[catalogue.SpaceID][]catalogue.Interval) {
	s.mu.Lock()
	s.occ.SetEvents(events)
	s.mu.Unlock()
	s.wake()
}

// Republish publishes every live topic again: an embedded broker has forgotten
// them, an outside one may hold stale ones, or those of spaces that no longer
// exist or became offices.
func (s *State) Republish() {
	all := s.Availability()
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sent)
	gone := maps.Clone(s.topics)
	for _, a := range all {
		s.toSend(a)
		if _, ok := a.ForLive(); ok {
			delete(gone, wire.LiveTopic(a.Site, a.Space))
		}
	}
	for topic := range gone {
		s.unsent[topic] = nil
	}
	s.wake()
}

func (s *State) sendLive() {
	s.mu.Lock()
	unsent := maps.Clone(s.unsent)
	s.mu.Unlock()
	for topic, payload := range unsent {
		if err := s.cfg.Publish(topic, payload, true); err != nil {
			return // it stays queued, and is sent when the broker is back
		}
		s.mu.Lock()
		s.sent[topic] = string(payload)
		if payload == nil {
			delete(s.topics, topic)
		} else if !s.topics[topic] {
			s.topics[topic] = true
			s.pending++ // to be saved
		}
		if have, there := s.unsent[topic]; there && string(have) == string(payload) {
			delete(s.unsent, topic)
		}
		s.mu.Unlock()
	}
}

// OpenAlarms counts the alarms that are not cleared, by kind.
func (s *State) OpenAlarms() map[ingest.AlarmKind]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[ingest.AlarmKind]int{}
	for _, a := range s.opened {
		n[a.Kind]++
	}
	return n
}

// Availability returns all spaces' present state, in catalogue order.
func (s *State) Availability() []occupancy.SpaceAvailability { return *s.all.Load() }

// Subscribe registers a client of the stream, with what it has missed since the
// last event id that it knows. Its Cancel must be called.
func (s *State) Subscribe(lastEventID string, topics ...Topic) *Subscription {
	return s.hub.subscribe(lastEventID, topics)
}

// Devices returns what is known of each device that ever sent something.
func (s *State) Devices() map[catalogue.DeviceID]Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[catalogue.DeviceID]Device, len(s.devices))
	for id, d := range s.devices {
		out[id] = *d
	}
	return out
}

func (s *State) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending >= snapshotMessages
}
