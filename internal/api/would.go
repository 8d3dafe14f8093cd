package api

import (
	"context"
	"reflect"
	"slices"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/lease"
)

// would is what a change of a plan or a lease does, said before it is made.
type would struct {
	Doors       []wouldDoors `json:"doors" nullable:"false" doc:"By lease, the doors that open or close by it, on the day from which it holds or today, whichever is later."`
	Months      []wouldMonth `json:"months" nullable:"false" doc:"Months not yet issued that come to something else, in cents excluding VAT."`
	Corrections []wouldFix   `json:"corrections" nullable:"false" doc:"Issued months that the next statements would correct, in cents excluding VAT."`
}

type wouldDoors struct {
	Lease  lease.ID           `json:"lease"`
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

func (s *server) leaseWould(ctx context.Context, id lease.ID, before, after *lease.Book) (*would, error) {
	t, err := s.cfg.Bills.Tariff(ctx)
	if err != nil {
		return nil, err
	}
	a, b := before.LeaseTerms(id), after.LeaseTerms(id)
	since, differs := lease.Differs(a, b)
	if !differs {
		return noChange(), nil
	}
	return s.would(ctx, t, t.With(id, b), since, []lease.ID{id}, before, after)
}

func (s *server) planWould(ctx context.Context, id lease.PlanID, before, after *lease.Book) (*would, error) {
	t, err := s.cfg.Bills.Tariff(ctx)
	if err != nil {
		return nil, err
	}
	a, b := before.PlanTerms(id), after.PlanTerms(id)
	since, differs := dated.Differs(a, b, func(_ catalogue.Day, x, y *lease.Plan) bool { return reflect.DeepEqual(x, y) })
	if !differs {
		return noChange(), nil
	}
	var having []lease.ID
	for l, terms := range before.AllLeaseTerms() {
		if slices.ContainsFunc(terms.Versions(), func(v lease.Version[lease.Lease]) bool { return v.Value != nil && v.Value.Plan == id }) {
			having = append(having, l)
		}
	}
	return s.would(ctx, t, t.WithPlan(id, b), since, having, before, after)
}

func noChange() *would {
	return &would{Doors: []wouldDoors{}, Months: []wouldMonth{}, Corrections: []wouldFix{}}
}

// would compares what some leases open and come to before and after a change
// that holds since a day.
func (s *server) would(ctx context.Context, was, is *billing.Tariff, since catalogue.Day, ids []lease.ID, before, after *lease.Book) (*would, error) {
	out, day := noChange(), max(since, s.cfg.Network.Zone.At(s.cfg.Now()).Day)
	var tenants []lease.TenantID
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
		if d := (wouldDoors{id, day, less(has, had), less(had, has)}); len(d.Opens)+len(d.Closes) > 0 {
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

// opens are the doors that a lease opens at some time of a day.
func (s *server) opens(b *lease.Book, id lease.ID, day catalogue.Day) []catalogue.DoorID {
	l := lease.LeaseOn(b.LeaseTerms(id), day)
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

// less is what a has and b has not.
func less(a, b []catalogue.DoorID) []catalogue.DoorID {
	return slices.DeleteFunc(slices.Concat([]catalogue.DoorID{}, a), func(d catalogue.DoorID) bool { return slices.Contains(b, d) })
}
