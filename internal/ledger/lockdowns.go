package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// SetLockdown begins or ends a site's lockdown. Repeating the present state
// changes nothing.
func (tx *Tx) SetLockdown(site catalogue.SiteID, active bool, now time.Time) error {
	if active {
		return tx.run(`INSERT INTO lockdowns (site, from_at) SELECT ?, ? WHERE NOT EXISTS
			(SELECT 1 FROM lockdowns WHERE site = ? AND to_at IS NULL)`, string(site), ms(now), string(site))
	}
	return tx.run("UPDATE lockdowns SET to_at = ? WHERE site = ? AND to_at IS NULL", ms(now), string(site))
}

// Lockdowns lists the lockdowns that are on or ended at or after since.
func (l *Ledger) Lockdowns(ctx context.Context, since time.Time) ([]tenancy.Lockdown, error) {
	var list []tenancy.Lockdown
	rows, err := l.reads.QueryContext(ctx,
		"SELECT site, from_at, to_at FROM lockdowns WHERE to_at IS NULL OR to_at >= ? ORDER BY seq",
		ms(since),
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var k tenancy.Lockdown
		var from int64
		var to sql.NullInt64
		err := rows.Scan(&k.Site, &from, &to)
		k.From, k.To = at(from), instant(to)
		list = append(list, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load lockdowns: %w", err)
	}
	return list, nil
}
