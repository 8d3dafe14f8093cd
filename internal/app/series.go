package app

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series"
)

// cursorTarget is the cursor that names the InfluxDB for which the outbox is
// kept.
const cursorTarget = "influx-target"

// openSeries opens what computes the series, and what ships a copy to InfluxDB
// where one is configured.
func (a *house) openSeries(ctx context.Context) error {
	if err := resendIfTargetChanged(ctx, a.Ledger, a.Config); err != nil {
		return err
	}
	if a.Config.InfluxURL != "" {
		influx := series.NewInflux(a.Network, a.Config.Influx())
		a.core.add("InfluxDB", func(context.Context) error { influx.Close(); return nil })
		a.shipper = series.NewShipper(a.Catalogues, a.Ledger, influx, a.opt.Now, a.opt.Log)
	}
	a.maker = series.NewMaker(
		series.MakerConfig{History: a.Catalogues, Ledger: a.Ledger, Outbox: a.shipper != nil, Now: a.opt.Now, Log: a.opt.Log},
	)
	a.Waits = &decisionWaits{sites: map[catalogue.SiteID]*siteWaits{}}
	return nil
}

// resendIfTargetChanged queues the whole series for InfluxDB when its URL,
// organisation or bucket differs from last time.
func resendIfTargetChanged(ctx context.Context, l *ledger.Ledger, cfg Config) error {
	var target int64
	if cfg.InfluxURL != "" {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d", cfg.InfluxURL, cfg.InfluxOrg, cfg.InfluxBucket, series.Generation)
		target = int64(h.Sum64()>>1) | 1
	}
	have, err := l.Cursor(ctx, cursorTarget)
	if err != nil || have == target {
		return err
	}
	if target != 0 {
		if err := series.RewindAll(ctx, l); err != nil {
			return err
		}
	}
	return l.Write(ctx, func(tx *ledger.Tx) error { return tx.SetCursor(cursorTarget, target) })
}

// SeriesCaughtUp waits until the series includes everything committed. It waits for the visits first, because the
// series counts badges by them. If ctx ends before, it returns the arrival time up to which the series is complete;
// zero means that it is complete.
func (a *house) SeriesCaughtUp(ctx context.Context) (asOf time.Time, err error) {
	if asOf, err = a.Presence.CaughtUp(ctx); err != nil {
		return earlier(asOf, a.maker.AsOf()), err
	}
	if err = a.maker.CaughtUp(ctx); err != nil {
		return earlier(asOf, a.maker.AsOf()), err
	}
	return asOf, nil
}

// CaughtUp waits until the visits of every read committed so far are computed
// (presence.Follower).
func (a *App) CaughtUp(ctx context.Context) (asOf time.Time, err error) {
	return a.Presence.CaughtUp(ctx)
}

// MinutesMade returns how many minutes were computed since the service started
// or another catalogue was put in force.
func (a *App) MinutesMade() int64 { return a.maker.Made() }

// earlier returns the earlier of two instants; a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// decisionWaits collects how long readers waited for decisions, minute by
// minute.
type decisionWaits struct {
	mu    sync.Mutex
	sites map[catalogue.SiteID]*siteWaits
}

type siteWaits struct {
	count    int64
	sum      time.Duration
	waits    []time.Duration // the first mostWaits of the minute
	refusals map[refusal]int64
}

// refusal is a door that refuses a badge, and why.
type refusal struct {
	door   catalogue.DoorID
	reason access.Reason
}

// mostWaits limits the memory of a busy minute.
const mostWaits = 20_000

// Add notes how long a reader waited for its answer.
func (w *decisionWaits) Add(site catalogue.SiteID, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.of(site)
	s.count++
	s.sum += took
	if len(s.waits) < mostWaits {
		s.waits = append(s.waits, took)
	}
}

// Refuse notes that an answer was no.
func (w *decisionWaits) Refuse(site catalogue.SiteID, door catalogue.DoorID, reason access.Reason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of(site).refusals[refusal{door, reason}]++
}

func (w *decisionWaits) of(site catalogue.SiteID) *siteWaits {
	s := w.sites[site]
	if s == nil {
		s = &siteWaits{refusals: map[refusal]int64{}}
		w.sites[site] = s
	}
	return s
}

// Take returns what was collected, as of a minute, and begins a new collection.
func (w *decisionWaits) Take(minute int64) []ledger.DecisionTime {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []ledger.DecisionTime
	for site, s := range w.sites {
		slices.Sort(s.waits)
		at := func(part float64) time.Duration { return s.waits[int(part*float64(len(s.waits)-1)+0.5)] }
		d := ledger.DecisionTime{
			Minute: minute,
			Site:   site,
			Count:  s.count,
			Mean:   s.sum / time.Duration(s.count),
			P50:    at(0.5),
			P99:    at(0.99),
			Max:    at(1),
		}
		for r, n := range s.refusals {
			d.Refused += n
			d.Refusals = append(d.Refusals, ledger.Refusals{Door: r.door, Reason: string(r.reason), Count: n})
		}
		slices.SortFunc(d.Refusals, func(a, b ledger.Refusals) int {
			return cmp.Or(cmp.Compare(a.Door, b.Door), cmp.Compare(a.Reason, b.Reason))
		})
		out = append(out, d)
	}
	clear(w.sites)
	slices.SortFunc(out, func(a, b ledger.DecisionTime) int { return cmp.Compare(a.Site, b.Site) })
	return out
}

// keepWaits stores each minute's waits once it has passed.
func (a *house) keepWaits(ctx context.Context) {
	for {
		now := a.opt.Now()
		minute := occupancy.MinuteOf(now)
		select {
		case <-ctx.Done():
		case <-time.After(occupancy.MinuteTime(minute + 1).Sub(now)):
		}
		list := a.Waits.Take(minute)
		if len(list) > 0 {
			err := a.Ledger.Write(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
				for _, d := range list {
					if err := tx.AddDecisionTime(d); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				a.opt.Log.Error("could not store decision times", "error", err)
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}
