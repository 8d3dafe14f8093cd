// Package series computes and stores how spaces were used: for every space and
// minute how long it was occupied and by how many people (rules 9.4), never by
// whom. A minute is computed again when a late message affects it.
//
// The ledger always holds the whole series. An InfluxDB may have a copy for
// dashboards; it may be away or lost, and gets everything again. The names of
// measurements, tags and fields are used here and nowhere else. Package
// occupancy has the arithmetic behind the numbers.
package series

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
)

// MakerConfig is what a Maker needs of the other parts.
type MakerConfig struct {
	History catalogue.History // history of where devices hung
	Ledger  *ledger.Ledger
	// Outbox queues what is computed for an outside database.
	Outbox bool
	Now    func() time.Time
	Log    *slog.Logger
}

// Maker follows the ledger and keeps the series in agreement with its messages.
// One goroutine drives it (Run), or a command that has the data folder to
// itself (Catch).
type Maker struct {
	cfg    MakerConfig
	places places
	kick   chan struct{}
	asked  chan chan error
	made   atomic.Int64 // minutes computed since the start

	mu     sync.Mutex
	asOf   time.Time                   // the series includes every message that arrived before
	faults map[catalogue.SpaceID]error // errors of the spaces that cannot be computed at the moment
}

// How much is done at a time. The portions are small because doors use the same
// ledger, and a decision waits until a commit that has begun is done.
const (
	observationsPage = 4000
	readsPage        = 2000
	dirtyPage        = 4000
	pieceMinutes     = 7 * 24 * 60
	writeMinutes     = 20_000 // minutes of one commit
	lingerAfter      = 5 * time.Second
)

// The names of the cursors in the ledger.
const (
	cursorObservations = "series-observations"
	cursorReads        = "series-reads"
	cursorMinute       = "series-minute" // the first minute that has not passed yet
)

// NewMaker returns a maker; it does nothing yet.
func NewMaker(cfg MakerConfig) *Maker {
	return &Maker{
		cfg:    cfg,
		places: placesOf(cfg.History),
		kick:   make(chan struct{}, 1),
		asked:  make(chan chan error),
		faults: map[catalogue.SpaceID]error{},
	}
}

// Wake is called when something was committed. It never waits.
func (m *Maker) Wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Faults returns the spaces that cannot be computed at the moment, each with
// its error. They are tried again every minute; the others continue.
func (m *Maker) Faults() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, id := range slices.Sorted(maps.Keys(m.faults)) {
		list = append(list, fmt.Sprintf("series: %s cannot be computed: %v", id, m.faults[id]))
	}
	return list
}

func (m *Maker) setFault(space catalogue.SpaceID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		delete(m.faults, space)
		return
	}
	if m.faults[space] == nil {
		m.cfg.Log.Error("could not compute the series of a space; the others continue", "space", space, "error", err)
	}
	m.faults[space] = err
}

// Made returns how many minutes were computed since the start.
func (m *Maker) Made() int64 { return m.made.Load() }

// CaughtUp waits until the series includes every message committed before.
func (m *Maker) CaughtUp(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case m.asked <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run keeps the series until ctx ends.
func (m *Maker) Run(ctx context.Context) {
	for {
		if err := m.Catch(ctx); err != nil && ctx.Err() == nil {
			m.cfg.Log.Error("could not compute the series; trying again", "error", err)
		}
		// A minute that has passed is computed a second later.
		next := occupancy.MinuteTime(occupancy.MinuteOf(m.cfg.Now()) + 1).Sub(m.cfg.Now())
		select {
		case <-ctx.Done():
			return
		case <-m.kick:
			select {
			case <-ctx.Done():
				return
			case <-time.After(lingerAfter): // messages of these seconds are computed together; CaughtUp does not wait
			case done := <-m.asked:
				done <- m.Catch(ctx)
			}
		case done := <-m.asked:
			done <- m.Catch(ctx)
		case <-time.After(next + time.Second):
		}
	}
}

// AsOf returns the arrival time up to which the series certainly includes all
// messages.
func (m *Maker) AsOf() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asOf
}

// Catch processes everything that is committed, and the passing of minutes.
func (m *Maker) Catch(ctx context.Context) error {
	began := m.cfg.Now()
	err := m.follow(ctx)
	if err == nil {
		m.mu.Lock()
		m.asOf = began
		m.mu.Unlock()
	}
	return err
}

func (m *Maker) follow(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = m.notice(ctx); err != nil {
			return err
		}
	}
	if err := m.repair(ctx); err != nil {
		return err
	}
	for more := true; more; {
		var err error
		if more, err = m.makeDue(ctx); err != nil {
			return err
		}
	}
	return nil
}

// repair marks the days that could not be decoded, so that they are computed
// again.
func (m *Maker) repair(ctx context.Context) error {
	days := m.cfg.Ledger.Damaged()
	if len(days) == 0 {
		return nil
	}
	return m.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		for _, d := range days {
			m.cfg.Log.Warn("a day of the series cannot be decoded; it will be computed again", "space", d.Space, "day", d.Day)
			start := occupancy.MinuteTime(d.Day * dayMinutes)
			if err := tx.MarkDirty(d.Space, start, start.Add(24*time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
}
