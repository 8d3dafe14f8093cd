package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/ingest"
)

// BenchmarkCommit is one durable commit of so many reads; ns/read is what each costs in it.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 10, 100, 500} {
		b.Run(fmt.Sprintf("reads=%d", n), func(b *testing.B) {
			l, err := Open(b.Context(), b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Write(b.Context(), func(tx *Tx) error { return addReads(tx, n) }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/read")
		})
	}
}

func addReads(tx *Tx, n int) error {
	now := time.Now()
	for range n {
		r := &ingest.Read{
			ID:         uuid.New(),
			At:         now,
			ReceivedAt: now,
			Device:     "metz-entrance-in",
			Door:       "metz-entrance",
			Direction:  "in",
			Granted:    true,
			Reason:     "lease",
			OpenMS:     5000,
			NotAfter:   now,
		}
		r.Subject.Member = "alice"
		if _, err := tx.See(r.ID, [16]byte{1}, true); err != nil {
			return err
		}
		if err := tx.AddRead(r); err != nil {
			return err
		}
	}
	return nil
}
