package access

import (
	"math"
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// piece is one version of a lease with one version of its plan. Doors decide by them
// in [since, until), in Unix milliseconds.
type piece struct {
	lease        *tenancy.Lease
	plan         *tenancy.Plan
	since, until int64
}

// stretch is a version and when it holds for doors.
type stretch[T any] struct {
	value        *T
	since, until int64
}

// pieces returns the versions of leases and their plans, sorted by lease id, so
// that each member's leases are in that order.
func (c *Compiler) pieces(book *tenancy.Book) []piece {
	plans := map[tenancy.PlanID][]stretch[tenancy.Plan]{}
	var list []piece
	for _, t := range book.AllLeaseTerms() {
		for _, l := range stretches(c.network.Zone, tenancy.LeaseVersions(t)) {
			of, known := plans[l.value.Plan]
			if !known {
				of = stretches(c.network.Zone, book.PlanTerms(l.value.Plan).Versions())
				plans[l.value.Plan] = of
			}
			for _, p := range of {
				if since, until := max(l.since, p.since), min(l.until, p.until); since < until {
					list = append(list, piece{l.value, p.value, since, until})
				}
			}
		}
	}
	return list
}

// stretches returns, for each version, the time for which doors go by it. The first
// version has no start. Each later one starts when its day begins or when it was
// recorded, whichever comes last, and ends as soon as one after it in the list starts. A
// version without a value (the thing no longer exists) only ends those before it.
func stretches[T any](zone *catalogue.Zone, versions []tenancy.Version[T]) []stretch[T] {
	list := make([]stretch[T], 0, len(versions))
	until := int64(math.MaxInt64)
	for i, version := range slices.Backward(versions) {
		v, since := version, int64(math.MinInt64)
		if i > 0 {
			since = max(zone.Start(v.From).UnixMilli(), v.At.UnixMilli())
		}
		if v.Value != nil && since < until {
			list = append(list, stretch[T]{v.Value, since, until})
		}
		until = min(until, since)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}
