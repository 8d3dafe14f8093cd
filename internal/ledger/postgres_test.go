package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/ledger/pgtest"
	"github.com/lorntech/totem/internal/tenancy"
)

// writer commits acts one after the other, each with a target of its own, until
// it is stopped. A commit that fails is tried again, as every caller does.
type writer struct {
	count atomic.Int64
	stop  func()
	acked []string
	fails []error
}

func startWriter(t *testing.T, l *ledger.Ledger) *writer {
	w := &writer{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			target := fmt.Sprintf("device/%06d", i)
			for ctx.Err() == nil {
				err := l.Write(ctx, func(tx *ledger.Tx) error {
					return errors.Join(
						tx.AddAct(&ingest.Act{At: at(i), Actor: "test", Action: "unlock", Target: target, Body: []byte("{}")}),
						tx.AddObservation(
							&ingest.Observation{ID: uuid.New(), At: at(i), ReceivedAt: at(i), Device: "d", What: "count", Body: "{}"},
						),
					)
				})
				if err == nil {
					w.acked = append(w.acked, target)
					w.count.Add(1)
					break
				}
				w.fails = append(w.fails, err)
				time.Sleep(20 * time.Millisecond)
			}
		}
	}()
	w.stop = func() { cancel(); <-done }
	t.Cleanup(w.stop)
	return w
}

// await waits for n commits more.
func (w *writer) await(t *testing.T, n int64) {
	t.Helper()
	before := w.count.Load()
	for end := time.Now().Add(60 * time.Second); w.count.Load() < before+n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no commit within a minute: %v", w.fails)
		}
	}
}

// check compares what was acknowledged with what is there: each once.
func (w *writer) check(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	w.stop()
	for _, target := range w.acked {
		acts, err := l.Acts(t.Context(), target)
		if err != nil || len(acts) != 1 {
			t.Fatalf("%s: %d acts, %v; commits failed with %v", target, len(acts), err, w.fails)
		}
	}
	if audit, err := l.Verify(t.Context(), nil); err != nil || !audit.OK {
		t.Errorf("the chain: %+v, %v", audit, err)
	}
	t.Logf("%d commits, %d failed and were tried again", len(w.acked), len(w.fails))
}

