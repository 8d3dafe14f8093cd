// Package readers informs the readers: it keeps their allowlists current, holds
// the doors of public events open while these run, and sends remote unlocks and
// lockdowns. Everything it sends is signed with the site's key.
//
// It follows the rights in force (package rights). Answers to single reads are
// sent by package ingest.
package readers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/wire"
)

// Store is what this package needs of the ledger.
type Store interface {
	Write(ctx context.Context, change func(*ledger.Tx) error) error
	Allowlists(ctx context.Context) ([]ledger.Allowlist, error)
	AllowlistPayload(ctx context.Context, device catalogue.DeviceID) ([]byte, error)
	ListKeys(ctx context.Context) (map[catalogue.DeviceID]int, error)
}

// Config is what an Updater needs of the other parts.
type Config struct {
	Network *catalogue.Network
	Keys    *keys.Ring
	Rights  *rights.Keeper
	Store   Store
	Publish func(topic string, payload []byte, retain bool) error
	Now     func() time.Time
	Log     *slog.Logger
	// OnList is called when a reader's new list is published, for the metric of
	// its propagation; may be nil.
	OnList func(device catalogue.DeviceID, version int64, issued time.Time)
	// OnCommand is called when a reader was sent a command; may be nil. It must
	// not wait.
	OnCommand func(device catalogue.DeviceID)
	// OnSize is called with the size of a reader's list, in bytes; may be nil.
	OnSize func(device *catalogue.Device, size int)
}

// Updater sends the readers their allowlists and commands, and sends them again
// where one may have missed them.
type Updater struct {
	cfg     Config
	readers []*reader
	byDoor  map[catalogue.DoorID][]*reader
	byID    map[catalogue.DeviceID]*reader

	opens map[catalogue.DoorID][]wire.SpaceHash // the spaces to which each door leads
	kick  chan struct{}
	again atomic.Bool // all lists must be published again, and states sent again
	due   time.Time   // when an event begins or ends; used by Run only

	telling sync.Mutex // held while readers are informed; guards what they were sent

	mu       sync.Mutex
	greeted  map[catalogue.DeviceID]greeting // readers that must be sent their state
	forms    map[catalogue.DeviceID]int      // form of lists, as readers report in their status
	listKeys map[catalogue.DeviceID]int      // how many list keys each has; none: one
	unlocked map[catalogue.DoorID]time.Time  // until when remote unlocks hold a door open
	sent     map[catalogue.DeviceID]Command  // last command to each
}

// Command is a command that a reader was sent.
type Command struct {
	ID   uuid.UUID // nil: in a real reader's own protocol, which it cannot confirm
	Kind wire.CommandKind
	Open time.Duration
	At   time.Time
}

// Sent returns the last command that a reader was sent since Totem started;
// false: none.
func (d *Updater) Sent(device catalogue.DeviceID) (Command, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.sent[device]
	return c, ok
}

func (d *Updater) noteSent(device catalogue.DeviceID, c Command) {
	c.At = d.cfg.Now()
	d.mu.Lock()
	d.sent[device] = c
	d.mu.Unlock()
	if d.cfg.OnCommand != nil {
		d.cfg.OnCommand(device)
	}
}

// Republish sends every list again: the broker may have forgotten them.
func (d *Updater) Republish() {
	d.again.Store(true)
	d.wake()
}

// KeysChanged makes lists again where the keys that sign them, or will sign
// next, have changed.
func (d *Updater) KeysChanged() { d.wake() }

// reader is one reader, the list it was sent last and its state.
type reader struct {
	dev   *catalogue.Device
	last  ledger.Allowlist // its payload only until it is sent: all lists together may be large
	form  int              // form of its lists: wire.ListForm1 or wire.ListForm2
	basis basis            // what last was last found right for
	// unsent is set while its list is committed but could not be sent.
	unsent bool
	told   told
}

// Open loads the lists that were sent last; Run keeps them current.
func Open(ctx context.Context, cfg Config) (*Updater, error) {
	d := &Updater{
		cfg:      cfg,
		opens:    spacesBeyond(cfg.Network),
		byDoor:   map[catalogue.DoorID][]*reader{},
		byID:     map[catalogue.DeviceID]*reader{},
		kick:     make(chan struct{}, 1),
		greeted:  map[catalogue.DeviceID]greeting{},
		forms:    map[catalogue.DeviceID]int{},
		unlocked: map[catalogue.DoorID]time.Time{},
		sent:     map[catalogue.DeviceID]Command{},
	}
	if err := d.LoadListKeys(ctx); err != nil {
		return nil, err
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
		d.byID[dev.ID] = r
	}
	cfg.Rights.OnChange(func(*rights.InForce) { d.wake() })
	return d, nil
}

func (d *Updater) wake() {
	select {
	case d.kick <- struct{}{}:
	default: // a wake-up is pending already
	}
}

// Connected sends a reader the state of its door: it has just subscribed to its
// commands, and may have missed some. It never waits.
func (d *Updater) Connected(device catalogue.DeviceID) { d.greet(device, connects) }

// Returned does the same for a reader whose status shows that it was away, or
// may have been.
func (d *Updater) Returned(device catalogue.DeviceID, wasAway bool) {
	if wasAway {
		d.greet(device, connects)
	} else {
		d.greet(device, returns)
	}
}

