// Package signintest is an OpenID provider for tests. It has what the code flow with PKCE
// needs, asks for no password, and sends every browser back at once. It is not part of
// the service; .ci/page tests with a real provider.
package signintest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Code is the one that browsers bring back.
const Code = "good"

// Provider answers for one account at a time.
type Provider struct {
	*httptest.Server
	t   testing.TB
	key *ecdsa.PrivateKey

	mu        sync.Mutex
	Claims    map[string]any // of the account's token, besides those that every token has
	Info      map[string]any // of the account, beside its token
	Challenge string         // that of PKCE, as it was asked last
	Nonce     string
	Query     url.Values // of the last question
}

// Start starts a provider that knows one client.
func Start(t testing.TB, client string) *Provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{t: t, key: key}
	mux := http.NewServeMux()
	p.answer(mux, "/.well-known/openid-configuration", func(*http.Request) any {
		return map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/jwks", "userinfo_endpoint": p.URL + "/me",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		}
	})
	p.answer(mux, "/jwks", func(*http.Request) any {
		public := jose.JSONWebKey{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}
	})
	p.answer(mux, "/me", func(*http.Request) any { return p.Info })
	p.answer(mux, "/token", func(r *http.Request) any {
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if r.FormValue("code") != Code || base64.RawURLEncoding.EncodeToString(sum[:]) != p.Challenge {
			return nil
		}
		now := time.Now()
		claims := map[string]any{
			"iss": p.URL, "aud": client, "nonce": p.Nonce, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(),
		}
		for name, v := range p.Claims {
			claims[name] = v
			if v == nil {
				delete(claims, name)
			}
		}
		return map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": p.sign(claims)}
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		p.Ask(r.URL.Query())
		back := url.Values{"code": {Code}, "state": {r.URL.Query().Get("state")}}
		http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// Ask keeps what a service asks by way of a browser.
func (p *Provider) Ask(q url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Query, p.Challenge, p.Nonce = q, q.Get("code_challenge"), q.Get("nonce")
}

// Set makes the account another one.
func (p *Provider) Set(claims, info map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Claims, p.Info = claims, info
}

// answer answers with JSON; nil is a refusal.
func (p *Provider) answer(mux *http.ServeMux, path string, v func(*http.Request) any) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		out := v(r)
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if out == nil {
			w.WriteHeader(http.StatusBadRequest)
			out = map[string]string{"error": "invalid_grant", "error_description": "a secret of the provider"}
		}
		_ = json.NewEncoder(w).Encode(out)
	})
}

func (p *Provider) sign(claims map[string]any) string {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "k"}},
		nil,
	)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	data, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	signed, err := signer.Sign(data)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		p.t.Error(err)
	}
	return text
}
