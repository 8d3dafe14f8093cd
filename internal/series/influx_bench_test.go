package series

import (
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series/influxtest"
)

// BenchmarkInfluxUsageBySpace sums the roll-ups of all spaces in a real InfluxDB.
func BenchmarkInfluxUsageBySpace(b *testing.B) {
	influxtest.Need(b)
	n, err := catalogue.Default()
	if err != nil {
		b.Fatal(err)
	}
	i := NewInflux(n, InfluxConfig{URL: influxtest.Start(b).URL, Bucket: influxtest.Bucket})
	defer i.Close()
	today := n.Zone.At(time.Now()).Day
	for k := range n.Spaces {
		l := newLines(n)
		for day := today - 365; day < today; day++ {
			l.sum(measureDay,
				&n.Spaces[k],
				occupancy.MinuteOf(n.Zone.Start(day)),
				&occupancy.Sum{Known: 86_400_000, KnownOpen: 40_000_000, OccupiedOpen: int64(day) * 1000, Peak: 4},
			)
		}
		if err := i.send(b.Context(), l); err != nil {
			b.Fatal(err)
		}
	}
	for name, days := range map[string]int{"month": 30, "year": 365} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				got, err := i.Days(b.Context(), n.Zone.Start(today-catalogue.Day(days)), n.Zone.Start(today))
				if err != nil || len(got) != len(n.Spaces) {
					b.Fatalf("%d spaces, %v", len(got), err)
				}
			}
		})
	}
}
