package billing

import (
	"math/big"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Adjustment is how rents follow use (§5).
type Adjustment struct {
	Target, Elasticity, MaxChange float64
	IndexCap                      *float64 // the ILAT's change; nil: not given
}

// The defaults of §5, and the least part of the opening hours that must be known.
const (
	DefaultTarget     = 0.6
	DefaultElasticity = 0.5
	DefaultMaxChange  = 0.10
	LeastKnown        = 0.6
	rentStep          = 10 // cents per m² and month
)

// Suggest is the rent, in cents per m² and month, that a use suggests: rounded
// to 10 cents towards the present one, and never above the index's cap.
func (a Adjustment) Suggest(rent int64, use float64) int64 {
	factor := 1 + a.Elasticity*(use-a.Target)/a.Target
	factor = max(1-a.MaxChange, min(1+a.MaxChange, factor))
	s := exact(factor)
	s.Mul(s, new(big.Rat).SetInt64(rent))
	suggested := towards(s, rent)
	if a.IndexCap == nil {
		return suggested
	}
	// The cap counts after rounding, which may be upwards to a higher present rent.
	most := exact(1 + *a.IndexCap)
	most.Mul(most, new(big.Rat).SetInt64(rent))
	if new(big.Rat).SetInt64(suggested).Cmp(most) <= 0 {
		return suggested
	}
	if *a.IndexCap >= 0 {
		return max(floorTo(most), rent)
	}
	return floorTo(most)
}

// towards rounds to 10 cents towards the present rent, never past it: one that
// is no multiple stays where the step would take it to the other side.
func towards(r *big.Rat, rent int64) int64 {
	down := floorTo(r)
	switch r.Cmp(new(big.Rat).SetInt64(rent)) {
	case 1:
		return max(down, rent)
	case -1:
		if new(big.Rat).SetInt64(down).Cmp(r) < 0 {
			down += rentStep
		}
		return min(down, rent)
	}
	return rent
}

// exact is a factor as decimal arithmetic has it: 0.1 is one tenth.
func exact(x float64) *big.Rat {
	r := new(big.Rat).SetFloat64(x)
	if r == nil {
		return new(big.Rat)
	}
	// Twelve decimals are more than any input has, and heal what binary fractions add.
	scale := new(big.Rat).SetInt64(1_000_000_000_000)
	r.Mul(r, scale)
	return new(big.Rat).Quo(new(big.Rat).SetInt64(half(r)), scale)
}

func floorTo(r *big.Rat) int64 {
	q := new(big.Rat).Quo(r, big.NewRat(rentStep, 1))
	return new(big.Int).Div(q.Num(), q.Denom()).Int64() * rentStep
}

// Months are those of [from, to) as rents count them: each local day is its
// part of its month.
func Months(zone *catalogue.Zone, from, to time.Time) *big.Rat {
	sum := new(big.Rat)
	for day := zone.At(from).Day; ; day++ {
		begin, end := zone.Start(day), zone.Start(day+1)
		if !begin.Before(to) {
			return sum
		}
		t := time.Unix(int64(day)*86400, 0).UTC()
		first, last := Month{t.Year(), t.Month()}.Days()
		length := int64(last-first+1) * int64(end.Sub(begin)/time.Millisecond)
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		sum.Add(sum, big.NewRat(int64(end.Sub(begin)/time.Millisecond), length))
	}
}

// Income is what a rent in cents per m² and month brings over some months, in
// cents, rounded half up once.
func Income(rent int64, areaM2 float64, months *big.Rat) int64 {
	sum := new(big.Rat).Mul(new(big.Rat).SetInt64(rent), exact(areaM2))
	return half(sum.Mul(sum, months))
}
