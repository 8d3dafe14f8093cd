package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ingest"
)

// browser is a page that has signed in: it sends a cookie and what browsers say of their page.
type browser struct {
	t      *testing.T
	base   string
	cookie string
}

func (b browser) ask(method, path, body, site string) (int, http.Header) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if b.cookie != "" {
		req.Header.Set("Cookie", b.cookie)
	}
	if site != "" {
		req.Header.Set("Sec-Fetch-Site", site)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode, res.Header
}

func signIn(t *testing.T, c apptest.Client) browser {
	t.Helper()
	b := browser{t: t, base: c.Base}
	status, header := b.ask("POST", "/v1/session", `{"token":"`+c.Token+`"}`, "same-origin")
	cookie, rest, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	if status != 200 || !strings.Contains(rest, "HttpOnly") || !strings.Contains(rest, "SameSite=Strict") ||
		strings.Contains(cookie, c.Token) {
		t.Fatalf("signing in: %d, %q", status, header.Get("Set-Cookie"))
	}
	b.cookie = cookie
	return b
}

func TestASessionIsItsTokensAndEndsWithIt(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	admin := apptest.ClientOf(t, a)
	manager := signIn(t, admin.As("manager", `,"sites":["metz"]`))
	if status, _ := manager.ask("GET", "/v1/me", "", ""); status != 200 {
		t.Errorf("who am I: %d", status)
	}
	if status, _ := manager.ask("GET", "/v1/tokens", "", ""); status != 403 {
		t.Errorf("a manager's session lists tokens: %d", status)
	}
	write := `{"active":false,"reason":"test"}`
	for site, want := range map[string]int{"same-origin": 200, "cross-site": 403, "same-site": 403, "none": 403, "": 403} {
		if status, _ := manager.ask("PUT", "/v1/sites/metz/lockdown", write, site); status != want {
			t.Errorf("a write by cookie from %q: %d, want %d", site, status, want)
		}
	}
	if status, _ := manager.ask("POST", "/v1/session", `{"token":"`+a.Admin+`"}`, "cross-site"); status != 403 {
		t.Errorf("another site signs this browser in: %d", status)
	}
	if status, _ := (browser{t: t, base: admin.Base}).ask("POST", "/v1/session", `{"token":"wrong"}`, ""); status != 401 {
		t.Errorf("a wrong token: %d", status)
	}
	other := signIn(t, admin.As("manager", `,"sites":["metz"]`)) // the same id: its token is replaced
	if status, _ := manager.ask("GET", "/v1/me", "", ""); status != 401 {
		t.Errorf("a session whose token was replaced: %d", status)
	}
	if status, header := other.ask("DELETE", "/v1/session", "", "same-origin"); status != 204 ||
		!strings.Contains(header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("signing out: %d, %q", status, header.Get("Set-Cookie"))
	}
	if status, _ := other.ask("GET", "/v1/me", "", ""); status != 401 {
		t.Errorf("a session that has ended: %d", status)
	}
}

func TestASessionThatNobodyUsesEnds(t *testing.T) {
	var ahead atomic.Int64 // how far the service's clock is ahead
	a, err := app.Start(
		t.Context(),
		apptest.Config(t),
		app.Options{
			Log:       apptest.Discard(),
			Anonymous: true,
			Now:       func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { apptest.Stop(t, a) })
	admin := apptest.ClientOf(t, a)
	b, hall := signIn(t, admin), signIn(t, admin.As("display", ""))
	ahead.Add(int64(11 * time.Hour))
	if status, _ := b.ask("GET", "/v1/me", "", ""); status != 200 {
		t.Errorf("after 11 idle hours: %d", status)
	}
	ahead.Add(int64(11 * time.Hour))
	if status, _ := b.ask("GET", "/v1/me", "", ""); status != 200 {
		t.Errorf("after 11 more: %d", status)
	}
	ahead.Add(int64(13 * time.Hour))
	if status, _ := b.ask("GET", "/v1/me", "", ""); status != 401 {
		t.Errorf("after 13 idle hours: %d", status)
	}
	if status, _ := hall.ask("GET", "/v1/me", "", ""); status != 200 {
		t.Errorf("a hall's screen after 35 hours: %d", status)
	}
}

func TestTheStreamTellsReadsAlarmsAndDevicesAsTheyChange(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	events, last := streamOf(t, apptest.ClientOf(t, a), "/v1/stream?topics=reads,alarms,devices", "")
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID))
	e := next(t, events, "reads", func(m map[string]any) bool { return m["member"] == "alice" })
	if e.id == "" || e.data["granted"] != true || e.data["device"] == nil {
		t.Errorf("a read: %+v", e)
	}
	a.Live.DeviceAlarm(ingest.AlarmSilent, a.Network.Device("metz-fablab-count"), true, "test")
	raised := next(t, events, "alarms", func(m map[string]any) bool { return m["device"] == "metz-fablab-count" })
	apptest.ClientOf(t, a).Must("PUT", "/v1/alarms/"+raised.data["id"].(string)+"/acknowledgement", "")
	next(t, events, "alarms", func(m map[string]any) bool { return m["acknowledged_by"] == "admin" })
	apptest.Say(t, a, "metz-entrance-in", "status", `{"online":false}`, true)
	next(t, events, "devices", func(m map[string]any) bool {
		status, _ := m["status"].(map[string]any)
		return m["id"] == "metz-entrance-in" && status["online"] == false
	})
	again, _ := streamOf(t,
		apptest.ClientOf(t, a),
		"/v1/stream?topics=reads,alarms",
		e.id,
	) // devices change as readers are told things
	if first := <-again; first.topic != "alarms" || first.data["device"] != "metz-fablab-count" {
		t.Errorf("resumed after the read: %+v", first)
	}
	if !strings.Contains(last(), "id:") {
		t.Error("the first answer carries no id")
	}
	tenant := apptest.ClientOf(t, a).As("tenant", `,"tenant":"atelier"`)
	if status, _ := tenant.Ask("GET", "/v1/stream?topics=reads", ""); status != 403 {
		t.Errorf("a tenant streams reads: %d", status)
	}
}

