package tenancy

import (
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
)

// Gives reports whether a lease with a plan gives a space, or a space that is
// reached across it. Dates and status are ignored.
func (b *Book) Gives(l *Lease, plan *Plan, space catalogue.SpaceID) bool {
	if slices.ContainsFunc(l.Spaces, func(given catalogue.SpaceID) bool { return b.network.Within(given, space) }) {
		return true
	}
	if len(plan.Includes) == 0 {
		return false
	}
	return slices.ContainsFunc(b.network.Spaces, func(given catalogue.Space) bool {
		return slices.Contains(plan.Includes, given.Kind) && (plan.Roaming || given.Site == l.Site) &&
			b.network.Within(given.ID, space)
	})
}

// In returns the book with another network: with the doors of another time. The
// caller must not modify it.
func (b *Book) In(n *catalogue.Network) *Book {
	other := *b
	other.network = n
	return &other
}

// ActiveOn reports whether a lease is active on a local day.
func (l *Lease) ActiveOn(day catalogue.Day) bool {
	return l.Status == Active && l.Covers(day)
}
