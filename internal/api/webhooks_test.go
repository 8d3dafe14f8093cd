package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
)

// receiver is somebody's system that takes events.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(n int) int // the status of the n-th request; nil: 204
}

type received struct {
	id, kind string
	data     map[string]any
	body     []byte
	header   http.Header
}

func newReceiver(t *testing.T, answer func(n int) int) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var e struct {
			Type, Timestamp string
			Data            map[string]any
		}
		if err := json.Unmarshal(body, &e); err != nil || e.Timestamp == "" {
			t.Errorf("not an event: %s", body)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{req.Header.Get("webhook-id"), e.Type, e.Data, body, req.Header})
		status := http.StatusNoContent
		if r.answer != nil {
			status = r.answer(len(r.got))
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

// kinds returns the types of the events that have come, in order.
func (r *receiver) kinds() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, e := range r.got {
		list = append(list, e.kind)
	}
	return strings.Join(list, " ")
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// startWithHooks starts a service that may post to this machine.
func startWithHooks(t *testing.T) *app.App {
	t.Helper()
	cfg := apptest.Config(t)
	cfg.WebhooksAllow = "127.0.0.1/32"
	return apptest.Start(t, cfg)
}

func TestWebhooksTellWhatHappened(t *testing.T) {
	a := startWithHooks(t)
	r := newReceiver(t, nil)
	c := apptest.ClientOf(t, a)
	made := c.Must(
		"PUT",
		"/v1/webhooks/city",
		fmt.Sprintf(`{"url":%q,"topics":["alarms","lockdowns","statements"],"sites":[]}`, r.URL),
	)
	secret, _ := made["secret"].(string)
	if !strings.HasPrefix(secret, "whsec_") || made["enabled"] != true || fmt.Sprint(made["sites"]) != "[]" {
		t.Fatalf("made: %v", made)
	}
	if again := c.Must(
		"PUT",
		"/v1/webhooks/city",
		fmt.Sprintf(`{"url":%q,"topics":["alarms","lockdowns","statements"],"sites":[]}`, r.URL),
	); again["secret"] != nil {
		t.Errorf("the secret is shown twice: %v", again)
	}
	ids := apptest.MetzAndNancy(t, a)
	apptest.Say(t, a, "metz-coworking-count", "status", apptest.AtNow(0)+`,"online":true,"battery_pct":3`, false)
	c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":true,"reason":"smoke"}`)
	c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":true,"reason":"smoke"}`)
	c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":false,"reason":""}`)
	apptest.Eventually(t, "every event", func() bool {
		k := r.kinds()
		return strings.Contains(k, "lockdown.ended") && strings.Contains(k, "alarm.raised") &&
			strings.Contains(k, "statement.issued")
	})
	if n := strings.Count(r.kinds(), "lockdown.begun"); n != 1 {
		t.Errorf("what was so already is told: %s", r.kinds())
	}
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range r.all() {
		if err := verify.Verify(e.body, e.header); err != nil {
			t.Errorf("%s: %v", e.kind, err)
		}
		if seen[e.id] {
			t.Errorf("%s came twice", e.id)
		}
		seen[e.id] = true
		for _, secret := range []string{"bob", "nadia", "alice", "smoke", apptest.BobUID, "04DEAD01"} {
			if strings.Contains(string(e.body), secret) {
				t.Errorf("an event says %q: %s", secret, e.body)
			}
		}
		if e.kind == "statement.issued" && (e.data["id"] != ids["statements"] || e.data["tenant"] != "zinc") {
			t.Errorf("statement: %v", e.data)
		}
	}
	var log struct {
		Items []struct {
			ID, Type, Outcome string
			Attempts, Status  int
		}
	}
	apptest.Eventually(t, "the log", func() bool {
		apptest.Get(t, c, "/v1/webhooks/city/deliveries", 200, &log)
		return c.Must("GET", "/v1/webhooks/city", "")["waiting"] == 0.0
	})
	apptest.Get(t, c, "/v1/webhooks/city/deliveries", 200, &log)
	for _, d := range log.Items {
		if d.Outcome != "delivered" || d.Attempts != 1 || d.Status != 204 || !seen[d.ID] {
			t.Errorf("%+v", d)
		}
	}
	if len(log.Items) != len(seen) {
		t.Errorf("%d deliveries, %d came", len(log.Items), len(seen))
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("the audit: %v", v)
	}
	c.Must("DELETE", "/v1/webhooks/city", "")
	if status, _ := c.Ask("GET", "/v1/webhooks/city/deliveries", ""); status != 404 {
		t.Errorf("deleted: %d", status)
	}
}

func TestWebhooksGetWhatADisplaySees(t *testing.T) {
	a := startWithHooks(t)
	apptest.Settle(t, a)
	r := newReceiver(t, nil)
	c := apptest.ClientOf(t, a)
	c.Must("PUT", "/v1/webhooks/hall", fmt.Sprintf(`{"url":%q,"topics":["availability"],"sites":["metz"]}`, r.URL))
	last := func(space string) (data map[string]any) {
		for _, e := range r.all() {
			if e.data["space"] == space {
				data = e.data
			}
			if e.data["site"] != "metz" || e.data["kind"] == "office" {
				t.Errorf("a display of Metz does not see %s", e.body)
			}
		}
		return data
	}
	apptest.Eventually(t, "the state at first", func() bool { return last("metz-coworking") != nil })
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(0)+`,"count":1`, false)
	apptest.Eventually(t, "fewer than three", func() bool { return last("metz-coworking")["few"] == true })
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(0)+`,"count":7`, false)
	apptest.Eventually(t, "seven", func() bool { return last("metz-coworking")["count"] == 7.0 })
	if n := len(r.all()); n > 40 {
		t.Errorf("%d events", n)
	}
}

