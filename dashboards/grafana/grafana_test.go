package grafana_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/dashboards/grafana"
)

func TestDashboardsAreWhole(t *testing.T) {
	list, err := grafana.Dashboards()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, d := range list {
		if known[d.UID] || !strings.HasPrefix(d.UID, "totem-") {
			t.Errorf("%s: uid %q", d.File, d.UID)
		}
		known[d.UID] = true
	}
	if len(list) != 5 {
		t.Errorf("%d dashboards", len(list))
	}
	for _, d := range list {
		for _, l := range d.Links {
			if !known[strings.TrimPrefix(l.URL, "/d/")] {
				t.Errorf("%s links to %s", d.File, l.URL)
			}
		}
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "totem-influx" ||
				ids[p.ID] ||
				len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q is not whole", d.File, p.ID, p.Title)
			}
			ids[p.ID] = true
			for _, o := range d.Panels[:i] {
				a, b := p.GridPos, o.GridPos
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s: %q lies over %q", d.File, p.Title, o.Title)
				}
			}
			if p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: %q has no place", d.File, p.Title)
			}
		}
	}
}

func TestQueriesAreFilledIn(t *testing.T) {
	list, err := grafana.Queries(
		grafana.Choice{
			Bucket:   "totem/autogen",
			From:     time.Unix(0, 0),
			To:       time.Unix(3600, 0),
			Site:     "metz",
			Building: ".*",
			Space:    ".*",
		},
	)
	if err != nil || len(list) < 20 {
		t.Fatalf("%d queries, %v", len(list), err)
	}
	for _, q := range list {
		if strings.Contains(q.Flux, "${") || strings.Contains(q.Flux, "v.timeRange") ||
			strings.Contains(q.Flux, "experimental") {
			t.Errorf("%s, %s: %s", q.Dashboard, q.Panel, q.Flux)
		}
	}
}
