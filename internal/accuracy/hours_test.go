package accuracy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestHoursAreExactWhereNothingWasForgotten lives four days with repeats,
// disorder and readers that are away: what is measured and billed is what was.
func TestHoursAreExactWhereNothingWasForgotten(t *testing.T) {
	faults := Faulty(1)
	faults.Drift = 0 // a clock's error is in the hours, as nobody can know better
	l, err := live(t.Context(), t.TempDir(), Options{Days: 4, Seed: 11, Faults: faults, Bar: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := l.app.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	kinds, tenants, err := l.compareHours(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	days := 0
	for name, k := range kinds {
		days += k.exact
		if name != badgedEnd || k.exact != k.days {
			t.Errorf("%s: %+v", name, *k)
		}
	}
	if days < 20 {
		t.Errorf("only %d days: too few to tell", days)
	}
	for id, p := range tenants {
		if p.said != p.truly || p.mins != p.minsTrue || p.net != p.netTruly {
			t.Errorf("%s: %+v", id, *p)
		}
	}
	var report bytes.Buffer
	if err := errors.Join(l.usage(t.Context(), &report), l.hours(t.Context(), &report)); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"counter", "badge", "exact", "€"} {
		if !strings.Contains(report.String(), says) {
			t.Errorf("the report does not speak of %q:\n%s", says, &report)
		}
	}
}
