package app

import (
	"context"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
)

// Retention (rules 12.3): reads three months (CNIL), rejected messages a month.
const (
	keepReadMonths = 3
	keepRejects    = 30 * 24 * time.Hour
	purgeEvery     = time.Hour
	// purgeStep limits how much one commit deletes: decisions at doors wait while it is written.
	purgeStep = 200
	// purgeWaits is how long purging waits for visits and minutes to be
	// computed.
	purgeWaits = 5 * time.Minute
)

// janitor deletes what is older than it may be kept, a little at a time.
func (a *house) janitor(ctx context.Context) {
	for {
		if err := a.Purge(ctx); err != nil && ctx.Err() == nil {
			a.opt.Log.Error("could not purge old reads; trying again within the hour", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(purgeEvery):
		}
	}
}

// dayEvery is how often keepDay checks whether a new local day has begun.
const dayEvery = 20 * time.Second

// keepDay puts in force the versions of plans and leases that begin on a new
// local day.
func (a *house) keepDay(ctx context.Context) {
	for {
		a.Rights.Roll()
		select {
		case <-ctx.Done():
			return
		case <-time.After(dayEvery):
		}
	}
}

// hoursEvery is how often hours are computed before anybody asks for them.
const hoursEvery = 30 * time.Second

// keepHours computes the hours that changed, so that a request finds them
// ready.
func (a *house) keepHours(ctx context.Context) {
	b := a.bills()
	for {
		if err := b.MakeHours(ctx); err != nil && ctx.Err() == nil {
			a.opt.Log.Error("could not compute hours in advance; they are computed when asked for", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(hoursEvery):
		}
	}
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

func (a *house) Purge(ctx context.Context) error {
	// Visits and minutes are computed before their reads and messages are
	// deleted. But what the law says must be deleted does not wait for visits
	// that cannot be computed.
	made, cancel := context.WithTimeout(ctx, purgeWaits)
	if _, err := a.SeriesCaughtUp(made); err != nil && ctx.Err() == nil {
		a.opt.Log.Error("purging old reads although some visits or minutes could not be computed", "error", err)
	}
	cancel()
	for more := true; more; {
		now := a.opt.Now().UTC()
		r := ledger.Retention{Reads: now.Sub(now.AddDate(0, -keepReadMonths, 0)), Rejects: keepRejects,
			Observations: days(a.Config.KeepMessages), Series: days(a.Config.KeepSeries), Shipped: a.shipper != nil}
		err := a.Ledger.Write(ctx, func(tx *ledger.Tx) (err error) {
			more, err = tx.Purge(now, r, catalogue.EverBillable(a.Catalogues), purgeStep)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
