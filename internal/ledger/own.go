package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// beat is how often the service that owns a ledger shows PostgreSQL that it lives.
	beat = time.Second
	// stoppedAfter is after how long without a beat the owner counts as stopped.
	stoppedAfter = 6 * time.Second
	// freshFor is how long this process relies on PostgreSQL's last confirmation that it owns
	// the ledger.
	freshFor = 2 * time.Second

	cursorOwner = "owner"
)

// Own makes this process the owner of a ledger in PostgreSQL, the one that serves it, until
// the ledger is closed. If another process owns the ledger, Own calls waiting once, and waits
// until that process ends, is stopped, or its machine is gone. Then this process takes over:
// the former owner can commit nothing from then on, and its Lost is closed. A ledger in a data
// directory is owned by the process that holds its [Lock]; for it Own does nothing.
func (l *Ledger) Own(ctx context.Context, waiting func()) error {
	e, ok := l.engine.(*postgresEngine)
	if !ok {
		return nil
	}
	for told := false; ; {
		err := l.tryOwn(ctx, e)
		if err == nil {
			return nil
		}
		if !told && !errors.Is(err, ErrInUse) {
			return fmt.Errorf("ledger: take over the ledger for this service: %w", err)
		}
		if !told {
			told = true
			waiting()
		}
		_ = l.endStopped(ctx) // if PostgreSQL cannot be reached, the next round tries again
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(beat / 4):
		}
	}
}

// OwnNow is Own for a command that does not wait: [ErrInUse] where a service runs.
func (l *Ledger) OwnNow(ctx context.Context) error {
	e, ok := l.engine.(*postgresEngine)
	if !ok {
		return nil
	}
	return l.tryOwn(ctx, e)
}

func (l *Ledger) tryOwn(ctx context.Context, e *postgresEngine) error {
	l.turn.take(false)
	defer l.turn.pass()
	if err := e.connected(ctx, l); err != nil {
		return err
	}
	now := time.Now()
	if err := takeLock(ctx, l.conn); err != nil {
		return err
	}
	err := l.conn.QueryRowContext(ctx, `INSERT INTO cursors (name, seq) VALUES ('`+cursorOwner+`', 1)
		ON CONFLICT (name) DO UPDATE SET seq = cursors.seq + 1 RETURNING seq`).Scan(&l.owner)
	if err != nil {
		return err
	}
	l.owned.Store(true)
	l.ownedAt.Store(&now)
	upkeep, stop := l.stopUpkeep, make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.showLife(stop)
	}()
	l.stopUpkeep = sync.OnceFunc(func() { close(stop); <-done; upkeep() })
	return nil
}

// owners are the sessions that hold the service's lock: one, or none.
const owners = `pg_locks k JOIN pg_stat_activity a ON a.pid = k.pid
	WHERE k.locktype = 'advisory' AND k.granted AND k.classid = 746578
	AND k.objid::bigint = hashtext(current_schema())::bigint & 4294967295
	AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// endStopped ends the owner's session where it has shown no life for long: its
// process was stopped, or hangs.
func (l *Ledger) endStopped(ctx context.Context) error {
	rows, err := l.reads.QueryContext(
		ctx,
		"SELECT pg_terminate_backend(a.pid) FROM "+owners+`
		AND a.state <> 'active' AND clock_timestamp() - a.state_change > make_interval(secs => ?)`,
		stoppedAfter.Seconds(),
	)
	return each(rows, err, func(*sql.Rows) error { return nil })
}

// showLife uses the writer's session again and again, so that PostgreSQL sees
// this process live, and this process sees that it has lost the ledger.
func (l *Ledger) showLife(stop <-chan struct{}) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-l.lost:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), stoppedAfter)
		_ = l.StillOwned(ctx) // the next round tries again
		cancel()
	}
}

// Fresh returns nil if this process knows the present state of the ledger: it was seen to own
// the ledger within freshFor, or PostgreSQL confirms now that it does. Fresh returns an error in
// a process that was stopped and wakes after another one has taken over.
func (l *Ledger) Fresh(ctx context.Context) error {
	if at := l.ownedAt.Load(); at == nil || time.Since(*at) < freshFor {
		return nil
	}
	return l.StillOwned(ctx)
}

// StillOwned returns nil where this process still owns the ledger, as far as
// PostgreSQL knows at this moment.
func (l *Ledger) StillOwned(ctx context.Context) error {
	e, ok := l.engine.(*postgresEngine)
	if !ok || !l.owned.Load() {
		return nil
	}
	l.turn.take(false)
	defer l.turn.pass()
	if err := e.connected(ctx, l); err != nil {
		return err
	}
	now := time.Now()
	_, err := l.conn.ExecContext(ctx, "SELECT 1")
	if err != nil {
		if lost := e.connected(ctx, l); lost != nil {
			return errors.Join(err, lost)
		}
	}
	l.ownedAt.Store(&now) // connected takes the lock again where the session was lost
	return nil
}
