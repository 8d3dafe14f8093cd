package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/signin"
	"github.com/lorntech/totem/internal/tenancy"
)

const tagTokens = "Tokens"

// tokenView is a token as the API writes it; token is answered once.
type tokenView struct {
	ID        string             `json:"id"`
	Role      Role               `json:"role" enum:"admin,manager,billing,tenant,display" required:"true"`
	Sites     []catalogue.SiteID `json:"sites" nullable:"false" doc:"A manager's sites; for billing and display [] means all."`
	Tenant    *tenancy.TenantID  `json:"tenant" doc:"A tenant token's tenant."`
	ExpiresAt *catalogue.Instant `json:"expires_at" format:"date-time"`
	Token     string             `json:"token,omitempty" readOnly:"true" doc:"Shown once."`
}

func showToken(t ledger.Token) tokenView {
	sites := t.Sites
	if sites == nil {
		sites = []catalogue.SiteID{}
	}
	return tokenView{
		ID:        t.ID,
		Role:      t.Role,
		Sites:     sites,
		Tenant:    orNil(t.Tenant),
		ExpiresAt: instantOrNil(t.ExpiresAt),
	}
}

func (s *server) tokens() {
	huma.Register(s.api, operation("GET", "/v1/tokens", tagTokens, "List tokens; the secrets are not shown.", Admin),
		func(ctx context.Context, in *Paging) (*pageOut[tokenView], error) {
			all, err := s.cfg.Ledger.Tokens(ctx)
			if err != nil {
				return nil, s.fail(err)
			}
			return pageByID(*in, convert(slices.Values(all), showToken), func(t tokenView) string { return t.ID })
		},
	)
	huma.Register(s.api, operation("GET", "/v1/tokens/{id}", tagTokens, "Show a token; the secret is not shown.", Admin),
		func(ctx context.Context, in *IDPath) (*one[tokenView], error) {
			t, err := s.cfg.Ledger.Token(ctx, in.ID)
			if err != nil {
				return nil, s.fail(err)
			}
			return &one[tokenView]{showToken(t)}, nil
		},
	)
	huma.Register(s.api,
		operation("PUT", "/v1/tokens/{id}", tagTokens, "Create or replace a token; the secret is shown once.", Admin),
		s.putToken,
	)
	huma.Register(s.api, operation("DELETE", "/v1/tokens/{id}", tagTokens, "Withdraw a token.", Admin),
		func(ctx context.Context, in *IDPath) (*empty, error) {
			if in.ID == callerOf(ctx).id {
				return nil, problem(409, "a token cannot withdraw itself")
			}
			err := s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
				if err := tx.DeleteToken(in.ID); err != nil {
					return err
				}
				return tx.AddAct(
					&ingest.Act{
						At:     s.cfg.Now().UTC(),
						Actor:  callerOf(ctx).id,
						Action: "delete",
						Target: "token/" + in.ID,
						Body:   []byte("{}"),
					},
				)
			})
			s.auth.changed(in.ID)
			s.cfg.Sessions.TokenChanged(in.ID)
			return nil, s.fail(err)
		},
	)
}

// checkToken returns what is wrong with a token's fields.
func (s *server) checkToken(v tokenView) error {
	if !catalogue.ValidID(v.ID) {
		return invalid("path", "id", "is not an id: lower-case letters, digits and hyphens, at most 64")
	}
	if strings.HasPrefix(v.ID, signin.TokenPrefix) {
		return invalid("path", "id", "begins with "+signin.TokenPrefix+", as those of accounts do")
	}
	if !slices.Contains([]Role{Admin, Manager, Billing, Tenant, Display}, v.Role) {
		return invalid("body", "role", "must be admin, manager, billing, tenant or display")
	}
	for _, site := range v.Sites {
		if s.cfg.Network.Site(site) == nil {
			return invalid("body", "sites", "the catalogue has no site "+string(site))
		}
	}
	if v.Role == Tenant {
		if v.Tenant == nil {
			return invalid("body", "tenant", "is missing")
		}
		if _, ok := s.cfg.Rights.InForce().Book.Tenant(*v.Tenant); !ok {
			return invalid("body", "tenant", "there is no such tenant")
		}
	}
	return nil
}

func (s *server) putToken(ctx context.Context, in *putIn[tokenView]) (*one[tokenView], error) {
	v := in.Body
	if v.ID != "" && v.ID != in.ID {
		return nil, invalid("body", "id", "differs from the id in the path")
	}
	v.ID = in.ID
	if err := s.checkToken(v); err != nil {
		return nil, err
	}
	token := keys.NewSecret()
	t := ledger.Token{
		ID:        v.ID,
		Role:      v.Role,
		Sites:     v.Sites,
		Hash:      keys.HashSecret(token),
		ExpiresAt: milliOrNil(v.ExpiresAt),
	}
	if v.Tenant != nil {
		t.Tenant = *v.Tenant
	}
	if in.ID == callerOf(ctx).id && v.Role != Admin {
		return nil, problem(http.StatusConflict, "a token cannot take away its own role: use another token")
	}
	err := s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		if v.Role == Tenant { // the tenant may be deleted meanwhile
			switch there, err := tx.HasRecord("tenant", string(t.Tenant)); {
			case err != nil:
				return err
			case !there:
				return invalid("body", "tenant", "there is no such tenant")
			}
		}
		if err := tx.PutToken(t); err != nil {
			return err
		}
		return tx.AddAct(
			&ingest.Act{At: s.cfg.Now().UTC(), Actor: callerOf(ctx).id, Action: "put", Target: "token/" + v.ID, Body: t.Terms()},
		)
	})
	if err != nil {
		return nil, s.fail(err)
	}
	s.auth.changed(v.ID)
	s.cfg.Sessions.TokenChanged(v.ID)
	out := showToken(t)
	out.Token = token
	return &one[tokenView]{out}, nil
}

// rawJSON returns what was stored as JSON; nil where it is empty.
func rawJSON(b []byte) any {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return nil
	}
	return v
}
