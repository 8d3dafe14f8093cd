package series_test

import (
	"testing"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"

	"github.com/lorntech/totem/dashboards/grafana"
	"github.com/lorntech/totem/firmware-sim/sim"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/series/influxtest"
	"github.com/lorntech/totem/internal/wire"
)

// lived returns a service that two days were lived through, up to yesterday's end.
func lived(t *testing.T, a *app.App) (from, to time.Time) {
	t.Helper()
	today := a.Network.Zone.At(time.Now()).Day
	world := people.New(a.Network, 57, today)
	hash := func(c wire.Credential) people.Hashes {
		return people.Hashes{Lookup: wire.HashCredential(a.Keys.Lookup(), c), ForList: wire.HashCredential(a.Keys.List(), c)}
	}
	for _, v := range world.Entities(func(uid []byte) people.Hashes { return hash(wire.Credential{Bytes: uid}) },
		func(token string) people.Hashes { return hash(wire.Credential{QR: true, Bytes: []byte(token)}) }) {
		if err := a.Rights.Apply(t.Context(), "demo", rights.Change{Put: v}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sim.New(sim.Config{World: world, Seed: 57})
	if err != nil {
		t.Fatal(err)
	}
	c, err := mqttclient.DialOptions(t.Context(), a.MQTT.String(), mqttclient.Options{ClientID: "lived", Window: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := today - 2
	for first.Weekday() == time.Saturday || first.Weekday() == time.Sunday { // days on which people work
		first--
	}
	if _, err := s.History(t.Context(), c, first, first+1, time.Now()); err != nil {
		t.Fatal(err)
	}
	return a.Network.Zone.Start(first), a.Network.Zone.Start(first + 2)
}

func TestEveryGrafanaQueryReturnsRows(t *testing.T) {
	influxtest.Need(t)
	server := influxtest.Start(t)
	cfg := apptest.Config(t)
	cfg.InfluxURL, cfg.InfluxBucket = server.URL, influxtest.Bucket
	a := apptest.Start(t, cfg)
	from, to := lived(t, a)
	for _, site := range []catalogue.SiteID{"metz", "nancy"} { // asked live, and so not of the past
		a.Waits.Add(site, true, time.Millisecond)
		a.Waits.Add(site, false, 3*time.Millisecond)
	}
	waits := a.Waits.Take(occupancy.MinuteOf(to) - 10)
	err := a.Ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		for _, d := range waits {
			if err := tx.AddDecisionTime(d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	apptest.Shipped(t, a)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		cursor, err := a.Ledger.Cursor(t.Context(), "influx-decisions")
		if err != nil || time.Now().After(end) {
			t.Fatalf("decision times are not sent: %v", err)
		}
		if cursor > 0 {
			break
		}
	}
	// InfluxDB 1.8 takes a point at the very end of a range into it, 2.x does not:
	// the day that begins then, today, has open hours once the sites have opened.
	queries, err := grafana.Queries(
		grafana.Choice{
			Bucket:   influxtest.Bucket,
			From:     from,
			To:       to.Add(-time.Second),
			Site:     "(metz|nancy)",
			Building: ".*",
			Space:    "(metz-coworking|metz-hall|nancy-hall)",
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	client := influxdb2.NewClient(server.URL, "")
	defer client.Close()
	for _, q := range queries {
		result, err := client.QueryAPI("").Query(t.Context(), q.Flux)
		if err != nil {
			t.Errorf("%s, %s: %v\n%s", q.Dashboard, q.Panel, err, q.Flux)
			continue
		}
		rows := 0
		for result.Next() {
			rows++
		}
		if result.Err() != nil || rows == 0 {
			t.Errorf("%s, %s: %d rows, %v\n%s", q.Dashboard, q.Panel, rows, result.Err(), q.Flux)
		}
		_ = result.Close()
	}
	compareUtilisation(t, a, client, from, to, queries)
}

// compareUtilisation holds one panel's figures to the API's.
func compareUtilisation(
	t *testing.T,
	a *app.App,
	client influxdb2.Client,
	from, to time.Time,
	queries []grafana.Query,
) {
	t.Helper()
	var page struct {
		Items []struct {
			Key         string
			Utilisation *float64
		}
	}
	apptest.Get(t,
		apptest.ClientOf(t, a),
		"/v1/usage?by=site&from="+from.UTC().Format(time.RFC3339)+"&to="+to.UTC().Format(time.RFC3339),
		200,
		&page,
	)
	want := map[string]float64{}
	for _, it := range page.Items {
		if it.Utilisation != nil {
			want[it.Key] = *it.Utilisation
		}
	}
	for _, q := range queries {
		if q.Panel != "Utilisation by site" {
			continue
		}
		result, err := client.QueryAPI("").Query(t.Context(), q.Flux)
		if err != nil {
			t.Fatal(err)
		}
		for result.Next() {
			site, _ := result.Record().ValueByKey("site").(string)
			got, _ := result.Record().ValueByKey("_value").(float64)
			if d := got - want[site]; d > 1e-9 || d < -1e-9 {
				t.Errorf("utilisation of %s: %v in Grafana, %v in the API", site, got, want[site])
			}
		}
	}
}
