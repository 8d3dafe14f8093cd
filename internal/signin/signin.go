// Package signin signs people in with the accounts of their city, by OpenID Connect.
//
// A browser is sent to the provider and comes back with a code, which Totem
// exchanges for claims about the account; rules in the settings turn claims into a
// role and sites (docs/operations.md, rules 11.13). Whoever no rule names does not
// enter.
//
//	a := signin.New(settings, key)
//	begun, err := a.Begin(ctx, "/nancy", now)
//	person, to, err := a.Finish(ctx, cookie, query, now)
//
// It uses the code flow with PKCE, state and nonce. What a browser must bring back is
// in a cookie with a MAC, so that the service stores nothing for people who never come
// back.
package signin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

const (
	// SessionLife is how long an account's claims are believed before they are asked for
	// again.
	SessionLife = 8 * time.Hour
	// ReturnWithin is how long somebody may take at the provider.
	ReturnWithin = 10 * time.Minute
	// patience is how long the provider may take to answer.
	patience = 10 * time.Second
	// mostAnswer is how much of an answer of the provider is read.
	mostAnswer = 1 << 20
	// failureLasts is how long after a failure the provider is not asked for its description again.
	failureLasts = 3 * time.Second
	// mostAtOnce is how many codes are exchanged at a time: anybody may come back
	// with one that is made up.
	mostAtOnce = 8
)

// The reasons for which nobody is signed in.
var (
	ErrNoRule   = errors.New("no rule gives this account a role")
	ErrCookie   = errors.New("this browser did not begin to sign in here, or took longer than ten minutes")
	ErrProvider = errors.New("the provider of accounts cannot be reached, or its answer cannot be used")
	ErrRefused  = errors.New("the provider of accounts refused")
)

// Accounts signs people in by one provider.
type Accounts struct {
	settings *Settings
	key      []byte // seals cookies
	client   *http.Client
	slots    chan struct{} // one for each exchange that is under way

	searches singleflight.Group
	mu       sync.Mutex
	provider *oidc.Provider // nil: not found yet
	failed   time.Time      // when it was not found last
}

// New returns the accounts of a provider, which is asked only when somebody signs
// in: it may be away while Totem starts.
func New(s *Settings, key []byte) *Accounts {
	return &Accounts{
		settings: s,
		key:      key,
		client:   &http.Client{Timeout: patience, Transport: limited{http.DefaultTransport}},
		slots:    make(chan struct{}, mostAtOnce),
	}
}

// limited reads no more than so much of an answer.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, mostAnswer), resp.Body}
	}
	return resp, err
}

// Name returns what the button says in a language.
func (a *Accounts) Name(language string) string { return a.settings.Name[language] }

// Secure reports whether browsers reach this service by https.
func (a *Accounts) Secure() bool { return strings.HasPrefix(a.settings.URL, "https://") }

// Person is somebody who has signed in.
type Person struct {
	ID     string // of the token that stands for the account
	Role   ledger.Role
	Sites  []catalogue.SiteID
	Tenant tenancy.TenantID
}

// found finds the provider, once for all who wait, and not again within a few seconds
// of a failure: anybody may begin to sign in.
func (a *Accounts) found(ctx context.Context) (*oidc.Provider, error) {
	a.mu.Lock()
	p, failed := a.provider, a.failed
	a.mu.Unlock()
	switch {
	case p != nil:
		return p, nil
	case time.Since(failed) < failureLasts:
		return nil, fmt.Errorf("%w: it failed a moment ago", ErrProvider)
	}
	search := a.searches.DoChan("", func() (any, error) {
		p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), a.client), a.settings.Issuer)
		a.mu.Lock()
		defer a.mu.Unlock()
		if err != nil {
			a.failed = time.Now()
			return nil, fmt.Errorf("%w: its description at %s: %w", ErrProvider, a.settings.Issuer, plain(err))
		}
		a.provider = p
		return p, nil
	})
	select {
	case r := <-search:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*oidc.Provider), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrProvider, ctx.Err())
	}
}

// plain returns an error without what the provider answered: that may be long, and
// name people.
func plain(err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok { // it was not reached
		return err
	}
	return errors.New("it cannot be used")
}

func (a *Accounts) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: a.settings.ClientID, ClientSecret: a.settings.Secret, Endpoint: p.Endpoint(),
		RedirectURL: a.settings.URL + CallbackPath, Scopes: append([]string{oidc.ScopeOpenID}, a.settings.Scopes...),
	}
}

// begun is what a browser must bring back.
type begun struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	To       string `json:"t"`
	Until    int64  `json:"u"`
}

// Begun is a sign-in that has begun.
type Begun struct {
	Address string // the provider's, to which the browser is sent
	// Name tells the cookies of several sign-ins in one browser apart; NameOf finds it
	// again.
	Name   string
	Cookie string // what the browser must bring back
}

// NameOf returns the name of the sign-in that a browser comes back from.
func NameOf(query url.Values) string { return nameOf(query.Get("state")) }

func nameOf(state string) string {
	sum := sha256.Sum256([]byte(state))
	return hex.EncodeToString(sum[:4])
}

