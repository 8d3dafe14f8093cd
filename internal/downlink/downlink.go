// Package downlink speaks to the readers: it keeps their allowlists current,
// holds the doors of public events open while these run, and carries remote
// unlocks and lockdowns. Everything it sends is signed with the site's key.
//
// It follows the rights in force (package rights); answers to single reads
// are the pipeline's (package ingest).
package downlink

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/wire"
)

// Store is what the downlink needs of the ledger.
type Store interface {
	Write(ctx context.Context, change func(*ledger.Tx) error) error
	Allowlists(ctx context.Context) ([]ledger.Allowlist, error)
}

// Config is what a downlink needs.
type Config struct {
	Network *catalogue.Network
	Keys    *keys.Ring
	Rights  *rights.Keeper
	Store   Store
	Publish func(topic string, payload []byte, retain bool) error
	Now     func() time.Time
	Log     *slog.Logger
	// OnList is told when a reader's new list is out, for the propagation metric; may be nil.
	OnList func(device catalogue.DeviceID, version int64, issued time.Time)
}

// Downlink is the running downlink.
type Downlink struct {
	cfg     Config
	readers []*reader
	byDoor  map[catalogue.DoorID][]*reader

	kick  chan struct{}
	greet chan catalogue.DeviceID

	again  atomic.Bool // all lists are to be published again
	events *events
}

// Republish has every list sent again: the broker may have forgotten them.
func (d *Downlink) Republish() {
	d.again.Store(true)
	d.wake()
}

// reader is one reader and the list it was last given.
type reader struct {
	dev  *catalogue.Device
	last ledger.Allowlist
}

// Open loads the lists that were given last; Run keeps them current.
func Open(ctx context.Context, cfg Config) (*Downlink, error) {
	d := &Downlink{
		cfg: cfg, byDoor: map[catalogue.DoorID][]*reader{}, kick: make(chan struct{}, 1),
		greet: make(chan catalogue.DeviceID, 1024), events: newEvents(),
	}
	lists, err := cfg.Store.Allowlists(ctx)
	if err != nil {
		return nil, err
	}
	last := map[catalogue.DeviceID]ledger.Allowlist{}
	for _, l := range lists {
		last[l.Device] = l
	}
	for i := range cfg.Network.Devices {
		dev := &cfg.Network.Devices[i]
		if dev.Kind != catalogue.Reader {
			continue
		}
		r := &reader{dev: dev, last: last[dev.ID]}
		d.readers = append(d.readers, r)
		d.byDoor[dev.Door] = append(d.byDoor[dev.Door], r)
	}
	cfg.Rights.OnChange(func(*rights.InForce) { d.wake() })
	return d, nil
}

func (d *Downlink) wake() {
	select {
	case d.kick <- struct{}{}:
	default: // one is waiting already
	}
}

// Greet tells a reader that has just come online what is in force: it may
// have missed commands. It never blocks.
func (d *Downlink) Greet(device catalogue.DeviceID) {
	select {
	case d.greet <- device:
	default: // so many at once: their next status greets them
	}
}

// Run keeps the readers current until ctx ends: at each change of rights, as
// events begin and end, and before lists expire.
func (d *Downlink) Run(ctx context.Context) {
	d.Republish()
	for {
		if d.again.Swap(false) {
			d.republish()
		}
		d.update(ctx)
		timer := time.NewTimer(d.untilNext())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.kick:
		case <-timer.C:
		case id := <-d.greet:
			d.greetReader(id)
		}
		timer.Stop()
	}
}

// untilNext is the wait until something is due without a change of rights.
func (d *Downlink) untilNext() time.Duration {
	now := d.cfg.Now()
	wait := time.Minute
	if at, ok := d.events.next(now); ok {
		wait = min(wait, max(0, at.Sub(now)))
	}
	return wait
}

func (d *Downlink) update(ctx context.Context) {
	force := d.cfg.Rights.InForce()
	now := d.cfg.Now().UTC().Truncate(time.Millisecond)
	d.updateLockdowns(force, now) // first: a lockdown must not wait for lists
	d.updateEvents(force, now)
	if err := d.updateLists(ctx, force, now); err != nil {
		d.cfg.Log.Error("allowlists not renewed; trying again within a minute", "error", err)
	}
}

// Unlock opens a door for a while, once, at every reader on its inner way.
// It returns once the commands are handed to the broker.
func (d *Downlink) Unlock(door catalogue.DoorID, length time.Duration) error {
	now := d.cfg.Now().UTC().Truncate(time.Millisecond)
	for _, r := range d.byDoor[door] {
		if r.dev.Direction != catalogue.In {
			continue
		}
		if err := d.command(r, "unlock", length, now.Add(commandLife)); err != nil {
			return err
		}
	}
	return nil
}

// commandLife is how long a reader may obey a command that reaches it late.
const commandLife = 15 * time.Second

func (d *Downlink) command(r *reader, kind string, open time.Duration, notAfter time.Time) error {
	key, _ := d.cfg.Keys.Site(r.dev.Site)
	payload, err := wire.SignCommand(key.Private, r.dev.ID, wire.CommandBody{
		ID: uuid.Must(uuid.NewV7()), Kind: kind, OpenMS: int(open.Milliseconds()), NotAfter: notAfter,
	})
	if err != nil {
		return err
	}
	return d.cfg.Publish(topic(r.dev, wire.Command), payload, false)
}

func topic(dev *catalogue.Device, w wire.What) string {
	return wire.Topic{Site: dev.Site, Device: dev.ID, What: w}.String()
}
