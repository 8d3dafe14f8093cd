package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

const tagBilling = "Billing"

type hoursIn struct {
	Tabular
	Month  string `query:"month" required:"true" pattern:"^[0-9]{4}-(0[1-9]|1[0-2])$" doc:"As 2026-10, local."`
	Tenant string `query:"tenant" doc:"Only of this tenant."`
	By     string `query:"by" enum:"tenant,member,day" default:"tenant"`
	Known
}

// Known asks for figures as they were known at an earlier time.
type Known struct {
	AsKnown string `query:"as_known" doc:"Use the plans, leases and corrections recorded up to this instant, or the end of this local day; not in the future. Default: now."`
}

// bills returns the current figures, or those as they were known.
func (s *server) bills(k Known) (billing.Bills, error) {
	if k.AsKnown == "" {
		return s.cfg.Bills, nil
	}
	at, err := time.Parse(time.RFC3339, k.AsKnown)
	if day, no := catalogue.ParseDay(k.AsKnown); no == nil {
		at, err = s.cfg.Network.Zone.Start(day+1).Add(-time.Millisecond), nil
		if day == s.today() {
			at = s.cfg.Now()
		}
	}
	switch {
	case err != nil:
		return billing.Bills{}, invalid(
			"query",
			"as_known",
			"is not an instant like 2026-11-01T08:00:00Z or a day like 2026-11-01",
		)
	case at.After(s.cfg.Now()):
		return billing.Bills{}, invalid("query", "as_known", "lies in the future")
	}
	return s.cfg.Bills.AsKnown(at), nil
}

// hoursView is the measured hours of one tenant, member or day (rules 6).
type hoursView struct {
	Tenant    tenancy.TenantID  `json:"tenant"`
	Member    *tenancy.MemberID `json:"member" doc:"Set where by is member or day; null where the person was erased."`
	Day       *catalogue.Day    `json:"day" format:"date" doc:"Set where by is day."`
	Measured  int64             `json:"measured_seconds" doc:"As measured."`
	Corrected int64             `json:"corrected_seconds" doc:"With managers' corrections."`
	Billable  int64             `json:"billable_minutes" doc:"After caps, grace and rounding."`
	Unleased  int64             `json:"unleased_seconds" doc:"Covered by no lease, never billed."`
	Inferred  int64             `json:"inferred_seconds" doc:"As measured, of visits not ended by a badge."`
}

func (v *hoursView) add(d *tariff.Day) {
	v.Measured += d.Measured
	v.Corrected += d.Corrected
	v.Unleased += d.Unleased
	v.Inferred += d.Inferred
	for _, s := range d.Leases {
		v.Billable += s.Minutes
	}
}

func (s *server) hours() {
	who := []Role{Admin, Manager, Billing, Tenant}
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/hours",
			tagBilling,
			"Measured hours of a month, by tenant, member or day; also as CSV.",
			who...),
		s.listHours,
	)
	huma.Register(s.api,
		with(
			operation(
				"GET",
				"/v1/hours/explain",
				tagBilling,
				"How a member's day was computed: visits, reads, leases, plans.",
				who...),
			http.StatusNotFound,
		),
		s.explain,
	)
}

// ownTenant limits a request to the caller's tenant.
func ownTenant(ctx context.Context, asked string) (tenancy.TenantID, error) {
	c := callerOf(ctx)
	if c.role != Tenant {
		return tenancy.TenantID(asked), nil
	}
	if asked != "" && tenancy.TenantID(asked) != c.tenant {
		return "", notFound("tenant " + asked)
	}
	return c.tenant, nil
}

func (s *server) listHours(ctx context.Context, in *hoursIn) (*pageOut[hoursView], error) {
	m, err := tariff.ParseMonth(in.Month)
	if err != nil {
		return nil, invalid("query", "month", err.Error())
	}
	tenant, err := ownTenant(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	b, err := s.bills(in.Known)
	if err != nil {
		return nil, err
	}
	asOf, err := s.visitsFollow(ctx)
	if err != nil {
		return nil, err
	}
	hours, err := b.Hours(ctx, m, tenant)
	if err == nil && in.By == "day" {
		err = s.lookAtList(ctx, "hours", filterOf("month", in.Month, "tenant", in.Tenant))
	}
	if err != nil {
		return nil, s.fail(err)
	}
	c, book := callerOf(ctx), s.cfg.Rights.InForce().Book
	rows := map[hoursKey]*hoursView{}
	for who, days := range hours {
		if !c.ofTenant(book, who.Tenant) {
			continue
		}
		k := hoursKey{who.Tenant, "", -1}
		var member *tenancy.MemberID
		if in.By != "tenant" {
			k.member, member = who.Member, orNil(named(who.Member))
		}
		var row *hoursView
		for i := range days {
			if in.By == "day" {
				k.day, row = days[i].Day, nil
			}
			if row == nil {
				row = rows[k]
			}
			if row == nil {
				row = &hoursView{Tenant: k.tenant, Member: member}
				if in.By == "day" {
					row.Day = &days[i].Day
				}
				rows[k] = row
			}
			row.add(&days[i])
		}
	}
	keys := make([]hoursKey, 0, len(rows))
	for k := range rows {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b hoursKey) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.member, b.member), cmp.Compare(a.day, b.day))
	})
	return pageOfAllAsOf(asOf, in.Tabular, keys, func(k hoursKey) hoursView { return *rows[k] })
}

type hoursKey struct {
	tenant tenancy.TenantID
	member tenancy.MemberID
	day    catalogue.Day
}
