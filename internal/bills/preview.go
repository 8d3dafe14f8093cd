package bills

import (
	"context"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/ledger"
)

// Preview is what a lease that is not saved yet would come to in a month: with
// the hours that its tenant's members have used so far, priced as if the lease
// had been there. covered is false where it covers no day of the month.
func (b Bills) Preview(ctx context.Context, l lease.Lease, m billing.Month) (a billing.Amounts, covered bool, err error) {
	t, err := b.Tariff(ctx)
	if err != nil {
		return a, false, err
	}
	t = t.With(l)
	first, last := m.Days()
	visits, err := b.Visits(ctx, first, last, ledger.VisitFilter{Tenant: l.Tenant})
	if err != nil {
		return a, false, err
	}
	byMember := map[lease.MemberID][]billing.Visit{}
	for _, v := range visits {
		byMember[v.Member] = append(byMember[v.Member], v)
	}
	minutes := map[catalogue.Day]int64{}
	for _, own := range byMember {
		for _, d := range t.Days(b.Network.Zone, first, last, own) {
			for _, s := range d.Leases {
				if s.Lease == l.ID {
					minutes[d.Day] += s.Minutes
				}
			}
		}
	}
	a, covered = t.Amounts(l.ID, m, minutes)
	return a, covered, nil
}
