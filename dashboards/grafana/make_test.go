package grafana_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

// The dashboards are made from the descriptions below, since Grafana's JSON says
// each thing many times: go test ./dashboards/grafana -update writes the files.
var update = flag.Bool("update", false, "write the dashboards' files again")

type object = map[string]any

// panel describes one panel: what it asks, and how the answer is drawn.
type panel struct {
	title, says string
	draw        string // Grafana's type
	unit        string
	flux        string
	w, h        int
	steps       []step // of colours; none: green
	max         float64
	columns     []column // of a table, in their order
	gap         int      // milliseconds without a point after which a line breaks
}

type step struct {
	from  float64
	color string
}

// column is a column of a table: the field's name, the heading, and how it looks.
type column struct {
	field, heading, unit string
	words                map[string]word // what is shown for a value
	steps                []step
	gauge                bool // a bar; its maximum is 1
	width                int
}

type word struct {
	says, color string
}

var (
	fullness = []step{{0, "green"}, {0.5, "yellow"}, {0.85, "red"}}
	weekdays = map[string]word{
		"1": {"Monday", ""}, "2": {"Tuesday", ""}, "3": {"Wednesday", ""}, "4": {"Thursday", ""},
		"5": {"Friday", ""}, "6": {"Saturday", ""}, "7": {"Sunday", ""},
	}
	states = map[string]word{
		"free": {"free", "green"}, "full": {"full", "red"}, "in use": {"in use", "yellow"},
		"unknown": {"unknown", "text"},
	}
	online = map[string]word{"1": {"online", "green"}, "0": {"silent", "red"}}
)

const source = "totem-influx"

// from selects points of a measurement in a range of time. The site is chosen; more
// is a condition besides.
func from(measurement, start, stop, more string) string {
	return "from(bucket: \"${bucket}\")\n  |> range(start: " + start + stop + ")\n" +
		"  |> filter(fn: (r) => r._measurement == \"" + measurement + "\" and (" + more + ") and r.site =~ /^${site:regex}$/)"
}

func fields(names ...string) string {
	for i, n := range names {
		names[i] = "r._field == \"" + n + "\""
	}
	return strings.Join(names, " or ")
}

// ranged selects points of the chosen time; hours and days those that it touches.
func ranged(measurement, more string) string {
	return from(measurement, "v.timeRangeStart", ", stop: v.timeRangeStop", more)
}

// hourly needs import "date".
func hourly(names ...string) string {
	return from("space_hour", "date.truncate(t: v.timeRangeStart, unit: 1h)", ", stop: v.timeRangeStop", fields(names...))
}

func daily(names ...string) string {
	return from(
		"space_day",
		"time(v: int(v: v.timeRangeStart) - 86399999999999)",
		", stop: v.timeRangeStop",
		fields(names...),
	)
}

const (
	date = "import \"date\"\n\n"

	// info is a row for each space: what it is called, and what kind it has.
	pivoted = "\n  |> group()\n  |> pivot(rowKey: [\"_time\", \"site\", \"space\"], columnKey: [\"_field\"], valueColumn: \"_value\")"
	shared  = "r.kind =~ /^(coworking|common|cafe|fablab|demo|studio|auditorium)$/"

	inBuilding = "\n  |> filter(fn: (r) => r.building =~ /^${building:regex}$/)"
	oneTable   = "\n  |> group()"
)

