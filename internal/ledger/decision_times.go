package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// DecisionTime is how long a site's readers waited for decisions in one minute.
type DecisionTime struct {
	Minute              int64
	Site                catalogue.SiteID
	Count, Refused      int64
	Mean, P50, P99, Max time.Duration
	Refusals            []Refusals
}

// Refusals counts the badges that a door refused for one reason.
type Refusals struct {
	Door   catalogue.DoorID `json:"door"`
	Reason string           `json:"reason"`
	Count  int64            `json:"count"`
}

// AddDecisionTime stores the decision times of a site and minute; where they are
// stored already, it changes nothing.
func (tx *Tx) AddDecisionTime(d DecisionTime) error {
	refusals := []byte("[]")
	if len(d.Refusals) > 0 {
		var err error
		if refusals, err = json.Marshal(d.Refusals); err != nil {
			return fmt.Errorf("ledger: store refusals: %w", err)
		}
	}
	err := tx.run(
		`INSERT INTO decision_times (minute, site, count, refused, mean_us, p50_us, p99_us, max_us, refusals) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		d.Minute,
		string(d.Site),
		d.Count,
		d.Refused,
		d.Mean.Microseconds(),
		d.P50.Microseconds(),
		d.P99.Microseconds(),
		d.Max.Microseconds(),
		string(refusals),
	)
	if err != nil {
		return fmt.Errorf("ledger: store decision times: %w", err)
	}
	return nil
}

// DecisionTimes lists those after a minute: whole minutes, about n of them.
func (l *Ledger) DecisionTimes(ctx context.Context, after int64, n int) ([]DecisionTime, error) {
	return list(ctx, l.reads, "list decision times", func(rows *sql.Rows) (d DecisionTime, err error) {
		var mean, p50, p99, most int64
		var refusals string
		if err = rows.Scan(&d.Minute, &d.Site, &d.Count, &d.Refused, &mean, &p50, &p99, &most, &refusals); err == nil {
			err = json.Unmarshal([]byte(refusals), &d.Refusals)
		}
		d.Mean, d.P50, d.P99, d.Max = micro(mean), micro(p50), micro(p99), micro(most)
		return d, err
	}, `SELECT minute, site, count, refused, mean_us, p50_us, p99_us, max_us, refusals FROM decision_times
		WHERE minute > ?1 AND minute <= coalesce((SELECT minute FROM decision_times WHERE minute > ?1 ORDER BY minute LIMIT 1 OFFSET ?2), 1099511627776) ORDER BY minute`,
		after,
		n)
}

func micro(us int64) time.Duration { return time.Duration(us) * time.Microsecond }
