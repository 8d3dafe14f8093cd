package wire_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/wire"
)

func TestAFilterCoversTopics(t *testing.T) {
	for filter, topics := range map[string]map[string]bool{
		"a/b":   {"a/b": true, "a": false, "a/b/c": false},
		"a/+":   {"a/b": true, "a": false, "a/": true, "a/b/c": false},
		"a/#":   {"a": true, "a/b": true, "a/b/c": true, "ab": false},
		"+/b/#": {"a/b": true, "a/c": false, "a/b/c/d": true},
		"#":     {"a": true, "a/b": true},
	} {
		for topic, want := range topics {
			if got := wire.Covers(filter, topic); got != want {
				t.Errorf("%s covers %s: %v", filter, topic, got)
			}
		}
	}
}

// TestAFilterCoversAnotherWhereItCoversAllItsTopics: with three levels and two names,
// trying every topic of up to five levels is enough.
func TestAFilterCoversAnotherWhereItCoversAllItsTopics(t *testing.T) {
	var topics []string
	level := []string{"a", "b", "z"}
	var grow func(prefix string, n int)
	grow = func(prefix string, n int) {
		topics = append(topics, prefix)
		if n == 5 {
			return
		}
		for _, l := range level {
			grow(prefix+"/"+l, n+1)
		}
	}
	for _, l := range level {
		grow(l, 1)
	}
	filters := rapid.Custom(func(t *rapid.T) string {
		levels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "+"}), 1, 3).Draw(t, "levels")
		if rapid.Bool().Draw(t, "many") {
			levels = append(levels, "#")
		}
		return strings.Join(levels, "/")
	})
	rapid.Check(t, func(t *rapid.T) {
		f, other := filters.Draw(t, "filter"), filters.Draw(t, "other")
		want := true
		for _, topic := range topics {
			want = want && (!wire.Covers(other, topic) || wire.Covers(f, topic))
		}
		met, ok := wire.Meet(f, other)
		for _, topic := range topics {
			if both := wire.Covers(f, topic) && wire.Covers(other, topic); both != (ok && wire.Covers(met, topic)) {
				t.Fatalf("%s and %s meet in %q, %v; %s: %v", f, other, met, ok, topic, both)
			}
		}
		if got := wire.CoversFilter(f, other); got != want {
			t.Fatalf("%s covers %s: %v", f, other, got)
		}
	})
}
