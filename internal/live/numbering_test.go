package live

import (
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

var (
	firstBoot  = uuid.MustParse("00000000-0000-4000-8000-000000000001")
	secondBoot = uuid.MustParse("00000000-0000-4000-8000-000000000002")
)

func TestHoleStandsUntilTheLateMessageCloses(t *testing.T) {
	for _, c := range []struct {
		name  string
		seqs  []uint64
		holes bool
	}{
		{"in order", []uint64{1, 2, 3}, false},
		{"from anywhere, at first", []uint64{700, 701}, false},
		{"one missing", []uint64{1, 3}, true},
		{"late", []uint64{1, 3, 2}, false},
		{"a range, closed from its middle", []uint64{1, 6, 3, 2, 5}, true},
		{"a range, closed whole", []uint64{1, 6, 3, 2, 5, 4}, false},
		{"older than the first heard", []uint64{5, 4}, false},
	} {
		var n Numbering
		for _, s := range c.seqs {
			n.Note(firstBoot, s)
		}
		if n.Holes() != c.holes {
			t.Errorf("%s: holes %t, want %t: %+v", c.name, n.Holes(), c.holes, n)
		}
	}
}

func TestRebootBeginsAtOneAndOldBootMayStillArrive(t *testing.T) {
	var n Numbering
	n.Note(firstBoot, 40)
	n.Note(firstBoot, 42)
	n.Note(secondBoot, 3)
	if !n.Holes() {
		t.Error("two of the second boot and one of the first are missing")
	}
	n.Note(secondBoot, 1)
	n.Note(secondBoot, 2)
	if !n.Holes() {
		t.Error("41 of the first boot is still missing")
	}
	n.Note(firstBoot, 41)
	if n.Holes() {
		t.Errorf("nothing is missing: %+v", n)
	}
}

func TestAnyOrderOfAllNumbersLeavesNoHole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Numbering{Boots: []Boot{{ID: firstBoot, Next: 1}}}
		count := rapid.IntRange(1, 60).Draw(t, "count")
		numbers := make([]uint64, count)
		for i := range numbers {
			numbers[i] = uint64(i + 1)
		}
		order := rapid.Permutation(numbers).Draw(t, "order")
		missing := rapid.IntRange(0, count).Draw(t, "missing")
		for i, s := range order {
			if i != missing {
				n.Note(firstBoot, s)
			}
		}
		// What is missing at the very end is not a hole yet: nobody knows that it was sent.
		want := missing < count && order[missing] != uint64(count)
		if n.Holes() != want {
			t.Fatalf("holes %t, want %t", n.Holes(), want)
		}
	})
}
