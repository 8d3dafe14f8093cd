package series_test

import (
	"fmt"
	"testing"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"

	"github.com/lorntech/totem/dashboards/grafana"
	"github.com/lorntech/totem/firmware-sim/sim"
	"github.com/lorntech/totem/internal/access"
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

// Every panel has something to show at any range of time, for all sites, one and several;
// what is unknown is a gap.
func TestEveryGrafanaQueryReturnsRows(t *testing.T) {
	influxtest.Need(t)
	server := influxtest.Start(t)
	cfg := apptest.Config(t)
	apptest.ToInflux(&cfg, server)
	a := apptest.Start(t, cfg)
	from, to := lived(t, a)
	noon := from.Add(12 * time.Hour)
	for _, site := range a.Network.Sites { // asked live, and so not of the past
		a.Waits.Add(site.ID, time.Millisecond)
		a.Waits.Add(site.ID, 3*time.Millisecond)
		a.Waits.Refuse(site.ID, catalogue.DoorID(site.ID)+"-entrance", access.OutsideHours)
	}
	waits := a.Waits.Take(occupancy.MinuteOf(noon) - 10)
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
	outage := from.AddDate(0, 0, -3).Truncate(24 * time.Hour).Add(10 * time.Hour)
	apptest.Publish(t, a, apptest.Counted(outage.Add(-10*time.Hour), 10)[:1]) // then the counter is dead
	apptest.Publish(t, a, apptest.Counted(time.Now().Add(-10*time.Hour-3*time.Minute), 4)[:1])
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	apptest.Shipped(t, a)
	apptest.Eventually(t, "decision times in InfluxDB", func() bool {
		cursor, err := a.Ledger.Cursor(t.Context(), "influx-decisions")
		return err == nil && cursor > 0
	})
	g := grafanaOf{server, influxdb2.NewClient(server.URL, server.Token)}
	defer g.client.Close()
	for span, sites := range map[time.Duration][]string{
		time.Hour: {".*", "metz", "(metz|nancy)"}, 6 * time.Hour: {"metz"}, 24 * time.Hour: {"(metz|nancy)"}, 30 * 24 * time.Hour: {".*"},
	} {
		for _, site := range sites {
			space := ".*"
			if site != ".*" {
				space = "(metz-coworking|metz-hall|metz-reunion-1)"
			}
			for _, q := range g.queries(t, grafana.Choice{
				From: noon.Add(-span), To: noon, Now: noon, Site: site, Building: ".*", Space: space,
			}) {
				if rows := g.rows(t, q); len(rows) == 0 {
					t.Errorf("%s, %s, %s of %s: no rows\n%s", q.Dashboard, q.Panel, span, site, q.Flux)
				}
			}
		}
	}
	g.compareUtilisation(t, a, from, to)
	g.nothingToCome(t)
	g.outage(t, outage)
}

// nothingToCome checks that the hour that goes on ends with the minute that has passed:
// what is newest is what a dashboard takes for now.
func (g grafanaOf) nothingToCome(t *testing.T) {
	t.Helper()
	q := grafana.Query{Flux: fmt.Sprintf("from(bucket: %q) |> range(start: -10m, stop: 2h)"+
		` |> filter(fn: (r) => r._measurement == "space_minute" and r._field == "known_seconds" and r.space == "metz-coworking")`+
		" |> group() |> last()", g.server.Bucket)}
	rows := g.rows(t, q)
	if len(rows) != 1 {
		t.Fatalf("%d newest minutes", len(rows))
	}
	if at := rows[0]["_time"].(time.Time); at.After(time.Now()) || rows[0]["_value"] == 0.0 {
		t.Errorf("the newest minute is that of %s, known for %v s", at, rows[0]["_value"])
	}
}

// grafanaOf asks an InfluxDB as Grafana does.
type grafanaOf struct {
	server *influxtest.Server
	client influxdb2.Client
}

func (g grafanaOf) queries(t *testing.T, c grafana.Choice) []grafana.Query {
	t.Helper()
	c.Bucket = g.server.Bucket
	list, err := grafana.Queries(c)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (g grafanaOf) rows(t *testing.T, q grafana.Query) (rows []map[string]any) {
	t.Helper()
	result, err := g.client.QueryAPI(g.server.Org).Query(t.Context(), q.Flux)
	if err != nil {
		t.Errorf("%s, %s: %v\n%s", q.Dashboard, q.Panel, err, q.Flux)
		return nil
	}
	defer result.Close()
	for result.Next() {
		rows = append(rows, result.Record().Values())
	}
	if result.Err() != nil {
		t.Errorf("%s, %s: %v", q.Dashboard, q.Panel, result.Err())
	}
	return rows
}

// outage: ten people for half an hour, then a dead sensor. Ten, and then nothing.
func (g grafanaOf) outage(t *testing.T, at time.Time) {
	t.Helper()
	for _, q := range g.queries(t, grafana.Choice{
		From: at, To: at.Add(4 * time.Hour), Now: at.Add(4 * time.Hour), Site: "metz", Building: ".*", Space: "metz-coworking",
	}) {
		drawn := 0
		for _, row := range g.rows(t, q) {
			switch v := row["_value"]; {
			case q.Panel == "People" && v != nil || q.Panel == "People by site, hour by hour":
				if drawn++; v != 10.0 {
					t.Errorf("%s: %v people at %v, who were ten or not known", q.Panel, v, row["_time"])
				}
			case q.Panel == "Free and full now" && (row["people"] != 0.0 || row["places"] != 0.0):
				t.Errorf("now: %v", row)
			}
		}
		if want := map[string]int{"People": 30, "People by site, hour by hour": 1}[q.Panel]; drawn != want {
			t.Errorf("%s: %d points, want %d\n%s", q.Panel, drawn, want, q.Flux)
		}
	}
}

// compareUtilisation holds one panel's figures to the API's.
func (g grafanaOf) compareUtilisation(t *testing.T, a *app.App, from, to time.Time) {
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
	// InfluxDB 1.8 takes a point at the very end of a range into it, 2.x does not:
	// the hour that begins then is another day's.
	for _, q := range g.queries(t, grafana.Choice{
		From: from, To: to.Add(-time.Second), Now: to, Site: ".*", Building: ".*", Space: ".*",
	}) {
		if q.Panel != "Utilisation by site" {
			continue
		}
		for _, row := range g.rows(t, q) {
			site, _ := row["site"].(string)
			got, _ := row["_value"].(float64)
			if d := got - want[site]; d > 1e-9 || d < -1e-9 {
				t.Errorf("utilisation of %s: %v in Grafana, %v in the API", site, got, want[site])
			}
			delete(want, site)
		}
	}
	if len(want) > 0 {
		t.Errorf("Grafana does not show %v", want)
	}
}