func TestAWebhookThatFailsIsTriedAgainInOrder(t *testing.T) {
	t.Parallel() // it waits five seconds
	a := startWithHooks(t)
	c := apptest.ClientOf(t, a)
	r := newReceiver(t, func(n int) int {
		if n == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	c.Must("PUT", "/v1/webhooks/city", fmt.Sprintf(`{"url":%q,"sites":[]}`, r.URL))
	for _, on := range []string{"true", "false", "true"} {
		c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":`+on+`,"reason":"x"}`)
	}
	apptest.Eventually(t, "all of it", func() bool { return len(r.all()) == 4 })
	got := r.all()
	if k := r.kinds(); k != "lockdown.begun lockdown.begun lockdown.ended lockdown.begun" || got[0].id != got[1].id ||
		got[0].header.Get("webhook-timestamp") == got[1].header.Get("webhook-timestamp") {
		t.Errorf("%s, %s and %s", k, got[0].id, got[1].id)
	}
	if w := c.Must("GET", "/v1/webhooks/city", ""); w["waiting"] != 0.0 {
		apptest.Eventually(
			t,
			"nothing waits",
			func() bool { return c.Must("GET", "/v1/webhooks/city", "")["waiting"] == 0.0 },
		)
	}
}

// fault returns why a test event was not delivered.
func faultOf(t *testing.T, c apptest.Client, hook string) string {
	t.Helper()
	c.Must("POST", "/v1/webhooks/"+hook+"/test", "")
	var fault any
	apptest.Eventually(t, "an attempt", func() bool {
		d := c.Must("GET", "/v1/webhooks/"+hook+"/deliveries?limit=1", "")["items"].([]any)[0].(map[string]any)
		fault = d["fault"]
		return d["attempts"] != 0.0
	})
	s, _ := fault.(string)
	return s
}

func TestWhereAWebhookDoesNotGo(t *testing.T) {
	closed := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, closed)
	if status, p := c.Ask(
		"PUT",
		"/v1/webhooks/x",
		`{"url":"http://127.0.0.1:1/","sites":[]}`,
	); status != 422 ||
		!strings.Contains(fmt.Sprint(p), "https://") {
		t.Errorf("plain http: %d %v", status, p)
	}
	secure := httptest.NewTLSServer(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }),
	)
	t.Cleanup(secure.Close)
	for name, url := range map[string]string{"loopback": secure.URL, "by-name": strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)} {
		c.Must("PUT", "/v1/webhooks/"+name, fmt.Sprintf(`{"url":%q,"sites":[]}`, url))
		if fault := faultOf(t, c, name); !strings.Contains(fault, "not a public address") {
			t.Errorf("%s: %q", name, fault)
		}
	}
	open := apptest.ClientOf(t, startWithHooks(t))
	for status, want := range map[int]string{302: "redirects are not followed", 500: "answered 500", 410: "answered 410"} {
		name := fmt.Sprint("answers-", status)
		r := newReceiver(t, func(int) int { return status })
		open.Must("PUT", "/v1/webhooks/"+name, fmt.Sprintf(`{"url":%q,"sites":[]}`, r.URL+"/secret-path"))
		if fault := faultOf(t, open, name); !strings.Contains(fault, want) || strings.Contains(fault, "secret-path") {
			t.Errorf("%d: %q", status, fault)
		}
		if k := r.kinds(); k != "webhook.tested" {
			t.Errorf("%d: %s", status, k)
		}
	}
	if w := open.Must("GET", "/v1/webhooks/answers-410", ""); w["enabled"] != false {
		t.Errorf("gone, and still on: %v", w)
	}
	_, ready := open.Raw("GET", "/readyz", "")
	if !strings.Contains(string(ready), "answers-410: switched off") {
		t.Errorf("nobody who runs it learns of it: %s", ready)
	}
	if status, _ := open.Ask("POST", "/v1/webhooks/answers-410/test", ""); status != 409 {
		t.Errorf("a test of what is off: %d", status)
	}
	open.Must("PUT", "/v1/webhooks/answers-410", `{"url":"https://example.org/","sites":[]}`)
	if _, ready := open.Raw("GET", "/readyz", ""); strings.Contains(string(ready), "webhook") {
		t.Errorf("it is on again: %s", ready)
	}
	if v := open.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("the audit: %v", v)
	}
}

