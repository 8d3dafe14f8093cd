package ledger

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
)

func open10(t *testing.T) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	err = l.Write(t.Context(), func(tx *Tx) error {
		if err := addReads(tx, 8); err != nil {
			return err
		}
		return errors.Join(
			tx.AddReaderDecision(3, &ingest.ReaderDecision{Granted: true, Reason: "lease", List: "7", ReceivedAt: time.Now()}),
			tx.PutRecord(Record{Kind: "member", ID: "alice", Body: []byte(`{"name":"Alice"}`)}),
			tx.AddAct(
				&ingest.Act{
					At:     time.Now(),
					Actor:  "admin",
					Action: "put",
					Target: "member/alice",
					Body:   []byte(`{"name":"Alice"}`),
				},
			),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func verify(t *testing.T, l *Ledger) Audit {
	t.Helper()
	told := int64(0)
	a, err := l.Verify(t.Context(), func(done, _ int64) { told = done })
	if err != nil {
		t.Fatal(err)
	}
	if told != a.Entries {
		t.Errorf("the progress ended at %d of %d", told, a.Entries)
	}
	for atOnce := range int64(4) { // in steps of any length it finds the same
		if b, err := l.verifyInSteps(t.Context(), atOnce+1, nil); err != nil || b != a {
			t.Errorf("in steps of %d: %+v %v, at once %+v", atOnce+1, b, err, a)
		}
	}
	return a
}

func TestChainHoldsOverReadsDecisionsAndActs(t *testing.T) {
	if a := verify(t, open10(t)); !a.OK || a.Entries != 10 || a.BrokenAt != 0 {
		t.Errorf("%+v", a)
	}
}

func TestTamperingIsFoundWhereItIs(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		at        int64
	}{
		{"a read altered", "UPDATE reads SET granted = 0 WHERE seq = 4", 4},
		{"a read given to another", "UPDATE reads SET member = 'mallory' WHERE seq = 5", 5},
		{"a read moved in time", "UPDATE reads SET at = at + 1 WHERE seq = 2", 2},
		{"a read removed", "DELETE FROM reads WHERE seq = 6", 6},
		{"a read's nonce removed", "UPDATE reads SET nonce = NULL WHERE seq = 6", 6},
		{"what a reader did altered", "UPDATE reader_decisions SET granted = 0", 9},
		{"an act altered", "UPDATE acts SET actor = 'nobody'", 10},
		{"an entry before the first", "INSERT INTO chain SELECT -5, kind, commitment, hash FROM chain WHERE seq = 4", 1},
		{"an entry removed", "DELETE FROM chain WHERE seq = 7", 7},
		{"an entry altered", "UPDATE chain SET commitment = randomblob(32) WHERE seq = 3", 3},
		{"a read put in beside the chain", "INSERT INTO reads SELECT 99, id, at, received_at, device, door, direction, credential, member, pass, granted, reason, lease, open_ms, not_after, boot, counter, nonce FROM reads WHERE seq = 1", 99},
		{"two reads exchanged", "UPDATE reads SET seq = CASE seq WHEN 1 THEN -1 ELSE seq END; UPDATE reads SET seq = 1 WHERE seq = 2; UPDATE reads SET seq = 2 WHERE seq = -1", 1},
	} {
		l := open10(t)
		if _, err := l.conn.ExecContext(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		if a := verify(t, l); a.OK || a.BrokenAt != c.at {
			t.Errorf("%s: %+v, want broken at %d", c.name, a, c.at)
		}
	}
}

func TestErasureForgetsAndKeepsTheChain(t *testing.T) {
	l := open10(t)
	err := l.Write(t.Context(), func(tx *Tx) error {
		if err := tx.DeleteRecord("member", "alice"); err != nil {
			return err
		}
		return tx.Erase(
			Erasure{
				Actor:   "admin",
				At:      time.Now(),
				Member:  "alice",
				Targets: []string{"member/alice"},
				Keep:    []catalogue.SpaceID{},
			},
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	a := verify(t, l)
	if !a.OK || a.Entries != 11 || a.Erased != 9 { // 8 reads and the act
		t.Errorf("%+v", a)
	}
	for _, table := range []string{"reads", "acts", "visits", "presence"} {
		var n int
		query := map[string]string{"reads": "member = 'alice' OR credential IS NOT NULL", "acts": "target LIKE '%alice%' OR body LIKE '%lice%'",
			"visits": "member = 'alice'", "presence": "subject = 'm:alice'"}[table]
		if err := l.reads.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table+" WHERE "+query).Scan(&n); err != nil ||
			n != 0 {
			t.Errorf("%d rows of %s still tell of her: %v", n, table, err)
		}
	}
}

func TestRetentionPurgesOldReadsAndKeepsTheChain(t *testing.T) {
	l := open10(t)
	later := time.Now().AddDate(0, 3, 1)
	err := l.Write(t.Context(), func(tx *Tx) error {
		more, err := tx.Purge(later,
			Retention{Reads: 90 * 24 * time.Hour, Rejects: 30 * 24 * time.Hour},
			[]catalogue.SpaceID{},
			5,
		)
		if err == nil && !more {
			err = errors.New("8 reads were purged with a limit of 5")
		}
		if err == nil {
			_, err = tx.Purge(later,
				Retention{Reads: 90 * 24 * time.Hour, Rejects: 30 * 24 * time.Hour},
				[]catalogue.SpaceID{},
				5,
			)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	reads, err := l.Reads(t.Context(), ReadFilter{Limit: 100})
	if err != nil || len(reads) != 0 {
		t.Errorf("%d reads left: %v", len(reads), err)
	}
	if a := verify(t, l); !a.OK || a.Erased != 9 {
		t.Errorf("%+v", a)
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	l := open10(t)
	boom := errors.New("boom")
	err := l.Write(t.Context(), func(tx *Tx) error {
		if err := addReads(tx, 3); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if a := verify(t, l); !a.OK || a.Entries != 10 {
		t.Errorf("%+v", a)
	}
	if err := l.Write(t.Context(), func(tx *Tx) error { return addReads(tx, 1) }); err != nil {
		t.Errorf("after a failed write: %v", err)
	}
}

func TestRepeatsAreTold(t *testing.T) {
	l := open10(t)
	id := uuid.New()
	for i, want := range []bool{false, true} {
		err := l.Write(t.Context(), func(tx *Tx) error {
			seen, err := tx.See(id, [16]byte{7}, false)
			if err == nil && (seen != nil) != want {
				err = fmt.Errorf("time %d: seen %+v", i, seen)
			}
			if err == nil && seen != nil && (seen.Digest != [16]byte{7} || seen.ReadSeq != 0) {
				err = fmt.Errorf("seen as %+v", seen)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSecondLockIsRefused(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestWritingStopsWithItsContext(t *testing.T) {
	l := open10(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Write(ctx, func(tx *Tx) error { return addReads(tx, 1) }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
