package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// why is an answer to the question why.
type why struct {
	Granted bool
	Reason  string
	Rule    string
	Kept    bool
	Tried   []struct {
		Right  string
		Lease  *string
		Space  *string
		Failed *string
	}
}

func (w why) text() string {
	parts := []string{fmt.Sprintf("%t %s by %s", w.Granted, w.Reason, w.Rule)}
	word := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	for _, t := range w.Tried {
		parts = append(parts, fmt.Sprintf("%s %s via %s: %s", t.Right, word(t.Lease), word(t.Space), word(t.Failed)))
	}
	return strings.Join(parts, "; ")
}

func ask(t *testing.T, c apptest.Client, method, path, body string) why {
	t.Helper()
	var w why
	status, data := c.Raw(method, path, body)
	if status != 200 {
		t.Fatalf("%s %s: %d %s", method, path, status, data)
	}
	if err := json.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestADecisionIsExplainedByEachRightThatWasTried(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	for _, x := range []struct{ name, body, want string }{
		{"a lease", `{"credential":"` + apptest.AliceUID + `","door":"metz-entrance","direction":"in"}`, "true lease by right; lease atelier-lease via metz-coworking: -"},
		{"by the badge's id", `{"credential_id":"bob-card","door":"metz-entrance","direction":"in"}`, "false lease-suspended by no-right; lease zinc-lease via metz-coworking: lease-suspended"},
		{"nobody's", `{"credential":"04DEAD01","door":"metz-entrance","direction":"in"}`, "false unknown-credential by credential"},
		{"staff", `{"credential":"` + apptest.RemiUID + `","door":"metz-entrance","direction":"in"}`, "true staff by right; staff - via metz-hall: -"},
		{"an exit", `{"credential":"04DEAD01","door":"metz-entrance","direction":"out"}`, "true egress by exit"},
	} {
		if got := ask(t, c, "POST", "/v1/access/explain", x.body).text(); got != x.want {
			t.Errorf("%s: %s\nwant %s", x.name, got, x.want)
		}
	}
	for body, field := range map[string]string{`{"door":"metz-entrance","direction":"in"}`: "credential", `{"credential_id":"none","door":"metz-entrance","direction":"in"}`: "credential_id"} {
		if status, data := c.Raw("POST", "/v1/access/explain", body); status != 422 ||
			!strings.Contains(string(data), `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, status, data)
		}
	}
}

// A read is explained by what held when it was decided, whatever has changed since.
func TestAReadIsExplainedByTheRightsOfThen(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	ids := map[string]uuid.UUID{"alice": uuid.New(), "bob": uuid.New(), "unknown": uuid.New()}
	d.Badge(apptest.BadgeNow(ids["alice"], apptest.AliceUID))
	d.Badge(apptest.BadgeNow(ids["bob"], apptest.BobUID))
	d.Badge(apptest.BadgeNow(ids["unknown"], "04DEAD01"))
	was := map[string]string{
		"alice":   "true lease by right; lease atelier-lease via metz-coworking: -",
		"bob":     "false lease-suspended by no-right; lease zinc-lease via metz-coworking: lease-suspended",
		"unknown": "false unknown-credential by credential",
	}
	check := func(when string) {
		t.Helper()
		for who, want := range was {
			if got := ask(t, c, "GET", "/v1/access/reads/"+ids[who].String()+"/explain", "").text(); got != want {
				t.Errorf("%s, %s: %s\nwant %s", when, who, got, want)
			}
		}
	}
	check("at once")
	lease1, _ := a.Rights.InForce().Book.Lease("atelier-lease")
	lease1.Status = tenancy.Suspended
	bobs, _ := a.Rights.InForce().Book.Lease("zinc-lease")
	bobs.Status = tenancy.Active
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		apptest.Change(lease1),
		apptest.Change(bobs),
		apptest.Credential(t, a.Keys, "zoe-card", "alice", "04DEAD01"),
	); err != nil {
		t.Fatal(err)
	}
	check("after everything has changed")
	if status, _ := c.Ask("DELETE", "/v1/credentials/alice-card", ""); status != 204 {
		t.Fatalf("deleting the badge: %d", status)
	}
	check("after the badge is gone")
	if status, _ := c.Ask("DELETE", "/v1/members/alice/data", ""); status != 204 {
		t.Fatalf("erasing: %d", status)
	}
	if got := ask(t,
		c,
		"GET",
		"/v1/access/reads/"+ids["alice"].String()+"/explain",
		"",
	); got.Kept || len(got.Tried) != 0 ||
		!got.Granted {
		t.Errorf("of somebody who was erased: %+v", got)
	}
	if status, _ := c.As(
		"manager",
		`,"sites":["nancy"]`,
	).Ask("GET", "/v1/access/reads/"+ids["bob"].String()+"/explain", ""); status != 404 {
		t.Errorf("a manager of another site: %d", status)
	}
}

func TestALeaseIsPreviewedBeforeItIsSaved(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	before := everything(t, c)
	first := time.Now().UTC().Format("2006-01") + "-01"
	got := c.Must(
		"POST",
		"/v1/leases/preview",
		`{"tenant":"atelier","site":"metz","spaces":["metz-bureau-102"],"plan":"cowork","starts_on":"`+first+`","status":"active","rent_cents_month":30000}`,
	)
	doors := fmt.Sprint(got["doors"])
	if !strings.Contains(doors, "metz-entrance") || strings.Contains(doors, "metz-bureau-101") ||
		!strings.Contains(fmt.Sprint(got["spaces"]), "metz-bureau-102") {
		t.Errorf("doors %v, spaces %v", doors, got["spaces"])
	}
	if members := fmt.Sprint(got["members"]); members != "[alice remi]" {
		t.Errorf("members: %s", members)
	}
	if m := got["month"].(map[string]any); m["rent_cents"] != 30000.0 || m["total_cents"].(float64) < 30000 {
		t.Errorf("this month: %v", m)
	}
	if status, data := c.Raw(
		"POST",
		"/v1/leases/preview",
		`{"tenant":"none","site":"metz","spaces":[],"plan":"cowork","starts_on":"`+first+`","status":"active","rent_cents_month":0}`,
	); status != 422 ||
		!strings.Contains(string(data), `"field":"tenant"`) {
		t.Errorf("a tenant that is not there: %d %s", status, data)
	}
	if after := everything(t, c); after != before {
		t.Error("a preview has changed something")
	}
}

func TestARollCallListsWhoIsInByTheBadges(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID))
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(time.Minute)+`,"count":2`, false)
	var call struct {
		People []struct{ Member, Name, Space, Door string }
		Spaces []struct {
			Space   string
			Within  int
			Sensors *int
		}
	}
	apptest.Eventually(t, "Alice is there", func() bool {
		apptest.Get(t, c, "/v1/buildings/metz-blida/rollcall", 200, &call)
		return len(call.People) == 1
	})
	if p := call.People[0]; p.Member != "alice" || p.Name == "" || p.Space != "metz-hall" || p.Door != "metz-entrance" {
		t.Errorf("who is there: %+v", p)
	}
	apptest.Eventually(t, "the counter stands beside", func() bool {
		apptest.Get(t, c, "/v1/buildings/metz-blida/rollcall", 200, &call)
		for _, s := range call.Spaces {
			if s.Space == "metz-coworking" {
				return s.Sensors != nil && *s.Sensors == 2 && s.Within == 0
			}
		}
		return false
	})
	var acts struct {
		Items []struct{ Action, Target string }
	}
	apptest.Get(t, c, "/v1/audit?target=building/metz-blida", 200, &acts)
	if len(acts.Items) == 0 || acts.Items[0].Action != "look" {
		t.Errorf("a roll call's entries: %+v", acts.Items)
	}
	for role, extra := range map[string]string{"billing": "", "tenant": `,"tenant":"atelier"`, "display": ""} {
		if status, _ := c.As(role, extra).Ask("GET", "/v1/buildings/metz-blida/rollcall", ""); status != 403 {
			t.Errorf("%s: %d", role, status)
		}
	}
}

func TestTheProgrammeIsForEverybodyAndCountsNobody(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	now := time.Now().UTC().Truncate(time.Millisecond)
	event := func(id string, audience tenancy.Audience, title string, from, to time.Duration) tenancy.Event {
		return tenancy.Event{
			ID:       tenancy.EventID(id),
			Title:    title,
			Spaces:   []catalogue.SpaceID{"metz-auditorium"},
			StartsAt: now.Add(from),
			EndsAt:   now.Add(to),
			Audience: audience,
			Invited:  []tenancy.MemberID{},
		}
	}
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		apptest.Change(event("night", "public", "Nuit de la création, numérique; et après", -time.Hour, time.Hour)),
		apptest.Change(event("secret", "invited", "Comité", -time.Hour, time.Hour)),
		apptest.Change(event("over", "public", "Hier", -30*time.Hour, -26*time.Hour)),
	); err != nil {
		t.Fatal(err)
	}
	apptest.Say(t, a, "metz-auditorium-count", "count", apptest.AtNow(time.Second)+`,"count":30`, false)
	anybody := apptest.ClientOf(t, a).WithToken("")
	apptest.Eventually(t, "the site's mood", func() bool {
		_, got := anybody.Raw("GET", "/v1/programme", "")
		return strings.Contains(string(got), `"mood":"quiet"`)
	})
	_, data := anybody.Raw("GET", "/v1/programme", "")
	if text := string(
		data,
	); !strings.Contains(text, "Nuit de la création") || strings.Contains(text, "Comité") ||
		strings.Contains(text, "Hier") ||
		strings.Contains(text, "30") && strings.Contains(text, `"count"`) {
		t.Errorf("programme: %s", text)
	}
	// The night's event opens its room, whatever the hour.
	var free struct {
		Items []struct{ Space, State string }
	}
	apptest.Eventually(t, "the room of the event is open", func() bool {
		apptest.Get(t, apptest.ClientOf(t, a), "/v1/availability?site=metz&kind=auditorium", 200, &free)
		return len(free.Items) == 1 && free.Items[0].State == "free"
	})
	res, err := http.Get(anybody.Base + "/programme.ics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	feed := string(body)
	for _, want := range []string{"BEGIN:VCALENDAR\r\n", "UID:night@LORnTECH\r\n", `SUMMARY:Nuit de la création\, numérique\; et après`, "DTSTART:" + now.Add(-time.Hour).Format("20060102T150405Z"), "END:VCALENDAR\r\n"} {
		if !strings.Contains(feed, want) {
			t.Errorf("the feed lacks %q:\n%s", want, feed)
		}
	}
	for line := range strings.SplitSeq(feed, "\r\n") {
		if len(line) > 75 {
			t.Errorf("a line of %d octets: %q", len(line), line)
		}
	}
}
