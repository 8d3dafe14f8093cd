package visit

import (
	"sort"
	"time"
)

// Between finds boundaries around new reads at instants in [from, to], among all
// reads of [begin, end], which are sorted by time and include the new ones. The
// reads [first, last) are a stretch that contains all new reads, and no visit
// reaches into it or out of it, neither with the new reads nor without them. A
// boundary is therefore decided by reads that are not new: one that left its
// subject outside everything, or more than 16 hours without a read. ok is false
// where [begin, end] is too short to tell.
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

// boundaryBefore reports whether visits can be cut just before reads[i], or before
// from, the earliest new read, where reads[i] is later: no visit that began before
// the cut still lasts at it. begin is how far back reads are known.
func boundaryBefore(p *Places, reads []Read, i int, from, begin time.Time) bool {
	if i < len(reads) && reads[i].At.Before(from) {
		from = reads[i].At
	}
	if i == 0 {
		return from.Sub(begin) > Longest
	}
	return from.Sub(reads[i-1].At) > Longest || Leaves(p, reads[i-1])
}

// boundaryAfter reports whether visits can be cut just before reads[i]: no visit
// that began at reads[i-1] or earlier, or at the latest new read, to, still lasts
// then. end is how far reads are known.
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
