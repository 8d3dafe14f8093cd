package visit

import (
	"sort"
	"time"
)

// Between finds the reads around new ones from which visits can be computed by
// themselves. reads are all reads of [begin, end], sorted by time; the new ones among
// them lie in [from, to]. reads[first:last] contains every new read, and no visit
// begins outside it and reaches into it, or the other way round, whether the new
// reads count or not. Only reads that are not new can therefore be boundaries: one that
// left its subject outside everything, or one beside more than 16 hours without a
// read. ok is false where [begin, end] is too short to tell.
func Between(p *Places, reads []Read, from, to, begin, end time.Time) (first, last int, ok bool) {
	first = sort.Search(len(reads), func(i int) bool { return !reads[i].At.Before(from) })
	last = sort.Search(len(reads), func(i int) bool { return reads[i].At.After(to) })
	for first >= 0 && !boundaryBefore(p, reads, first, from, begin) {
		first--
	}
	for last <= len(reads) && !boundaryAfter(p, reads, last, to, end) {
		last++
	}
	return first, last, first >= 0 && last <= len(reads)
}

// boundaryBefore reports whether no visit that began earlier still lasts at reads[i],
// or at from, the earliest new read, if that is earlier. Reads before begin are not
// known.
func boundaryBefore(p *Places, reads []Read, i int, from, begin time.Time) bool {
	if i < len(reads) && reads[i].At.Before(from) {
		from = reads[i].At
	}
	if i == 0 {
		return from.Sub(begin) > Longest
	}
	return from.Sub(reads[i-1].At) > Longest || Leaves(p, reads[i-1])
}

// boundaryAfter reports whether no visit that began at reads[i-1] or earlier, or at to,
// the latest new read, still lasts at reads[i]. Reads after end are not known.
func boundaryAfter(p *Places, reads []Read, i int, to, end time.Time) bool {
	left := false
	if i > 0 && reads[i-1].At.After(to) {
		to, left = reads[i-1].At, Leaves(p, reads[i-1])
	}
	if i == len(reads) {
		return left || end.Sub(to) > Longest
	}
	return left || reads[i].At.Sub(to) > Longest
}
