package billing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/apptest"
)

func rentOf(c apptest.Client, month string) (cents any) {
	for _, s := range c.Must("POST", "/v1/statements", `{"month":"`+month+`","dry_run":true}`)["items"].([]any) {
		return s.(map[string]any)["rent_cents"]
	}
	return nil
}

func TestASlipThatIsMendedOnTheSameDayNeverWas(t *testing.T) {
	_, now, c := apptest.Landlord(t)
	apptest.Put(c, 4500, "")
	now.Set(now.Load().Add(time.Minute))
	apptest.Put(c, 45000, "")
	if got := rentOf(c, "2026-06"); got != 45000.0 {
		t.Errorf("a rent of 45 mended to 450 a minute later: %v", got)
	}
	c.Must("DELETE", "/v1/leases/l", "")
	if got := rentOf(c, "2026-06"); got != nil {
		t.Errorf("a lease that was taken back: %v", got)
	}
	apptest.Put(c, 700, "")
	if got := rentOf(c, "2026-06"); got != 700.0 {
		t.Errorf("the same id again: %v", got)
	}
}

func TestWhatWasWrongFromTheStartIsMendedFromTheBeginning(t *testing.T) {
	_, now, c := apptest.Landlord(t)
	apptest.Put(c, 4500, "")
	now.Set(time.Date(2026, 8, 10, 8, 0, 0, 0, time.UTC))
	issued := c.Must("POST", "/v1/statements", `{"month":"2026-07"}`)["items"].([]any)[0].(map[string]any)
	apptest.Put(c, 5000, "") // as was agreed: from today on
	if got := rentOf(c, "2026-08"); got != 4855.0 {
		t.Errorf("nine days at 45.00 and 22 at 50.00: %v", got)
	}
	now.Set(time.Date(2026, 9, 5, 8, 0, 0, 0, time.UTC))
	would := put2(c, "?dry_run=true", 45000, `,"effective_from":"beginning"`)["would"].(map[string]any)
	if fixes := fmt.Sprint(would["corrections"]); fixes != "[map[month:2026-07 net_cents:40500]]" {
		t.Errorf("what it would correct: %v", fixes)
	}
	if months := would["months"].([]any); len(months) < 2 || months[0].(map[string]any)["month"] != "2026-01" {
		t.Errorf("what it would change: %v", months)
	}
	if got := rentOf(c, "2026-08"); got != 4855.0 {
		t.Errorf("a dry run changed August: %v", got)
	}
	// The rent that was agreed in August was of the wrong one, and stays: it was said for its own sake.
	apptest.Put(c, 45000, `,"effective_from":"beginning"`)
	if got := rentOf(c, "2026-06"); got != 45000.0 {
		t.Errorf("June: %v", got)
	}
	s := c.Must("POST", "/v1/statements", `{"month":"2026-08"}`)["items"].([]any)[0].(map[string]any)
	found := false
	for _, l := range s["lines"].([]any) {
		l := l.(map[string]any)
		if l["kind"] == "correction" && l["month"] == "2026-07" {
			found = l["net_cents"] == 40500.0 && l["cause"] == "leases or plans made or changed after the statement"
		}
	}
	if !found {
		t.Errorf("July, issued at 45.00, is corrected in the open: %v", s["lines"])
	}
	if again := c.Must("GET", "/v1/statements/"+issued["id"].(string), ""); again["total_cents"] != issued["total_cents"] {
		t.Errorf("the issued statement moved: %v", again)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}

func put2(c apptest.Client, query string, rent int, more string) map[string]any {
	return c.Must("PUT", "/v1/leases/l"+query, fmt.Sprintf(`{%s,"rent_cents_month":%d%s}`, apptest.Rented, rent, more))
}

func TestAChangeToComeIsCarriedListedAndTakenBack(t *testing.T) {
	a, now, c := apptest.Landlord(t)
	apptest.Put(c, 4500, "")
	now.Set(time.Date(2026, 7, 10, 8, 0, 0, 0, time.UTC))
	apptest.Put(c, 5000, `,"effective_from":"2026-10-01"`)
	now.Set(time.Date(2026, 7, 20, 8, 0, 0, 0, time.UTC))
	got := c.Must(
		"PUT",
		"/v1/leases/l",
		`{`+apptest.Rented[:len(apptest.Rented)-len(`"active"`)]+`"suspended","rent_cents_month":4500}`,
	)
	if fmt.Sprint(got["carried_into"]) != "[map[effective_from:2026-10-01 fields:[status] n:2]]" {
		t.Errorf("carried: %v", got["carried_into"])
	}
	answer := c.Must("GET", "/v1/leases/l", "")
	if answer["effective_from"] != nil || answer["carried_into"] != nil || answer["status"] != "suspended" ||
		answer["rent_cents_month"] != 4500.0 {
		t.Errorf("as it is today: %v", answer)
	}
	list := func() string {
		out := ""
		for _, v := range c.Must("GET", "/v1/leases/l/versions", "")["items"].([]any) {
			v := v.(map[string]any)
			value := v["value"].(map[string]any)
			out += fmt.Sprint(
				v["n"],
				" ",
				v["effective_from"],
				"–",
				v["until"],
				" ",
				value["rent_cents_month"],
				" ",
				value["status"],
				" ",
				v["by"],
				" ",
				v["begun"],
				"; ",
			)
		}
		return out
	}
	if got := list(); got != "1 beginning–2026-07-20 4500 active admin true; 3 2026-07-20–2026-10-01 4500 suspended admin true; 2 2026-10-01–<nil> 5000 suspended admin false; " {
		t.Error(got)
	}
	for path, want := range map[string]int{"/v1/leases/l/versions/3": 409, "/v1/leases/l/versions/9": 404, "/v1/leases/none/versions/1": 404, "/v1/plans/p/versions/1": 409} {
		if status, body := c.Ask("DELETE", path, ""); status != want {
			t.Errorf("%s: %d %v", path, status, body)
		}
	}
	// It begins by itself, for the API and for doors.
	now.Set(time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC))
	a.Rights.Roll()
	if got := c.Must("GET", "/v1/leases/l", ""); got["rent_cents_month"] != 5000.0 {
		t.Errorf("on its day: %v", got)
	}
	now.Set(time.Date(2026, 7, 21, 8, 0, 0, 0, time.UTC))
	a.Rights.Roll()
	c.Must("DELETE", "/v1/leases/l/versions/2", "")
	if got := list(); got != "1 beginning–2026-07-20 4500 active admin true; 3 2026-07-20–<nil> 4500 suspended admin true; " {
		t.Errorf("after the second was taken back: %s", got)
	}
	if status, body := c.Ask(
		"PUT",
		"/v1/leases/l",
		`{`+apptest.Rented+`,"rent_cents_month":1,"effective_from":"soon"}`,
	); status != 422 {
		t.Errorf("from soon on: %d %v", status, body)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}

func TestDoorsGoByWhatHoldsAtTheReadsInstant(t *testing.T) {
	a, now, c := apptest.Landlord(t)
	apptest.Put(c, 4500, "")
	c.Must("PUT", "/v1/credentials/card", `{"member":"m","kind":"card","status":"active","uid":"04CAFE01"}`)
	now.Set(time.Date(2026, 7, 10, 8, 0, 0, 0, time.UTC))
	c.Must(
		"PUT",
		"/v1/leases/l",
		`{"tenant":"t","site":"metz","spaces":[],"plan":"q","starts_on":"2026-01-01","status":"active","rent_cents_month":0,"effective_from":"2026-08-01"}`,
	)
	now.Set(time.Date(2026, 7, 20, 9, 0, 0, 0, time.UTC))
	// Told on the 20th of the 15th: doors go by it from the 20th on.
	c.Must(
		"PUT",
		"/v1/leases/l",
		`{`+apptest.Rented[:len(apptest.Rented)-len(`"active"`)]+`"suspended","rent_cents_month":4500,"effective_from":"2026-07-15"}`,
	)
	for at, want := range map[string]string{
		"metz-bureau-101-door 2026-07-05T09:00:00Z": "lease", "metz-bureau-101-door 2026-07-16T09:00:00Z": "lease", "metz-bureau-101-door 2026-07-20T10:00:00Z": "lease-suspended",
		"metz-coworking-door 2026-07-20T10:00:00Z": "no-right", "metz-coworking-door 2026-08-01T00:00:00Z": "lease-suspended", "metz-bureau-101-door 2026-08-01T00:00:00Z": "no-right",
	} {
		var door, when string
		_, _ = fmt.Sscan(at, &door, &when)
		if got := c.Must(
			"POST",
			"/v1/access/check",
			`{"credential":"04CAFE01","door":"`+door+`","direction":"in","at":"`+when+`"}`,
		); got["reason"] != want {
			t.Errorf("%s: %v, want %s", at, got, want)
		}
	}
	// What a door's change would do is said before it is made.
	w := c.Must("PUT", "/v1/leases/l?dry_run=true", `{`+apptest.Rented+`,"rent_cents_month":4500}`)["would"].(map[string]any)
	if doors := w["doors"].([]any); len(doors) != 1 || len(doors[0].(map[string]any)["opens"].([]any)) == 0 {
		t.Errorf("the end of a suspension would open: %v", w)
	}
	_ = a
}

func TestATermsHistoryOutlivesARestart(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	c.Must(
		"PUT",
		"/v1/plans/cowork",
		`{"name":"Coworking","includes":["coworking"],"schedule":"always","included_minutes":0,"hourly_rate_cents":300,"rounding_minutes":0,"grace_minutes":0,"daily_cap_minutes":0,"vat_pct":20,"effective_from":"2099-01-01"}`,
	)
	before := c.Must("GET", "/v1/plans/cowork/versions", "")
	apptest.Stop(t, a)
	c = apptest.ClientOf(t, apptest.Start(t, cfg))
	if after := c.Must("GET", "/v1/plans/cowork/versions", ""); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v\nbefore: %v", after, before)
	}
	c.Must("DELETE", "/v1/plans/cowork/versions/2", "")
}

