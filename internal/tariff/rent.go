package tariff

import (
	"math/big"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Adjustment is how rents follow use (rules 10.3).
type Adjustment struct {
	Target, Elasticity, MaxChange float64
	IndexCap                      *float64 // the ILAT's change; nil: not given
	Floor                         *int64   // cents per m² and month; nil: not given
}

// Bound is what decided a suggestion.
type Bound string

// The bounds, in the order in which they are applied: where several hold a
// suggestion, the index and the floor decide before what came earlier, and the
// largest change before the rounding that follows it.
const (
	NoBound     Bound = "none"
	ByMaxChange Bound = "max_change"
	ByRounding  Bound = "rounding"
	ByIndexCap  Bound = "index_cap"
	ByFloor     Bound = "floor"
)

// Suggestion is the rent that a use suggests, and how it came about.
type Suggestion struct {
	Rent   int64   // cents per m² and month
	Factor float64 // before any bound
	Bound  Bound
}

// The defaults of rules 10.3, and the least part of the opening hours that must be known.
const (
	DefaultTarget     = 0.6
	DefaultElasticity = 0.5
	DefaultMaxChange  = 0.10
	LeastKnown        = 0.6
	rentStep          = 10 // cents per m² and month
)

// Suggest returns the rent that a use suggests: rounded to 10 cents towards the
// present one, never above the index's cap, nor below the floor.
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

// capped returns a suggestion, or what the index's change allows at most.
func (a Adjustment) capped(suggested, rent int64) int64 {
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

// exact returns a factor as decimal arithmetic has it: 0.1 is one tenth.
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

// Months returns those of [from, to) as rents count them: each local day is its
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

// Income is what rents bring over some months, in cents, rounded half up once.
type Income struct{ sum big.Rat }

// Add takes in a rent in cents per m² and month, of an area, over some months.
func (i *Income) Add(rent int64, areaM2 float64, months *big.Rat) {
	part := new(big.Rat).Mul(new(big.Rat).SetInt64(rent), exact(areaM2))
	i.sum.Add(&i.sum, part.Mul(part, months))
}

// Cents returns what was added up.
func (i *Income) Cents() int64 { return half(&i.sum) }
