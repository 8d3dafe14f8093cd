package admin_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series/influxtest"
	"github.com/lorntech/totem/internal/settings"
)

// aDay lives two hours of a day with a service of the settings, and ends it.
func aDay(t *testing.T, cfg settings.Config) (day time.Time) {
	t.Helper()
	a := apptest.Start(t, cfg)
	day = time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	apptest.Publish(t, a, apptest.Counted(day, 4))
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	apptest.Stop(t, a)
	return day
}

func TestTheSeriesIsComputedAgainWithoutAService(t *testing.T) {
	cfg := apptest.Config(t)
	day := aDay(t, cfg)
	var out bytes.Buffer
	if err := admin.RebuildSeries(t.Context(), cfg, day, day.Add(24*time.Hour), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "for 119 spaces") {
		t.Errorf("it says: %s", &out)
	}
	a := apptest.Start(t, cfg)
	minutes := a.APIConfig().Series
	m := occupancy.MinuteOf(day.Add(11 * time.Hour))
	runs, err := minutes.Minutes(t.Context(), "metz-coworking", m, m+1)
	if err != nil || len(runs) != 1 || runs[0].Peak != 4 {
		t.Errorf("%+v, %v", runs, err)
	}
}

func TestInfluxDBIsComparedAndRefilled(t *testing.T) {
	influxtest.Need(t)
	server := influxtest.Start(t)
	cfg := apptest.Config(t)
	apptest.ToInflux(&cfg, server)
	day := aDay(t, cfg)
	var out bytes.Buffer
	if err := admin.CheckSeries(t.Context(), cfg, day, day.Add(24*time.Hour), &out); err == nil {
		t.Logf("the service had sent everything before it ended: %s", &out)
	}
	out.Reset()
	if err := admin.RebuildSeries(t.Context(), cfg, day, day.Add(24*time.Hour), &out, io.Discard); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	out.Reset()
	if err := admin.CheckSeries(t.Context(), cfg, day, day.Add(24*time.Hour), &out); err != nil {
		t.Errorf("after the rebuild: %v: %s", err, &out)
	}
}
