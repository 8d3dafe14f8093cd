package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger/pgtest"
)

// BenchmarkCommit is one durable commit of so many reads, in SQLite and, where it
// is asked for, in PostgreSQL on the same machine; ns/read is what each costs in
// it, p99-ms the time of one commit in a hundred.
func BenchmarkCommit(b *testing.B) {
	places := map[string]string{"sqlite": b.TempDir()}
	if pgtest.Wanted() {
		places["postgres"] = pgtest.Start(b).Database(b)
	}
	for engine, place := range places {
		l, err := Open(b.Context(), place)
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range []int{1, 10, 100, 500} {
			b.Run(fmt.Sprintf("%s/reads=%d", engine, n), func(b *testing.B) {
				b.ReportAllocs()
				var took []time.Duration
				for b.Loop() {
					began := time.Now()
					if err := l.Write(b.Context(), func(tx *Tx) error { return addReads(tx, n) }); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/read")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			})
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func addReads(tx *Tx, n int) error {
	now := time.Now()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
	}
	if err := tx.Expect(ids); err != nil {
		return err
	}
	for _, id := range ids {
		r := &ingest.Read{
			ID:         id,
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
