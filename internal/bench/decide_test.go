package bench

import (
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

func world(tb testing.TB) *World {
	tb.Helper()
	w, err := NewWorld()
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func TestDecidingAllocatesNothing(t *testing.T) {
	w := world(t)
	i := 0
	if n := testing.AllocsPerRun(10000, func() { w.Decide(i); i++ }); n != 0 {
		t.Errorf("%v allocations a decision", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	w := world(b)
	b.ReportAllocs()
	granted := 0
	for i := 0; b.Loop(); i++ {
		if w.Decide(i) {
			granted++
		}
	}
	b.ReportMetric(float64(granted)/float64(b.N), "granted/op")
}

func BenchmarkCompile(b *testing.B) {
	w := world(b)
	b.ReportAllocs()
	for b.Loop() {
		w.Compiler.Compile(w.Book, nil)
	}
}

func BenchmarkAllLists(b *testing.B) {
	w := world(b)
	now := time.Date(2026, 10, 19, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range w.Network.Doors {
			w.Index.Entries(d.ID, catalogue.In, now, now.Add(24*time.Hour))
		}
	}
}
