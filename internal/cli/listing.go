package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Listing is a list of the API and the columns that it is printed with.
type Listing struct {
	Path    string
	Columns []Column
}

// Column is a column of a list: its heading, and the field of an item, as
// status.battery_pct.
type Column struct{ Heading, Field string }

// Form is how a list is printed: as a table, or as JSON or CSV for scripts. Zone is
// that of times in tables.
type Form struct {
	JSON, CSV bool
	Zone      *time.Location
}

// ShowList prints a whole list.
func (c Client) ShowList(ctx context.Context, w io.Writer, l Listing, q url.Values, f Form) error {
	items, err := List[item](ctx, c, l.Path, q)
	if err != nil {
		return err
	}
	return l.write(w, items, f)
}

// item is an entry of a list, whatever the list is of.
type item map[string]any

func (l Listing) write(w io.Writer, items []item, f Form) error {
	switch {
	case f.JSON:
		if items == nil {
			items = []item{}
		}
		return writeJSON(w, items)
	case f.CSV:
		return l.csv(w, items)
	case len(items) == 0:
		_, err := fmt.Fprintln(w, "None.")
		return err
	}
	headings := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		headings[i] = "<" + c.Heading
	}
	t := newTable(headings...)
	for _, it := range items {
		t.row(l.cells(it, f.Zone)...)
	}
	return t.write(w)
}

func (l Listing) cells(it item, zone *time.Location) []string {
	cells := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		cells[i] = said(it.at(c.Field), zone)
	}
	return cells
}

// csv writes the fields' own names, and times as the API writes them.
func (l Listing) csv(w io.Writer, items []item) error {
	out := csv.NewWriter(w)
	names := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		names[i] = c.Field
	}
	_ = out.Write(names) // out.Error reports it
	for _, it := range items {
		cells := l.cells(it, nil)
		for i, c := range cells {
			cells[i] = guard(c)
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return out.Error()
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// at returns a field, and a field within a field: status.online.
func (it item) at(field string) any {
	first, rest, more := strings.Cut(field, ".")
	v := it[first]
	if inner, ok := v.(map[string]any); ok && more {
		return item(inner).at(rest)
	}
	if more {
		return nil
	}
	return v
}

// said writes a value for people: instants in their zone, lists with commas. Without a
// zone it writes it for scripts.
func said(v any, zone *time.Location) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if zone == nil {
			return strconv.FormatBool(v)
		}
		if v {
			return "yes"
		}
		return "no"
	case float64:
		if zone != nil { // nobody reads more decimals
			v = math.Round(v*10) / 10
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil && zone != nil {
			return t.In(zone).Format(time.DateTime)
		}
		return clean(v)
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			list[i] = said(e, zone)
		}
		between := ", "
		if strings.Contains(strings.Join(list, ""), ",") { // a name with a comma is one name
			between = "; "
		}
		return strings.Join(list, between)
	default:
		text, _ := json.Marshal(v) // it was JSON
		return string(text)
	}
}

// clean takes out what would steer a terminal: devices and people may write anything.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// guard keeps a spreadsheet from reading a text as a formula; numbers stay as they are.
func guard(s string) string {
	if s == "" || !strings.ContainsRune("=+-@", rune(s[0])) {
		return s
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return s
	}
	return "'" + s
}

// Follow prints a line for each event of a stream that fits, until ctx ends.
func (c Client) Follow(ctx context.Context, w io.Writer, topic string, l Listing, f Form, fits func(item) bool) error {
	q := url.Values{"topics": {topic}}
	return stream(ctx, c, "/v1/stream", q, func(it item) error {
		if !fits(it) {
			return nil
		}
		if f.JSON {
			return json.NewEncoder(w).Encode(it)
		}
		_, err := fmt.Fprintln(w, strings.Join(l.cells(it, f.Zone), "  "))
		return err
	})
}

// Only returns a filter that reports whether an item's fields have these values. An empty value matches everything.
func Only(fields map[string]string) func(item) bool {
	return func(it item) bool {
		for name, v := range fields {
			if v != "" && said(it[name], nil) != v {
				return false
			}
		}
		return true
	}
}

// The lists that commands print.
var (
	Availability = Listing{"/v1/availability", []Column{
		{"space", "space"}, {"kind", "kind"}, {"state", "state"}, {"people", "count"}, {"free", "free"},
		{"places", "capacity"}, {"since", "since"}, {"by", "source"},
	}}
	Devices = Listing{
		"/v1/devices",
		[]Column{
			{
				"device",
				"id",
			},
			{"kind", "kind"},
			{"site", "site"},
			{"door", "door"},
			{"space", "space"},
			{"online", "status.online"},
			{"last seen", "last_seen_at"},
			{"battery %", "status.battery_pct"},
			{"list", "status.list"},
		},
	}
	UnknownDevices = Listing{"/v1/devices/unknown", []Column{
		{"topic", "topic"}, {"looks like", "adapter"}, {"messages", "count"}, {"last seen", "last_seen_at"},
		{"for the catalogue", "catalogue"},
	}}
	Doors = Listing{"/v1/doors", []Column{{"door", "id"}, {"site", "site"}, {"from", "from"}, {"to", "to"}}}
	Reads = Listing{"/v1/access/reads", []Column{
		{"at", "at"}, {"door", "door"}, {"direction", "direction"}, {"member", "member"}, {"granted", "granted"},
		{"reason", "reason"}, {"offline", "offline"}, {"read", "id"},
	}}
	Alarms = Listing{
		"/v1/alarms",
		[]Column{
			{
				"since",
				"since",
			},
			{"kind", "kind"},
			{"site", "site"},
			{"device", "device"},
			{"door", "door"},
			{"space", "space"},
			{"detail", "detail"},
			{"cleared", "cleared_at"},
			{"acknowledged by", "acknowledged_by"},
			{"alarm", "id"},
		},
	}
	Rejects = Listing{"/v1/rejects", []Column{
		{"received", "received_at"}, {"topic", "topic"}, {"reason", "reason"}, {"payload", "payload"},
	}}
	Tokens = Listing{"/v1/tokens", []Column{
		{"token", "id"}, {"role", "role"}, {"sites", "sites"}, {"tenant", "tenant"}, {"expires", "expires_at"},
	}}
	commands = Listing{"/v1/devices", []Column{
		{"reader", "id"}, {"door", "door"}, {"command", "command.kind"}, {"sent", "command.sent_at"},
		{"confirmed", "command.confirmed_at"},
	}}
)
