package bench_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/bench"
	"github.com/lorntech/totem/internal/ledger/pgtest"
)

// TestEveryPartMeasures runs small loads: what they measure here tells nothing,
// but each part gives its rows, each with its floor.
func TestEveryPartMeasures(t *testing.T) {
	if raceEnabled {
		t.Skip("not run under the race detector, where loads take minutes: .ci/run runs it without")
	}
	for _, part := range bench.Names() {
		if part == "start" { // it starts the program again as a service, which a test is not
			continue
		}
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			o := bench.Options{Only: []string{part}, For: time.Second, Reads: 100, Size: 1, Dir: t.TempDir()}
			if part == "postgres" {
				pgtest.Need(t)
				o.Database = pgtest.Start(t).Database(t)
			}
			if err := bench.Run(t.Context(), &out, o); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			i := slices.IndexFunc(
				lines,
				func(l string) bool { return strings.Contains(l, "RATIO") || strings.Contains(l, "ratio") },
			)
			if i < 0 || len(lines) < i+2 {
				t.Errorf("no table:\n%s", &out)
			}
		})
	}
}
