package catalogue

import "time"

// Instant is a time.Time that is written as rules 1.5 says: RFC 3339, in
// UTC, to the millisecond.
type Instant struct{ time.Time }

// InstantLayout is the layout of an Instant, for time.Format in UTC.
const InstantLayout = "2006-01-02T15:04:05.000Z"

// MarshalText writes the instant; it also serves JSON.
func (i Instant) MarshalText() ([]byte, error) {
	return i.UTC().AppendFormat(nil, InstantLayout), nil
}

// MarshalJSON writes the instant; it hides the method of time.Time.
func (i Instant) MarshalJSON() ([]byte, error) {
	return i.UTC().AppendFormat(nil, `"`+InstantLayout+`"`), nil
}
