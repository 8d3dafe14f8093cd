package app

import (
	"context"
	"time"

	"github.com/lorntech/totem/internal/ingest"
)

// watchClock raises an alarm while this machine's clock is behind its ledger.
func (a *house) watchClock(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		behind := a.Pipeline.Behind()
		a.Live.ServiceAlarm(ingest.AlarmClock,
			behind > 0,
			"the service's own clock is behind the newest message of its ledger",
		)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
