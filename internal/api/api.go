// Package api is the HTTP face of Totem (rules 11). chi and huma make requests
// typed, checked and documented; this package answers them from the rights in
// force, the live state and the ledger.
//
// It decides nothing about doors and stores nothing itself.
package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"github.com/lorntech/totem/dashboards/web"
	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/readers"
	"github.com/lorntech/totem/internal/relay"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/signin"
)

// Live is what the API needs of the live state.
type Live interface {
	Availability() []occupancy.SpaceAvailability
	Devices() map[catalogue.DeviceID]live.Device
	Subscribe(lastEventID string, topics ...live.Topic) *live.Subscription
	AlarmChanged(a ingest.Alarm)
}

// Doors sends remote actions to readers.
type Doors interface {
	Unlock(door catalogue.DoorID, length time.Duration) error
	// CanUnlock reports whether some reader can open the door on command.
	CanUnlock(door catalogue.DoorID) bool
	// Sent returns the command that a reader was sent last; false where there
	// is none.
	Sent(device catalogue.DeviceID) (readers.Command, bool)
}

// Sessions ends connections to the broker when a secret or a token changes.
type Sessions interface {
	SecretChanged(ctx context.Context, device catalogue.DeviceID) error
	TokenChanged(id string)
}

// Config holds what the API answers from.
type Config struct {
	Network *catalogue.Network
	// Recorded holds the catalogues as each was recorded, under the names of
	// its time.
	Recorded catalogue.History
	Rights   *rights.Keeper
	Ledger   *ledger.Ledger
	Keys     *keys.Ring
	Live     Live
	Doors    Doors
	Sessions Sessions
	// OnTokens is called once, with a function that the service calls when a token was changed by something other than
	// the API, for example by totem token create. It may be nil.
	OnTokens func(changed func(token string))
	// Whereabouts reports where members are, for the anti-passback of checks.
	Whereabouts func(context.Context) access.Whereabouts
	// CaughtUp waits until the visits of the newest read are computed. If the context ends before, or some visits cannot
	// be computed, it returns the arrival time up to which all visits are computed.
	CaughtUp func(context.Context) (asOf time.Time, err error)
	Series   series.Reader
	Bills    billing.Bills
	// SeriesCaughtUp does the same for the series and the newest message.
	SeriesCaughtUp func(context.Context) (asOf time.Time, err error)
	Foreign        *foreign.Devices
	// Watch delivers what arrives, while somebody watches.
	Watch func() (arrivals <-chan ingest.Arrival, cancel func())
	// Enrolments holds the readers that wait for a new badge.
	Enrolments *ingest.Enrolments
	// NotUnderstood returns the devices whose messages arrive but are not understood.
	NotUnderstood func() map[catalogue.DeviceID]ingest.NotUnderstood
	// Degraded returns faults that do not keep the service from its work.
	Degraded func() []string
	// Ready returns what keeps the service from its work; empty: nothing.
	Ready func(context.Context) []string
	// Verify checks the ledger against its audit chain.
	Verify func(context.Context) (ledger.Audit, error)
	// ChangeCatalogue puts another catalogue in force, or returns what it would
	// change.
	ChangeCatalogue func(ctx context.Context, c NewCatalogue, dry bool) (CatalogueChanged, error)
	Webhooks        Webhooks
	// Fresh returns an error where another machine may have taken over. A process that was stopped, and continues after
	// another one has taken over, must not answer from what it knew before.
	Fresh func(context.Context) error
	// RelayKey is the key with which a relay signs the address of the client whose request it passes on.
	RelayKey []byte
	// Accounts signs people in with accounts of their city; nil: with tokens only.
	Accounts *signin.Accounts
	// Most limits how many things a tenant's own token may create.
	Most    Most
	Metrics http.Handler
	Version string
	Now     func() time.Time
	Log     *slog.Logger
}

type server struct {
	cfg  Config
	api  huma.API
	auth *authenticator
	// lists holds the looks at lists that were recorded in this hour.
	lists listLooks
	// everything that any catalogue ever had: the past is named by it
	ever *catalogue.Network
	// the sites' opening hours and holidays
	calendars map[catalogue.SiteID]catalogue.Calendar
	rentsMade atomic.Pointer[rentsMade]
	// each space's availability as it was last encoded
	written sync.Map
	buffers sync.Pool // buffers of answers, *[]byte
}

const (
	maxBody  = 1 << 20
	docsPath = "/docs"
)

// New returns the handler of the whole HTTP API and of the page.
func New(cfg Config) http.Handler {
	s := &server{
		cfg: cfg,
		auth: &authenticator{
			ledger:  cfg.Ledger,
			now:     cfg.Now,
			known:   map[string]knownToken{},
			streams: map[string]map[*context.CancelFunc]bool{},
		},
	}
	if cfg.OnTokens != nil {
		cfg.OnTokens(s.auth.changed)
	}
	s.ever = catalogue.Ever(cfg.Series.History)
	s.calendars = map[catalogue.SiteID]catalogue.Calendar{}
	for i := range cfg.Network.Sites {
		s.calendars[cfg.Network.Sites[i].ID] = cfg.Network.Calendar(&cfg.Network.Sites[i])
	}
	r := chi.NewRouter()
	behind := func(next http.Handler) http.Handler { return relay.Behind(cfg.RelayKey, cfg.Now, next) }
	r.Use(middleware.Recoverer, behind, secure, s.whileFresh, negotiate)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, http.StatusNotFound, "there is nothing at this path")
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Allow", allowed(r, req.URL.Path))
		writeProblem(w, http.StatusMethodNotAllowed, req.Method+" is not for this path")
	})
	s.health(r)
	s.documents(r)
	s.page(r)
	s.calendarFeed(r)
	s.accounts(r)
	onceForAll()
	s.api = humachi.New(r, s.openAPI())
	s.api.UseMiddleware(s.authenticate)
	for _, register := range []func(){s.catalogue, s.catalogues, s.rentPaths, s.resources, s.enrolments, s.previews,
		s.programmes, s.access, s.rollcalls, s.visits, s.availability, s.streams, s.usage, s.attendances, s.hours,
		s.statements, s.devices, s.operations, s.tokens, s.webhooks, s.sessions, s.signInWays, s.looks, s.persons, s.sheets} {
		register()
	}
	tellNulls(s.api.OpenAPI().Components.Schemas)
	return r
}

