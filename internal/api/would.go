package api

import (
	"context"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// would is what a change of a plan or a lease would do.
type would struct {
	Doors       []wouldDoors `json:"doors" nullable:"false" doc:"By lease, the doors that it opens or closes, on the day from which it holds or today, whichever is later."`
	Months      []wouldMonth `json:"months" nullable:"false" doc:"Months not yet issued whose amount changes, in cents excluding VAT."`
	Corrections []wouldFix   `json:"corrections" nullable:"false" doc:"Issued months that the next statements would correct, in cents excluding VAT."`
}

type wouldDoors struct {
	Lease  tenancy.LeaseID    `json:"lease"`
	On     catalogue.Day      `json:"on" format:"date"`
	Opens  []catalogue.DoorID `json:"opens" nullable:"false"`
	Closes []catalogue.DoorID `json:"closes" nullable:"false"`
}

type wouldMonth struct {
	Month  string `json:"month"`
	Before int64  `json:"net_cents_before"`
	After  int64  `json:"net_cents_after"`
}

type wouldFix struct {
	Month string `json:"month"`
	Net   int64  `json:"net_cents"`
}

// wouldChange returns the effects of all differences between two books.
func (s *server) wouldChange(ctx context.Context, before, after *tenancy.Book) (*would, error) {
	leases, plans := map[tenancy.LeaseID]tenancy.Terms[tenancy.Lease]{}, map[tenancy.PlanID]tenancy.Terms[tenancy.Plan]{}
	since := catalogue.Day(math.MaxInt32)
	for id, is := range after.AllLeaseTerms() {
		was := before.LeaseTerms(id)
		if was.Shares(is) {
			continue
		}
		if day, differs := tenancy.Differs(was, is); differs {
			leases[id], since = is, min(since, day)
		}
	}
	for id, is := range after.AllPlanTerms() {
		was := before.PlanTerms(id)
		if was.Shares(is) {
			continue
		}
		if day, differs := dated.Differs(was,
			is,
			func(_ catalogue.Day, x, y *tenancy.Plan) bool { return reflect.DeepEqual(x, y) },
		); differs {
			plans[id], since = is, min(since, day)
		}
	}
	if len(leases)+len(plans) == 0 {
		return noChange(), nil
	}
	ids := slices.Collect(maps.Keys(leases))
	for id, t := range before.AllLeaseTerms() {
		if _, listed := leases[id]; !listed && len(plans) > 0 &&
			slices.ContainsFunc(t.Versions(), func(v tenancy.Version[tenancy.Lease]) bool {
				return v.Value != nil && plans[v.Value.Plan].Versions() != nil
			}) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	t, err := s.cfg.Bills.Tariff(ctx)
	if err != nil {
		return nil, err
	}
	return s.would(ctx, t, t.With(leases, plans), since, ids, before, after)
}

func noChange() *would {
	return &would{Doors: []wouldDoors{}, Months: []wouldMonth{}, Corrections: []wouldFix{}}
}

// would compares what some leases open and cost before and after a change that
// holds from a day on.
func (s *server) would(
	ctx context.Context,
	was, is *tariff.Tariff,
	since catalogue.Day,
	ids []tenancy.LeaseID,
	before, after *tenancy.Book,
) (*would, error) {
	out, day := noChange(), max(since, s.cfg.Network.Zone.At(s.cfg.Now()).Day)
	var tenants []tenancy.TenantID
	starts := day
	for _, id := range ids {
		l := is.Last(id)
		if l == nil {
			continue
		}
		tenants, starts = append(tenants, l.Tenant), min(starts, l.StartsOn)
		if x := was.Last(id); x != nil {
			starts = min(starts, x.StartsOn)
		}
		had, has := s.opens(before, id, day), s.opens(after, id, day)
		if d := (wouldDoors{id, day, difference(has, had), difference(had, has)}); len(d.Opens)+len(d.Closes) > 0 {
			out.Doors = append(out.Doors, d)
		}
	}
	slices.Sort(tenants)
	months, err := s.cfg.Bills.Compare(ctx, was, is, slices.Compact(tenants), max(since, starts))
	if err != nil {
		return nil, err
	}
	for _, m := range months {
		if m.Before != m.After {
			out.Months = append(out.Months, wouldMonth{m.Month.String(), m.Before, m.After})
		}
		if m.Correction != 0 {
			out.Corrections = append(out.Corrections, wouldFix{m.Month.String(), m.Correction})
		}
	}
	return out, nil
}

// opens returns the doors that a lease opens at some time of a day.
func (s *server) opens(b *tenancy.Book, id tenancy.LeaseID, day catalogue.Day) []catalogue.DoorID {
	l := tenancy.LeaseOn(b.LeaseTerms(id), day)
	if l == nil || !l.ActiveOn(day) {
		return nil
	}
	plan := b.PlanTerms(l.Plan).On(day)
	if plan == nil {
		return nil
	}
	var doors []catalogue.DoorID
	for _, d := range s.cfg.Network.Doors {
		if b.Gives(l, plan, d.To) {
			doors = append(doors, d.ID)
		}
	}
	return doors
}

// difference returns the elements of a that are not in b.
func difference(a, b []catalogue.DoorID) []catalogue.DoorID {
	return slices.DeleteFunc(
		slices.Concat([]catalogue.DoorID{}, a),
		func(d catalogue.DoorID) bool { return slices.Contains(b, d) },
	)
}