var (
	info = "info = " + from("space_info", "0", "", "true") + `
  |> last()
  |> toString()
  |> group()
  |> pivot(rowKey: ["space", "site"], columnKey: ["_field"], valueColumn: "_value")
  |> keep(columns: ["space", "site", "name", "kind", "building", "floor", "capacity"])

`
	// now has a row for each space whose state is known at this moment.
	now = "current = " + from("space_minute", "-5m", "", fields("person_seconds", "known_seconds")) + `
  |> last()
  |> group()
  |> pivot(rowKey: ["space"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => r.known_seconds > 0.0)
  |> map(fn: (r) => ({space: r.space, people: r.person_seconds / r.known_seconds}))

`
	// spaces has a row for each space: known is 1 where the state is known, else 0. Flux of
	// 1.8 fails where one side of a join is empty, so that the union comes first.
	spaces = info + now + `every = info
  |> map(fn: (r) => ({space: r.space, people: 0.0, known: 0.0}))
known = current
  |> map(fn: (r) => ({space: r.space, people: r.people, known: 1.0}))
state = union(tables: [every, known])
  |> group(columns: ["space"])
  |> reduce(
    identity: {people: 0.0, known: 0.0},
    fn: (r, accumulator) => ({people: accumulator.people + r.people, known: accumulator.known + r.known}),
  )
  |> group()

join(tables: {s: state, i: info}, on: ["space"])
  |> map(fn: (r) => ({
    space: r.space, site: r.site, name: r.name, kind: r.kind, building: r.building, floor: r.floor, people: r.people,
    places: if r.known > 0.0 then float(v: r.capacity) else 0.0, known: r.known, all: 1.0,
  }))
  |> group()`
	sums = `
  |> reduce(identity: {people: 0.0, places: 0.0, known: 0.0, all: 0.0}, fn: (r, accumulator) => ({people: accumulator.people + r.people, places: accumulator.places + r.places, known: accumulator.known + r.known, all: accumulator.all + r.all}))`
)

// full is what is free and full now, in shared spaces, by a column.
func full(by string) string {
	return spaces + "\n  |> filter(fn: (r) => " + shared + ")" + grouped(by) + `
  |> group(columns: ["` + by + `"])` + sums + `
  |> map(fn: (r) => ({` + by + `: r.` + by + `, people: r.people, places: r.places, free: if r.places > r.people then r.places - r.people else 0.0, full: if r.places > 0.0 then r.people / r.places else 0.0, unknown: r.all - r.known}))
  |> group()
  |> sort(columns: ["` + by + `"])`
}

// grouped narrows to the chosen buildings where the dashboard lets choose them.
func grouped(by string) string {
	if by == "site" {
		return ""
	}
	return inBuilding
}

// share divides one field by another one, by site.
func share(part, whole string) string {
	return date + hourly(part, whole) + `
  |> group(columns: ["site", "_field"])
  |> sum()
  |> group(columns: ["site"])
  |> pivot(rowKey: ["site"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => r.` + whole + ` > 0.0)
  |> map(fn: (r) => ({site: r.site, _value: r.` + part + ` / r.` + whole + `}))
  |> group()`
}

// shareBy divides fields by a column of info.
func shareBy(by, part, whole, where string) string {
	return date + info + "data = " + hourly(part, whole) + `
  |> group(columns: ["space", "_field"])
  |> sum()
  |> group()
  |> pivot(rowKey: ["space"], columnKey: ["_field"], valueColumn: "_value")

join(tables: {d: data, i: info}, on: ["space"])` + where + `
  |> map(fn: (r) => ({` + by + `: r.` + by + `, part: r.` + part + `, whole: r.` + whole + `}))
  |> group(columns: ["` + by + `"])
  |> reduce(
    identity: {part: 0.0, whole: 0.0},
    fn: (r, accumulator) => ({part: accumulator.part + r.part, whole: accumulator.whole + r.whole}),
  )
  |> filter(fn: (r) => r.whole > 0.0)
  |> map(fn: (r) => ({` + by + `: r.` + by + `, _value: r.part / r.whole}))
  |> group()
  |> sort(columns: ["` + by + `"])`
}

// fill divides people by places, in the known opening hours.
func fill(by, where string) string {
	return date + info + "data = " + hourly("person_open_seconds", "known_open_seconds") + `
  |> group(columns: ["space", "_field"])
  |> sum()
  |> group()
  |> pivot(rowKey: ["space"], columnKey: ["_field"], valueColumn: "_value")

join(tables: {d: data, i: info}, on: ["space"])` + where + `
  |> map(fn: (r) => ({` + by + `: r.` + by + `, people: r.person_open_seconds, places: float(v: r.capacity) * r.known_open_seconds}))
  |> group(columns: ["` + by + `"])
  |> reduce(
    identity: {people: 0.0, places: 0.0},
    fn: (r, accumulator) => ({people: accumulator.people + r.people, places: accumulator.places + r.places}),
  )
  |> filter(fn: (r) => r.places > 0.0)
  |> map(fn: (r) => ({` + by + `: r.` + by + `, _value: r.people / r.places}))
  |> group()
  |> sort(columns: ["` + by + `"])`
}

