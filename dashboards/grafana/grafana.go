// Package grafana holds the dashboards that Grafana is provisioned with. It
// lists their queries, so that tests can run each of them against a real
// InfluxDB. The queries are written in Flux that InfluxDB 1.8 and 2.x both
// understand.
package grafana

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

//go:embed *.json
var files embed.FS

// Dashboard holds the parts of a dashboard's JSON that tests look at.
type Dashboard struct {
	File       string `json:"-"`
	UID        string
	Title      string
	Links      []struct{ URL string }
	Templating struct {
		List []struct {
			Name, Type string
			Query      string
		}
	}
	Panels []Panel
}

// Panel is one panel of a dashboard.
type Panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	Datasource  struct{ UID string }
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct {
		Defaults struct{ Unit string }
	}
	Targets []struct{ Query string }
}

// Dashboards reads all dashboards.
func Dashboards() ([]Dashboard, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var out []Dashboard
	for _, e := range entries {
		data, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, err
		}
		d := Dashboard{File: e.Name()}
		if err := json.Unmarshal(data, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		out = append(out, d)
	}
	return out, nil
}

func between(from, to time.Time) string {
	return "range(start: " + from.UTC().Format(time.RFC3339) + ", stop: " + to.UTC().Format(time.RFC3339) + ")"
}

// window is the time between two points that Grafana asks for: as a screen has room for,
// and a minute at least, as the panels say.
func window(span time.Duration) string {
	const points = 700
	return fmt.Sprintf("%ds", max(60, int(span.Seconds())/points))
}

// Query is a panel's or a variable's query as Grafana would send it.
type Query struct{ Dashboard, Panel, Flux string }

// Choice is what a user has chosen in a dashboard: a time range, and of each
// variable one, several as (a|b), or all as .*. Now is the present moment; zero: it is.
type Choice struct {
	Bucket                string
	From, To, Now         time.Time
	Site, Building, Space string
}

// Queries lists every query of every dashboard with its variables filled in.
func Queries(c Choice) ([]Query, error) {
	list, err := Dashboards()
	if err != nil {
		return nil, err
	}
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
	fill := strings.NewReplacer(
		"range(start: -5m)",
		between(c.Now.Add(-5*time.Minute), c.Now),
		"range(start: -30d)",
		between(c.Now.AddDate(0, 0, -30), c.Now),
		"${bucket}",
		c.Bucket,
		"${site:regex}",
		c.Site,
		"${building:regex}",
		c.Building,
		"${space:regex}",
		c.Space,
		"v.timeRangeStart",
		c.From.UTC().Format(time.RFC3339),
		"v.timeRangeStop",
		c.To.UTC().Format(time.RFC3339),
		"v.windowPeriod",
		window(c.To.Sub(c.From)),
	)
	var out []Query
	for _, d := range list {
		for _, v := range d.Templating.List {
			if v.Type == "query" {
				out = append(out, Query{d.Title, "variable " + v.Name, fill.Replace(v.Query)})
			}
		}
		for _, p := range d.Panels {
			for _, t := range p.Targets {
				out = append(out, Query{d.Title, p.Title, fill.Replace(t.Query)})
			}
		}
	}
	return out, nil
}