// Begin begins to sign in. to is the view that is opened afterwards.
func (a *Accounts) Begin(ctx context.Context, to string, now time.Time) (Begun, error) {
	p, err := a.found(ctx)
	if err != nil {
		return Begun{}, err
	}
	b := begun{random(), random(), oauth2.GenerateVerifier(), SafeView(to), now.Add(ReturnWithin).Unix()}
	cookie, err := a.seal(b)
	address := a.oauth(p).AuthCodeURL(b.State, oidc.Nonce(b.Nonce), oauth2.S256ChallengeOption(b.Verifier))
	return Begun{address, nameOf(b.State), cookie}, err
}

// SafeView returns to if it leads to a view of the page of this service, and "/" otherwise.
func SafeView(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") || strings.Contains(to, "..") || strings.HasPrefix(to, "/v1/") ||
		len(to) > 500 {
		return "/"
	}
	return to
}

func random() string {
	b := make([]byte, 24)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (a *Accounts) mac(text string) string {
	h := hmac.New(sha256.New, a.key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (a *Accounts) seal(b begun) (string, error) {
	data, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(data)
	return text + "." + a.mac(text), nil
}

// unseal returns what a cookie of ours holds.
func (a *Accounts) unseal(cookie string, now time.Time) (b begun, err error) {
	text, mac, _ := strings.Cut(cookie, ".")
	if subtle.ConstantTimeCompare([]byte(mac), []byte(a.mac(text))) != 1 {
		return b, ErrCookie
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(data, &b) != nil || now.Unix() >= b.Until {
		return begun{}, ErrCookie
	}
	return b, nil
}

// Finish returns who has come back from the provider, and to which view. The errors
// are ErrCookie, ErrRefused, ErrProvider and ErrNoRule; with ErrNoRule the person has
// an id, and nothing else.
func (a *Accounts) Finish(ctx context.Context, cookie string, query url.Values, now time.Time) (Person, string, error) {
	b, err := a.unseal(cookie, now)
	if err != nil || subtle.ConstantTimeCompare([]byte(b.State), []byte(query.Get("state"))) != 1 {
		return Person{}, "/", ErrCookie
	}
	if query.Get("code") == "" {
		return Person{}, b.To, fmt.Errorf("%w: %q", ErrRefused, shortened(query.Get("error")))
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, a.client), 3*patience)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return Person{}, b.To, fmt.Errorf("%w: too many come back at once", ErrProvider)
	}
	subject, claims, err := a.claims(ctx, b, query.Get("code"), now)
	if err != nil {
		return Person{}, b.To, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	person, ok := a.settings.grant(claims)
	person.ID = TokenID(subject)
	if !ok {
		return person, b.To, fmt.Errorf("%w: %s; %s", ErrNoRule, person.ID, a.settings.told(claims))
	}
	return person, b.To, nil
}

// shortened bounds what comes from outside.
func shortened(s string) string { return s[:min(len(s), 80)] }

// claims exchanges a code for what the provider says of the account.
func (a *Accounts) claims(
	ctx context.Context,
	b begun,
	code string,
	now time.Time,
) (subject string, claims map[string]any, err error) {
	p, err := a.found(ctx)
	if err != nil {
		return "", nil, err
	}
	tokens, err := a.oauth(p).Exchange(ctx, code, oauth2.VerifierOption(b.Verifier))
	if err != nil {
		return "", nil, withoutBody(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	verifier := p.VerifierContext(ctx, &oidc.Config{ClientID: a.settings.ClientID, Now: func() time.Time { return now }})
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return "", nil, err
	}
	if id.Subject == "" || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(b.Nonce)) != 1 {
		return "", nil, errors.New("the nonce of its ID token is not the one that was sent")
	}
	if err := id.Claims(&claims); err != nil {
		return "", nil, err
	}
	if p.UserInfoEndpoint() == "" {
		return id.Subject, claims, nil
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(tokens)) // many providers tell groups only there
	if err != nil {
		return "", nil, fmt.Errorf("its answer about the account: %w", plain(err))
	}
	if info.Subject != id.Subject {
		return "", nil, errors.New("it tells of another account")
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return "", nil, fmt.Errorf("its answer about the account: %w", plain(err))
	}
	for name, value := range more {
		if _, there := claims[name]; !there { // what is signed counts
			claims[name] = value
		}
	}
	return id.Subject, claims, nil
}

// withoutBody keeps what the provider answered out of logs: it may hold a token.
func withoutBody(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return fmt.Errorf("it answered %s: %s", e.Response.Status, e.ErrorCode)
	}
	return plain(err)
}

// TokenPrefix begins the ids of the tokens that stand for accounts.
const TokenPrefix = "account-"

// TokenID returns the id of the token that stands for an account: with its subject
// where that is a UUID, as with many providers; otherwise with a hash of it, which is
// shorter and so never equals a UUID.
func TokenID(subject string) string {
	if id, err := uuid.Parse(subject); err == nil && id.String() == subject {
		return TokenPrefix + subject
	}
	sum := sha256.Sum256([]byte(subject))
	return TokenPrefix + hex.EncodeToString(sum[:12])
}
