package billing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/apptest"
)

// What was answered once can be asked for again, whatever was recorded since.
func TestFiguresCanBeAskedForAsTheyWereKnown(t *testing.T) {
	a, now, c := apptest.Landlord(t)
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		apptest.Credential(t, a.Keys, "m-card", "m", apptest.AliceUID),
	); err != nil {
		t.Fatal(err)
	}
	plan := func(id string, rate, included int) {
		c.Must(
			"PUT",
			"/v1/plans/"+id,
			fmt.Sprintf(
				`{"id":%q,"name":"Q","includes":["coworking"],"schedule":"always","included_minutes":%d,"hourly_rate_cents":%d,"rounding_minutes":15,"grace_minutes":0,"daily_cap_minutes":0,"vat_pct":20,"effective_from":"beginning"}`,
				id,
				included,
				rate,
			),
		)
	}
	put := func(c apptest.Client, rent int, more string) {
		c.Must(
			"PUT",
			"/v1/leases/l",
			strings.Replace(
				fmt.Sprintf(`{%s,"rent_cents_month":%d%s}`, apptest.Rented, rent, more),
				`"plan":"p"`,
				`"plan":"q"`,
				1,
			),
		)
	}
	plan("q", 200, 0)
	put(c, 4500, "")
	apptest.Publish(t, a, apptest.Stay("2026-06-09", "09:00:00", "12:00:00"))
	apptest.Publish(t, a, apptest.Stay("2026-06-10", "09:00:00", "10:10:00"))
	var said []struct{ at, hours, dry string }
	figures := func(known string) (string, string) {
		q := ""
		if known != "" {
			q = "&as_known=" + known
		}
		_, hours := c.Raw("GET", "/v1/hours?by=day&month=2026-06"+q, "")
		_, dry := c.Raw("POST", "/v1/statements?locale=en"+q, `{"month":"2026-06","dry_run":true}`)
		return string(hours), string(dry)
	}
	note := func() {
		hours, dry := figures("")
		said = append(said, struct{ at, hours, dry string }{now.Load().Format(time.RFC3339Nano), hours, dry})
		now.Set(now.Load().Add(26 * time.Hour))
	}
	note()
	put(c, 5200, `,"effective_from":"2026-06-16"`)
	note()
	plan("q", 300, 60)
	note()
	visit := c.Must("GET", "/v1/visits?member=m&space=metz-coworking", "")["items"].([]any)[0].(map[string]any)["id"].(string)
	correction := "/v1/visits/" + visit + "/correction"
	c.Must("PUT", correction, `{"from":"2026-06-09T07:00:00Z","to":"2026-06-09T12:00:00Z","reason":"stayed"}`)
	note()
	c.Must("PUT", correction, `{"from":"2026-06-09T07:00:00Z","to":"2026-06-09T08:00:00Z","reason":"no, left"}`)
	note()
	c.Must("DELETE", correction, "")
	note()
	c.Must("PUT", "/v1/tenants/t", `{"id":"t","name":"Théâtre","site":"metz","kind":"company"}`)
	note()
	c.Must("POST", "/v1/statements", `{"month":"2026-06"}`)
	put(c, 6000, `,"effective_from":"beginning"`)
	note()
	for i, x := range said {
		if hours, dry := figures(x.at); hours != x.hours || i < len(said)-1 && dry != x.dry {
			t.Errorf("%d, as known at %s:\n%s\n%s\nwhat was said then:\n%s\n%s", i, x.at, hours, dry, x.hours, x.dry)
		}
		if i > 0 && said[i-1].dry == x.dry && i < len(said)-1 {
			t.Errorf("%d changed nothing: %s", i, x.dry)
		}
	}
	// A day is asked for by its end, and the first knows no lease.
	if hours, _ := figures("2026-06-30"); !strings.Contains(hours, `"billable_minutes":0`) ||
		strings.Contains(hours, `"unleased_seconds":0`) {
		t.Errorf("before there was a lease: %s", hours)
	}
	for q, status := range map[string]int{"as_known=soon": 422, "as_known=2099-01-01": 422} {
		if got, body := c.Ask("GET", "/v1/hours?month=2026-06&"+q, ""); got != status {
			t.Errorf("%s: %d %v", q, got, body)
		}
	}
	if got, body := c.Ask("POST", "/v1/statements?as_known=2026-07-01", `{"month":"2026-07"}`); got != 422 {
		t.Errorf("issued by what was known once: %d %v", got, body)
	}
}
