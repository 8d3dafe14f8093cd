package ledger

import (
	"database/sql"
	"net/url"
	"sync"
	"time"
)

// Committed data is in the write-ahead log until it is copied into the database
// file. SQLite does that within the commit that fills the log, and whoever
// badges then waits for tens of milliseconds. So Totem does it on a connection
// of its own, beside the writers; wal_autocheckpoint is only for when this does
// not keep up.

const (
	checkpointEvery = 250 * time.Millisecond
	// checkpointAfter is how many statements make a checkpoint worth its fsync.
	checkpointAfter = 4000
)

// requestTruncation requests that the log, which still contains what was just erased,
// be emptied soon. The pages themselves are overwritten when they are freed
// (secure_delete).
func (l *Ledger) requestTruncation() { l.erased.Store(true) }

// truncateLog copies the log and truncates it; false where somebody still reads it.
func truncateLog(db *sql.DB) bool {
	_, _ = db.Exec("PRAGMA wal_checkpoint(PASSIVE)") // copies most of it while writers continue
	var busy, log, copied int
	err := db.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &copied)
	return err == nil && busy == 0
}

// startCheckpoints begins to copy the log while the ledger is open.
func (l *Ledger) startCheckpoints(path string) error {
	db, err := open(path,
		url.Values{"_pragma": {"busy_timeout(0)", "synchronous(FULL)", "wal_autocheckpoint(0)", "cache_size(-500)"}},
		1,
	)
	if err != nil {
		return err
	}
	l.requestTruncation() // the log may contain what was erased before the last end
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
			if l.erased.Load() && truncateLog(db) {
				l.erased.Store(false)
			}
			if l.written.Load() < checkpointAfter {
				continue
			}
			l.written.Store(0)
			// If this fails (a full disk, for example) the log grows, and the
			// writers' own checkpoint reports why.
			_, _ = db.Exec("PRAGMA wal_checkpoint(PASSIVE)")
		}
	})
	l.stopUpkeep = sync.OnceFunc(func() { close(stop); wg.Wait() })
	return nil
}
