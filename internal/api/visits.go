package api

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

const tagVisits = "Visits"

// visitView is a visit as the API writes it.
type visitView struct {
	ID         uuid.UUID          `json:"id"`
	Member     *tenancy.MemberID  `json:"member"`
	Tenant     tenancy.TenantID   `json:"tenant"`
	Space      catalogue.SpaceID  `json:"space"`
	From       catalogue.Instant  `json:"from" format:"date-time"`
	To         *catalogue.Instant `json:"to" format:"date-time" doc:"Null while it goes on."`
	Ended      *visit.Ended       `json:"ended" enum:"badge,elsewhere,closing,max" doc:"Null while it goes on."`
	Correction *correction        `json:"correction"`
	Warnings   []string           `json:"warnings,omitempty" doc:"Of correcting: that it changes no hours, and why."`
}

type correction struct {
	From   catalogue.Instant `json:"from" format:"date-time"`
	To     catalogue.Instant `json:"to" format:"date-time"`
	Reason string            `json:"reason"`
	Author string            `json:"author"`
	At     catalogue.Instant `json:"at" format:"date-time"`
}

// named returns a member's id, empty once they are erased.
func named(m tenancy.MemberID) tenancy.MemberID {
	if ledger.Nameless(m) {
		return ""
	}
	return m
}

func showVisit(v ledger.Visit, now time.Time) visitView {
	open := visit.Visit{From: v.From, To: v.To, Ended: v.Ended}.AsOf(now)
	out := visitView{
		ID:     v.ID,
		Member: orNil(named(v.Member)),
		Tenant: v.Tenant,
		Space:  v.Space,
		From:   instant(v.From),
		To:     instantOrNil(&open.To),
		Ended:  orNil(open.Ended),
	}
	if c := v.Correction; c != nil {
		out.Correction = &correction{instant(c.From), instant(c.To), c.Reason, c.Author, instant(c.At)}
	}
	return out
}

type visitsIn struct {
	Paging
	Member string    `query:"member"`
	Tenant string    `query:"tenant"`
	Space  string    `query:"space"`
	From   time.Time `query:"from" doc:"Visits that end after this instant."`
	To     time.Time `query:"to" doc:"Visits that begin before this instant."`
}

// VisitPath is the path of one visit.
type VisitPath struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}

func (s *server) visits() {
	huma.Register(s.api,
		operation("GET", "/v1/visits", tagVisits, "Visits, sorted by their start.", Admin, Manager, Billing, Tenant),
		s.listVisits,
	)
	huma.Register(s.api,
		operation(
			"PUT",
			"/v1/visits/{id}/correction",
			tagVisits,
			"Correct a visit; what was measured is kept.",
			Admin,
			Manager,
		),
		s.correct,
	)
	huma.Register(
		s.api,
		operation("DELETE", "/v1/visits/{id}/correction", tagVisits, "Undo a correction.", Admin, Manager),
		func(ctx context.Context, in *VisitPath) (*empty, error) {
			if _, err := s.visit(ctx, in.ID); err != nil {
				return nil, err
			}
			return nil, s.fail(s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
				if err := tx.DeleteCorrection(in.ID); err != nil {
					return err
				}
				return tx.AddAct(
					&ingest.Act{
						At:     s.cfg.Now().UTC(),
						Actor:  callerOf(ctx).id,
						Action: "delete",
						Target: ledger.CorrectionTarget(in.ID),
						Body:   []byte("{}"),
					},
				)
			}))
		},
	)
}

func (s *server) listVisits(ctx context.Context, in *visitsIn) (*pageOut[visitView], error) {
	asOf, err := s.visitsFollow(ctx)
	if err != nil {
		return nil, err
	}
	f, err := s.visitFilter(ctx, in)
	if err != nil {
		return nil, err
	}
	visits, err := s.cfg.Ledger.Visits(ctx, f)
	if err == nil {
		err = s.look(ctx, f.Member, len(visits), "visits", filterOf("tenant", in.Tenant, "space", in.Space))
	}
	if err != nil {
		return nil, s.fail(err)
	}
	now := s.cfg.Now()
	out := pageOf(in.Limit,
		visits,
		func(v ledger.Visit) visitView { return showVisit(v, now) },
		func(v ledger.Visit) []string {
			return []string{strconv.FormatInt(v.From.UnixMilli(), 10), v.ID.String()}
		},
	)
	out.Body.AsOf = asOf
	return out, nil
}

// visitFilter limits the request to what the caller may see.
func (s *server) visitFilter(ctx context.Context, in *visitsIn) (ledger.VisitFilter, error) {
	c := callerOf(ctx)
	f := ledger.VisitFilter{
		Member: tenancy.MemberID(in.Member),
		Tenant: tenancy.TenantID(in.Tenant),
		From:   in.From,
		To:     in.To,
		Limit:  in.Limit + 1,
	}
	if c.role == Tenant {
		if in.Tenant != "" && f.Tenant != c.tenant {
			return f, notFound("tenant " + in.Tenant)
		}
		f.Tenant = c.tenant
	}
	if in.Space != "" && s.ever.Space(catalogue.SpaceID(in.Space)) == nil {
		return f, invalid("query", "space", "the catalogue has no such space")
	}
	if in.Space != "" || c.role != Admin {
		f.Spaces = []catalogue.SpaceID{}
		if c.role == Tenant || c.role == Billing { // visits to other spaces are not for billing and tenants
			f.During = s.billableSpans()
		}
		for _, sp := range s.ever.Spaces {
			if (in.Space == "" || string(sp.ID) == in.Space) && c.reaches(sp.Site) {
				f.Spaces = append(f.Spaces, sp.ID)
			}
		}
	}
	parts, err := in.decode(2)
	if err != nil || parts == nil {
		return f, err
	}
	at, err1 := strconv.ParseInt(parts[0], 10, 64)
	id, err2 := uuid.Parse(parts[1])
	if err1 != nil || err2 != nil {
		return f, in.wrongCursor()
	}
	f.AfterFrom, f.AfterID = time.UnixMilli(at), id
	return f, nil
}

// billableSpans returns, for each space, the spans of time in which its hours
// were billable.
func (s *server) billableSpans() []ledger.SpaceTime {
	list := []ledger.SpaceTime{}
	for id, spans := range catalogue.BillableOver(s.cfg.Series.History) {
		for _, h := range spans {
			list = append(list, ledger.SpaceTime{Space: id, From: h.From, To: h.To})
		}
	}
	return list
}

// visit returns a visit at the caller's sites.
func (s *server) visit(ctx context.Context, id uuid.UUID) (ledger.Visit, error) {
	if _, err := s.visitsFollow(ctx); err != nil {
		return ledger.Visit{}, err
	}
	list, err := s.cfg.Ledger.Visits(ctx, ledger.VisitFilter{ID: id, Limit: 1})
	if err != nil {
		return ledger.Visit{}, s.fail(err)
	}
	if len(list) == 0 {
		return ledger.Visit{}, notFound("visit " + id.String())
	}
	if sp := s.ever.Space(list[0].Space); sp != nil && !callerOf(ctx).reaches(sp.Site) {
		return ledger.Visit{}, notFound("visit " + id.String())
	}
	return list[0], nil
}
