package tariff

import (
	"math/big"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Adjustment is how rents follow use (rules 10.3).
type Adjustment struct {
	Target, Elasticity, MaxChange float64
	IndexCap                      *float64 // change of the ILAT; nil: not given
	Floor                         *int64   // cents per m² and month; nil: not given
}

// Bound names what limited a suggested rent: the index, a maximum, or nothing.
type Bound string

// The bounds, in the order in which they are applied. Where several limit a
// suggestion it names one: the floor, else the index, else the largest change, else
// the rounding.
const (
	NoBound     Bound = "none"
	ByMaxChange Bound = "max_change"
	ByRounding  Bound = "rounding"
	ByIndexCap  Bound = "index_cap"
	ByFloor     Bound = "floor"
)

// Suggestion is the suggested rent, and how it was computed.
type Suggestion struct {
	Rent   int64   // cents per m² and month
	Factor float64 // before any bound
	Bound  Bound
}

// The defaults of rules 10.3, and the smallest fraction of the opening hours
// that must be known.
const (
	DefaultTarget     = 0.6
	DefaultElasticity = 0.5
	DefaultMaxChange  = 0.10
	LeastKnown        = 0.6
	rentStep          = 10 // cents per m² and month
)

// Suggest returns the suggested rent for a use: rounded to 10 cents towards the
// present rent, never above the index's cap, nor below the floor.
func (a Adjustment) Suggest(rent int64, use float64) Suggestion {
	out := Suggestion{Factor: 1 + a.Elasticity*(use-a.Target)/a.Target, Bound: NoBound}
	factor := max(1-a.MaxChange, min(1+a.MaxChange, out.Factor))
	s := exact(factor)
	s.Mul(s, new(big.Rat).SetInt64(rent))
	out.Rent = towards(s, rent)
	switch {
	case factor != out.Factor:
		out.Bound = ByMaxChange
	case s.Cmp(new(big.Rat).SetInt64(out.Rent)) != 0:
		out.Bound = ByRounding
	}
	if capped := a.capped(out.Rent, rent); capped != out.Rent {
		out.Rent, out.Bound = capped, ByIndexCap
	}
	if a.Floor != nil && out.Rent < *a.Floor {
		out.Rent, out.Bound = *a.Floor, ByFloor
	}
	return out
}

// capped returns a suggestion, limited by the index's change.
func (a Adjustment) capped(suggested, rent int64) int64 {
	if a.IndexCap == nil {
		return suggested
	}
	// The cap applies after rounding, which may be upwards to a higher present
	// rent.
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

// towards rounds to 10 cents towards the present rent, and never past it: where the
// rounding would pass the present rent, it returns the present rent, even if that is
// not a multiple of 10 cents.
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

// exact converts a factor to an exact decimal: 0.1 becomes one tenth.
func exact(x float64) *big.Rat {
	r := new(big.Rat).SetFloat64(x)
	if r == nil {
		return new(big.Rat)
	}
	// Twelve decimals are more than any input has, and remove the error of
	// binary fractions.
	scale := new(big.Rat).SetInt64(1_000_000_000_000)
	r.Mul(r, scale)
	return new(big.Rat).Quo(new(big.Rat).SetInt64(half(r)), scale)
}

func floorTo(r *big.Rat) int64 {
	q := new(big.Rat).Quo(r, big.NewRat(rentStep, 1))
	return new(big.Int).Div(q.Num(), q.Denom()).Int64() * rentStep
}

// Months returns the number of months in [from, to), where each local day
// counts as its fraction of its month.
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

// Income is what rents bring over some months, in cents, rounded half up once.
type Income struct{ sum big.Rat }

// Add adds a rent in cents per m² and month, for an area, over some months.
func (i *Income) Add(rent int64, areaM2 float64, months *big.Rat) {
	part := new(big.Rat).Mul(new(big.Rat).SetInt64(rent), exact(areaM2))
	i.sum.Add(&i.sum, part.Mul(part, months))
}

// Cents returns the income so far, in cents, rounded half up once.
func (i *Income) Cents() int64 { return half(&i.sum) }
