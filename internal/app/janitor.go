package app

import (
	"context"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
)

// Retention (rules 12.3): reads three months (CNIL); rejects a month.
const (
	keepReadMonths = 3
	keepRejects    = 30 * 24 * time.Hour
	purgeEvery     = time.Hour
	// purgeStep bounds the time of one commit: doors share the ledger.
	purgeStep = 200
	// purgeWaits is how long purging waits for visits and minutes to be made.
	purgeWaits = 5 * time.Minute
)

// janitor forgets what is too old to be kept, a little at a time.
func (a *house) janitor(ctx context.Context) {
	for {
		if err := a.purge(ctx); err != nil && ctx.Err() == nil {
			a.opt.Log.Error("old reads not purged; trying again within the hour", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(purgeEvery):
		}
	}
}

// dayEvery is how often it is looked whether a new local day has begun.
const dayEvery = 20 * time.Second

// keepDay puts in force what begins with a new local day: versions of plans and leases.
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

// hoursEvery is how often hours are made ahead of whoever asks for them.
const hoursEvery = 30 * time.Second

// keepHours makes the hours that changed, so that a question finds them made.
func (a *house) keepHours(ctx context.Context) {
	b := a.bills()
	for {
		if err := b.MakeHours(ctx); err != nil && ctx.Err() == nil {
			a.opt.Log.Error("hours not made ahead; they are made when asked for", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(hoursEvery):
		}
	}
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

func (a *house) purge(ctx context.Context) error {
	// Visits and minutes are made before their reads and messages go, but what
	// must be forgotten by law waits for nobody who cannot.
	made, cancel := context.WithTimeout(ctx, purgeWaits)
	if _, err := a.seriesCaughtUp(made); err != nil && ctx.Err() == nil {
		a.opt.Log.Error("old reads are purged although visits or minutes are not made", "error", err)
	}
	cancel()
	for more := true; more; {
		now := a.opt.Now().UTC()
		r := ledger.Retention{Reads: now.Sub(now.AddDate(0, -keepReadMonths, 0)), Rejects: keepRejects,
			Observations: days(a.cfg.KeepMessages), Series: days(a.cfg.KeepSeries), Shipped: a.shipper != nil}
		err := a.ledger.Write(ctx, func(tx *ledger.Tx) (err error) {
			more, err = tx.Purge(now, r, catalogue.EverBillable(a.catalogues), purgeStep)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
