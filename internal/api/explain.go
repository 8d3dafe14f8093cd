package api

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

type explainIn struct {
	Member string `query:"member" required:"true" minLength:"1"`
	Day    string `query:"day" required:"true" format:"date"`
	Known
}

// explanation explains one figure: the visits of a member's day with the reads
// that begin and end them, and how each lease's minutes follow from them.
type explanation struct {
	AsOf
	Member    tenancy.MemberID  `json:"member"`
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
	Counted  counted  `json:"counted" doc:"The part that counts on this day: as corrected, and with an inferred end up to the plan's cap. Nothing of a visit to a space below a coworking: it counts as that coworking's."`
	First    *readOut `json:"first_read" doc:"The read that began it; null once reads are no longer kept, and always null for a tenant."`
	Last     *readOut `json:"last_read" doc:"The read that ended it, where one did; null for a tenant."`
}

type counted struct {
	From  catalogue.Instant `json:"from" format:"date-time"`
	To    catalogue.Instant `json:"to" format:"date-time"`
	Lease *tenancy.LeaseID  `json:"lease" doc:"The lease of its first leased part; null: unleased."`
	Parts []countedPart     `json:"parts" nullable:"false" doc:"The parts that count; none of a visit to a space below a coworking."`
}

type countedPart struct {
	From  catalogue.Instant `json:"from" format:"date-time"`
	To    catalogue.Instant `json:"to" format:"date-time"`
	Lease *tenancy.LeaseID  `json:"lease" doc:"Null: unleased."`
}

// countedOf returns the parts of a visit that count, and when they begin and end. Where nothing counts there are no
// parts, and both are the visit's beginning.
func countedOf(begin time.Time, parts []tariff.Counted) counted {
	out := counted{From: instant(begin), To: instant(begin), Parts: []countedPart{}}
	for i, p := range parts {
		if i == 0 {
			out.From = instant(p.From)
		}
		out.To = instant(p.To)
		if out.Lease == nil {
			out.Lease = orNil(p.Lease)
		}
		out.Parts = append(out.Parts, countedPart{instant(p.From), instant(p.To), orNil(p.Lease)})
	}
	return out
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
	Lease           tenancy.LeaseID `json:"lease"`
	Plan            tenancy.PlanID  `json:"plan"`
	Seconds         int64           `json:"seconds" doc:"After the cap on inferred ends."`
	RoundedMinutes  int64           `json:"rounded_minutes" doc:"0 below the grace, else rounded up."`
	BillableMinutes int64           `json:"billable_minutes" doc:"Cut at the day's cap."`
	GraceMinutes    int             `json:"grace_minutes"`
	RoundingMinutes int             `json:"rounding_minutes"`
	DailyCap        int             `json:"daily_cap_minutes"`
	InferredCap     int             `json:"inferred_cap_minutes"`
	HourlyRate      int             `json:"hourly_rate_cents"`
}

func (s *server) explain(ctx context.Context, in *explainIn) (*one[explanation], error) {
	day, err := catalogue.ParseDay(in.Day)
	if err != nil {
		return nil, invalid("query", "day", err.Error())
	}
	b, err := s.bills(in.Known)
	if err != nil {
		return nil, err
	}
	asOf, err := s.visitsFollow(ctx)
	if err != nil {
		return nil, err
	}
	member := tenancy.MemberID(in.Member)
	visits, err := s.explainable(ctx, b, member, day)
	if err != nil {
		return nil, err
	}
	if err := s.look(ctx, member, len(visits), "days", ""); err != nil {
		return nil, s.fail(err)
	}
	terms, err := b.Tariff(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	zone := catalogue.ZoneOn(s.cfg.Series.History, day)
	out := explanation{AsOf: asOf, Member: member, Day: day, Visits: []explainedVisit{}, Leases: []explainedShares{}}
	for _, person := range byTenant(visits) { // hours are counted for each tenant by itself
		d := terms.Day(zone, day, person)
		out.add(terms, &d)
	}
	begin, end := zone.Start(day), zone.Start(day+1)
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
		x.Counted = countedOf(from, terms.Counted(zone, day, &v, visits))
		out.Visits = append(out.Visits, x)
	}
	return &one[explanation]{out}, nil
}

