package api

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

// Role is the role of a token: what its holder may see and do (rules 11.1).
type Role = ledger.Role

// The roles.
const (
	Admin   = ledger.Admin
	Manager = ledger.Manager
	Billing = ledger.Billing
	Tenant  = ledger.Tenant
	Display = ledger.Display
)

// caller is who sends a request: the token, with its role, sites and tenant.
type caller struct {
	id     string // the token's id
	role   Role
	sites  []catalogue.SiteID // sites that the token names
	tenant tenancy.TenantID   // tenant of a tenant's token
	until  *time.Time         // when the token ends; nil: never
	hash   []byte             // hash of the token
	// session is the hash of the session id that the request came with; nil: it
	// came with the token itself.
	session []byte
}

// bound reports whether the caller is limited to its token's sites: a manager
// always, billing and a display where the token names any.
func (c *caller) bound() bool {
	switch c.role {
	case Manager:
		return true
	case Billing, Display:
		return len(c.sites) > 0
	}
	return false
}

// SitesOf returns the sites that a token is limited to; nil: all sites.
func SitesOf(t ledger.Token) []catalogue.SiteID {
	c := caller{role: t.Role, sites: t.Sites}
	if c.sites == nil {
		c.sites = []catalogue.SiteID{}
	}
	return c.scope()
}

// reaches reports whether the caller may see a site.
func (c *caller) reaches(site catalogue.SiteID) bool {
	return !c.bound() || slices.Contains(c.sites, site)
}

// ofTenant reports whether the caller may see a tenant's records. A tenant may see its own; a caller limited to sites
// may see those of the tenants at these sites.
func (c *caller) ofTenant(b *tenancy.Book, id tenancy.TenantID) bool {
	if c.role == Tenant {
		return c.tenant == id
	}
	if !c.bound() {
		return true
	}
	t, ok := b.Tenant(id)
	return ok && c.reaches(t.Site)
}

// tenants returns the tenants that the caller's lists of bills are limited to;
// nil: all.
func (c *caller) tenants(b *tenancy.Book) []tenancy.TenantID {
	if c.role != Tenant && !c.bound() {
		return nil
	}
	list := []tenancy.TenantID{}
	for t := range b.Tenants() {
		if c.ofTenant(b, t.ID) {
			list = append(list, t.ID)
		}
	}
	return list
}

// scope returns the sites that a caller's lists are limited to; nil: all.
func (c *caller) scope() []catalogue.SiteID {
	if c.bound() {
		return c.sites
	}
	return nil
}

type callerKey struct{}

func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

const (
	// tokenCache is how long a token is trusted without looking it up again: a
	// token withdrawn by another process works that long.
	tokenCache = 2 * time.Second
	tokensMost = 10_000 // how many tokens are cached
)

// authenticator finds tokens by their hash.
type authenticator struct {
	ledger *ledger.Ledger
	now    func() time.Time

	guesses keys.Guesses

	mu      sync.Mutex
	known   map[string]knownToken
	streams map[string]map[*context.CancelFunc]bool // streams that end with a token, by token
}

type knownToken struct {
	caller *caller
	until  time.Time // when it is looked up again
}

var errToken = errors.New("no such token")

// changed makes every token be looked up again, and ends the streams of one
// that was replaced or withdrawn.
func (a *authenticator) changed(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = map[string]knownToken{}
	for end := range a.streams[token] {
		(*end)()
	}
}

// during returns a context that ends with a caller's token; release must be called.
func (a *authenticator) during(ctx context.Context, c *caller) (_ context.Context, release func()) {
	ctx, end := context.WithCancel(ctx)
	var expiry *time.Timer
	if c.until != nil {
		expiry = time.AfterFunc(c.until.Sub(a.now()), end)
	}
	ends := []string{c.id} // the keys under which this stream is ended
	if c.session != nil {
		ends = append(ends, streamsOf(c.session))
	}
	a.mu.Lock()
	for _, key := range ends {
		if a.streams[key] == nil {
			a.streams[key] = map[*context.CancelFunc]bool{}
		}
		a.streams[key][&end] = true
	}
	a.mu.Unlock()
	if !a.still(ctx, c) { // it may have been withdrawn since it was looked up
		end()
	}
	return ctx, func() {
		if expiry != nil {
			expiry.Stop()
		}
		end()
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, key := range ends {
			if delete(a.streams[key], &end); len(a.streams[key]) == 0 {
				delete(a.streams, key)
			}
		}
	}
}

