package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// postgres compares how long readers wait for decisions with the ledger in
// PostgreSQL and in SQLite.
func postgres(ctx context.Context, e *env) ([]Row, error) {
	if e.Database == "" {
		fmt.Fprintln(e.out, "not measured: --database-url names no PostgreSQL database")
		return nil, nil
	}
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	var waits [2][]time.Duration
	for i, database := range []string{"", e.Database} {
		dir, err := e.dir("postgres")
		if err != nil {
			return nil, err
		}
		a, err := e.startOn(ctx, dir, database)
		if err != nil {
			return nil, err
		}
		waits[i], err = roundTrips(ctx, a.MQTT.String(), n, e.For, "decision")
		if err := errors.Join(err, a.Close(ctx)); err != nil {
			return nil, err
		}
	}
	row := func(name string, q float64) Row {
		sqlite, postgres := quantile(waits[0], q), quantile(waits[1], q)
		return Row{
			fmt.Sprintf("publish → decision with PostgreSQL, %d/s over %d readers, %s", latencyRate, latencyReaders, name),
			micro(postgres),
			"SQLite " + micro(sqlite),
			float64(postgres) / float64(sqlite),
			"≤ 2 ×",
		}
	}
	return []Row{row("p50", 0.5), row("p99", 0.99)}, nil
}
