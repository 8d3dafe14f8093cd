package ledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/webhooks"
)

// SetLockdown begins or ends a site's lockdown. Repeating the present state
// changes nothing.
func (tx *Tx) SetLockdown(site catalogue.SiteID, active bool, now time.Time) error {
	if err := tx.announceLockdown(site, active, now); err != nil {
		return err
	}
	if active {
		return tx.run(`INSERT INTO lockdowns (site, from_at) SELECT ?, ? WHERE NOT EXISTS
			(SELECT 1 FROM lockdowns WHERE site = ? AND to_at IS NULL)`, string(site), ms(now), string(site))
	}
	return tx.run("UPDATE lockdowns SET to_at = ? WHERE site = ? AND to_at IS NULL", ms(now), string(site))
}

func (tx *Tx) announceLockdown(site catalogue.SiteID, active bool, now time.Time) error {
	e := webhooks.Event{Type: webhooks.LockdownEnded, Topic: webhooks.OfLockdowns, Site: site, At: now, Data: struct {
		Site   catalogue.SiteID `json:"site"`
		Active bool             `json:"active"`
	}{site, active}}
	changes := "EXISTS"
	if active {
		e.Type, changes = webhooks.LockdownBegun, "NOT EXISTS"
	}
	return tx.announce(e, changes+" (SELECT 1 FROM lockdowns WHERE site = ? AND to_at IS NULL)", string(site))
}

// Lockdowns lists the lockdowns that are on or ended at or after since.
func (l *Ledger) Lockdowns(ctx context.Context, since time.Time) ([]tenancy.Lockdown, error) {
	return list(ctx, l.reads, "load lockdowns", func(rows *sql.Rows) (k tenancy.Lockdown, err error) {
		var from int64
		var to sql.NullInt64
		err = rows.Scan(&k.Site, &from, &to)
		k.From, k.To = at(from), instant(to)
		return k, err
	}, "SELECT site, from_at, to_at FROM lockdowns WHERE to_at IS NULL OR to_at >= ? ORDER BY seq",
		ms(since))
}
