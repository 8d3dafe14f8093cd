package ledger

import (
	"database/sql"
	"net/url"
	"sync"
	"time"
)

// What is committed stands in the write-ahead log until it is copied into the
// database file. SQLite does that within the commit that fills the log, and
// whoever badges then waits for tens of milliseconds. So it is done here, on a
// connection of its own, beside the writers; wal_autocheckpoint is only for
// when this does not keep up.

const (
	checkpointEvery = 250 * time.Millisecond
	// checkpointAfter is how many statements make a checkpoint worth its fsync.
	checkpointAfter = 4000
)

// overwrite has the log, in which what was just erased still stands, emptied
// soon. The pages themselves are overwritten as they are freed (secure_delete).
func (l *Ledger) overwrite() { l.erased.Store(true) }

// emptied copies the log and cuts it to nothing; false where somebody reads it still.
func emptied(db *sql.DB) bool {
	_, _ = db.Exec("PRAGMA wal_checkpoint(PASSIVE)") // the most of it, beside the writers
	var busy, log, copied int
	err := db.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &copied)
	return err == nil && busy == 0
}

// startCheckpoints begins to copy the log while the ledger is open.
func (l *Ledger) startCheckpoints(path string) error {
	db, err := open(path, url.Values{"_pragma": {"busy_timeout(0)", "synchronous(FULL)", "wal_autocheckpoint(0)", "cache_size(-500)"}}, 1)
	if err != nil {
		return err
	}
	l.overwrite() // what was erased before the last end may stand in the log
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(checkpointEvery)
		defer tick.Stop()
		defer db.Close()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if l.erased.Load() && emptied(db) {
				l.erased.Store(false)
			}
			if l.written.Load() < checkpointAfter {
				continue
			}
			l.written.Store(0)
			// Where it fails (a full disk, say) the log grows, and the writers' own checkpoint says why.
			_, _ = db.Exec("PRAGMA wal_checkpoint(PASSIVE)")
		}
	})
	l.stopCheckpoints = sync.OnceFunc(func() { close(stop); wg.Wait() })
	return nil
}
