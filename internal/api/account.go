package api

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/signin"
)

const (
	// beginPath is where a browser begins to sign in with an account.
	beginPath = "/v1/session/account"
	// begunCookie begins the name of a cookie that holds what a browser must bring back from the provider. The cookie is
	// Lax, because the browser must send it when the provider redirects it here.
	begunCookie = "totem_sign_in_"
)

// ways are the ways to sign in.
type ways struct {
	Account *accountWay `json:"account" doc:"An account of the city; null: with a token only."`
}

type accountWay struct {
	Path string `json:"path" doc:"Where a browser begins; ?to= is the view to open afterwards."`
	FR   string `json:"fr" doc:"What the button says in French."`
	EN   string `json:"en" doc:"What the button says in English."`
}

func (s *server) signInWays() {
	op := openToAll(operation("GET", "/v1/session", tagSession, "The ways to sign in."))
	op.Errors = nil
	huma.Register(s.api, op, func(context.Context, *struct{}) (*one[ways], error) {
		w := ways{}
		if a := s.cfg.Accounts; a != nil {
			w.Account = &accountWay{beginPath, a.Name("fr"), a.Name("en")}
		}
		return &one[ways]{w}, nil
	})
}

// accounts serves the two addresses that browsers open to sign in with an account.
func (s *server) accounts(r chi.Router) {
	if s.cfg.Accounts == nil {
		return
	}
	r.Get(beginPath, s.beginAccount)
	r.Get(signin.CallbackPath, s.finishAccount)
}

func (s *server) beginAccount(w http.ResponseWriter, r *http.Request) {
	begun, err := s.cfg.Accounts.Begin(r.Context(), r.URL.Query().Get("to"), s.cfg.Now())
	if err != nil {
		s.refuseAccount(w, r, err)
		return
	}
	http.SetCookie(w, s.begunCookie(begun.Name, begun.Cookie, int(signin.ReturnWithin/time.Second)))
	http.Redirect(w, r, begun.Address, http.StatusFound)
}

func (s *server) begunCookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: begunCookie + name, Value: value, Path: "/v1/session", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: s.cfg.Accounts.Secure(), MaxAge: maxAge,
	}
}

func (s *server) finishAccount(w http.ResponseWriter, r *http.Request) {
	var begun string
	name := signin.NameOf(r.URL.Query())
	if c, err := r.Cookie(begunCookie + name); err == nil {
		begun = c.Value
	}
	now := s.cfg.Now()
	person, to, err := s.cfg.Accounts.Finish(r.Context(), begun, r.URL.Query(), now)
	var id string
	if err == nil {
		id, err = s.startSession(r.Context(), person, now)
	}
	if errors.Is(err, signin.ErrNoRule) && person.ID != "" {
		err = errors.Join(err, s.endSessions(r.Context(), person.ID, now))
	}
	if begun != "" {
		http.SetCookie(w, s.begunCookie(name, "", -1))
	}
	if err != nil {
		s.refuseAccount(w, r, err)
		return
	}
	w.Header().Add("Set-Cookie", cookie(id, s.cfg.Accounts.Secure() || r.TLS != nil, 0))
	// The session's cookie is Strict: a browser sends it with what a page of ours
	// opens, not with what the provider's redirect opens.
	writeAccountPage(w, r, http.StatusOK, accountPage{To: to})
}

