package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// This file connects a ledger to PostgreSQL and reconnects it; postgres.go runs its transactions.

// DeadAfter is after how long without an answer PostgreSQL ends the session of a
// machine that is gone: then another one can have the lock.
const DeadAfter = 4 * time.Second

// How long PostgreSQL may take for the next part of an answer before the connection
// counts as lost. Without a limit, a network that drops packets silently would
// block a query for ever.
const (
	writerPatience = 15 * time.Second
	readerPatience = 2 * time.Minute // to the first row of a long question
	upkeepPatience = time.Hour
)

// readers is how many connections read at the same time.
const readers = 8

// patient is a connection that is lost when the next part of an answer takes too long.
type patient struct {
	net.Conn
	wait time.Duration
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(p.wait)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(p.wait)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// postgresPool returns a pool of connections to the primary server.
func postgresPool(place string, conns int, wait time.Duration, params map[string]string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(place)
	if err != nil {
		return nil, fmt.Errorf("--database-url (TOTEM_DATABASE_URL): %w", hidePassword(err))
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	if cfg.ValidateConnect == nil {
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	cfg.RuntimeParams["application_name"] = "totem"
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return patient{c, wait}, nil
	}
	maps.Copy(cfg.RuntimeParams, params)
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// hidePassword keeps what a wrong URL contains out of errors: pgx hides the
// password, but only where it can parse the URL.
func hidePassword(err error) error {
	if _, wrong := errors.AsType[*pgconn.ParseConfigError](err); wrong {
		return errors.New("it is not a URL as postgres://user:password@host:5432/database")
	}
	if failed, ok := errors.AsType[*pgconn.ConnectError](err); ok { // a line for each address that was tried
		lines := strings.Split(failed.Error(), "\n")
		return errors.New(strings.Join(slices.Compact(lines), ";"))
	}
	return err
}

// connect gives the writer a new session. It ends the writer's former session, whose lost
// connection the server may not have noticed yet. If this process owned the ledger, connect
// takes the service's lock again, and returns [ErrInUse] if another process has taken it.
func (e *postgresEngine) connect(ctx context.Context, l *Ledger) error {
	conn, err := l.write.Conn(ctx)
	if err != nil {
		return err
	}
	var s session
	err = conn.QueryRowContext(ctx, "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()").
		Scan(&s.pid, &s.began)
	if err == nil && e.session.pid != 0 {
		err = conn.QueryRowContext(
			ctx,
			"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2",
			e.session.pid,
			e.session.began,
		).Scan(new(int64))
	}
	if err == nil && l.owned.Load() {
		if err = l.retake(ctx, conn); errors.Is(err, ErrInUse) && !l.isLost() {
			close(l.lost)
		}
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	e.session = s
	l.conn = conn
	return nil
}

// retake takes the service's lock again; [ErrInUse] where another process has it, or has
// had it meanwhile: what this process knows is old then.
func (l *Ledger) retake(ctx context.Context, conn *sql.Conn) error {
	if err := takeLock(ctx, conn); err != nil {
		return err
	}
	var owner int64
	err := conn.QueryRowContext(ctx, "SELECT seq FROM cursors WHERE name = '"+cursorOwner+"'").Scan(&owner)
	if err == nil && owner != l.owner {
		err = servedError{}
	}
	return err
}

// takeLock takes the service's lock; it waits a moment for a session that is ending.
func takeLock(ctx context.Context, conn *sql.Conn) error {
	for range 10 {
		var locked bool
		err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock("+serviceLock+")").Scan(&locked)
		if err != nil || locked {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return servedError{}
}

// connected makes sure that the writer has a living session.
func (e *postgresEngine) connected(ctx context.Context, l *Ledger) error {
	if l.isLost() {
		return servedError{} // another process owns the ledger, and what this one knows of it is outdated
	}
	if l.conn != nil {
		dead := false
		err := e.pgxConn(l, func(c *pgx.Conn) error { dead = c.IsClosed(); return nil })
		if err == nil && !dead {
			return nil
		}
		for _, s := range l.stmts {
			_ = s.Close() // it ended with its connection
		}
		clear(l.stmts)
		_ = l.conn.Raw(func(any) error { return errGone }) // the pool must not give it out again
		_ = l.conn.Close()
		l.conn = nil
	}
	return e.connect(ctx, l)
}

// errGone is for database/sql, which closes a connection on it.
var errGone = errors.New("the connection is gone")

// hangUp closes a connection whose state is not known: an answer may be on its way.
func hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

// vacuumed are the tables that an erasure or a purge takes from.
const vacuumed = "acts, alarms, corrections, hours, observations, presence, reader_decisions, reads, records, rejects, seen, " +
	"stays, terms, touched, visits"

// startVacuums starts a goroutine that vacuums the tables soon after each erasure, so that
// the erased rows leave the database's files.
func (l *Ledger) startVacuums(place string) error {
	db, err := postgresPool(place, 1, upkeepPatience, nil)
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(0)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		defer db.Close()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if !l.erased.Swap(false) {
				continue
			}
			if _, err := db.ExecContext(ctx, "VACUUM "+vacuumed); err != nil {
				l.erased.Store(true) // the next round tries again
			}
		}
	})
	l.stopUpkeep = sync.OnceFunc(func() { cancel(); wg.Wait() })
	return nil
}
