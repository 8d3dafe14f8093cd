package tariff

import (
	"encoding/binary"
	"errors"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

var errDays = errors.New("is not a list of days")

// AppendDays encodes days, in order, in about ten bytes each plus the names of
// their leases.
func AppendDays(b []byte, days []Day) []byte {
	var last catalogue.Day
	for _, d := range days {
		for _, n := range []int64{int64(d.Day - last), d.Measured, d.Measured - d.Corrected, d.Unleased, d.Inferred,
			int64(len(d.Leases))} {
			b = binary.AppendVarint(b, n)
		}
		for _, s := range d.Leases {
			b = binary.AppendVarint(b, int64(len(s.Lease)))
			b = append(b, s.Lease...)
			b = binary.AppendVarint(b, s.Seconds)
			b = binary.AppendVarint(b, s.Minutes)
		}
		last = d.Day
	}
	return b
}

// DayReader decodes what AppendDays encoded; the zero value is ready to use. It
// allocates each lease's name only once, and shares in blocks of many.
type DayReader struct {
	leases map[string]tenancy.LeaseID
	shares []Share
}

// sharesAtOnce is how many shares are allocated at a time.
const sharesAtOnce = 1024

// allocShares returns an empty slice with capacity n, cut from a shared block
// so that appending cannot touch its neighbours.
func (r *DayReader) allocShares(n int) []Share {
	if cap(r.shares)-len(r.shares) < n {
		r.shares = make([]Share, 0, max(n, sharesAtOnce))
	}
	end := len(r.shares) + n
	room := r.shares[len(r.shares):len(r.shares):end]
	r.shares = r.shares[:end]
	return room
}

// Read appends the days in b.
func (r *DayReader) Read(days []Day, b []byte) ([]Day, error) {
	if r.leases == nil {
		r.leases = map[string]tenancy.LeaseID{}
	}
	ok := true
	number := func() int64 {
		n, size := binary.Varint(b)
		if size <= 0 {
			ok, b = false, nil
			return 0
		}
		b = b[size:]
		return n
	}
	if days == nil && len(b) > 0 {
		days = make([]Day, 0, 31)
	}
	var last catalogue.Day
	for len(b) > 0 {
		d := Day{Day: last + catalogue.Day(number()), Measured: number()}
		d.Corrected = d.Measured - number()
		d.Unleased, d.Inferred = number(), number()
		n := number()
		if n > int64(len(b)) {
			return days, errDays
		}
		if n > 0 {
			d.Leases = r.allocShares(int(n))
		}
		for ; n > 0 && ok; n-- {
			size := number()
			if size < 0 || size > int64(len(b)) {
				return days, errDays
			}
			id, known := r.leases[string(b[:size])]
			if !known {
				id = tenancy.LeaseID(b[:size])
				r.leases[string(id)] = id
			}
			b = b[size:]
			d.Leases = append(d.Leases, Share{id, number(), number()})
		}
		if !ok {
			return days, errDays
		}
		days = append(days, d)
		last = d.Day
	}
	return days, nil
}
