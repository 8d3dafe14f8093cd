package series_test

import (
	"bytes"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/series/influxtest"
)

// Two days are lived through while InfluxDB is away; the doors never notice,
// and once it is back it has what it would have had.
func TestInfluxDBStoppedWhileDaysAreLivedHasThemAfterwards(t *testing.T) {
	influxtest.Need(t)
	server := influxtest.Start(t)
	cfg := apptest.Config(t)
	apptest.ToInflux(&cfg, server)
	a := apptest.Start(t, cfg)
	server.Stop(t, syscall.SIGKILL)
	from, to := lived(t, a)
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	apptest.Eventually(t, "the fault in /readyz, which stays ready", func() bool {
		code, body := apptest.ClientOf(t, a).Ask("GET", "/readyz", "")
		degraded, _ := body["degraded"].([]any)
		return code == 200 && len(degraded) == 1
	})
	server.Restart(t)
	fewest, end := math.MaxInt, time.Time{}
	for ; ; time.Sleep(50 * time.Millisecond) {
		_, owed, err := a.Ledger.Outbox(t.Context(), 1)
		if owed < fewest { // it takes as long as this machine does; it must go on
			fewest, end = owed, time.Now().Add(60*time.Second)
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%d hours are still owed: %v", owed, err)
		}
		if owed == 0 {
			break
		}
	}
	influx := series.NewInflux(a.Network, cfg.Influx())
	defer influx.Close()
	var out bytes.Buffer
	days, differ, err := admin.Compare(t.Context(), a.Catalogues, a.Ledger, influx, from, to.Add(time.Hour), &out)
	if err != nil || days < 2 || differ > 0 {
		t.Errorf("%d days, %d sums differ, %v\n%s", days, differ, err, out.String())
	}
}
