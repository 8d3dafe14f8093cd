package catalogue

import "time"

// Interval is a stretch of time [From, To).
type Interval struct{ From, To time.Time }

// Within returns the part of the interval that lies in another; empty, with To not
// after From, where there is none.
func (i Interval) Within(o Interval) Interval {
	if i.From.Before(o.From) {
		i.From = o.From
	}
	if i.To.After(o.To) {
		i.To = o.To
	}
	return i
}
