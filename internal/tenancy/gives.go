package tenancy

import (
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
)

// Gives reports whether a lease with a plan gives a space, or gives one to which
// that space is crossed. Dates and status are not looked at.
func (b *Book) Gives(l *Lease, plan *Plan, space catalogue.SpaceID) bool {
	if slices.ContainsFunc(l.Spaces, func(given catalogue.SpaceID) bool { return b.network.Within(given, space) }) {
		return true
	}
	if len(plan.Includes) == 0 {
		return false
	}
	return slices.ContainsFunc(b.network.Spaces, func(given catalogue.Space) bool {
		return slices.Contains(plan.Includes, given.Kind) && (plan.Roaming || given.Site == l.Site) && b.network.Within(given.ID, space)
	})
}

// In returns the book as it reads in another network: of the doors of another time.
// It is not to be changed.
func (b *Book) In(n *catalogue.Network) *Book {
	other := *b
	other.network = n
	return &other
}

// ActiveOn reports whether a lease is active on a local day.
func (l *Lease) ActiveOn(day catalogue.Day) bool {
	return l.Status == Active && l.Covers(day)
}
