package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
)

// ToOutbox queues an hour of a space for an outside database.
func (tx *Tx) ToOutbox(space catalogue.SpaceID, hour int64) error {
	err := tx.run(
		"INSERT INTO series_outbox (space, hour, version) VALUES (?, ?, 1) ON CONFLICT (space, hour) DO UPDATE SET version = series_outbox.version + 1",
		string(space),
		hour,
	)
	if err != nil {
		return fmt.Errorf("ledger: change the outbox of InfluxDB: %w", err)
	}
	return nil
}

// Owed is an hour of a space that is queued for an outside database.
type Owed struct {
	Space   catalogue.SpaceID
	Hour    int64 // since 1970
	Version int64
}

// Outbox lists at most n queued hours, and counts all.
func (l *Ledger) Outbox(ctx context.Context, n int) (list []Owed, all int, err error) {
	if err := l.reads.QueryRowContext(ctx, "SELECT count(*) FROM series_outbox").Scan(&all); err != nil {
		return nil, 0, fmt.Errorf("count the hours that InfluxDB lacks: %w", err)
	}
	rows, err := l.reads.QueryContext(ctx,
		"SELECT space, hour, version FROM series_outbox ORDER BY space, hour LIMIT ?",
		n,
	)
	err = each(rows, err, func(rows *sql.Rows) error {
		var o Owed
		err := rows.Scan(&o.Space, &o.Hour, &o.Version)
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list the hours that InfluxDB lacks: %w", err)
	}
	return list, all, nil
}

// Delivered removes hours from the outbox, except those that changed since.
func (tx *Tx) Delivered(list []Owed) error {
	for _, o := range list {
		if err := tx.run(
			"DELETE FROM series_outbox WHERE space = ? AND hour = ? AND version = ?",
			string(o.Space),
			o.Hour,
			o.Version,
		); err != nil {
			return fmt.Errorf("ledger: change the outbox of InfluxDB: %w", err)
		}
	}
	return nil
}

// AllToOutbox queues all hours of a space's series in the minutes [from, to).
func (tx *Tx) AllToOutbox(space catalogue.SpaceID, from, to int64) error {
	days, err := tx.seqs(
		"SELECT day FROM series_days WHERE space = ? AND day >= ? AND day * 1440 < ?",
		string(space),
		from/dayMinutes,
		to,
	)
	if err != nil {
		return err
	}
	for _, day := range days {
		for hour := max(day*24, from/60); hour < min((day+1)*24, (to+59)/60); hour++ {
			if err := tx.ToOutbox(space, hour); err != nil {
				return err
			}
		}
	}
	return nil
}