func (d *Updater) greet(device catalogue.DeviceID, why greeting) {
	if d.byID[device] == nil {
		return
	}
	d.mu.Lock()
	if d.greeted[device] != connects {
		d.greeted[device] = why
	}
	d.mu.Unlock()
	d.wake()
}

// SetForm notes which form of lists a reader understands.
func (d *Updater) SetForm(device catalogue.DeviceID, form int) {
	d.mu.Lock()
	d.forms[device] = form
	d.mu.Unlock()
	d.wake()
}

// LoadListKeys loads how many list keys each reader has.
func (d *Updater) LoadListKeys(ctx context.Context) error {
	given, err := d.cfg.Store.ListKeys(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.listKeys = given
	d.mu.Unlock()
	d.wake()
	return nil
}

func (d *Updater) listKeysOf(device catalogue.DeviceID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(1, d.listKeys[device])
}

func (d *Updater) formOf(device catalogue.DeviceID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.forms[device] >= wire.ListForm2 {
		return wire.ListForm2
	}
	return wire.ListForm1
}

// Run keeps the readers current until ctx ends: at each change of rights, as
// events begin and end, and before lists expire.
func (d *Updater) Run(ctx context.Context) {
	d.Republish()
	for {
		again := d.again.Swap(false)
		if again {
			d.republish()
		}
		d.update(ctx, again)
		timer := time.NewTimer(d.untilNext())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.kick:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// untilNext returns how long until something is due without a change of rights.
func (d *Updater) untilNext() time.Duration {
	now := d.cfg.Now()
	wait := time.Minute
	if !d.due.IsZero() { // it may have become due while lists were made: it must not wait longer
		wait = max(0, min(wait, d.due.Sub(now)))
	}
	return wait
}

func (d *Updater) update(ctx context.Context, again bool) {
	force := d.cfg.Rights.InForce()
	now := d.cfg.Now().UTC().Truncate(time.Millisecond)
	d.updateStates(
		force,
		now,
		again,
	) // states first: a lockdown must not wait for lists
	if err := d.updateLists(
		ctx,
		force,
		now,
	); err != nil && ctx.Err() == nil &&
		!errors.Is(err, broker.ErrNotConnected) { // the broker's client logs that
		d.cfg.Log.Error("could not renew allowlists; trying again within a minute", "error", err)
	}
}

// CanUnlock reports whether some reader on the way in of a door can open it on
// command.
func (d *Updater) CanUnlock(door catalogue.DoorID) bool {
	return slices.ContainsFunc(
		d.byDoor[door],
		func(r *reader) bool { return r.dev.Direction == catalogue.In && canTell(r.dev) },
	)
}

// ErrUnreachable is returned where no reader on the way in of a door can open
// it on command.
var ErrUnreachable = errors.New("no reader on the way in of this door can open it on command")

// Unlock opens a door for a while at every reader on its way in. It never
// shortens an event that holds the door open. It returns once the commands are
// handed to the broker.
func (d *Updater) Unlock(door catalogue.DoorID, length time.Duration) error {
	d.telling.Lock()
	defer d.telling.Unlock()
	now := d.cfg.Now().UTC().Truncate(time.Millisecond)
	reached := false
	var errs []error
	until := now.Add(length)
	for _, r := range d.byDoor[door] {
		if r.dev.Direction != catalogue.In || !canTell(r.dev) {
			continue
		}
		reached = true
		if topic, payload, ok := foreign.Open(r.dev); ok {
			err := d.cfg.Publish(topic, payload, false)
			if errs = append(errs, err); err == nil {
				d.noteSent(r.dev.ID, Command{Kind: wire.Unlock, Open: length})
			}
			continue
		}
		want := state{until: until}
		if held := d.eventUntil(d.cfg.Rights.InForce(), door, now); !held.IsZero() {
			want.until, want.event = later(until, held), true
		}
		if err := d.command(r, wire.Unlock, want.until.Sub(now), now.Add(commandLife)); err != nil {
			errs = append(errs, err)
			continue
		}
		r.told.state, r.told.known, r.told.sure = want, true, false
	}
	if !reached {
		return ErrUnreachable
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if until.After(d.unlocked[door]) {
		d.unlocked[door] = until
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// canTell reports whether a reader can be told to open: one that reads
// Totem's commands, or a real one that Totem opens by a message of its own kind.
func canTell(dev *catalogue.Device) bool {
	_, _, ok := foreign.Open(dev)
	return dev.Adapter == "" || ok
}

// commandLife is how long a reader may obey a command that reaches it late.
const commandLife = 15 * time.Second

func (d *Updater) command(r *reader, kind wire.CommandKind, open time.Duration, notAfter time.Time) error {
	key, _ := d.cfg.Keys.Site(r.dev.Site)
	body := wire.CommandBody{ID: uuid.Must(uuid.NewV7()), Kind: kind, OpenMS: int(open.Milliseconds()), NotAfter: notAfter}
	payload, err := wire.SignCommand(key.Private, r.dev.ID, body)
	if err != nil {
		return err
	}
	// Noted first: a reader's confirmation may arrive before Publish returns.
	d.noteSent(r.dev.ID, Command{ID: body.ID, Kind: kind, Open: open})
	return d.cfg.Publish(topic(r.dev, wire.Command), payload, false)
}

func topic(dev *catalogue.Device, w wire.What) string {
	return wire.Topic{Site: dev.Site, Device: dev.ID, What: w}.String()
}
