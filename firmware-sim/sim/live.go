package sim

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/firmware-sim/reader"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// Link is a connection to a broker, for the devices of one or all sites.
type Link interface {
	Publisher
	PublishRetained(topic string, payload []byte) error
	Subscribe(ctx context.Context, filter string, handle func(topic string, payload []byte)) error
	Done() <-chan struct{}
	Close() error
}

// LiveConfig is what live readers need.
type LiveConfig struct {
	SiteKeys map[catalogue.SiteID]ed25519.PublicKey
	ListKey  []byte
	Sites    []catalogue.SiteID // only these sites; none: all
	// Connect opens a link for the devices of the sites; it is called again
	// when one ends.
	Connect func(ctx context.Context) (Link, error)
	Now     func() time.Time
	Log     *slog.Logger
}

const (
	liveTick = 100 * time.Millisecond
	// roundsEvery is about how often a member of the staff passes a door at
	// each site.
	roundsEvery = 20 * time.Second
	firmware    = "sim-1.0"
)

// heard is a decision, command or allowlist that a reader has received.
type heard struct {
	topic   string
	payload []byte
}

// live is the running simulation: one goroutine drives every reader.
type live struct {
	*Sim
	LiveConfig
	readers map[catalogue.DeviceID]*reader.Reader
	inbox   chan heard
	today   []Sent
	day     catalogue.Day
	rounds  map[catalogue.SiteID]time.Time
	walks   map[catalogue.SiteID]int
	flying  []*wire.Message
}

