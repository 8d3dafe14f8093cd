package grafana_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

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

// The files are what Grafana's own schema allows: names and types of every field.
func TestDashboardsFollowGrafanasSchema(t *testing.T) {
	list, err := grafana.Dashboards()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		data, err := os.ReadFile(d.File)
		if err != nil {
			t.Fatal(err)
		}
		var parsed dashboard.Dashboard //nolint:staticcheck // the form that Grafana reads from files
		for _, err := range []error{parsed.UnmarshalJSONStrict(data), parsed.Validate()} {
			if wrong(err) {
				t.Errorf("%s: %v", d.File, err)
			}
		}
	}
}

// wrong reports whether the schema's library has found a fault: its list of faults is an
// error that is not nil, even where it is empty.
func wrong(err error) bool { return err != nil && err.Error() != "" }

// Grafana's alert rules are whole too, and ask what Totem writes.
func TestAlertRulesFollowGrafanasSchema(t *testing.T) {
	data, err := os.ReadFile("alerting/totem.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []map[string]any
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules++
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			r["orgID"], r["folderUID"], r["ruleGroup"] = 1, "totem", "totem" // which the group says in a file
			full, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var rule alerting.Rule
			for _, err := range []error{rule.UnmarshalJSONStrict(full), rule.Validate()} {
				if wrong(err) || len(rule.Data) != 3 {
					t.Errorf("%s: %v", r["title"], err)
				}
			}
			if !strings.Contains(string(text), "r._measurement ==") || r["condition"] == nil {
				t.Errorf("%s asks nothing of the series", r["title"])
			}
		}
	}
	if rules < 4 {
		t.Errorf("%d rules", rules)
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
