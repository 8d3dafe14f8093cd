package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/ingest"
)

// What doors wait for while a list of 10,000 people is imported: its one transaction.
func BenchmarkManyRecords(b *testing.B) {
	l, err := Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	for round := 0; b.Loop(); round++ {
		body := fmt.Appendf(nil, `{"tenant":"bench","name":"Eva %d Muster","email":"eva@example.org"}`, round)
		err := l.Write(b.Context(), func(tx *Tx) error {
			for i := range 10_000 {
				id := fmt.Sprintf("member-%d", i)
				if err := tx.PutRecord(Record{Kind: "member", ID: id, Body: body}); err != nil {
					return err
				}
				act := ingest.Act{At: time.Now(), Actor: "admin", Action: "put", Target: "member/" + id, Body: body}
				if err := tx.AddAct(&act); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
