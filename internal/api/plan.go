package api

import (
	"iter"

	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// plans registers the endpoints of plans and of their versions. Those of the
// network are written by admins alone.
func (s *server) plans() {
	plans := resource[Plan]{
		path: "/v1/plans", noun: "plan", kind: rights.KindPlan,
		read:  []Role{Admin, Manager, Billing},
		write: []Role{Admin, Manager},
		id:    func(v *Plan) *string { return (*string)(&v.ID) },
		all:   func(b *tenancy.Book) iter.Seq[Plan] { return convert(b.Plans(), showPlan) },
		find: func(b *tenancy.Book, id string) (Plan, bool) {
			v, ok := b.Plan(tenancy.PlanID(id))
			return showPlan(v), ok
		},
		may:    func(c *caller, _ *tenancy.Book, v Plan) bool { return v.Site == nil || c.reaches(*v.Site) },
		owns:   func(c *caller, v Plan) bool { return ownsTerms(c, v.Site) },
		change: s.changePlan,
		would:  s.wouldChange,
		answer: func(found, _ Plan, before, after *tenancy.Book) Plan {
			found.Carried = carriedBy(before.PlanTerms(found.ID), after.PlanTerms(found.ID))
			found.Made = madeBy(before.PlanTerms(found.ID), after.PlanTerms(found.ID), s.today())
			return found
		},
	}
	register(s, plans)
	terms := func(b *tenancy.Book, id string) tenancy.Terms[tenancy.Plan] { return b.PlanTerms(tenancy.PlanID(id)) }
	versions(s, plans, terms, tenancy.Terms[tenancy.Plan].Versions, showPlan)
}

// Plan is a plan as it is today, with the additional fields of a PUT.
type Plan struct {
	tenancy.Plan
	Dated
}

func showPlan(p tenancy.Plan) Plan { return Plan{Plan: p} }

func (s *server) changePlan(_ *caller, _ *tenancy.Book, v Plan) (rights.Change, Plan, error) {
	from, err := v.effective()
	return rights.Change{Put: v.Plan, From: from}, v, err
}
