package ledger

import "strings"

// table is a table of the ledger with the columns of its primary key.
type table struct {
	name string
	key  []string
	// numbered: the database gives the key of a new row.
	numbered bool
}

// tables are the tables of a ledger that a copy carries: all but those of goose, which migrates it,
// and commits in PostgreSQL.
var tables = []table{
	{"acts", []string{"seq"}, false},
	{"alarms", []string{"id"}, false},
	{"allowlists", []string{"device"}, false},
	{"catalogues", []string{"n"}, false},
	{"chain", []string{"seq"}, false},
	{"corrections", []string{"visit"}, false},
	{"cursors", []string{"name"}, false},
	{"decision_times", []string{"minute", "site"}, false},
	{"device_secrets", []string{"device"}, false},
	{"first_heard", []string{"device"}, false},
	{"hours", []string{"month", "tenant", "member"}, false},
	{"lockdowns", []string{"seq"}, true},
	{"observations", []string{"seq"}, false},
	{"plans", []string{"building"}, false},
	{"presence", []string{"subject"}, false},
	{"reader_decisions", []string{"read_seq"}, false},
	{"reader_life", []string{"device", "at"}, false},
	{"reader_wills", []string{"device"}, false},
	{"reads", []string{"seq"}, false},
	{"records", []string{"kind", "id"}, false},
	{"rejects", []string{"seq"}, true},
	{"rents", []string{"n"}, false},
	{"seen", []string{"id"}, false},
	{"series_days", []string{"space", "day"}, false},
	{"series_dirty", []string{"id"}, true},
	{"series_outbox", []string{"space", "hour"}, false},
	{"sessions", []string{"hash"}, false},
	{"snapshots", []string{"name"}, false},
	{"statements", []string{"number"}, false},
	{"stays", []string{"id"}, true},
	{"terms", []string{"kind", "id", "n"}, false},
	{"tokens", []string{"id"}, false},
	{"touched", []string{"subject"}, false},
	{"visits", []string{"id"}, false},
	{"webhook_deliveries", []string{"seq"}, true},
	{"webhooks", []string{"id"}, false},
}

// own returns the SQL condition for the rows that a copy copies: all of them, except the row in
// which an unfinished copy notes its source, and the one that counts a database's owners.
func (t table) own() string {
	switch t.name {
	case "snapshots":
		return "name <> '" + copying + "'"
	case "cursors":
		return "name <> '" + cursorOwner + "'"
	}
	return "1 = 1"
}

// storable returns a text as every database can store it: PostgreSQL refuses NUL
// and what is not UTF-8. Both become U+FFFD.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
