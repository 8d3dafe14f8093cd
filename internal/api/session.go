package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

const (
	tagSession = "Session"
	// sessionCookie is the cookie of a session's id, which is not the token.
	sessionCookie = "totem_session"
	// sessionIdle ends a session that nobody uses.
	sessionIdle = 12 * time.Hour
	// sessionNoted is how long after the use that the ledger has noted a session's next use is noted.
	sessionNoted = 5 * time.Minute
)

// me is the answer of GET /v1/me: the caller's role, sites and tenant.
type me struct {
	ID        string             `json:"id"`
	Role      Role               `json:"role"`
	Sites     []catalogue.SiteID `json:"sites" nullable:"false" doc:"The sites that the token names; for billing and display, [] means all."`
	Tenant    *tenancy.TenantID  `json:"tenant"`
	ExpiresAt *catalogue.Instant `json:"expires_at"`
}

func showMe(c *caller) me {
	return me{
		ID:        c.id,
		Role:      c.role,
		Sites:     append([]catalogue.SiteID{}, c.sites...),
		Tenant:    orNil(c.tenant),
		ExpiresAt: instantOrNil(c.until),
	}
}

type signInIn struct {
	Browser
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"500" pattern:"^[!-~]+$" patternDescription:"a token" required:"true"`
	}
}

type signInOut struct {
	SetCookie string `header:"Set-Cookie"`
	Body      me
}

type signOutOut struct {
	SetCookie string `header:"Set-Cookie"`
}

// Browser holds the headers that say from where a browser sends a request.
type Browser struct {
	Cookie        string `header:"Cookie" hidden:"true"`
	FetchSite     string `header:"Sec-Fetch-Site" hidden:"true"`
	Origin        string `header:"Origin" hidden:"true"`
	ForwardedTLS  string `header:"X-Forwarded-Proto" hidden:"true"`
	host, address string
	tls           bool
}

// Resolve implements [huma.Resolver].
func (f *Browser) Resolve(ctx huma.Context) []error {
	f.host, f.address, f.tls = ctx.Host(), addressOf(ctx), ctx.TLS() != nil || f.ForwardedTLS == "https"
	return nil
}

// ofPage reports whether a request comes from a page of this server. Browsers
// say so in headers; a write by cookie is accepted only where they do.
func ofPage(fetchSite, origin, host string) bool {
	if fetchSite != "" {
		return fetchSite == "same-origin"
	}
	u, err := url.Parse(origin)
	return err == nil && origin != "" && u.Host == host
}

func (s *server) sessions() {
	all := []Role{Admin, Manager, Billing, Tenant, Display}
	const summary = "Sign a browser in with a token: the answer sets a cookie that holds an id of its own."
	op := openToAll(operation("POST", "/v1/session", tagSession, summary))
	op.DefaultStatus = http.StatusOK
	huma.Register(s.api, op, s.signIn)
	huma.Register(s.api, operation("DELETE", "/v1/session", tagSession, "Sign out: the session ends.", all...), s.signOut)
	huma.Register(s.api,
		operation("GET", "/v1/me", tagSession, "Who is asking: the token's id, role, sites, tenant and expiry.", all...),
		func(ctx context.Context, _ *struct{}) (*one[me], error) {
			return &one[me]{showMe(callerOf(ctx))}, nil
		},
	)
}

func (s *server) signIn(ctx context.Context, in *signInIn) (*signInOut, error) {
	if (in.FetchSite != "" || in.Origin != "") && !ofPage(in.FetchSite, in.Origin, in.host) {
		return nil, problem(http.StatusForbidden, "a session can only be started from this server's own page")
	}
	c, err := s.auth.caller(ctx, in.Body.Token)
	if errors.Is(err, errToken) {
		if s.auth.guesses.Wrong(in.address, s.cfg.Now()) > 0 {
			return nil, huma.ErrorWithHeaders(
				problem(http.StatusTooManyRequests, "too many wrong tokens from this address"),
				http.Header{"Retry-After": {"60"}},
			)
		}
		return nil, problem(http.StatusUnauthorized, "the token is unknown or has expired")
	}
	if err != nil {
		return nil, s.fail(err)
	}
	now, id := s.cfg.Now(), keys.NewSecret()
	err = s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		return tx.PutSession(
			ledger.Session{Hash: keys.HashSecret(id), Token: ledger.Token{ID: c.id, Hash: c.hash}, UsedAt: now},
			now.Add(-sessionIdle),
		)
	})
	if err != nil {
		return nil, s.fail(err)
	}
	return &signInOut{cookie(id, in.tls, 0), showMe(c)}, nil
}

func (s *server) signOut(ctx context.Context, in *struct{ Browser }) (*signOutOut, error) {
	c := callerOf(ctx)
	if c.session != nil {
		if err := s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.DeleteSession(c.session) }); err != nil {
			return nil, s.fail(err)
		}
		s.auth.changed(streamsOf(c.session))
	}
	return &signOutOut{cookie("", in.tls, -1)}, nil
}

func cookie(id string, tls bool, maxAge int) string {
	c := http.Cookie{
		Name:     sessionCookie,
		Value:    id,
		Path:     "/",
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
		Secure:   tls,
		MaxAge:   maxAge,
	}
	return c.String()
}

// streamsOf returns the key of a session's streams among those of tokens: no
// token's id contains a colon.
func streamsOf(session []byte) string { return "session:" + string(session) }

// byCookie returns the caller of a session's cookie.
func (a *authenticator) byCookie(ctx context.Context, id string) (*caller, error) {
	hash := keys.HashSecret(id)
	key := streamsOf(hash)
	now := a.now()
	a.mu.Lock()
	k, ok := a.known[key]
	a.mu.Unlock()
	if !ok || now.After(k.until) {
		found, err := a.ledger.Session(ctx, hash)
		if errors.Is(err, ledger.ErrNotFound) ||
			err == nil && found.Token.Role != Display && now.Sub(found.UsedAt) > sessionIdle {
			return nil, errToken
		}
		if err != nil {
			return nil, err
		}
		if now.Sub(found.UsedAt) > sessionNoted {
			if err := a.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.UseSession(hash, now) }); err != nil {
				return nil, err
			}
		}
		c := callerBy(found.Token)
		c.session = hash
		k = knownToken{c, now.Add(tokenCache)}
		a.know(key, k)
	}
	return k.current(now)
}
