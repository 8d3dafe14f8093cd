package occupancy

import (
	"cmp"
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
)

// step is the value of a source from an instant on.
type step struct {
	at    int64 // Unix milliseconds
	known bool
	gone  bool // the source does not exist then
	n     int
}

const endOfTime = int64(1) << 60

// count returns how many spans cover each instant.
func count(spans []catalogue.Interval) []step {
	type edge struct {
		at int64
		by int
	}
	var edges []edge
	for _, s := range spans {
		edges = append(edges, edge{s.From.UnixMilli(), 1}, edge{s.To.UnixMilli(), -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	out := []step{{at: -endOfTime, known: true}}
	n := 0
	for i, e := range edges {
		n += e.by
		if i+1 == len(edges) || edges[i+1].at != e.at {
			out = append(out, step{at: e.at, known: true, n: n})
		}
	}
	return out
}

// merge combines sources instant by instant; before its first step a source is
// unknown.
func merge(lists [][]step, f func(now []step) step) []step {
	if len(lists) == 0 {
		return nil
	}
	next := make([]int, len(lists))
	now := make([]step, len(lists))
	var out []step
	for {
		at := endOfTime
		for i, l := range lists {
			if next[i] < len(l) {
				at = min(at, l[next[i]].at)
			}
		}
		if at == endOfTime {
			return out
		}
		for i, l := range lists {
			for next[i] < len(l) && l[next[i]].at == at {
				now[i] = l[next[i]]
				next[i]++
			}
		}
		s := f(now)
		s.at = at
		if k := len(out); k == 0 || out[k-1].known != s.known || out[k-1].n != s.n {
			out = append(out, s)
		}
	}
}

// total returns the sum, known where every existing source is.
func total(now []step) step {
	s, any := step{known: true}, false
	for _, v := range now {
		if v.gone {
			continue
		}
		any = true
		s.known = s.known && v.known
		s.n = min(s.n+v.n, mostPeople)
	}
	if !s.known || !any {
		return step{}
	}
	return s
}

// anyYes returns yes where any source says yes, and no where all say no.
func anyYes(now []step) step {
	all, any := true, false
	for _, v := range now {
		if v.gone {
			continue
		}
		any = true
		if v.known && v.n > 0 {
			return step{known: true, n: 1}
		}
		all = all && v.known
	}
	return step{known: all && any}
}

// firstKnown returns the first source that is known.
func firstKnown(now []step) step {
	for _, v := range now {
		if v.known {
			return v
		}
	}
	return step{}
}