// PostgreSQL dies again and again while commits are made: a commit that was
// reported is there, one that was reported as failed is not.
func TestPostgreSQLDiesUnderCommits(t *testing.T) {
	pgtest.Need(t)
	server := pgtest.Start(t)
	l, err := ledger.Open(t.Context(), server.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Own(t.Context(), func() { t.Error("another one owns it") }); err != nil {
		t.Fatal(err)
	}
	w := startWriter(t, l)
	for range 5 {
		w.await(t, 50)
		server.Kill(syscall.SIGQUIT)
		server.Begin(t)
	}
	w.await(t, 50)
	w.check(t, l)
}

// The primary server dies, and its standby is promoted: the ledger goes on
// there, and nothing that was committed is missing.
func TestAStandbyOfPostgreSQLIsPromoted(t *testing.T) {
	pgtest.Need(t)
	primary := pgtest.Start(t)
	database := primary.Database(t)
	standby := primary.Standby(t)
	both := strings.Replace(database, primary.Addr(), primary.Addr()+","+standby.Addr(), 1)
	l, err := ledger.Open(t.Context(), both)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Own(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	w := startWriter(t, l)
	w.await(t, 100)
	primary.Kill(syscall.SIGQUIT)
	began := time.Now()
	standby.Promote(t)
	w.await(t, 100)
	t.Logf("100 commits on the promoted standby %v after the primary died", time.Since(began))
	w.check(t, l)
}

// What SQLite takes PostgreSQL takes too: a NUL in a question, in a reader's own
// words, in a body that an erasure looks through.
func TestNoTextStopsPostgreSQL(t *testing.T) {
	pgtest.Need(t)
	l, err := ledger.Open(t.Context(), pgtest.Start(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, body := range []string{`{"name":"a\u0000b","member":"alice"}`, `{"name":"\ud800"}`, `{"members":"alice"}`, `{`, `{"members":null}`} {
		err := l.Write(t.Context(), func(tx *ledger.Tx) error {
			return tx.AddAct(&ingest.Act{At: at(0), Actor: "a\xff", Action: "unlock", Target: "door/\x00", Body: []byte(body)})
		})
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := l.Write(t.Context(), func(tx *ledger.Tx) error {
		return tx.Erase(ledger.Erasure{Actor: "a", At: at(1), Member: "alice", Targets: []string{"member/alice"}})
	}); err != nil {
		t.Errorf("an erasure: %v", err)
	}
	if err := l.Write(t.Context(), func(tx *ledger.Tx) error {
		return tx.AddRead(&ingest.Read{ID: uuid.New(), At: at(2), ReceivedAt: at(2), Device: "d", Door: "d", Direction: "in",
			Reason: "unknown-credential", Reader: &ingest.ReaderDecision{Reason: "a\x00b", List: "1", ReceivedAt: at(2)}})
	}); err != nil {
		t.Errorf("a reader's own words: %v", err)
	}
	if audit, err := l.Verify(t.Context(), nil); err != nil || !audit.OK {
		t.Errorf("the chain: %+v, %v", audit, err)
	}
	for _, id := range []string{"\x00", "\xff", "é"} {
		if list, err := l.Reads(t.Context(), ledger.ReadFilter{Member: tenancy.MemberID(id)}); err != nil || len(list) != 0 {
			t.Errorf("%q: %v %v", id, list, err)
		}
		if _, err := l.Token(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// Whatever isolation a database has by default, two writers take turns.
func TestTwoWritersTakeTurnsWhateverTheDatabaseIsSetTo(t *testing.T) {
	pgtest.Need(t)
	database := pgtest.Start(t).Database(t)
	pgtest.Exec(t, database, "ALTER ROLE totem SET default_transaction_isolation = 'serializable'")
	var writers []*writer
	for range 2 {
		l, err := ledger.Open(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		w := startWriter(t, l)
		defer w.stop()
		writers = append(writers, w)
	}
	for _, w := range writers {
		w.await(t, 100)
		w.stop()
		if len(w.fails) != 0 {
			t.Errorf("%d commits failed: %v", len(w.fails), w.fails[0])
		}
	}
}

// A command that owns a ledger and computes for long keeps it, and who waits for
// it outlasts a restart of PostgreSQL.
func TestWhoWaitsWaitsOn(t *testing.T) {
	pgtest.Need(t)
	server := pgtest.Start(t)
	database := server.Database(t)
	command, err := ledger.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	if err := command.OwnNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	service, err := ledger.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	owns := make(chan error, 1)
	go func() { owns <- service.Own(t.Context(), func() {}) }()
	select {
	case err := <-owns:
		t.Fatalf("two own the ledger: %v", err)
	case <-time.After(8 * time.Second): // longer than a session may be idle
	}
	if err := command.StillOwned(t.Context()); err != nil {
		t.Errorf("the command has lost it: %v", err)
	}
	server.Kill(syscall.SIGQUIT)
	time.Sleep(time.Second)
	server.Begin(t)
	_ = command.Close() // whether it had it again or not
	select {
	case err := <-owns:
		if err != nil {
			t.Errorf("who waited has given up: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("who waited has not got it")
	}
}

// Whoever was succeeded by another one does not own the ledger again, although nobody has
// it any more: what it knows is old.
func TestWhoWasSucceededDoesNotComeBack(t *testing.T) {
	pgtest.Need(t)
	database := pgtest.Start(t).Database(t)
	open := func() *ledger.Ledger {
		l, err := ledger.Open(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first, second := open(), open()
	defer first.Close()
	if err := first.OwnNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.Fresh(t.Context()); err != nil {
		t.Errorf("it owns the ledger: %v", err)
	}
	for { // the first one takes a session again within a second: the second one must be faster
		pgtest.Exec(t, database, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`)
		if err := second.OwnNow(t.Context()); err == nil {
			break
		}
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.StillOwned(t.Context()); !errors.Is(err, ledger.ErrInUse) {
		t.Errorf("it came back: %v", err)
	}
	select {
	case <-first.Lost():
	case <-time.After(5 * time.Second):
		t.Error("it has not noticed")
	}
	time.Sleep(2500 * time.Millisecond) // longer than what PostgreSQL said is believed
	if err := first.Fresh(t.Context()); err == nil {
		t.Error("what it knows counts as fresh")
	}
}

// A newer version changes no table under an older one that serves.
func TestNoMigrationUnderAService(t *testing.T) {
	pgtest.Need(t)
	database := pgtest.Start(t).Database(t)
	l, err := ledger.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.OwnNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, database, "DELETE FROM goose_db_version WHERE version_id > 0") // as if all were still to do
	if _, err := ledger.Open(t.Context(), database); !errors.Is(err, ledger.ErrInUse) {
		t.Errorf("while another one serves: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), database); err == nil || errors.Is(err, ledger.ErrInUse) {
		t.Errorf("afterwards it is tried: %v", err)
	}
}
