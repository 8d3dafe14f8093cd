package tariff_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

func TestDaysAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var days []tariff.Day
		day := catalogue.Date(2026, 10, 1)
		for range rapid.IntRange(0, 31).Draw(t, "days") {
			day += catalogue.Day(rapid.IntRange(1, 3).Draw(t, "later"))
			n := func(what string) int64 { return rapid.Int64Range(0, 90_000).Draw(t, what) }
			d := tariff.Day{
				Day:       day,
				Measured:  n("measured"),
				Corrected: n("corrected"),
				Unleased:  n("unleased"),
				Inferred:  n("inferred"),
			}
			for _, id := range rapid.SliceOfN(rapid.SampledFrom([]tenancy.LeaseID{"a", "a-long-name-of-a-lease"}), 0, 2).Draw(t, "leases") {
				d.Leases = append(d.Leases, tariff.Share{Lease: id, Seconds: n("seconds"), Minutes: n("minutes")})
			}
			days = append(days, d)
		}
		var r tariff.DayReader
		got, err := r.Read(nil, tariff.AppendDays(nil, days))
		if diff := cmp.Diff(days, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

func FuzzDays(f *testing.F) {
	f.Add(
		tariff.AppendDays(nil,
			[]tariff.Day{
				{Day: 20_000, Measured: 3600, Corrected: 1800, Leases: []tariff.Share{{Lease: "a", Seconds: 1800, Minutes: 30}}},
			},
		),
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		var r tariff.DayReader
		days, err := r.Read(nil, b)
		if err != nil {
			return
		}
		again, err := r.Read(nil, tariff.AppendDays(nil, days))
		if diff := cmp.Diff(days, again); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}