// week is a row for each weekday and a column for each hour: how full the shared
// spaces were, whose state was known.
func week(where string) string {
	return date + info + "data = " + hourly("person_seconds", "known_seconds", "hour", "weekday") + `
  |> toFloat()` + pivoted + `
  |> filter(fn: (r) => r.known_seconds > 0.0)

join(tables: {d: data, i: info}, on: ["space"])
  |> filter(fn: (r) => ` + shared + `)` + where + `
  |> map(fn: (r) => ({weekday: int(v: r.weekday), hour: if r.hour < 10.0 then "0" + string(v: int(v: r.hour)) else string(v: int(v: r.hour)), people: r.person_seconds, places: float(v: r.capacity) * r.known_seconds}))
  |> group(columns: ["weekday", "hour"])
  |> reduce(
    identity: {people: 0.0, places: 0.0},
    fn: (r, accumulator) => ({people: accumulator.people + r.people, places: accumulator.places + r.places}),
  )
  |> map(fn: (r) => ({weekday: r.weekday, hour: r.hour, _value: r.people / r.places}))
  |> group()
  |> pivot(rowKey: ["weekday"], columnKey: ["hour"], valueColumn: "_value")
  |> sort(columns: ["weekday"])`
}

// people is the mean of people over each hour, in spaces whose state was known: no
// point where none was.
func people(by, where string) string {
	return date + info + "data = " + hourly("person_seconds", "known_seconds") + pivoted + `
  |> filter(fn: (r) => r.known_seconds > 0.0)
  |> map(fn: (r) => ({_time: r._time, space: r.space, people: r.person_seconds / r.known_seconds}))

join(tables: {d: data, i: info}, on: ["space"])` + where + `
  |> group(columns: ["_time", "` + by + `"])
  |> sum(column: "people")
  |> map(fn: (r) => ({_time: r._time, ` + by + `: r.` + by + `, _value: r.people}))
  |> group(columns: ["` + by + `"])
  |> sort(columns: ["_time"])`
}

// ofSpace joins data with the chosen spaces; value is what is drawn.
func ofSpace(data, value string) string {
	return info + "data = " + data + `

join(tables: {d: data, i: info}, on: ["space"])
  |> filter(fn: (r) => r.space =~ /^${space:regex}$/)` + inBuilding + `
  |> map(fn: (r) => ({_time: r._time, name: r.name, _value: ` + value + `}))
  |> group(columns: ["name"])
  |> sort(columns: ["_time"])`
}

// air is what was measured in the chosen spaces, by device.
func air(field string) string {
	return ranged("space_air", fields(field)) + `
  |> filter(fn: (r) => r.space =~ /^${space:regex}$/)
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)
  |> keep(columns: ["_time", "_value", "device"])
  |> group(columns: ["device"])
  |> sort(columns: ["_time"])`
}

// heard is the last of a field that each device has reported, whatever time is chosen.
func heard(names string) string {
	return from("device_status", "-30d", "", names) + "\n  |> last()"
}

