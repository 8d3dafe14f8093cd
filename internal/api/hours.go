package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/visit"
)

const tagBilling = "Billing"

type hoursIn struct {
	Tabular
	Month  string `query:"month" required:"true" doc:"As 2026-10, local."`
	Tenant string `query:"tenant" doc:"Only of this tenant."`
	By     string `query:"by" enum:"tenant,member,day" default:"tenant"`
}

// hoursView is the measured hours of one tenant, member or day (contract §4).
type hoursView struct {
	Tenant    lease.TenantID  `json:"tenant"`
	Member    *lease.MemberID `json:"member" doc:"By member and day; null where the person was erased."`
	Day       *catalogue.Day  `json:"day" format:"date" doc:"By day."`
	Measured  int64           `json:"measured_seconds" doc:"As measured."`
	Corrected int64           `json:"corrected_seconds" doc:"With managers' corrections."`
	Billable  int64           `json:"billable_minutes" doc:"After caps, grace and rounding."`
	Unleased  int64           `json:"unleased_seconds" doc:"Covered by no lease, never billed."`
	Inferred  int64           `json:"inferred_seconds" doc:"As measured, of visits not ended by a badge."`
}

func (v *hoursView) add(d *billing.Day) {
	v.Measured += d.Measured
	v.Corrected += d.Corrected
	v.Unleased += d.Unleased
	v.Inferred += d.Inferred
	for _, s := range d.Leases {
		v.Billable += s.Minutes
	}
}

type explainIn struct {
	Member string `query:"member" required:"true"`
	Day    string `query:"day" required:"true" format:"date"`
}

// explanation opens one figure: the visits of a member's day with the reads
// that begin and end them, and how each lease's minutes came about.
type explanation struct {
	Member    lease.MemberID    `json:"member"`
	Day       catalogue.Day     `json:"day" format:"date"`
	Measured  int64             `json:"measured_seconds"`
	Corrected int64             `json:"corrected_seconds"`
	Unleased  int64             `json:"unleased_seconds"`
	Inferred  int64             `json:"inferred_seconds"`
	Visits    []explainedVisit  `json:"visits" nullable:"false"`
	Leases    []explainedShares `json:"leases" nullable:"false"`
}

type explainedVisit struct {
	visitView
	Inferred bool     `json:"inferred" doc:"Its end was not badged."`
	Counted  counted  `json:"counted" doc:"What of it counts on this day: as corrected, and an inferred end up to the plan's cap."`
	First    *readOut `json:"first_read" doc:"The read that began it; null once reads are no longer kept."`
	Last     *readOut `json:"last_read" doc:"The read that ended it, where one did."`
}

type counted struct {
	From  catalogue.Instant `json:"from" format:"date-time"`
	To    catalogue.Instant `json:"to" format:"date-time"`
	Lease *lease.ID         `json:"lease" doc:"The lease that gives the space on this day; null: unleased."`
}

type readOut struct {
	ID        uuid.UUID           `json:"id"`
	At        catalogue.Instant   `json:"at" format:"date-time"`
	Received  catalogue.Instant   `json:"received_at" format:"date-time"`
	Door      catalogue.DoorID    `json:"door"`
	Device    catalogue.DeviceID  `json:"device"`
	Direction catalogue.Direction `json:"direction"`
	Reason    string              `json:"reason"`
	Offline   bool                `json:"offline"`
}

type explainedShares struct {
	Lease           lease.ID     `json:"lease"`
	Plan            lease.PlanID `json:"plan"`
	Seconds         int64        `json:"seconds" doc:"After the cap on inferred ends."`
	RoundedMinutes  int64        `json:"rounded_minutes" doc:"0 below the grace, else rounded up."`
	BillableMinutes int64        `json:"billable_minutes" doc:"Cut at the day's cap."`
	GraceMinutes    int          `json:"grace_minutes"`
	RoundingMinutes int          `json:"rounding_minutes"`
	DailyCap        int          `json:"daily_cap_minutes"`
	InferredCap     int          `json:"inferred_cap_minutes"`
	HourlyRate      int          `json:"hourly_rate_cents"`
}

func (s *server) hours() {
	who := []Role{Admin, Manager, Billing, Tenant}
	huma.Register(s.api, operation("GET", "/v1/hours", tagBilling, "Measured hours of a month, by tenant, member or day; also as CSV.", who...), s.listHours)
	huma.Register(s.api, operation("GET", "/v1/hours/explain", tagBilling, "How a member's day came about: visits, reads, leases, plans.", who...), s.explain)
}

// ownTenant holds a request to the caller's tenant.
func ownTenant(ctx context.Context, asked string) (lease.TenantID, error) {
	c := callerOf(ctx)
	if c.role != Tenant {
		return lease.TenantID(asked), nil
	}
	if asked != "" && lease.TenantID(asked) != c.tenant {
		return "", forbidden("tenant " + asked)
	}
	return c.tenant, nil
}