// told is one event of a stream.
type told struct {
	id, topic string
	data      map[string]any
}

// streamOf follows a stream once it has said that its first answer is over;
// first is what was said before.
func streamOf(t *testing.T, c apptest.Client, path, lastID string) (events <-chan told, first func() string) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Base+path, nil)
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v, %v", path, res, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	out, ready, text := make(chan told, 1000), make(chan struct{}), &strings.Builder{}
	go func() {
		var e told
		begun := lastID != ""
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case lines.Text() == ": ready":
				if !begun {
					begun = true
				}
				close(ready)
			case name == "id":
				e.id = value
			case name == "event":
				e.topic = value
			case name == "data":
				_ = json.Unmarshal([]byte(value), &e.data)
				if begun {
					out <- e
				}
				e = told{}
			}
			if !begun {
				text.WriteString(lines.Text() + "\n")
			}
		}
	}()
	select {
	case <-ready:
	case <-time.After(10 * time.Second):
		t.Fatal("the stream does not begin")
	}
	return out, text.String
}

func next(t *testing.T, events <-chan told, topic string, is func(map[string]any) bool) told {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e := <-events:
			if e.topic == topic && is(e.data) {
				return e
			}
		case <-timeout:
			t.Fatalf("nothing of %s came", topic)
		}
	}
}

func TestWhoeverLooksAtAPersonIsRecorded(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID))
	admin := apptest.ClientOf(t, a)
	manager := admin.As("manager", `,"sites":["metz"]`)
	for _, path := range []string{"/v1/access/reads?member=alice", "/v1/visits?member=alice", "/v1/members/alice/data", "/v1/hours/explain?member=alice&day=2026-11-02"} {
		if status, _ := manager.Ask("GET", path, ""); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	for range 3 {
		manager.Must("GET", "/v1/access/reads?site=metz", "")
	}
	manager.Must("GET", "/v1/access/reads?member=nobody-at-all", "")
	want := []string{"reads", "visits", "data", "days"}
	for who, c := range map[string]apptest.Client{"admin": admin, "her tenant": admin.As("tenant", `,"tenant":"atelier"`)} {
		var looks struct{ Items []struct{ By, What string } }
		apptest.Get(t, c, "/v1/looks?member=alice", 200, &looks)
		if len(looks.Items) != len(want) {
			t.Fatalf("%s sees %+v", who, looks.Items)
		}
		for i, l := range looks.Items {
			if l.What != want[i] || l.By != "t-manager" {
				t.Errorf("%s sees %+v", who, l)
			}
		}
	}
	if status, _ := admin.As("tenant", `,"tenant":"zinc"`).Ask("GET", "/v1/looks?member=alice", ""); status != 404 {
		t.Errorf("another tenant: %d", status)
	}
	if status, _ := manager.Ask("GET", "/v1/looks?member=alice", ""); status != 403 {
		t.Errorf("a manager: %d", status)
	}
	var acts struct{ Items []struct{ Action string } }
	apptest.Get(t, admin, "/v1/audit?target=list/reads", 200, &acts)
	if len(acts.Items) != 2 { // one of each filter; who is not there has no name in it
		t.Errorf("looks at lists: %+v", acts.Items)
	}
	if status, _ := admin.Ask("DELETE", "/v1/members/alice/data", ""); status != 204 {
		t.Fatalf("erasing: %d", status)
	}
	if got, err := a.Ledger.Acts(t.Context(), "member/alice"); err != nil || len(got) != 0 {
		t.Errorf("acts after the erasure: %+v, %v", got, err)
	}
	if audit, err := a.APIConfig().Verify(t.Context()); err != nil || !audit.OK {
		t.Errorf("audit: %+v, %v", audit, err)
	}
}
