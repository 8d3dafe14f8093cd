package yamldoc

import (
	"fmt"
	"slices"
	"strings"
)

// Pick reads one of the known words; "" after a fault or where it is missing.
func Pick[T ~string](o *Object, name string, known []T) T {
	s := o.Optional(name)
	if s == "" || slices.Contains(known, T(s)) {
		return T(s)
	}
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	hint := Suggestion(s, words)
	if hint == "" {
		hint = ": it must be one of " + strings.Join(words, " ")
	}
	o.Fail(name, "%q is not known%s", s, hint)
	return ""
}

// Suggestion returns `; did you mean "…"?` where a known word differs in at
// most two letters.
func Suggestion(word string, known []string) string {
	best, slips := "", 3
	for _, k := range known {
		if d := distance(word, k, slips); d < slips && d < len(k) {
			best, slips = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance returns the number of changed letters (Levenshtein) between two
// words, or limit where there are at least so many.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}
