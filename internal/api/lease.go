package api

import (
	"iter"

	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// leases registers the endpoints of leases and of their versions.
func (s *server) leases() {
	leases := resource[Lease]{
		path: "/v1/leases", noun: "lease", kind: rights.KindLease,
		read:  []Role{Admin, Manager, Billing},
		write: []Role{Admin, Manager, Billing},
		id:    func(v *Lease) *string { return (*string)(&v.ID) },
		all:   func(b *tenancy.Book) iter.Seq[Lease] { return convert(b.Leases(), showLease) },
		find: func(b *tenancy.Book, id string) (Lease, bool) {
			v, ok := b.Lease(tenancy.LeaseID(id))
			return showLease(v), ok
		},
		may:    func(c *caller, _ *tenancy.Book, v Lease) bool { return c.reaches(v.Site) && s.maySpaces(c, v.Spaces) },
		change: s.changeLease,
		would:  s.wouldChange,
		answer: func(found, _ Lease, before, after *tenancy.Book) Lease {
			found.Carried = carriedBy(before.LeaseTerms(found.ID), after.LeaseTerms(found.ID))
			found.Made = madeBy(before.LeaseTerms(found.ID), after.LeaseTerms(found.ID), s.today())
			return found
		},
	}
	register(s, leases)
	terms := func(b *tenancy.Book, id string) tenancy.Terms[tenancy.Lease] {
		return b.LeaseTerms(tenancy.LeaseID(id))
	}
	versions(s, leases, terms, tenancy.LeaseVersions, showLease)
}

// Lease is a lease as it is today, with the additional fields of a PUT.
type Lease struct {
	tenancy.Lease
	Dated
}

func showLease(l tenancy.Lease) Lease { return Lease{Lease: l} }

func (s *server) changeLease(_ *caller, _ *tenancy.Book, v Lease) (rights.Change, Lease, error) {
	from, err := v.effective()
	return rights.Change{Put: v.Lease, From: from}, v, err
}
