package tariff

import (
	"fmt"
	"math/big"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Month is a calendar month.
type Month struct {
	Year  int
	Month time.Month
}

// ParseMonth reads "2026-10".
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return Month{}, fmt.Errorf("%q is not a month like 2026-10", s)
	}
	if t.Year() < 1990 || t.Year() > 2100 {
		return Month{}, fmt.Errorf("%q lies before 1990 or after 2100", s)
	}
	return Month{t.Year(), t.Month()}, nil
}

// String writes "2026-10".
func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m.Year, int(m.Month)) }

// Index numbers months: year * 12 + month - 1.
func (m Month) Index() int { return m.Year*12 + int(m.Month) - 1 }

// MonthAt returns the month with an index.
func MonthAt(i int) Month { return Month{i / 12, time.Month(i%12 + 1)} }

// Days returns the month's first and last local day.
func (m Month) Days() (first, last catalogue.Day) {
	return catalogue.Date(m.Year, m.Month, 1), catalogue.Date(m.Year, m.Month+1, 1) - 1
}

// Amounts are the amounts of a lease's month, in cents.
type Amounts struct {
	Minutes  int64 // billable minutes
	Included int64 // minutes that the plan includes for the lease's days of the month, used or not; rounded
	Over     int64 // charged minutes
	Overage  int64 // price of the charged minutes
	Rent     int64
	Net      int64
	Vat      int64
	Parts    []Part
	ByRate   []Taxed // one for each rate of VAT; they add up to Net and Vat
}

// Taxed is an amount taxed at one rate of VAT, and the tax.
type Taxed struct {
	VatPct   float64 `json:"vat_pct"`
	NetCents int64   `json:"net_cents"`
	VatCents int64   `json:"vat_cents"`
}

// Part is a part of a month during which the plan did not change: it is priced
// by itself.
type Part struct {
	From        catalogue.Day `json:"from" format:"date"` // its first day
	Days        int64         `json:"days"`
	Minutes     int64         `json:"billable_minutes"`
	Included    int64         `json:"included_minutes"`
	Over        int64         `json:"overage_minutes"`
	HourlyCents int           `json:"hourly_rate_cents"`
	VatPct      float64       `json:"vat_pct"`
}

// Total returns the amount with VAT, in cents.
func (a Amounts) Total() int64 { return a.Net + a.Vat }

// rate is what prices minutes and taxes amounts: days with the same rate are
// priced together.
type rate struct {
	included, hourly int
	vat              float64
}

// Amounts prices a lease's month: minutes holds its billable minutes by day.
// any is false where the lease covers no day of the month.
func (t *Tariff) Amounts(id tenancy.LeaseID, m Month, minutes map[catalogue.Day]int64) (a Amounts, any bool) {
	first, last := m.Days()
	length := int64(last - first + 1)
	type part struct {
		from          catalogue.Day
		days, minutes int64
	}
	parts := map[rate]*part{}
	var order []rate
	rents := map[float64]*big.Rat{} // by VAT
	for day := first; day <= last; day++ {
		x, ok := t.Terms(id, day)
		if !ok {
			continue
		}
		any = true
		r := rate{x.Plan.IncludedMinutes, x.Plan.HourlyRateCents, x.Plan.VatPct}
		if parts[r] == nil {
			parts[r] = &part{from: day}
			order = append(order, r)
			if rents[r.vat] == nil {
				rents[r.vat] = new(big.Rat)
			}
		}
		parts[r].days++
		parts[r].minutes += minutes[day]
		a.Minutes += minutes[day]
		rents[r.vat].Add(rents[r.vat], big.NewRat(int64(x.Lease.RentCentsMonth), length))
	}
	rent, overage, over, included := new(big.Rat), new(big.Rat), new(big.Rat), new(big.Rat)
	taxed := map[float64]*big.Rat{}
	var vats []float64
	for _, r := range order {
		p := parts[r]
		free := big.NewRat(int64(r.included)*p.days, length)
		used := new(big.Rat).SetInt64(p.minutes)
		more := new(big.Rat).Sub(used, free)
		if more.Sign() < 0 {
			more.SetInt64(0)
		}
		included.Add(included, free)
		over.Add(over, more)
		a.Parts = append(a.Parts, Part{p.from, p.days, p.minutes, half(free), half(more), r.hourly, r.vat})
		cost := new(big.Rat).Mul(more, big.NewRat(int64(r.hourly), 60))
		overage.Add(overage, cost)
		if taxed[r.vat] == nil {
			taxed[r.vat] = new(big.Rat)
			vats = append(vats, r.vat)
		}
		taxed[r.vat].Add(taxed[r.vat], cost)
	}
	for _, r := range rents {
		rent.Add(rent, r)
	}
	a.Rent, a.Overage, a.Included, a.Over = half(rent), half(overage), half(included), half(over)
	a.Net = a.Rent + a.Overage
	a.tax(vats, taxed, rents)
	return a, any
}

// tax sets the VAT on the sum of the amounts. Where rates differ within the
// month it is computed for each part, and the whole is rounded once: the parts
// add up to Net and Vat.
func (a *Amounts) tax(vats []float64, taxed, rents map[float64]*big.Rat) {
	if len(vats) == 1 {
		a.Vat = half(new(big.Rat).Mul(new(big.Rat).SetInt64(a.Net), percent(vats[0])))
		a.ByRate = []Taxed{{vats[0], a.Net, a.Vat}}
		return
	}
	rent, overage, vat := new(big.Rat), new(big.Rat), new(big.Rat)
	var net int64
	for _, v := range vats {
		rent.Add(rent, rents[v])
		overage.Add(overage, taxed[v])
		vat.Add(vat, new(big.Rat).Mul(new(big.Rat).Add(taxed[v], rents[v]), percent(v)))
		a.ByRate = append(a.ByRate, Taxed{v, half(rent) + half(overage) - net, half(vat) - a.Vat})
		net, a.Vat = half(rent)+half(overage), half(vat)
	}
}

// percent returns a rate as an exact fraction: 5.5 is 55/1000.
func percent(x float64) *big.Rat {
	r, ok := new(big.Rat).SetString(fmt.Sprintf("%g", x))
	if !ok {
		return new(big.Rat)
	}
	return r.Quo(r, big.NewRat(100, 1))
}

// half rounds to the nearest whole, halves up.
func half(r *big.Rat) int64 {
	x := new(big.Rat).Add(r, big.NewRat(1, 2))
	q := new(big.Int).Div(x.Num(), x.Denom()) // Euclidean division: floor, since the denominator is positive
	return q.Int64()
}
