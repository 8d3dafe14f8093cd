package series_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/series/influxtest"
)

// A wiped InfluxDB is noticed, and gets everything again.
func TestAWipedInfluxDBIsFilledAgain(t *testing.T) {
	influxtest.Need(t)
	server := influxtest.Start(t)
	cfg := apptest.Config(t)
	apptest.ToInflux(&cfg, server)
	a := apptest.Start(t, cfg)
	day := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	apptest.Publish(t, a, apptest.Counted(day, 4))
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	apptest.Shipped(t, a)
	apptest.Stop(t, a)
	server.Do(t, "DROP DATABASE totem")
	server.Do(t, "CREATE DATABASE totem")
	a = apptest.Start(t, cfg) // it looks at its mark at once, as it does each minute
	influx := series.NewInflux(a.Network, cfg.Influx())
	defer influx.Close()
	apptest.Eventually(t, "the day again", func() bool {
		var out bytes.Buffer
		days, differ, err := admin.Compare(t.Context(), a.Catalogues, a.Ledger, influx, day, day.Add(24*time.Hour), &out)
		if err != nil || days == 0 || differ > 0 {
			t.Logf("%d days, %d sums differ, %v: %.300s", days, differ, err, out.String())
		}
		return err == nil && days > 0 && differ == 0
	})
}

// A fault lasts until InfluxDB has taken something, although nothing is owed.
func TestAFaultOfInfluxDBLastsUntilSomethingIsDelivered(t *testing.T) {
	var works atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if works.Load() {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.Error(w, `{"code":"unauthorized","message":"unauthorized access"}`, http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	cfg := apptest.Config(t)
	cfg.InfluxURL, cfg.InfluxBucket, cfg.InfluxToken = server.URL, "totem", "wrong"
	a := apptest.Start(t, cfg)
	c := apptest.ClientOf(t, a)
	faulty := func() bool {
		_, body := c.Ask("GET", "/readyz", "")
		_, metrics := c.WithToken("").Raw("GET", "/metrics", "")
		degraded, _ := body["degraded"].([]any)
		says := len(degraded) > 0 && strings.Contains(degraded[0].(string), "TOTEM_INFLUX_TOKEN")
		if says != strings.Contains(string(metrics), "totem_series_fault 1") && !works.Load() {
			t.Logf("/readyz %v", degraded)
		}
		return says
	}
	apptest.Eventually(t, "the fault", faulty)
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if !faulty() {
			t.Fatal("it looks healthy while InfluxDB refuses it")
		}
	}
	works.Store(true)
	apptest.Eventually(t, "the end of the fault", func() bool { return !faulty() })
}

// What a token may do is told apart, by the answers of InfluxDB 2.7.
func TestWhatATokenMayDoIsToldApart(t *testing.T) {
	const missing = `{"code":"not found","message":"failed to initialize execute state: could not find bucket \"totem\""}`
	for _, c := range []struct {
		name, says  string
		write, read int
	}{
		{"all", "", 204, 200},
		{"read only", "may only read", 403, 200},
		{"write only", "may only write", 204, 404},
		{"no such bucket", "there is no bucket", 404, 404},
		{"another token", "refuses the token", 401, 401},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			status := c.read
			if strings.HasSuffix(r.URL.Path, "/write") {
				status = c.write
			}
			w.Header().Set("Content-Type", "application/json")
			if status == http.StatusOK {
				w.Header().Set("Content-Type", "text/csv")
			}
			w.WriteHeader(status)
			if status >= http.StatusBadRequest {
				_, _ = io.WriteString(w, missing)
			}
		}))
		i := series.NewInflux(network(t), series.InfluxConfig{URL: server.URL, Bucket: "totem", Token: "t", Org: "o"})
		err := i.Access(t.Context(), time.Now())
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", c.name, err)
		}
		i.Close()
		server.Close()
	}
}

// A bucket's retention is read, and the days before it are not compared.
func TestTheBucketsRetentionIsKnown(t *testing.T) {
	influxtest.Need(t)
	server := influxtest.Start(t)
	server.Do(t, "CREATE RETENTION POLICY month ON totem DURATION 30d REPLICATION 1")
	for bucket, want := range map[string]time.Duration{influxtest.Bucket: 0, "totem/month": 30 * 24 * time.Hour, "totem": 0} {
		i := series.NewInflux(network(t), series.InfluxConfig{URL: server.URL, Bucket: bucket})
		if got, err := i.Retention(t.Context()); err != nil || got != want {
			t.Errorf("%s: %v, %v", bucket, got, err)
		}
		i.Close()
	}
	// 2.x has an API of its own for this.
	two := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(
			w,
			`{"buckets":[{"id":"1","name":"totem","retentionRules":[{"type":"expire","everySeconds":86400}]}]}`,
		)
	}))
	defer two.Close()
	i := series.NewInflux(network(t), series.InfluxConfig{URL: two.URL, Bucket: "totem", Org: "o", Token: "t"})
	defer i.Close()
	if got, err := i.Retention(context.Background()); err != nil || got != 24*time.Hour {
		t.Errorf("2.x: %v, %v", got, err)
	}
}
