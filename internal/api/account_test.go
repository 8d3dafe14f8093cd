package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/signin/signintest"
)

// startWithAccounts starts a service whose people sign in at a provider.
func startWithAccounts(t *testing.T) (*app.App, *signintest.Provider) {
	t.Helper()
	p := signintest.Start(t, "totem")
	cfg := apptest.Config(t)
	cfg.SignIn = filepath.Join(t.TempDir(), "sign-in.yaml")
	text := fmt.Sprintf(`issuer: %s
client_id: totem
client_secret: s
url: http://localhost
rules:
  - {claim: groups, value: metz, role: manager, sites: [metz]}
  - {claim: groups, value: atelier, role: tenant, tenant: atelier}
  - {claim: groups, value: ghost, role: tenant, tenant: nobody}
`, p.URL)
	if err := os.WriteFile(cfg.SignIn, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	return a, p
}

// surfer is a browser that keeps cookies and follows redirects. It reaches the service as localhost.
type surfer struct {
	*http.Client
	t *testing.T
}

func newSurfer(t *testing.T, a *app.App) surfer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "localhost:80" {
			address = a.HTTP.String()
		}
		return d.DialContext(ctx, network, address)
	}
	return surfer{&http.Client{Jar: jar, Transport: &http.Transport{DialContext: dial}}, t}
}

// me returns who the browser is, and the status.
func (b surfer) me() (status int, me struct {
	ID, Role  string
	Sites     []string
	ExpiresAt time.Time `json:"expires_at"`
},
) {
	b.t.Helper()
	status, body := b.get("/v1/me", "")
	if err := json.Unmarshal([]byte(body), &me); err != nil {
		b.t.Fatal(err)
	}
	return status, me
}

func (b surfer) get(path, language string) (int, string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Accept-Language", language)
	resp, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAnAccountOfTheCitySignsIn(t *testing.T) {
	a, p := startWithAccounts(t)
	admin := apptest.ClientOf(t, a)
	sub := "0b7e1d3c-1111-2222-3333-444455556666"
	as := func(groups ...string) {
		p.Set(map[string]any{"sub": sub, "groups": groups}, map[string]any{"sub": sub})
	}
	b := newSurfer(t, a)
	if _, body := b.get("/v1/session", ""); !strings.Contains(body, `"path":"/v1/session/account"`) {
		t.Errorf("the ways: %s", body)
	}
	as("metz")
	status, body := b.get("/v1/session/account?to=/metz", "fr")
	if status != 200 || !strings.Contains(body, `content="0; url=/metz"`) || !strings.Contains(body, `<html lang="fr">`) {
		t.Fatalf("back from the provider: %d %s", status, body)
	}
	_, me := b.me()
	if me.Role != "manager" || fmt.Sprint(me.Sites) != "[metz]" || me.ID != "account-"+sub ||
		time.Until(me.ExpiresAt) < 7*time.Hour || time.Until(me.ExpiresAt) > 8*time.Hour {
		t.Errorf("me: %+v", me)
	}
	second := newSurfer(t, a)
	second.get("/v1/session/account", "en")
	if status, _ := b.me(); status != 200 {
		t.Errorf("one browser signs another one out: %d", status)
	}
	expired, err := a.Ledger.Token(t.Context(), "account-"+sub)
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	expired.ExpiresAt = &past
	if err := a.Ledger.Write(t.Context(), func(tx *ledger.Tx) error { return tx.PutToken(expired) }); err != nil {
		t.Fatal(err)
	}
	second.get("/v1/session/account", "en")
	if status, _ := b.me(); status != 401 {
		t.Errorf("what had expired lives again: %d", status)
	}
	b.get("/v1/session/account", "en")
	as("atelier")
	second.get("/v1/session/account", "en")
	if _, me := second.me(); me.Role != "tenant" {
		t.Errorf("other rights: %+v", me)
	}
	if status, _ := b.me(); status != 401 {
		t.Errorf("a browser keeps what the account has lost: %d", status)
	}
	as("ghost")
	if status, body := second.get("/v1/session/account", "fr"); status != 403 || !strings.Contains(body, "n’a pas accès") {
		t.Errorf("of a tenant that is not there: %d %s", status, body)
	}
	as()
	if status, body := second.get("/v1/session/account", "en"); status != 403 || !strings.Contains(body, "has no access") {
		t.Errorf("without a role: %d %s", status, body)
	}
	if status, _ := second.me(); status != 401 {
		t.Errorf("without a role, and still there: %d", status)
	}
	if status, _ := admin.Ask("GET", "/v1/tokens/account-"+sub, ""); status != 404 {
		t.Errorf("its token is there: %d", status)
	}
	if v := admin.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("the audit: %v", v)
	}
	if status, _ := admin.Ask("PUT", "/v1/tokens/account-mine", `{"role":"admin"}`); status != 422 {
		t.Errorf("a token by the name of an account: %d", status)
	}
}

func TestASignInThatDidNotBeginHere(t *testing.T) {
	a, p := startWithAccounts(t)
	b := newSurfer(t, a)
	if status, body := b.get(
		"/v1/session/callback?code=good&state=x",
		"en",
	); status != 400 ||
		!strings.Contains(body, "begin again") {
		t.Errorf("%d %s", status, body)
	}
	p.Close()
	if status, body := b.get("/v1/session/account", "fr"); status != 502 || !strings.Contains(body, "injoignables") {
		t.Errorf("the provider is away: %d %s", status, body)
	}
	none := newSurfer(t, apptest.Start(t, apptest.Config(t)))
	if _, body := none.get("/v1/session", ""); !strings.Contains(body, `"account":null`) {
		t.Errorf("without accounts: %s", body)
	}
	if status, _ := none.get("/v1/session/account", ""); status != 404 {
		t.Errorf("without accounts: %d", status)
	}
}

// Two sign-ins in one browser do not get into each other's way, and what has expired
// stays so.
func TestSeveralSignIns(t *testing.T) {
	a, p := startWithAccounts(t)
	p.Set(map[string]any{"sub": "alice", "groups": "metz"}, map[string]any{"sub": "alice"})
	b := newSurfer(t, a)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	begin := func() string {
		resp, err := b.Get("http://localhost/v1/session/account")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		u, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		return "/v1/session/callback?code=good&state=" + url.QueryEscape(u.Query().Get("state"))
	}
	first := begin()
	second := newSurfer(t, a) // another person, meanwhile
	second.get("/v1/session/account", "")
	if status, _ := b.get("/v1/session/callback?code=good&state=another", ""); status != 400 {
		t.Errorf("another's state: %d", status)
	}
	third := begin()
	p.Ask(url.Values{}) // what was asked first is forgotten
	for name, path := range map[string]string{"first": first, "third": third} {
		if status, body := b.get(path, "en"); status == 400 {
			t.Errorf("%s: its cookie is gone: %s", name, body)
		}
	}
}