func TestVersionsAreListedPageByPage(t *testing.T) {
	_, now, c := apptest.Landlord(t)
	apptest.Put(c, 4500, "")
	for i := range 3 {
		now.Set(time.Date(2026, 7, 10+i, 8, 0, 0, 0, time.UTC))
		apptest.Put(c, 5000+i, fmt.Sprintf(`,"effective_from":"2026-1%d-01"`, i))
	}
	var froms []string
	for cursor, more := "", true; more; {
		page := c.Must("GET", "/v1/leases/l/versions?limit=1"+cursor, "")
		for _, v := range page["items"].([]any) {
			froms = append(froms, v.(map[string]any)["effective_from"].(string))
		}
		next, there := page["next"].(string)
		cursor, more = "&cursor="+next, there
	}
	if got := fmt.Sprint(froms); got != "[beginning 2026-10-01 2026-11-01 2026-12-01]" {
		t.Error(got)
	}
}

// Bills still need the hours of who was erased; a lease does not name them.
func TestALeaseThatNamedWhoWasErasedCanBePutBack(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	c.Must("PUT", "/v1/members/gone", `{"tenant":"atelier","name":"Gone","email":""}`)
	c.Must(
		"PUT",
		"/v1/leases/atelier-lease",
		`{"tenant":"atelier","site":"metz","spaces":[],"plan":"cowork","starts_on":"2020-01-01","status":"active","rent_cents_month":0,"members":["alice","gone"]}`,
	)
	c.Must("DELETE", "/v1/members/gone/data", "")
	before := fmt.Sprint(c.Must("GET", "/v1/leases/atelier-lease", ""))
	apptest.Stop(t, a)
	c = apptest.ClientOf(t, apptest.Start(t, cfg))
	_, body := c.Raw("GET", "/v1/leases/atelier-lease", "")
	if after := fmt.Sprint(c.Must("GET", "/v1/leases/atelier-lease", "")); after != before {
		t.Errorf("after a restart: %s\nbefore: %s", after, before)
	}
	c.Must("PUT", "/v1/leases/atelier-lease", string(body))
}