func TestAReplacedSecretSignsForADay(t *testing.T) {
	a := startWithHooks(t)
	c := apptest.ClientOf(t, a)
	r := newReceiver(t, nil)
	first := c.Must("PUT", "/v1/webhooks/city", fmt.Sprintf(`{"url":%q,"sites":[]}`, r.URL))["secret"].(string)
	second := c.Must("POST", "/v1/webhooks/city/secret", "")["secret"].(string)
	if first == second {
		t.Fatal("the same secret")
	}
	c.Must("POST", "/v1/webhooks/city/test", "")
	apptest.Eventually(t, "the test", func() bool { return len(r.all()) == 1 })
	for _, secret := range []string{first, second} {
		verify, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify.Verify(r.all()[0].body, r.all()[0].header); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatAWebhookMayBe(t *testing.T) {
	c := apptest.ClientOf(t, apptest.Start(t, apptest.Config(t)))
	manager := c.As("manager", `,"sites":["nancy"]`)
	for _, q := range []struct {
		who    apptest.Client
		body   string
		status int
		says   string
	}{
		{c, `{"url":"https://example.org/","sites":[]}`, 200, "alarms"},
		{c, `{"url":"https://example.org/","topics":["visits"],"sites":[]}`, 422, "topics"},
		{c, `{"url":"https://example.org/","sites":["paris"]}`, 422, "sites[0]"},
		{c, `{"url":"https://example.org/","sites":["metz"],"topics":["statements"]}`, 422, "sites"},
		{c, `{"url":"https://u:p@example.org/","sites":[]}`, 422, "url"},
		{c, `{"topics":["alarms"],"sites":[]}`, 422, "url"},
		{manager, `{"url":"https://example.org/","sites":["nancy"]}`, 200, "nancy"},
		{manager, `{"url":"https://example.org/","sites":[]}`, 422, "sites"},
		{manager, `{"url":"https://example.org/","sites":["metz"]}`, 403, "metz"},
		{manager, `{"url":"https://example.org/","sites":["nancy"],"topics":["statements"]}`, 403, "statements"},
	} {
		id := "w-" + uuid.NewString()
		status, answer := q.who.Ask("PUT", "/v1/webhooks/"+id, q.body)
		if status != q.status || !strings.Contains(fmt.Sprint(answer), q.says) {
			t.Errorf("%s: %d %v", q.body, status, answer)
		}
	}
	c.Must("PUT", "/v1/webhooks/of-all", `{"url":"https://example.org/","sites":[]}`)
	for _, method := range []string{"GET", "DELETE"} {
		if status, _ := manager.Ask(method, "/v1/webhooks/of-all", ""); status != 404 {
			t.Errorf("%s of another's: %d", method, status)
		}
	}
	if status, _ := manager.Ask(
		"PUT",
		"/v1/webhooks/of-all",
		`{"url":"https://example.org/","sites":["nancy"]}`,
	); status != 404 {
		t.Errorf("another's is taken: %d", status)
	}
}

// What a webhook no longer asks for goes nowhere, and who may see the webhook now does
// not see what was another's.
func TestANarrowedWebhook(t *testing.T) {
	a := startWithHooks(t)
	c := apptest.ClientOf(t, a)
	apptest.Settle(t, a)
	away := newReceiver(t, func(int) int { return http.StatusInternalServerError })
	c.Must("PUT", "/v1/webhooks/city", fmt.Sprintf(`{"url":%q,"topics":["lockdowns"],"sites":[]}`, away.URL))
	for _, site := range []string{"metz", "nancy", "metz"} {
		c.Must("PUT", "/v1/sites/"+site+"/lockdown", `{"active":true,"reason":"x"}`)
		c.Must("PUT", "/v1/sites/"+site+"/lockdown", `{"active":false,"reason":""}`)
	}
	apptest.Eventually(t, "an attempt", func() bool { return len(away.all()) > 0 })
	c.Must("PUT", "/v1/webhooks/city", fmt.Sprintf(`{"url":%q,"topics":["lockdowns","alarms"],"sites":[]}`, away.URL))
	if err := a.Ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		return tx.PutAlarm(ingest.Alarm{ID: "of-no-site", Kind: ingest.AlarmSilent, Since: time.Now()})
	}); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t, nil)
	c.Must("PUT", "/v1/webhooks/city", fmt.Sprintf(`{"url":%q,"topics":["lockdowns"],"sites":["metz"]}`, r.URL))
	manager := c.As("manager", `,"sites":["metz"]`)
	manager.Must("POST", "/v1/webhooks/city/test", "")
	apptest.Eventually(t, "the test", func() bool { return strings.Contains(r.kinds(), "webhook.tested") })
	for _, e := range r.all() {
		if e.data["site"] == "nancy" {
			t.Errorf("it no longer asks for %s", e.body)
		}
	}
	if n := len(r.all()); n != 5 {
		t.Errorf("%d events: %s", n, r.kinds())
	}
	for who, want := range map[string]struct {
		apptest.Client
		nancy bool
	}{"admin": {c, true}, "manager": {manager, false}} {
		_, body := want.Raw("GET", "/v1/webhooks/city/deliveries", "")
		for _, others := range []string{"nancy", "of-no-site"} {
			if strings.Contains(string(body), others) != want.nancy {
				t.Errorf("%s, %s: %s", who, others, body)
			}
		}
		if !strings.Contains(string(body), "webhook.tested") {
			t.Errorf("%s does not see the test: %s", who, body)
		}
	}
}

