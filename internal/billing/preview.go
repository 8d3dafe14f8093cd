package billing

import (
	"context"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// Preview returns the amounts of a lease that is not saved yet for a month:
// with the hours that its tenant's members have used so far, priced as if the
// lease existed. covered is false where it covers no day of the month.
func (b Bills) Preview(
	ctx context.Context,
	l tenancy.Lease,
	m tariff.Month,
) (a tariff.Amounts, covered bool, err error) {
	t, err := b.Tariff(ctx)
	if err != nil {
		return a, false, err
	}
	t = t.With(tariff.Leases{l.ID: dated.Always[catalogue.Day](l)}, nil)
	visits, err := b.visitsOf(ctx, m, []tenancy.TenantID{l.Tenant})
	if err != nil {
		return a, false, err
	}
	a, covered = t.Amounts(l.ID, m, b.minutesBy(t, m, visits)[l.ID])
	return a, covered, nil
}