// still reports whether the ledger still has the token that a caller came with, unchanged.
func (a *authenticator) still(ctx context.Context, c *caller) bool {
	t, err := a.ledger.Token(ctx, c.id)
	return err == nil && bytes.Equal(t.Hash, c.hash)
}

// caller finds whom a token belongs to.
func (a *authenticator) caller(ctx context.Context, token string) (*caller, error) {
	hash := string(keys.HashSecret(token))
	now := a.now()
	a.mu.Lock()
	k, ok := a.known[hash]
	a.mu.Unlock()
	if !ok || now.After(k.until) {
		t, err := a.ledger.TokenByHash(ctx, []byte(hash))
		if errors.Is(err, ledger.ErrNotFound) {
			return nil, errToken
		}
		if err != nil {
			return nil, err
		}
		k = knownToken{callerBy(t), now.Add(tokenCache)}
		a.know(hash, k)
	}
	return k.current(now)
}

func callerBy(t ledger.Token) *caller {
	return &caller{id: t.ID, role: t.Role, sites: t.Sites, tenant: t.Tenant, until: t.ExpiresAt, hash: t.Hash}
}

func (a *authenticator) know(key string, k knownToken) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) > tokensMost {
		a.known = map[string]knownToken{}
	}
	a.known[key] = k
}

// current returns the caller, or an error where its token has expired.
func (k knownToken) current(now time.Time) (*caller, error) {
	if k.caller.until != nil && !now.Before(*k.caller.until) {
		return nil, errToken
	}
	return k.caller, nil
}

var (
	errNobody    = errors.New("no token and no session")
	errElsewhere = errors.New("the request has a session's cookie, but comes from another site's page")
)

// callerOf returns who sends a request: by a token, or by a session's cookie.
func (a *authenticator) callerOf(ctx huma.Context) (*caller, error) {
	if header := ctx.Header("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			return nil, errNobody
		}
		return a.caller(ctx.Context(), strings.TrimSpace(token))
	}
	id, err := huma.ReadCookie(ctx, sessionCookie)
	if err != nil || id.Value == "" {
		return nil, errNobody
	}
	if m := ctx.Method(); m != http.MethodGet && m != http.MethodHead &&
		!ofPage(ctx.Header("Sec-Fetch-Site"), ctx.Header("Origin"), ctx.Host()) {
		return nil, errElsewhere
	}
	return a.byCookie(ctx.Context(), id.Value)
}

// addressOf returns the network address that a request comes from.
func addressOf(ctx huma.Context) string {
	address, _, _ := net.SplitHostPort(ctx.RemoteAddr())
	return address
}

const (
	// rolesKey is the extension in which an operation lists the roles that may call it. The OpenAPI document shows it.
	rolesKey = "x-roles"
	// openKey is where an operation stores that everybody may call it.
	openKey = "open"
)

// authenticate is huma's middleware: it finds the caller and checks the role.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	roles, _ := ctx.Operation().Extensions[rolesKey].([]Role)
	if open, _ := ctx.Operation().Metadata[openKey].(bool); open {
		next(ctx)
		return
	}
	deny := func(status int, detail string) {
		if status == http.StatusUnauthorized {
			ctx.SetHeader("WWW-Authenticate", "Bearer")
		}
		if err := huma.WriteErr(s.api, ctx, status, detail); err != nil {
			s.cfg.Log.Debug("problem not written", "error", err)
		}
	}
	c, err := s.auth.callerOf(ctx)
	if errors.Is(err, errNobody) {
		deny(http.StatusUnauthorized, "send Authorization: Bearer and a token")
		return
	}
	if errors.Is(err, errElsewhere) {
		deny(http.StatusForbidden, "with a session's cookie, changes are taken from this server's own page alone")
		return
	}
	if errors.Is(err, errToken) {
		// Only wrong tokens are counted and slowed: a caller with a valid one may have the same address.
		if s.auth.guesses.Wrong(addressOf(ctx), s.auth.now()) > 0 {
			ctx.SetHeader("Retry-After", "60")
			deny(http.StatusTooManyRequests, "too many wrong tokens from this address")
			return
		}
		deny(http.StatusUnauthorized, "the token is unknown or has expired")
		return
	}
	if err != nil {
		s.cfg.Log.Error("token not looked up", "error", err)
		deny(http.StatusServiceUnavailable, "tokens cannot be looked up at the moment")
		return
	}
	if !slices.Contains(roles, c.role) {
		deny(http.StatusForbidden, "the role "+string(c.role)+" may not do this")
		return
	}
	next(huma.WithValue(ctx, callerKey{}, c))
}