// A receiver that wants nothing more is not asked again; what has taken its place is.
func TestALate410(t *testing.T) {
	a := startWithHooks(t)
	c := apptest.ClientOf(t, a)
	asked, let := make(chan bool, 10), make(chan bool)
	old := newReceiver(t, func(int) int { asked <- true; <-let; return http.StatusGone })
	c.Must("PUT", "/v1/webhooks/city", fmt.Sprintf(`{"url":%q,"topics":["lockdowns"],"sites":[]}`, old.URL))
	c.Must("POST", "/v1/webhooks/city/test", "")
	<-asked
	r := newReceiver(t, nil)
	c.Must("PUT", "/v1/webhooks/city", fmt.Sprintf(`{"url":%q,"topics":["lockdowns"],"sites":[]}`, r.URL))
	c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":true,"reason":"x"}`)
	close(let)
	apptest.Eventually(t, "the lockdown", func() bool { return r.kinds() == "lockdown.begun" })
	if w := c.Must("GET", "/v1/webhooks/city", ""); w["enabled"] != true {
		t.Errorf("switched off by its former receiver: %v", w)
	}
}

// Each space is told once, whatever happens to the service; and again to a webhook that
// is made again, or that was off.
func TestAvailabilityIsToldOnce(t *testing.T) {
	a := startWithHooks(t)
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	r := newReceiver(t, nil)
	put := func(more string) {
		c.Must(
			"PUT",
			"/v1/webhooks/hall",
			fmt.Sprintf(`{"url":%q,"topics":["availability"],"sites":["metz"]%s}`, r.URL, more),
		)
	}
	told := func() int { return strings.Count(r.kinds(), "availability.changed") }
	all := func(n int) {
		t.Helper()
		apptest.Eventually(t, fmt.Sprint(n, " events"), func() bool { return told() >= n })
		time.Sleep(1500 * time.Millisecond) // more than one look
		if told() != n {
			t.Errorf("%d events, want %d", told(), n)
		}
	}
	put("")
	apptest.Eventually(t, "the first state", func() bool { return told() > 0 })
	time.Sleep(1500 * time.Millisecond)
	n := told()
	c.Must(
		"PUT",
		"/v1/catalogue",
		apptest.ProposalOf(t, apptest.ChangedCatalogue(t, "name: Accueil", "name: Réception"), ""),
	)
	all(n)
	c.Must("DELETE", "/v1/webhooks/hall", "")
	put("")
	all(2 * n)
	put(`,"enabled":false`)
	put("")
	all(2 * n) // it was told all of it, and nothing has changed
}
