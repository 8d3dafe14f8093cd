package cli

import (
	"fmt"
	"strings"
)

// Resource is a kind of record that is kept in the ledger: it is listed, shown, put and
// deleted.
type Resource struct {
	Listing
	One     string // what one of them is called
	Fields  []Field
	Example string // a field and its value, as name=Forge
}

// Field is a field that may be put.
type Field struct {
	Name, Says string
	Required   bool
}

// Help describes the fields, a line each, with an example.
func (r Resource) Help() string {
	if len(r.Fields) == 0 { // kong also asks an empty command
		return ""
	}
	var text strings.Builder
	text.WriteString("Fields (* must be in a new one):\n\n")
	for _, f := range r.Fields {
		mark := ""
		if f.Required {
			mark = "*"
		}
		fmt.Fprintf(&text, "    %-22s %s\n", f.Name+mark, f.Says)
	}
	text.WriteString("\n--set changes the fields that it names. --file replaces the whole record, " +
		"also what somebody changed since the file was written.\n" +
		"For example:\n\n    --set " + r.Example)
	return text.String()
}

const (
	siteField      = "the site's id"
	spacesField    = "ids of spaces, with commas between"
	instantField   = "an instant, as 2026-11-01T08:00:00+01:00"
	validField     = "an instant; null: without limit"
	effectiveField = "the local day from which the change holds, or beginning; default: today"
)

// Resources are the kinds of records, by their command.
var Resources = map[string]Resource{
	"tenants": {
		Listing{"/v1/tenants", []Column{{"tenant", "id"}, {"name", "name"}, {"site", "site"}, {"kind", "kind"}}},
		"tenant",
		[]Field{
			{"name", "as it stands on statements", true},
			{"site", siteField, true},
			{"kind", "company, association or institution", true},
		},
		`name="Atelier Est"`,
	},
	"members": {
		Listing{"/v1/members", []Column{
			{"member", "id"}, {"name", "name"}, {"tenant", "tenant"}, {"email", "email"}, {"roles", "roles"},
			{"staff of", "staff_sites"},
		}},
		"member",
		[]Field{
			{"name", "first name and name", true},
			{"tenant", "the tenant's id", true},
			{"email", "an address", false},
			{"roles", "responder: passes in a lockdown", false},
			{"staff_sites", "sites where a member of staff passes every door, with commas between", false},
		},
		"email=eva@example.org",
	},
	"badges": {
		Listing{"/v1/credentials", []Column{
			{"badge", "id"}, {"member", "member"}, {"kind", "kind"}, {"status", "status"}, {"from", "valid_from"},
			{"to", "valid_to"},
		}},
		"badge",
		[]Field{
			{"member", "the member's id", true},
			{"kind", "card, mobile or qr", true},
			{"status", "active, lost or revoked", true},
			{"uid", "hex, as 04A1B2C3; dec: and a number; or qr: and a token", false},
			{"enrolment", "in place of uid: the id of an enrolment at a reader", false},
			{"valid_from", validField, false},
			{"valid_to", validField, false},
		},
		"status=lost",
	},
	"schedules": {
		Listing{"/v1/schedules", []Column{
			{"schedule", "id"}, {"site", "site"}, {"windows", "windows"}, {"holidays", "holidays"},
		}},
		"schedule",
		[]Field{
			{"site", "a site; null: all", false},
			{"windows", "JSON, as the example's", false},
			{"holidays", "open or closed", true},
		},
		`windows='[{"days":["mon","tue"],"from":"08:00","to":"18:00"}]'`,
	},
	"plans": {
		Listing{"/v1/plans", []Column{
			{"plan", "id"}, {"name", "name"}, {"site", "site"}, {"includes", "includes"}, {"schedule", "schedule"},
			{"included min", "included_minutes"}, {"cents an hour", "hourly_rate_cents"},
		}},
		"plan",
		[]Field{
			{"name", "as it stands on statements", true},
			{"site", "a site; null: all", false},
			{"includes", "kinds of spaces, with commas between", false},
			{"schedule", "the schedule's id", true},
			{"roaming", "true: it opens these kinds at every site", false},
			{"included_minutes", "minutes a month without a charge", true},
			{"hourly_rate_cents", "for each hour beyond them", true},
			{"rounding_minutes", "a day's total is rounded up to a multiple; 0: to the next minute", true},
			{"grace_minutes", "a day's total below this is not charged", true},
			{"daily_cap_minutes", "most minutes charged for a day; 0: no cap", true},
			{"inferred_cap_minutes", "most minutes of a visit whose end was not badged; 0: all", false},
			{"vat_pct", "percent of VAT", true},
			{"effective_from", effectiveField, false},
		},
		"hourly_rate_cents=320",
	},
	"leases": {
		Listing{"/v1/leases", []Column{
			{"lease", "id"}, {"tenant", "tenant"}, {"site", "site"}, {"plan", "plan"}, {"spaces", "spaces"},
			{"from", "starts_on"}, {"to", "ends_on"}, {"status", "status"}, {"members", "members"},
		}},
		"lease",
		[]Field{
			{"tenant", "the tenant's id", true},
			{"site", siteField, true},
			{"plan", "the plan's id", true},
			{"spaces", spacesField, false},
			{"members", "ids of members, with commas between; null: all of the tenant", false},
			{"starts_on", "a local day, as 2026-11-01", true},
			{"ends_on", "the last day; null: until further notice", false},
			{"status", "active or suspended", true},
			{"rent_cents_month", "rent a month, before VAT", true},
			{"effective_from", effectiveField, false},
		},
		"ends_on=2026-12-31",
	},
	"passes": {
		Listing{"/v1/passes", []Column{
			{"pass", "id"}, {"name", "name"}, {"host", "host"}, {"spaces", "spaces"}, {"from", "valid_from"},
			{"to", "valid_to"},
		}},
		"pass",
		[]Field{
			{"host", "the member whom the visitor comes to see", true},
			{"name", "the visitor's name", true},
			{"spaces", spacesField, true},
			{"valid_from", instantField, true},
			{"valid_to", instantField, true},
		},
		"valid_to=2026-11-01T18:00:00+01:00",
	},
	"events": {
		Listing{"/v1/events", []Column{
			{"event", "id"}, {"title", "title"}, {"spaces", "spaces"}, {"from", "starts_at"}, {"to", "ends_at"},
			{"audience", "audience"},
		}},
		"event",
		[]Field{
			{"title", "its title", true},
			{"spaces", spacesField, true},
			{"starts_at", instantField, true},
			{"ends_at", instantField, true},
			{"audience", "public or invited", true},
			{"invited", "ids of members, with commas between", false},
		},
		"audience=public",
	},
}