// onceForAll sets what huma keeps for the whole process.
var onceForAll = sync.OnceFunc(func() {
	huma.NewError = problem
	plainWords()
	huma.ValidateStrictCasing = true // otherwise huma would take "Seconds" for seconds
})

// openAPI describes the API as a whole.
func (s *server) openAPI() huma.Config {
	c := huma.DefaultConfig("Totem", s.cfg.Version)
	c.Info.Description = "Who may pass, who is there, what was used, in the LORnTECH buildings. Send `Authorization: Bearer` and a token; errors are problems (RFC 9457) that name the field."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", nil
	c.FieldsOptionalByDefault = true
	c.Formats, c.DefaultFormat = formats(), "application/json"
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	return c
}

func (s *server) documents(r chi.Router) {
	docs := v5emb.NewWithConfig(
		swgui.Config{
			ShowTopBar: false,
			HideCurl:   false,
			SettingsUI: map[string]string{"docExpansion": `"list"`, "defaultModelsExpandDepth": "-1"},
		},
	)("Totem", "/openapi.json", docsPath)
	r.Mount(docsPath, docs)
	r.Method(http.MethodGet, docsPath, ownPolicy(docs))
	r.Method(http.MethodGet, docsPath+"/", ownPolicy(docs))
}

// page serves the page at the addresses of its views, and its files.
func (s *server) page(r chi.Router) {
	for _, view := range web.Views() {
		r.Method(http.MethodGet, "/"+view, web.Page())
		if view != "" {
			r.Method(http.MethodGet, "/"+view+"/*", web.Page())
		}
	}
	for _, name := range web.Names() {
		r.Method(http.MethodGet, name, web.Files())
	}
}

func (s *server) health(r chi.Router) {
	r.Get(
		"/healthz",
		func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, map[string]bool{"ok": true}) },
	)
	r.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		faults := s.cfg.Ready(ctx)
		status := http.StatusOK
		if len(faults) > 0 {
			status = http.StatusServiceUnavailable
		} else {
			faults = []string{}
		}
		writeJSON(w, status, map[string]any{"ok": len(faults) == 0, "faults": faults, "degraded": s.cfg.Degraded()})
	})
	r.Method(http.MethodGet, "/metrics", s.cfg.Metrics)
}

// allowed lists the methods of a path.
func allowed(r chi.Router, path string) string {
	var list []string
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if r.Match(chi.NewRouteContext(), m, path) {
			list = append(list, m)
		}
	}
	return strings.Join(list, ", ")
}

// whileFresh passes requests of the API on only while this machine is the one that serves, and answers 503 otherwise.
func (s *server) whileFresh(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Not /readyz, which says by itself what is wrong, and not the page's own files.
		if strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/programme.ics" {
			if err := s.cfg.Fresh(r.Context()); err != nil {
				s.cfg.Log.Warn("a request was not answered: this machine may no longer be the one that serves", "error", err)
				w.Header().Set("Retry-After", "1")
				w.Header().Set(relay.MovedHeader, "1")
				writeProblem(
					w,
					http.StatusServiceUnavailable,
					"another machine may be serving by now, and nothing was done: try again",
				)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// secure sets headers that limit what a browser may do with an answer.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set(policyHeader, strictPolicy)
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error here means that the client has gone
}

func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem(status, detail))
}

// operation describes one endpoint and the roles that may call it. Without roles
// nobody may; openToAll opens it to everybody, even without a token.
func operation(method, path, tag, summary string, roles ...Role) huma.Operation {
	op := huma.Operation{
		OperationID:  operationID(method, path),
		Method:       method,
		Path:         path,
		Summary:      summary,
		Tags:         []string{tag},
		MaxBodyBytes: maxBody,
		Extensions:   map[string]any{rolesKey: roles},
		Security:     []map[string][]string{{"token": {}}},
		Errors: []int{
			http.StatusUnauthorized,
			http.StatusForbidden,
			http.StatusUnprocessableEntity,
			http.StatusTooManyRequests,
		},
	}
	if strings.Contains(path, "{") {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if method == http.MethodPut || method == http.MethodPost {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
	}
	if method == http.MethodDelete {
		op.DefaultStatus = http.StatusNoContent
	}
	return op
}

// openToAll opens an operation to everybody, without a token.
func openToAll(op huma.Operation) huma.Operation {
	op.Security, op.Extensions, op.Metadata = nil, nil, map[string]any{openKey: true}
	return op
}
