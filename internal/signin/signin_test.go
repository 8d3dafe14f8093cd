package signin

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/signin/signintest"
)

// begin begins to sign in, as a browser does.
func begin(t *testing.T, p *signintest.Provider, a *Accounts, now time.Time) (cookie string, query url.Values) {
	t.Helper()
	begun, err := a.Begin(t.Context(), "/nancy", now)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(begun.Address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	p.Ask(q)
	if q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != "https://totem.example/v1/session/callback" ||
		q.Get("response_type") != "code" || q.Get("scope") != "openid groups" {
		t.Errorf("the question: %v", q)
	}
	p.Set(
		map[string]any{"sub": "0b7e1d3c-aaaa", "groups": []string{"metz-managers"}},
		map[string]any{"sub": "0b7e1d3c-aaaa"},
	)
	back := url.Values{"state": {q.Get("state")}}
	if NameOf(back) != begun.Name {
		t.Errorf("it comes back as %s", NameOf(back))
	}
	return begun.Cookie, url.Values{"state": {q.Get("state")}, "code": {signintest.Code}}
}

func settingsOf(p *signintest.Provider) *Settings {
	return &Settings{
		Issuer: p.URL, ClientID: "totem", Secret: "s", URL: "https://totem.example", Scopes: []string{"groups"},
		Rules: []Rule{
			{Claim: "groups", Value: "metz-managers", Role: "manager", Sites: []catalogue.SiteID{"metz"}},
			{Claim: "groups", Value: "nancy-managers", Role: "manager", Sites: []catalogue.SiteID{"nancy"}},
			{Claim: "realm_access.roles", Value: "finance", Role: "billing"},
		},
	}
}

func TestAnAccountSignsIn(t *testing.T) {
	now := time.Now()
	p := signintest.Start(t, "totem")
	a := New(settingsOf(p), []byte("key"))
	for name, c := range map[string]struct {
		change func(cookie *string, q url.Values)
		err    error
		want   string
	}{
		"a manager":    {func(*string, url.Values) {}, nil, "manager [metz]"},
		"of two sites": {func(*string, url.Values) { p.Claims["groups"] = []string{"x", "nancy-managers", "metz-managers"} }, nil, "manager [metz nancy]"},
		"told beside":  {func(*string, url.Values) { delete(p.Claims, "groups"); p.Info["groups"] = "nancy-managers" }, nil, "manager [nancy]"},
		"a claim in a claim": {func(*string, url.Values) {
			p.Claims["groups"] = nil
			p.Claims["realm_access"] = map[string]any{"roles": []string{"finance"}}
		}, nil, "billing []"},
		"signed counts":         {func(*string, url.Values) { p.Claims["groups"] = []string{}; p.Info["groups"] = "metz-managers" }, ErrNoRule, ""},
		"no rule":               {func(*string, url.Values) { p.Claims["groups"] = []string{"metz-managers-old"} }, ErrNoRule, ""},
		"another nonce":         {func(*string, url.Values) { p.Claims["nonce"] = "x" }, ErrProvider, ""},
		"no nonce":              {func(*string, url.Values) { p.Claims["nonce"] = nil }, ErrProvider, ""},
		"for another service":   {func(*string, url.Values) { p.Claims["aud"] = "other" }, ErrProvider, ""},
		"of another provider":   {func(*string, url.Values) { p.Claims["iss"] = "https://other.example" }, ErrProvider, ""},
		"expired":               {func(*string, url.Values) { p.Claims["exp"] = now.Add(-time.Minute).Unix() }, ErrProvider, ""},
		"nobody":                {func(*string, url.Values) { p.Claims["sub"] = "" }, ErrProvider, ""},
		"an answer for the log": {func(*string, url.Values) { p.Info = nil }, ErrProvider, ""},
		"two accounts":          {func(*string, url.Values) { p.Info["sub"] = "other" }, ErrProvider, ""},
		"a wrong code":          {func(_ *string, q url.Values) { q.Set("code", "bad") }, ErrProvider, ""},
		"another's code":        {func(*string, url.Values) { p.Challenge = "x" }, ErrProvider, ""},
		"another state":         {func(_ *string, q url.Values) { q.Set("state", "x") }, ErrCookie, ""},
		"no state":              {func(_ *string, q url.Values) { q.Del("state") }, ErrCookie, ""},
		"no cookie":             {func(c *string, _ url.Values) { *c = "" }, ErrCookie, ""},
		"a changed cookie":      {func(c *string, _ url.Values) { *c = "x" + *c }, ErrCookie, ""},
		"a cookie of one's own": {func(c *string, _ url.Values) {
			own, _ := New(settingsOf(p), []byte("other")).seal(begun{State: "x", Until: now.Add(time.Hour).Unix()})
			*c = own
		}, ErrCookie, ""},
		"cancelled": {func(_ *string, q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, ErrRefused, ""},
	} {
		cookie, query := begin(t, p, a, now)
		c.change(&cookie, query)
		person, to, err := a.Finish(t.Context(), cookie, query, now)
		if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
			continue
		}
		if err != nil {
			if name == "no rule" &&
				!strings.Contains(
					err.Error(),
					"no rule names one of the 1 values of its claim groups, its claim realm_access.roles is missing",
				) {
				t.Errorf("%s: %v", name, err)
			}
			if strings.Contains(err.Error(), "a secret of the provider") || strings.Contains(err.Error(), "metz-managers-old") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if got := fmt.Sprint(
			person.Role,
			" ",
			person.Sites,
		); got != c.want || to != "/nancy" ||
			person.ID != TokenID("0b7e1d3c-aaaa") {
			t.Errorf("%s: %s of %s, to %s", name, got, person.ID, to)
		}
	}
	cookie, query := begin(t, p, a, now)
	if _, _, err := a.Finish(t.Context(), cookie, query, now.Add(ReturnWithin)); !errors.Is(err, ErrCookie) {
		t.Errorf("after ten minutes: %v", err)
	}
}

func TestAProviderThatIsAwayIsAskedAgain(t *testing.T) {
	p := signintest.Start(t, "totem")
	s := settingsOf(p)
	s.Issuer = "http://127.0.0.1:1"
	a := New(s, []byte("key"))
	if _, err := a.Begin(t.Context(), "/", time.Now()); !errors.Is(err, ErrProvider) {
		t.Fatal(err)
	}
	s.Issuer = p.URL
	if _, err := a.Begin(t.Context(), "/", time.Now()); !errors.Is(err, ErrProvider) {
		t.Errorf("it is asked again at once: %v", err)
	}
	time.Sleep(failureLasts)
	if _, err := a.Begin(t.Context(), "/", time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyViewsAreOpened(t *testing.T) {
	for to, want := range map[string]string{
		"/nancy?at=1#x": "/nancy?at=1#x", "": "/", "nancy": "/", "//evil.example": "/", "/\\evil.example": "/",
		"https://evil.example": "/", "/a\nb": "/", "javascript:alert(1)": "/", "/" + strings.Repeat("a", 600): "/",
	} {
		if got := SafeView(to); got != want {
			t.Errorf("%q: %q", to, got)
		}
	}
}

func TestWhoseTokenItIs(t *testing.T) {
	for subject, plain := range map[string]bool{
		"0b7e1d3c-1111-2222-3333-444455556666": true,
		"admin":                                false, "Alice@Example": false, "": false, strings.Repeat("a", 90): false,
	} {
		id := TokenID(subject)
		if !catalogue.ValidID(id) || !strings.HasPrefix(id, TokenPrefix) || (id == TokenPrefix+subject) != plain {
			t.Errorf("%q: %s", subject, id)
		}
	}
}

const good = `issuer: https://login.example
client_id: totem
url: https://totem.example/
rules:
  - {claim: groups, value: a, role: manager, sites: [metz]}
`

func TestSettingsSayWhereTheyAreWrong(t *testing.T) {
	n, err := catalogues.Load("")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(n, "f", []byte(good))
	if err != nil || s.URL != "https://totem.example" || s.Name["fr"] == "" || len(s.Rules) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	for old, c := range map[string][2]string{
		"issuer: https://login.example": {"issuer: http://login.example", "f:1: issuer: must begin with https://"},
		"client_id: totem":              {"client_id: ''", "f:2: client_id: is empty"},
		"url: https://totem.example/":   {"", "url: is missing"},
		"totem.example/":                {"totem.example/x", "f:3: url: must have no path"},
		"claim: groups":                 {"claim: profile.Email", "f:5: rules[0].claim: profile.Email proves nothing"},
		"role: manager":                 {"role: boss", "f:5: rules[0].role: must be admin"},
		"sites: [metz]":                 {"sites: []", "f:5: rules[0].sites: is missing"},
		", sites: [metz]":               {", sites: [paris]", "f:5: rules[0].sites: the catalogue has no site paris"},
		"role: manager, sites: [metz]":  {"role: tenant", "f:5: rules[0].tenant: is missing"},
		"role: manager, ":               {"role: manager, tenant: x, ", "f:5: rules[0].tenant: is for the role tenant"},
		"value: a":                      {"val: a", "f:5: rules[0].val: unknown field"},
	} {
		_, err := Parse(n, "f", []byte(strings.Replace(good, old, c[0], 1)))
		if err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %s", c[0], err, c[1])
		}
	}
	if _, err := Load(n, t.TempDir()+"/none"); err == nil {
		t.Error("a file that is not there")
	}
	if s, err := Load(n, ""); s != nil || err != nil {
		t.Errorf("no file: %v %v", s, err)
	}
}

func FuzzSettings(f *testing.F) {
	n, err := catalogues.Load("")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(good))
	f.Add([]byte("rules: [{claim: a.b, value: 1, role: tenant, tenant: x}]\nname: {fr: x, de: y}"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		s, err := Parse(n, "f", data)
		if err == nil {
			s.grant(map[string]any{"groups": []any{"a"}})
		}
	})
}

func FuzzCookie(f *testing.F) {
	a := New(&Settings{}, []byte("key"))
	now := time.Unix(1_800_000_000, 0)
	sealed, err := a.seal(begun{State: "s", Until: now.Unix() + 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("..")
	f.Fuzz(func(t *testing.T, cookie string) {
		if b, err := a.unseal(cookie, now); err == nil && cookie != sealed {
			t.Errorf("%q is taken for ours: %+v", cookie, b)
		}
	})
}
