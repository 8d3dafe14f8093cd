package occupancy

import (
	"encoding/binary"
	"errors"
)

// Flags in a run's first byte.
const (
	allKnown      = 1 << iota // known all the time
	allOccupied               // occupied all the time
	noneOccupied              // never occupied
	personsOfPeak             // as many people as the peak, all the time
	oneMinute
)

var errRuns = errors.New("is not a run of minutes")

// AppendRuns encodes runs in a few bytes each: quiet nights and busy counters
// alike take hundreds of bytes a day.
func AppendRuns(b []byte, runs []Run) []byte {
	for _, r := range runs {
		var f byte
		set := func(bit byte, on bool) {
			if on {
				f |= bit
			}
		}
		set(allKnown, r.Known == MinuteMS)
		set(allOccupied, r.Occupied == MinuteMS)
		set(noneOccupied, r.Occupied == 0)
		set(personsOfPeak, r.Person == int64(r.Peak)*MinuteMS)
		set(oneMinute, r.Minutes == 1)
		b = append(b, f)
		if f&oneMinute == 0 {
			b = binary.AppendUvarint(b, uint64(r.Minutes))
		}
		if f&allKnown == 0 {
			b = binary.AppendUvarint(b, uint64(r.Known))
		}
		if f&(allOccupied|noneOccupied) == 0 {
			b = binary.AppendUvarint(b, uint64(r.Occupied))
		}
		b = binary.AppendUvarint(b, uint64(r.Peak))
		if f&personsOfPeak == 0 {
			b = binary.AppendUvarint(b, uint64(r.Person))
		}
	}
	return b
}

// ReadRuns decodes what AppendRuns encoded, appending to runs.
func ReadRuns(runs []Run, b []byte) ([]Run, error) {
	for len(b) > 0 {
		f := b[0]
		b = b[1:]
		var bad bool
		number := func() int64 {
			v, n := binary.Uvarint(b)
			if n <= 0 || v > 1<<50 {
				bad, b = true, nil
				return 0
			}
			b = b[n:]
			return int64(v)
		}
		r := Run{Minutes: 1}
		if f&oneMinute == 0 {
			r.Minutes = int(number())
		}
		r.Known = MinuteMS
		if f&allKnown == 0 {
			r.Known = int32(number())
		}
		switch {
		case f&allOccupied != 0:
			r.Occupied = MinuteMS
		case f&noneOccupied == 0:
			r.Occupied = int32(number())
		}
		r.Peak = int32(number())
		r.Person = int64(r.Peak) * MinuteMS
		if f&personsOfPeak == 0 {
			r.Person = number()
		}
		if bad || f >= oneMinute<<1 || r.Minutes <= 0 || r.Minutes > 1<<20 || r.Known < 0 || r.Known > MinuteMS ||
			r.Occupied < 0 ||
			r.Occupied > r.Known ||
			r.Peak < 0 {
			return nil, errRuns
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// Splice replaces the minutes of runs from the minute at on with put. Where runs end
// before at, the minutes between are unknown.
func Splice(runs []Run, at int, put []Run) []Run {
	out := Cut(runs, 0, at)
	if n := Length(out); n < at {
		out = AppendRun(out, Run{Minutes: at - n})
	}
	for _, r := range put {
		out = AppendRun(out, r)
	}
	for _, r := range Cut(runs, at+Length(put), Length(runs)) {
		out = AppendRun(out, r)
	}
	return out
}

// Cut returns the minutes [from, to) of runs.
func Cut(runs []Run, from, to int) []Run {
	var out []Run
	at := 0
	for _, r := range runs {
		a, b := max(at, from), min(at+r.Minutes, to)
		if at += r.Minutes; b > a {
			r.Minutes = b - a
			out = append(out, r)
		}
	}
	return out
}

// Length returns how many minutes runs cover.
func Length(runs []Run) int {
	n := 0
	for _, r := range runs {
		n += r.Minutes
	}
	return n
}