// add sums a day of the member's hours under one tenant.
func (e *explanation) add(terms *tariff.Tariff, d *tariff.Day) {
	e.Measured += d.Measured
	e.Corrected += d.Corrected
	e.Unleased += d.Unleased
	e.Inferred += d.Inferred
	for _, x := range d.Leases {
		if terms, ok := terms.Terms(x.Lease, d.Day); ok {
			p := terms.Plan
			e.Leases = append(e.Leases,
				explainedShares{
					x.Lease,
					p.ID,
					x.Seconds,
					tariff.Rounded(p, x.Seconds),
					x.Minutes,
					p.GraceMinutes,
					p.RoundingMinutes,
					p.DailyCapMinutes,
					p.InferredCapMinutes,
					p.HourlyRateCents,
				},
			)
		}
	}
}

// explainable returns those visits of a member's day that the caller may see: a tenant's token those made for the
// tenant, a manager those made for tenants of its sites. The tenant that the member belongs to now does not matter.
func (s *server) explainable(
	ctx context.Context,
	b billing.Bills,
	id tenancy.MemberID,
	day catalogue.Day,
) ([]tariff.Visit, error) {
	c, book := callerOf(ctx), s.cfg.Rights.InForce().Book
	mine := func(id tenancy.TenantID) bool { return c.ofTenant(book, id) }
	visits, err := b.Visits(ctx, day, day, ledger.VisitFilter{Member: id})
	if err != nil {
		return nil, s.fail(err)
	}
	visits = slices.DeleteFunc(visits, func(v tariff.Visit) bool { return !mine(v.Tenant) })
	if m, ok := book.Member(id); len(visits) == 0 && (!ok || !mine(m.Tenant)) {
		return nil, notFound("member " + string(id))
	}
	return visits, nil
}

// byTenant groups a person's visits by the tenant for which they were made.
func byTenant(visits []tariff.Visit) [][]tariff.Visit {
	var out [][]tariff.Visit
	at := map[tenancy.TenantID]int{}
	for _, v := range visits {
		i, ok := at[v.Tenant]
		if !ok {
			i, out = len(out), append(out, nil)
			at[v.Tenant] = i
		}
		out[i] = append(out[i], v)
	}
	return out
}

// explainVisit finds the reads that begin and end a visit, as far as the caller
// may see their doors.
func (s *server) explainVisit(ctx context.Context, v tariff.Visit) (explainedVisit, error) {
	list, err := s.cfg.Ledger.Visits(ctx, ledger.VisitFilter{ID: v.ID, Limit: 1})
	if err != nil || len(list) == 0 {
		return explainedVisit{}, err
	}
	x := explainedVisit{visitView: showVisit(list[0], s.cfg.Now()), Inferred: v.Ended != visit.Badge}
	reads, err := s.cfg.Ledger.Reads(ctx,
		ledger.ReadFilter{Member: v.Member, From: v.From, To: v.To.Add(1_000_000), Limit: 1000},
	)
	for _, r := range reads {
		if !r.Moved() || !s.explains(callerOf(ctx), r.Door) {
			continue
		}
		out := &readOut{
			r.ID, instant(r.At), instant(r.ReceivedAt), r.Door, r.Device, r.Direction, string(r.Reason), r.Reader != nil,
		}
		if visit.ID(s.cfg.Network.FirstName(v.Space), r.ID) == v.ID {
			x.First = out
		}
		if r.At.Equal(v.To) && (v.Ended == visit.Badge || v.Ended == visit.Elsewhere) {
			x.Last = out
		}
	}
	return x, err
}

// explains reports whether the caller may see a door's reads as part of a
// visit: a caller limited to sites those of its sites; a tenant, who is the
// employer, none.
func (s *server) explains(c *caller, id catalogue.DoorID) bool {
	if c.role == Tenant {
		return false
	}
	d := s.ever.Door(id)
	return !c.bound() || d != nil && c.reaches(d.Site)
}