// build makes a dashboard's JSON.
func build(uid, title, says, since string, vars []object, panels []panel) []byte {
	all := []string{"network", "site", "space", "devices", "doors"}
	names := []string{"Network", "Site", "Space", "Devices", "Doors"}
	links := []object{}
	for i, other := range all {
		if "totem-"+other != uid {
			links = append(
				links,
				object{
					"type":        "link",
					"title":       names[i],
					"url":         "/d/totem-" + other,
					"keepTime":    true,
					"includeVars": true,
					"icon":        "dashboard",
					"tooltip":     "",
					"tags":        []string{},
					"asDropdown":  false,
					"targetBlank": false,
				},
			)
		}
	}
	list := []object{}
	x, y, row := 0, 0, 0
	for i, p := range panels {
		if x+p.w > 24 {
			x, y, row = 0, y+row, 0
		}
		list = append(list, p.json(i+1, object{"x": x, "y": y, "w": p.w, "h": p.h}))
		x, row = x+p.w, max(row, p.h)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(object{
		"uid": uid, "title": title, "description": says, "tags": []string{"totem"},
		"schemaVersion": 39, "version": 2, "editable": true, "timezone": "browser", "refresh": "1m",
		"time":       object{"from": since, "to": "now"},
		"templating": object{"list": vars}, "links": links, "panels": list, "annotations": object{"list": []object{}},
	})
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

func colours(steps []step) object {
	list := []object{}
	if len(steps) == 0 {
		steps = []step{{0, "green"}}
	}
	for i, s := range steps {
		at := object{"color": s.color, "value": s.from}
		if i == 0 {
			at["value"] = nil
		}
		list = append(list, at)
	}
	return object{"mode": "absolute", "steps": list}
}

func mappings(words map[string]word) []object {
	options := object{}
	for value, w := range words {
		says := object{"text": w.says}
		if w.color != "" {
			says["color"] = w.color
		}
		options[value] = says
	}
	return []object{{"type": "value", "options": options}}
}

func (p panel) json(id int, place object) object {
	data := object{"type": "influxdb", "uid": source}
	defaults := object{"unit": p.unit, "thresholds": colours(p.steps), "noValue": "nothing known"}
	options := object{}
	out := object{
		"id": id, "type": p.draw, "title": p.title, "description": p.says, "datasource": data, "gridPos": place,
		"targets": []object{{"refId": "A", "datasource": data, "query": p.flux}},
	}
	switch p.draw {
	case "timeseries":
		out["interval"] = "1m" // the series has a point a minute
		defaults["custom"] = object{"spanNulls": false, "lineInterpolation": "stepAfter", "fillOpacity": 8}
		if p.gap > 0 {
			defaults["custom"].(object)["insertNulls"] = p.gap
		}
		if len(p.steps) > 0 {
			defaults["custom"].(object)["thresholdsStyle"] = object{"mode": "line"}
		}
		options = object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
		if p.unit == "percentunit" {
			defaults["min"] = 0
		}
	case "bargauge":
		defaults["min"], defaults["max"] = 0, 1
		if p.max > 0 {
			defaults["max"] = p.max
		}
		options = object{
			"reduceOptions": object{"calcs": []string{"lastNotNull"}, "values": true, "limit": 100, "fields": "/^_value$/"},
			"orientation":   "horizontal", "displayMode": "basic", "valueMode": "color", "showUnfilled": true,
			"minVizWidth": 8, "minVizHeight": 16,
		}
	case "stat":
		options = object{
			"reduceOptions": object{"calcs": []string{"lastNotNull"}, "values": true, "limit": 100, "fields": "/^_value$/"},
			"textMode":      "value_and_name",
			"colorMode":     "value",
			"graphMode":     "none",
			"justifyMode":   "auto",
			"orientation":   "auto",
		}
	case "table":
		options = object{"showHeader": true, "cellHeight": "sm"}
	}
	overrides := []object{}
	if len(p.columns) > 0 {
		order, names, shown := object{}, object{}, []string{}
		for i, c := range p.columns {
			order[c.field], names[c.field] = i, c.heading
			shown = append(shown, c.field)
			overrides = append(overrides, c.override())
		}
		out["transformations"] = []object{
			{"id": "filterFieldsByName", "options": object{"include": object{"names": shown}}},
			{"id": "organize", "options": object{"indexByName": order, "renameByName": names, "excludeByName": object{}}},
		}
	}
	out["fieldConfig"] = object{"defaults": defaults, "overrides": overrides}
	out["options"] = options
	return out
}

func (c column) override() object {
	properties := []object{}
	set := func(id string, v any) { properties = append(properties, object{"id": id, "value": v}) }
	if c.unit != "" {
		set("unit", c.unit)
	}
	if c.words != nil {
		set("mappings", mappings(c.words))
	}
	switch {
	case c.gauge:
		set("custom.cellOptions", object{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"})
		set("min", 0)
		set("max", 1)
	case len(c.steps) > 0:
		set("custom.cellOptions", object{"type": "color-background", "mode": "basic"})
	case c.words != nil:
		set("custom.cellOptions", object{"type": "color-text"})
	}
	if len(c.steps) > 0 {
		set("thresholds", colours(c.steps))
	}
	if c.width > 0 {
		set("custom.width", c.width)
	}
	return object{"matcher": object{"id": "byName", "options": c.heading}, "properties": properties}
}

func variable(name, label, flux string) object {
	return object{
		"name": name, "label": label, "type": "query", "datasource": object{"type": "influxdb", "uid": source}, "query": flux,
		"refresh": 2, "multi": true, "includeAll": true, "sort": 1, "current": object{"text": "All", "value": "$__all"},
	}
}

var (
	bucketVariable = object{
		"name": "bucket", "type": "constant", "query": "totem", "hide": 2,
		"current": object{"text": "totem", "value": "totem"},
	}
	siteVariable = variable("site", "Site", `from(bucket: "${bucket}")
  |> range(start: 0)
  |> filter(fn: (r) => r._measurement == "space_info" and r._field == "name")
  |> group(columns: ["site"])
  |> last()
  |> map(fn: (r) => ({_value: r.site}))
  |> group()`)
	buildingVariable = variable("building", "Building", from("space_info", "0", "", fields("building"))+`
  |> last()
  |> group(columns: ["_value"])
  |> first()
  |> keep(columns: ["_value"])
  |> group()`)
	spaceVariable = variable("space", "Space", from("space_info", "0", "", fields("building"))+`
  |> last()
  |> filter(fn: (r) => r._value =~ /^${building:regex}$/)
  |> map(fn: (r) => ({_value: r.space}))
  |> group()`)
)

// hours are the columns of a week.
func hours() []column {
	list := []column{{field: "weekday", heading: "Day", words: weekdays, width: 100}}
	for h := range 24 {
		name := string(rune('0'+h/10)) + string(rune('0'+h%10))
		list = append(
			list,
			column{
				field:   name,
				heading: name,
				unit:    "percentunit",
				steps:   []step{{0, "dark-green"}, {0.25, "green"}, {0.5, "yellow"}, {0.75, "orange"}, {0.9, "red"}},
			},
		)
	}
	return list
}

func fullNow(by, heading string) []column {
	return []column{
		{field: by, heading: heading},
		{field: "people", heading: "People now", unit: "none"},
		{field: "places", heading: "Places", unit: "none"},
		{field: "free", heading: "Free places", unit: "none"},
		{field: "full", heading: "How full", unit: "percentunit", steps: fullness, gauge: true},
		{field: "unknown", heading: "Spaces not known", unit: "none"},
	}
}

const hour = 3_600_000 // milliseconds

func dashboards() map[string][]byte {
	people1 := panel{
		title: "People by site, hour by hour", draw: "timeseries", unit: "none", w: 16, h: 9, gap: hour + hour/2,
		says: "Mean of people in all spaces whose state was known. A gap: nothing was known.",
		flux: people("site", ""),
	}
	weekPanel := panel{
		title:   "The week",
		draw:    "table",
		unit:    "percentunit",
		w:       24,
		h:       10,
		columns: hours(),
		says:    "How full shared spaces were at each hour of the week, over the chosen time: people beside places, where the state was known. Choose 30 days or more.",
		flux:    week(""),
	}
	siteWeek := weekPanel
	siteWeek.flux = week(inBuilding)
	return map[string][]byte{
		"network.json": build("totem-network", "Totem: Network",
			"All sites on one page: what is free and full now, the week, and how much of it is known.", "now-7d",
			[]object{bucketVariable, siteVariable}, []panel{
				{
					title:   "Free and full now",
					draw:    "table",
					unit:    "none",
					w:       24,
					h:       7,
					columns: fullNow("site", "Site"),
					says:    "People beside places in the shared spaces of each site, in the last minute that is known. Spaces that are not known count in neither.",
					flux:    full("site"),
				},
				weekPanel,
				people1,
				{
					title: "Known by site",
					draw:  "bargauge",
					unit:  "percentunit",
					w:     8,
					h:     9,
					steps: []step{{0, "red"}, {0.6, "yellow"}, {0.9, "green"}},
					says:  "Part of the opening hours in which the state was known. What is unknown is never taken for vacant.",
					flux:  share("known_open_seconds", "open_seconds"),
				},
				{
					title: "Utilisation by site", draw: "bargauge", unit: "percentunit", w: 8, h: 8, steps: fullness,
					says: "Part of the known opening hours in which spaces were occupied.",
					flux: share("occupied_open_seconds", "known_open_seconds"),
				},
				{
					title: "Utilisation by kind", draw: "bargauge", unit: "percentunit", w: 8, h: 8, steps: fullness,
					says: "Part of the known opening hours in which spaces of a kind were occupied.",
					flux: shareBy("kind", "occupied_open_seconds", "known_open_seconds", ""),
				},
				{
					title: "Fill by kind", draw: "bargauge", unit: "percentunit", w: 8, h: 8, steps: fullness,
					says: "People beside places, in the known opening hours.", flux: fill("kind", ""),
				},
			}),
		"site.json": build("totem-site", "Totem: Site",
			"The spaces of a site: now, over the week, floor by floor.", "now-7d",
			[]object{bucketVariable, siteVariable, buildingVariable}, []panel{
				{
					title: "Each space now", draw: "table", unit: "none", w: 16, h: 14,
					says: "All spaces of the chosen sites, floor by floor. Unknown is not empty.",
					columns: []column{
						{field: "building", heading: "Building"},
						{field: "floor", heading: "Floor", width: 70},
						{field: "name", heading: "Space"},
						{field: "state", heading: "State", words: states, width: 90},
						{field: "people", heading: "People now", unit: "none", width: 100},
						{field: "places", heading: "Places", unit: "none", width: 80},
						{field: "full", heading: "How full", unit: "percentunit", steps: fullness, gauge: true},
					},
					flux: spaces + inBuilding + `
  |> group(columns: ["building", "floor", "name", "space", "kind"])` + sums + `
  |> map(fn: (r) => ({building: r.building, floor: r.floor, name: r.name, people: r.people, places: r.places, full: if r.places > 0.0 then r.people / r.places else 0.0, state: if r.known == 0.0 then "unknown" else if r.people < 0.5 then "free" else if r.people + 0.5 > r.places then "full" else if ` + shared + ` then "free" else "in use"}))
  |> group()
  |> sort(columns: ["building", "floor", "name"])`,
				},
				{
					title: "Floors now", draw: "table", unit: "none", w: 8, h: 14,
					says:    "People beside places in the shared spaces of each floor, in the last minute that is known.",
					columns: append([]column{{field: "floor", heading: "Floor", width: 70}}, fullNow("floor", "Floor")[1:4]...),
					flux:    full("floor"),
				},
				siteWeek,
				{
					title: "People by kind, hour by hour", draw: "timeseries", unit: "none", w: 24, h: 9, gap: hour + hour/2,
					says: "Mean of people in the spaces of each kind whose state was known. A gap: nothing was known.",
					flux: people("kind", inBuilding),
				},
				{
					title: "Utilisation by space", draw: "table", unit: "percentunit", w: 12, h: 14,
					says: "Part of the known opening hours in which each space was occupied: all spaces.",
					columns: []column{
						{field: "name", heading: "Space"},
						{field: "_value", heading: "Utilisation", unit: "percentunit", steps: fullness, gauge: true},
					},
					flux: shareBy("name", "occupied_open_seconds", "known_open_seconds", inBuilding),
				},
				{
					title: "Known by space", draw: "table", unit: "percentunit", w: 12, h: 14,
					says: "Part of the opening hours in which the state was known: all spaces.",
					columns: []column{
						{field: "name", heading: "Space"},
						{
							field:   "_value",
							heading: "Known",
							unit:    "percentunit",
							steps:   []step{{0, "red"}, {0.6, "yellow"}, {0.9, "green"}},
							gauge:   true,
						},
					},
					flux: shareBy("name", "known_open_seconds", "open_seconds", inBuilding),
				},
			}),
		"space.json": build("totem-space", "Totem: Space",
			"Single spaces: people, how much is known, use day by day, air.", "now-2d",
			[]object{bucketVariable, siteVariable, buildingVariable, spaceVariable}, []panel{
				{
					title: "People", draw: "timeseries", unit: "none", w: 24, h: 9,
					says: "Mean of people over the known time. A gap: nothing was known.",
					// A sum of no known minutes is null, and so is what is divided by it: a gap.
					flux: ofSpace(ranged("space_minute", fields("person_seconds", "known_seconds"))+`
  |> filter(fn: (r) => r._field == "person_seconds" or r._value > 0.0)
  |> aggregateWindow(every: v.windowPeriod, fn: sum)`+pivoted, "r.person_seconds / r.known_seconds"),
				},
				{
					title: "Known, hour by hour", draw: "timeseries", unit: "percentunit", w: 24, h: 7, gap: hour + hour/2,
					says: "Part of each hour in which the state was known.",
					flux: date + ofSpace(hourly("known_seconds"), "r._value / 3600.0"),
				},
				{
					title: "Utilisation, day by day", draw: "timeseries", unit: "percentunit", w: 12, h: 8, gap: 36 * hour,
					says: "Part of the known opening hours in which the space was occupied.",
					flux: ofSpace(daily("occupied_open_seconds", "known_open_seconds")+pivoted+`
  |> filter(fn: (r) => r.known_open_seconds > 0.0)`, "r.occupied_open_seconds / r.known_open_seconds"),
				},
				{
					title: "Fill, day by day", draw: "timeseries", unit: "percentunit", w: 12, h: 8, gap: 36 * hour,
					says: "People beside places, in the known opening hours.",
					flux: ofSpace(daily("person_open_seconds", "known_open_seconds")+pivoted+`
  |> filter(fn: (r) => r.known_open_seconds > 0.0)`, "r.person_open_seconds / (r.known_open_seconds * float(v: r.capacity))"),
				},
				{
					title: "CO₂",
					draw:  "timeseries",
					unit:  "ppm",
					w:     12,
					h:     8,
					steps: []step{{0, "green"}, {1000, "yellow"}, {1500, "red"}},
					says:  "Mean of what each sensor has measured. Above 1,000 ppm a room should be aired.",
					flux:  air("co2_ppm"),
				},
				{
					title: "Temperature", draw: "timeseries", unit: "celsius", w: 12, h: 8,
					says: "Mean of what each sensor has measured.", flux: air("temperature_c"),
				},
			}),
		"devices.json": build("totem-devices", "Totem: Devices",
			"What is silent, what needs a battery, what is badly received.", "now-7d",
			[]object{bucketVariable, siteVariable}, []panel{
				{
					title: "Devices, the silent ones first", draw: "table", unit: "none", w: 14, h: 14,
					says: "The last status of each device in 30 days, whatever time is chosen above.",
					columns: []column{
						{field: "site", heading: "Site", width: 110},
						{field: "device", heading: "Device"},
						{field: "_value", heading: "State", words: online, width: 90},
						{field: "_time", heading: "Last status", unit: "dateTimeFromNow", width: 160},
					},
					flux: heard(fields("online")) + `
  |> keep(columns: ["_time", "_value", "device", "site"])
  |> group()
  |> sort(columns: ["_value", "_time"])`,
				},
				{
					title: "Batteries, the lowest first", draw: "table", unit: "percent", w: 10, h: 14,
					says: "The last charge that each device with a battery has reported in 30 days.",
					columns: []column{
						{field: "device", heading: "Device"},
						{
							field:   "_value",
							heading: "Battery",
							unit:    "percent",
							steps:   []step{{0, "red"}, {15, "yellow"}, {30, "green"}},
							width:   90,
						},
						{field: "_time", heading: "Reported", unit: "dateTimeFromNow", width: 140},
					},
					flux: heard(fields("battery_pct")) + `
  |> keep(columns: ["_time", "_value", "device", "site"])
  |> group()
  |> sort(columns: ["_value"])`,
				},
				{
					title: "Batteries",
					draw:  "timeseries",
					unit:  "percent",
					w:     12,
					h:     9,
					steps: []step{{0, "red"}, {15, "yellow"}, {30, "green"}},
					says:  "The lowest charge of each device.",
					flux: ranged("device_status", fields("battery_pct")) + `
  |> aggregateWindow(every: v.windowPeriod, fn: min, createEmpty: false)
  |> keep(columns: ["_time", "_value", "device"])
  |> group(columns: ["device"])`,
				},
				{
					title: "Reception", draw: "timeseries", unit: "dBm", w: 12, h: 9,
					says: "How strongly each device is received; below −85 dBm it may be lost.",
					flux: ranged("device_status", fields("rssi_dbm")) + `
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)
  |> keep(columns: ["_time", "_value", "device"])
  |> group(columns: ["device"])`,
				},
				{
					title: "Running since the last restart", draw: "table", unit: "s", w: 24, h: 9,
					says: "As each device has last reported in 30 days; those that have just restarted first.",
					columns: []column{
						{field: "site", heading: "Site", width: 110},
						{field: "device", heading: "Device"},
						{field: "_value", heading: "Running for", unit: "s"},
						{field: "_time", heading: "Reported", unit: "dateTimeFromNow"},
					},
					flux: heard(fields("uptime_s")) + `
  |> keep(columns: ["_time", "_value", "device", "site"])
  |> group()
  |> sort(columns: ["_value"])`,
				},
			}),
		"doors.json": build("totem-doors", "Totem: Doors",
			"How fast doors decide, how often, and whom they refuse for what reason.", "now-24h",
			[]object{bucketVariable, siteVariable}, []panel{
				{
					title: "Time to a decision",
					draw:  "timeseries",
					unit:  "ms",
					w:     16,
					h:     9,
					steps: []step{{0, "green"}, {100, "yellow"}, {1000, "red"}},
					says:  "From a badge's arrival to its decision's publication: the middle and the slowest of a hundred.",
					flux: ranged("decisions", fields("p50_ms", "p99_ms")) + `
  |> aggregateWindow(every: v.windowPeriod, fn: max, createEmpty: false)
  |> map(fn: (r) => ({_time: r._time, of: r.site + (if r._field == "p50_ms" then ", the middle" else ", the slowest of a hundred"), _value: r._value}))
  |> group(columns: ["of"])`,
				},
				{
					title: "Slowest",
					draw:  "bargauge",
					unit:  "ms",
					w:     8,
					h:     9,
					max:   1000,
					steps: []step{{0, "green"}, {100, "yellow"}, {1000, "red"}},
					says:  "The slowest decision of the chosen time, by site; after 1 s a reader decides by its list.",
					flux: ranged("decisions", fields("max_ms")) + `
  |> group(columns: ["site"])
  |> max()
  |> keep(columns: ["site", "_value"])
  |> group()`,
				},
				{
					title: "Refusals by reason", draw: "timeseries", unit: "none", w: 12, h: 9,
					says: "Badges that were refused, by reason.",
					flux: ranged("refusals", fields("count")) + `
  |> group(columns: ["reason"])
  |> aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: false)
  |> group(columns: ["reason"])`,
				},
				{
					title: "Doors that refuse", draw: "table", unit: "none", w: 12, h: 9,
					says: "Refusals of the chosen time by door and reason, the most first.",
					columns: []column{
						{field: "site", heading: "Site", width: 110},
						{field: "door", heading: "Door"},
						{field: "reason", heading: "Reason"},
						{field: "_value", heading: "Refusals", unit: "none", width: 90},
					},
					flux: ranged("refusals", fields("count")) + `
  |> group(columns: ["site", "door", "reason"])
  |> sum()
  |> group()
  |> sort(columns: ["_value"], desc: true)`,
				},
				{
					title: "Decisions", draw: "timeseries", unit: "none", w: 12, h: 9,
					says: "Badges that were answered, by site.",
					flux: ranged("decisions", fields("count")) + `
  |> group(columns: ["site"])
  |> aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: false)
  |> group(columns: ["site"])`,
				},
				{
					title: "Refused", draw: "timeseries", unit: "percentunit", w: 12, h: 9,
					says: "Part of the badges that were refused.",
					flux: ranged("decisions", fields("count", "refused")) + `
  |> toFloat()
  |> group(columns: ["site", "_field"])
  |> aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: false)
  |> group(columns: ["site"])
  |> pivot(rowKey: ["_time", "site"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => r.count > 0.0)
  |> map(fn: (r) => ({_time: r._time, site: r.site, _value: r.refused / r.count}))
  |> group(columns: ["site"])`,
				},
			}),
	}
}

func TestDashboardsAreWhatTheyAreMadeFrom(t *testing.T) {
	for name, want := range dashboards() {
		if *update {
			if err := os.WriteFile(name, want, 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have, err := os.ReadFile(name); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not what make_test.go describes (%v): go test ./dashboards/grafana -update", name, err)
		}
	}
}