// Live simulates from now on until ctx ends, at any hour of the day.
func (s *Sim) Live(ctx context.Context, c LiveConfig) error {
	l := &live{Sim: s, LiveConfig: c, readers: map[catalogue.DeviceID]*reader.Reader{}, inbox: make(chan heard, 10000),
		rounds: map[catalogue.SiteID]time.Time{}, walks: map[catalogue.SiteID]int{}}
	if len(l.Sites) == 0 {
		for _, site := range s.cfg.World.Network.Sites {
			l.Sites = append(l.Sites, site.ID)
		}
	}
	for _, d := range s.cfg.World.Network.Devices {
		if d.Kind == catalogue.Reader && slices.Contains(l.Sites, d.Site) {
			l.readers[d.ID] = reader.New(
				reader.Config{Device: d.ID, Site: d.Site, Door: d.Door, Direction: d.Direction, SiteKey: c.SiteKeys[d.Site],
					ListKey: c.ListKey, Boot: uuid.New(), NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) }},
			)
		}
	}
	for ctx.Err() == nil {
		if err := l.connected(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("the simulator has no connection; trying again", "error", err)
			pause(ctx, 2*time.Second)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// connected runs the simulation over one link until it ends, and returns why it
// ended.
func (l *live) connected(ctx context.Context) error {
	link, err := l.Connect(ctx)
	if err != nil {
		return err
	}
	defer link.Close()
	for _, site := range l.Sites {
		for _, what := range wire.DownWhats() {
			filter := wire.Prefix + "/" + string(site) + "/+/" + string(what)
			if err := link.Subscribe(ctx, filter, func(topic string, payload []byte) {
				select {
				case l.inbox <- heard{strings.Clone(topic), slices.Clone(payload)}:
				default: // a reader that is sent too much at once misses some messages
				}
			}); err != nil {
				return err
			}
		}
	}
	if err := l.greet(link); err != nil {
		return err
	}
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	settle := time.NewTicker(2 * time.Second)
	defer settle.Stop()
	for {
		select {
		case <-ctx.Done():
			return l.farewell(link)
		case <-link.Done():
			return context.Canceled
		case h := <-l.inbox:
			err = l.deliver(link, h)
		case <-tick.C:
			err = l.tick(link)
		case <-settle.C:
			err = l.dropAcknowledged(ctx, link)
		}
		if err != nil {
			return err
		}
	}
}

// greet sends every device's status as online, and what the readers had kept.
func (l *live) greet(link Link) error {
	now := l.Now()
	for _, d := range l.cfg.World.Network.Devices {
		if !slices.Contains(l.Sites, d.Site) || l.devices.dead[d.ID] {
			continue
		}
		if err := l.status(link, d.ID, now, true); err != nil {
			return err
		}
	}
	for _, r := range l.readers {
		for _, m := range r.Unsent() {
			if err := l.publish(link, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// farewell sends every device's status as offline, as a last will would.
func (l *live) farewell(link Link) error {
	now := l.Now()
	for _, d := range l.cfg.World.Network.Devices {
		if slices.Contains(l.Sites, d.Site) && !l.devices.dead[d.ID] {
			if err := l.status(link, d.ID, now, false); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return link.Drain(ctx)
}

func (l *live) status(link Link, id catalogue.DeviceID, now time.Time, online bool) error {
	var m *wire.Message
	if r := l.readers[id]; r != nil {
		m = r.Status(now, online, firmware)
	} else {
		v := firmware
		m = l.devices.message(id, wire.Status, now)
		m.ID, m.Status = uuid.Must(uuid.NewV7()), &wire.StatusBody{Online: online, Firmware: &v}
	}
	payload, err := m.Encode()
	if err != nil {
		return err
	}
	return link.PublishRetained(m.Topic.String(), payload)
}

func (l *live) publish(link Link, m *wire.Message) error {
	payload, err := m.Encode()
	if err != nil {
		return err
	}
	l.flying = append(l.flying, m)
	return link.Publish(m.Topic.String(), payload)
}

// dropAcknowledged drops acknowledged messages from the readers' flash.
func (l *live) dropAcknowledged(ctx context.Context, link Link) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := link.Drain(ctx); err != nil {
		return nil // not all of it is acknowledged yet
	}
	for _, m := range l.flying {
		if r := l.readers[m.Topic.Device]; r != nil {
			r.Acknowledged(m.ID)
		}
	}
	l.flying = l.flying[:0]
	return nil
}

// deliver gives a reader a message that it was sent.
func (l *live) deliver(link Link, h heard) error {
	parts := strings.Split(h.topic, "/")
	if len(parts) != 5 {
		return nil
	}
	r := l.readers[catalogue.DeviceID(parts[3])]
	if r == nil {
		return nil
	}
	now := l.Now()
	switch wire.What(parts[4]) {
	case wire.Decision:
		r.Decision(h.payload, now)
	case wire.Command:
		if r.Command(h.payload, now) != nil { // its status reports that it obeyed
			return l.status(link, r.Device, now, true)
		}
	case wire.Allowlist:
		if r.Allowlist(h.payload) {
			return l.status(link, r.Device, now, true)
		}
	}
	return nil
}

// tick sends the messages that are due, and has each reader decide by itself the
// reads that have waited long enough for an answer.
func (l *live) tick(link Link) error {
	now := l.Now()
	if err := l.sendDue(link, now); err != nil {
		return err
	}
	for _, site := range l.Sites {
		if err := l.makeRound(link, site, now); err != nil {
			return err
		}
	}
	for _, r := range l.readers {
		_, messages := r.Tick(now)
		for _, m := range messages {
			if err := l.publish(link, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendDue publishes today's messages whose time has come; badges go through
// their reader, so that it waits for the answer.
func (l *live) sendDue(link Link, now time.Time) error {
	if day := l.cfg.World.Network.Zone.At(now).Day; day != l.day {
		messages, _, err := l.Sim.day(day)
		if err != nil {
			return err
		}
		l.day, l.today = day, messages
		// What is already past today was sent as history.
		l.today = slices.DeleteFunc(l.today, func(s Sent) bool { return s.At.Before(now.Add(-liveTick)) })
	}
	for len(l.today) > 0 && !l.today[0].At.After(now) {
		s := l.today[0]
		l.today = l.today[1:]
		if !slices.Contains(l.Sites, s.Message.Topic.Site) {
			continue
		}
		if err := l.happen(link, s, now); err != nil {
			return err
		}
	}
	return nil
}

func (l *live) happen(link Link, s Sent, now time.Time) error {
	if s.Step != nil {
		return l.badge(link, s.Message.Topic.Device, s.Step, now)
	}
	m := s.Message
	if r := l.readers[m.Topic.Device]; r != nil && m.Topic.What == wire.Door {
		m = r.DoorIs(m.Door, now)
	} else {
		// Numbering begins with a new boot id: history used another.
		m.ID, m.HasSeq, m.Seq, m.Boot = uuid.Must(uuid.NewV7()), false, 0, uuid.Nil
	}
	return l.publish(link, m)
}

func (l *live) badge(link Link, id catalogue.DeviceID, s *life.Step, now time.Time) error {
	r := l.readers[id]
	if r == nil {
		return nil
	}
	m, _ := r.Badge(wire.Credential{Bytes: s.UID}, now)
	return l.publish(link, m)
}

// makeRound lets a member of the staff pass a door of a site now and then.
func (l *live) makeRound(link Link, site catalogue.SiteID, now time.Time) error {
	next, begun := l.rounds[site]
	if begun && now.Before(next) {
		return nil
	}
	wait := roundsEvery
	if !begun { // not all sites at the same moment
		wait = time.Duration(2+3*len(l.rounds)) * time.Second
		l.rounds[site] = now.Add(wait)
		return nil
	}
	l.rounds[site] = now.Add(wait + time.Duration(l.walks[site]%7)*time.Second)
	s, ok := l.town.Rounds(site, l.walks[site], now)
	l.walks[site]++
	if !ok || !s.Badged {
		return nil
	}
	return l.badge(link, l.devices.readers[s.Door][s.Direction], &s, now)
}