// startSession starts a session for an account. The session belongs to a token that lasts eight hours and whose secret
// nobody knows; whatever ends that token ends the session too.
func (s *server) startSession(ctx context.Context, p signin.Person, now time.Time) (session string, err error) {
	session = keys.NewSecret()
	until := now.Add(signin.SessionLife).UTC().Truncate(time.Millisecond)
	t := ledger.Token{
		ID: p.ID, Role: p.Role, Sites: append([]catalogue.SiteID{}, p.Sites...), Tenant: p.Tenant,
		Hash: keys.HashSecret(keys.NewSecret()), ExpiresAt: &until,
	}
	err = s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		if p.Role == Tenant {
			switch there, err := tx.HasRecord("tenant", string(p.Tenant)); {
			case err != nil:
				return err
			case !there:
				return fmt.Errorf("%w: %s; there is no tenant %s", signin.ErrNoRule, p.ID, p.Tenant)
			}
		}
		// Where the rights are the same as before and the former token has not expired, it keeps its hash, so that the
		// account stays signed in in its other browsers.
		before, err := s.cfg.Ledger.Token(ctx, p.ID)
		switch {
		case err == nil && before.ExpiresAt != nil && now.Before(*before.ExpiresAt) &&
			before.Role == t.Role && before.Tenant == t.Tenant && slices.Equal(before.Sites, t.Sites):
			t.Hash = before.Hash
		case err != nil && !errors.Is(err, ledger.ErrNotFound):
			return err
		}
		if err := tx.PutToken(t); err != nil {
			return err
		}
		if err := tx.AddAct(
			&ingest.Act{At: now.UTC(), Actor: p.ID, Action: "put", Target: "token/" + p.ID, Body: t.Terms()},
		); err != nil {
			return err
		}
		return tx.PutSession(ledger.Session{Hash: keys.HashSecret(session), Token: t, UsedAt: now}, now.Add(-sessionIdle))
	})
	if err != nil {
		return "", err
	}
	s.auth.changed(p.ID)
	s.cfg.Sessions.TokenChanged(p.ID)
	return session, nil
}

// endSessions ends the sessions of an account that has lost its role.
func (s *server) endSessions(ctx context.Context, id string, now time.Time) error {
	err := s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.DeleteToken(id); err != nil {
			return err
		}
		return tx.AddAct(
			&ingest.Act{At: now.UTC(), Actor: "totem", Action: "delete", Target: "token/" + id, Body: []byte("{}")},
		)
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	s.auth.changed(id)
	s.cfg.Sessions.TokenChanged(id)
	return err
}

// accountPage is what a browser sees between the provider and the page.
type accountPage struct {
	French bool
	To     string // the view that opens; "": none
	EN, FR string // why none opens
}

// refusals are the errors of signing in, each with its HTTP status and the text that people see.
var refusals = []struct {
	err    error
	status int
	en, fr string
	guess  bool // counts as a guess of the browser's address
}{
	{
		signin.ErrNoRule, http.StatusForbidden, "Your account has no access to Totem. Ask whoever runs it.",
		"Votre compte n’a pas accès à Totem. Adressez-vous à qui l’exploite.", false,
	},
	{
		signin.ErrCookie,
		http.StatusBadRequest,
		"This sign-in took too long, or began in another browser. Please begin again.",
		"Cette connexion a duré trop longtemps ou a commencé dans un autre navigateur. Veuillez recommencer.",
		true,
	},
	{
		signin.ErrRefused, http.StatusForbidden, "You were not signed in. Please begin again.",
		"La connexion n’a pas eu lieu. Veuillez recommencer.", false,
	},
	{
		signin.ErrProvider, http.StatusBadGateway, "The accounts cannot be reached at the moment. Please try again later.",
		"Les comptes sont injoignables pour le moment. Veuillez réessayer plus tard.", false,
	},
}

func (s *server) refuseAccount(w http.ResponseWriter, r *http.Request, err error) {
	p, status := accountPage{
		EN: "The service failed; its log says why.",
		FR: "Le service a échoué ; son journal dit pourquoi.",
	},
		http.StatusInternalServerError
	known := false
	for _, f := range refusals {
		if !errors.Is(err, f.err) {
			continue
		}
		p.EN, p.FR, status, known = f.en, f.fr, f.status, true
		address, _, _ := net.SplitHostPort(r.RemoteAddr)
		if f.guess && s.auth.guesses.Wrong(address, s.cfg.Now()) > 0 {
			w.Header().Set("Retry-After", "60")
			status = http.StatusTooManyRequests
		}
		break
	}
	if !known || !errors.Is(err, signin.ErrCookie) {
		s.cfg.Log.Warn("a sign-in with an account failed", "error", err)
	}
	writeAccountPage(w, r, status, p)
}

//go:embed account.html
var accountHTML string

var accountTemplate = template.Must(template.New("account").Parse(accountHTML))

func writeAccountPage(w http.ResponseWriter, r *http.Request, status int, p accountPage) {
	p.French = localeOf("", r.Header.Get("Accept-Language")) == billing.French
	var b bytes.Buffer
	if err := accountTemplate.Execute(&b, p); err != nil {
		panic(err) // the template is embedded, and writes into memory
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error here means that the browser has gone
}