func (s *server) listHours(ctx context.Context, in *hoursIn) (*pageOut[hoursView], error) {
	m, err := billing.ParseMonth(in.Month)
	if err != nil {
		return nil, invalid("query", "month", err.Error())
	}
	tenant, err := ownTenant(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.CaughtUp(ctx); err != nil {
		return nil, problem(http.StatusServiceUnavailable, "visits are being made; try again in a moment")
	}
	hours, err := s.cfg.Bills.Hours(ctx, m, tenant)
	if err != nil {
		return nil, s.fail(err)
	}
	c := callerOf(ctx)
	rows := map[hoursKey]*hoursView{}
	for who, days := range hours {
		if t, ok := s.cfg.Rights.InForce().Book.Tenant(who.Tenant); c.role == Manager && (!ok || !c.at(t.Site)) {
			continue
		}
		k := hoursKey{who.Tenant, "", -1}
		var member *lease.MemberID
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
	return numbered(in.Tabular, keys, func(k hoursKey) hoursView { return *rows[k] })
}

type hoursKey struct {
	tenant lease.TenantID
	member lease.MemberID
	day    catalogue.Day
}

func (s *server) explain(ctx context.Context, in *explainIn) (*one[explanation], error) {
	day, err := catalogue.ParseDay(in.Day)
	if err != nil {
		return nil, invalid("query", "day", err.Error())
	}
	member, ok := s.cfg.Rights.InForce().Book.Member(lease.MemberID(in.Member))
	if !ok {
		return nil, notFound("member " + in.Member)
	}
	c := callerOf(ctx)
	t, _ := s.cfg.Rights.InForce().Book.Tenant(member.Tenant)
	if c.role == Tenant && member.Tenant != c.tenant || c.role == Manager && !c.at(t.Site) {
		return nil, forbidden("member " + in.Member)
	}
	if err := s.cfg.CaughtUp(ctx); err != nil {
		return nil, problem(http.StatusServiceUnavailable, "visits are being made; try again in a moment")
	}
	tariff, err := s.cfg.Bills.Tariff(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	visits, err := s.cfg.Bills.Visits(ctx, day, day, ledger.VisitFilter{Member: member.ID})
	if err != nil {
		return nil, s.fail(err)
	}
	d := tariff.Day(s.cfg.Network.Zone, day, visits)
	out := explanation{Member: member.ID, Day: day, Measured: d.Measured, Corrected: d.Corrected, Unleased: d.Unleased, Inferred: d.Inferred, Visits: []explainedVisit{}, Leases: []explainedShares{}}
	for _, x := range d.Leases {
		terms, ok := tariff.Terms(x.Lease, day)
		if !ok {
			continue
		}
		p := terms.Plan
		out.Leases = append(out.Leases, explainedShares{x.Lease, p.ID, x.Seconds, billing.Rounded(p, x.Seconds), x.Minutes, p.GraceMinutes, p.RoundingMinutes, p.DailyCapMinutes, p.InferredCapMinutes, p.HourlyRateCents})
	}
	begin, end := s.cfg.Network.Zone.Start(day), s.cfg.Network.Zone.Start(day+1)
	for _, v := range visits {
		from, to := v.From, v.To
		if v.Corrected != nil {
			from, to = v.Corrected.From, v.Corrected.To
		}
		if touched := v.From.Before(end) && v.To.After(begin) || from.Before(end) && to.After(begin); !touched {
			continue
		}
		x, err := s.explainVisit(ctx, v)
		if err != nil {
			return nil, s.fail(err)
		}
		span, by := tariff.Counted(s.cfg.Network.Zone, day, &v)
		x.Counted = counted{instant(span.From), instant(span.To), orNil(by)}
		out.Visits = append(out.Visits, x)
	}
	return &one[explanation]{out}, nil
}

// explainVisit finds the reads that begin and end a visit.
func (s *server) explainVisit(ctx context.Context, v billing.Visit) (explainedVisit, error) {
	list, err := s.cfg.Ledger.Visits(ctx, ledger.VisitFilter{ID: v.ID, Limit: 1})
	if err != nil || len(list) == 0 {
		return explainedVisit{}, err
	}
	x := explainedVisit{visitView: showVisit(list[0], s.cfg.Now()), Inferred: v.Ended != visit.Badge}
	reads, err := s.cfg.Ledger.Reads(ctx, ledger.ReadFilter{Member: v.Member, From: v.From, To: v.To.Add(1_000_000), Limit: 1000})
	for _, r := range reads {
		if !r.Moved() {
			continue
		}
		out := &readOut{r.ID, instant(r.At), instant(r.ReceivedAt), r.Door, r.Device, r.Direction, string(r.Reason), r.Reader != nil}
		if visit.ID(v.Space, r.ID) == v.ID {
			x.First = out
		}
		if r.At.Equal(v.To) && (v.Ended == visit.Badge || v.Ended == visit.Elsewhere) {
			x.Last = out
		}
	}
	return x, err
}
