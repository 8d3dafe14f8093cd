package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// postgresEngine stores a ledger in a PostgreSQL database. The service's writer
// commits in a session that holds an advisory lock (Own): a process that
// has lost the lock has lost the session too, and cannot commit.
type postgresEngine struct {
	session session // the writer's, as PostgreSQL names it
	writer  string  // names this writer in the table commits
	commits int64   // its transactions
	// waiting are statements of the open transaction that have no result: they go
	// to PostgreSQL together, since each round trip costs as much as a statement.
	waiting *pgx.Batch
	texts   map[string]string // queries with their placeholders
}

// session is one connection to PostgreSQL, as the server knows it.
type session struct {
	pid   int64
	began string
}

// The keys of a ledger's two advisory locks. The second half of each key is a hash of the
// schema's name, so that ledgers in one database do not block each other. The service holds
// serviceLock as long as it runs. Each transaction that writes holds writerLock, so that only
// one writes at a time.
const (
	serviceLock = "746578, hashtext(current_schema())"
	writerLock  = "746579, hashtext(current_schema())"
)

func openPostgres(ctx context.Context, place string) (*Ledger, error) {
	write, err := postgresPool(place, 1, writerPatience, map[string]string{
		"synchronous_commit": "on",
		// A command that was stopped within its transaction must not hold up all others.
		"idle_in_transaction_session_timeout": strconv.FormatInt(stoppedAfter.Milliseconds(), 10),
		"tcp_keepalives_idle":                 "2",
		"tcp_keepalives_interval":             "1",
		"tcp_keepalives_count":                "2",
		"tcp_user_timeout":                    strconv.FormatInt(DeadAfter.Milliseconds(), 10),
	})
	if err != nil {
		return nil, err
	}
	pool, err := postgresPool(place, readers, readerPatience, map[string]string{"default_transaction_read_only": "on"})
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if err := migratePostgres(ctx, place); err != nil {
		return nil, errors.Join(
			fmt.Errorf("migrate the ledger in PostgreSQL: %w", hidePassword(err)),
			write.Close(),
			pool.Close(),
		)
	}
	if _, err := write.ExecContext(ctx, "DELETE FROM commits WHERE at < now() - interval '7 days'"); err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger in PostgreSQL: %w", err), write.Close(), pool.Close())
	}
	e := &postgresEngine{writer: uuid.NewString(), waiting: &pgx.Batch{}, texts: map[string]string{}}
	l := newLedger(e, write, pool, nil)
	if err := e.connect(ctx, l); err != nil {
		return nil, errors.Join(
			fmt.Errorf("open the ledger in PostgreSQL: %w", hidePassword(err)),
			write.Close(),
			pool.Close(),
		)
	}
	if err := l.startVacuums(place); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// migratePostgres migrates the schema. If a migration is needed while a service runs on the
// ledger, it changes nothing and returns [ErrInUse]: that service is of an older version, and
// could not start again on the new schema.
func migratePostgres(ctx context.Context, place string) error {
	db, err := postgresPool(place, 1, upkeepPatience, nil)
	if err != nil {
		return err
	}
	_, err = migrate(ctx, goose.DialectPostgres, db, "migrations/postgres", func(ctx context.Context) error {
		var served bool
		err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+owners+")").Scan(&served)
		if err == nil && served {
			err = servedError{}
		}
		return err
	})
	return errors.Join(err, db.Close())
}

func existsPostgres(ctx context.Context, place string) (there bool, err error) {
	db, err := postgresPool(place, 1, readerPatience, nil)
	if err != nil {
		return false, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, "SELECT to_regclass('chain') IS NOT NULL").Scan(&there)
	if err != nil {
		return false, fmt.Errorf("open the ledger in PostgreSQL: %w", hidePassword(err))
	}
	return there, nil
}

// pgxConn calls f with the writer's connection.
func (e *postgresEngine) pgxConn(l *Ledger, f func(*pgx.Conn) error) error {
	return l.conn.Raw(func(c any) error { return f(c.(*stdlib.Conn).Conn()) })
}

func (e *postgresEngine) begin(ctx context.Context, l *Ledger) (head chainHead, err error) {
	e.waiting = &pgx.Batch{}
	if err := e.connected(ctx, l); err != nil {
		return head, err
	}
	err = e.pgxConn(l, func(c *pgx.Conn) error {
		b := &pgx.Batch{}
		b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE") // whatever the database's default is
		b.Queue("SELECT pg_advisory_xact_lock(" + writerLock + ")")
		b.Queue(newestEntry).Query(func(rows pgx.Rows) error {
			var hash []byte
			for rows.Next() { // a chain without entries has none
				if err := rows.Scan(&head.seq, &hash); err != nil {
					return err
				}
				copy(head.hash[:], hash)
			}
			return rows.Err()
		})
		return c.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return head, errors.Join(err, e.rollback(ctx, l))
	}
	return head, nil
}

func (e *postgresEngine) later(query string, args []any) bool {
	text, known := e.texts[query]
	if !known {
		text = e.text(query)
		e.texts[query] = text
	}
	args = e.values(args)
	for i, a := range args {
		if b, ok := a.([]byte); ok { // the caller may use its memory again
			args[i] = append([]byte{}, b...)
		}
	}
	e.waiting.Queue(text, args...)
	return true
}

func (e *postgresEngine) flush(ctx context.Context, l *Ledger) error {
	if e.waiting.Len() == 0 {
		return nil
	}
	batch := e.waiting
	e.waiting = &pgx.Batch{}
	return e.pgxConn(l, func(c *pgx.Conn) error { return c.SendBatch(ctx, batch).Close() })
}

// expect asks in one round trip what See and AddObservation would ask for each
// message.
func (e *postgresEngine) expect(tx *Tx, ids []uuid.UUID) (seen map[uuid.UUID]*Seen, next int64, err error) {
	list := make([][]byte, len(ids))
	seen = make(map[uuid.UUID]*Seen, len(ids))
	for i, id := range ids {
		list[i] = id[:]
		seen[id] = nil
	}
	b := &pgx.Batch{}
	b.Queue(
		"SELECT coalesce(max(seq), 0) + 1 FROM observations",
	).QueryRow(
		func(row pgx.Row) error { return row.Scan(&next) },
	)
	b.Queue("SELECT id, digest, seq FROM seen WHERE id = ANY ($1)", list).Query(func(rows pgx.Rows) error {
		var id, digest []byte
		for rows.Next() {
			s := &Seen{}
			if err := rows.Scan(&id, &digest, &s.ReadSeq); err != nil {
				return err
			}
			copy(s.Digest[:], digest)
			seen[uuid.UUID(id)] = s
		}
		return rows.Err()
	})
	err = e.pgxConn(tx.l, func(c *pgx.Conn) error { return c.SendBatch(tx.ctx, b).Close() })
	return seen, next, err
}

// commit ends the transaction. If the connection breaks before PostgreSQL has answered, commit
// connects again and asks whether the transaction was committed. It waits for that answer,
// and so do all other writers.
func (e *postgresEngine) commit(ctx context.Context, l *Ledger) error {
	var tag pgconn.CommandTag
	e.commits++
	e.waiting.Queue(noteCommit, e.writer, e.commits)
	err := e.pgxConn(l, func(c *pgx.Conn) (err error) {
		e.waiting.Queue("COMMIT").Exec(func(t pgconn.CommandTag) error { tag = t; return nil })
		return c.SendBatch(ctx, e.waiting).Close()
	})
	var refused *pgconn.PgError
	switch {
	case err == nil && tag.String() == "COMMIT":
		return nil
	case err == nil:
		return errors.New("PostgreSQL rolled the transaction back: a statement in it had failed")
	case errors.As(err, &refused) && refused.SeverityUnlocalized == "ERROR":
		return errors.Join(err, e.rollback(ctx, l))
	}
	_ = e.pgxConn(l, func(c *pgx.Conn) error { hangUp(c); return nil })
	slog.WarnContext(ctx, "ledger: PostgreSQL did not answer to a commit; asking for its outcome", "error", err)
	for {
		committed, known := e.outcome(ctx, l)
		if known && committed {
			return nil
		}
		if known {
			return err
		}
		if l.closing.Load() || l.isLost() {
			return fmt.Errorf("the outcome is not known: %w", err)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// noteCommit stores which transaction of a writer was the last that was committed.
const noteCommit = `INSERT INTO commits (writer, n, at) VALUES ($1, $2, now())
	ON CONFLICT (writer) DO UPDATE SET n = excluded.n, at = excluded.at`

// outcome returns what became of the last transaction.
func (e *postgresEngine) outcome(ctx context.Context, l *Ledger) (committed, known bool) {
	if e.connected(ctx, l) != nil {
		return false, false
	}
	// The former session may still be committing: connected has ended it, and the
	// lock is free once it is gone.
	var n sql.NullInt64
	_, err := l.conn.ExecContext(ctx, "SELECT pg_advisory_lock("+writerLock+"), pg_advisory_unlock("+writerLock+")")
	if err == nil {
		err = l.conn.QueryRowContext(ctx, "SELECT max(n) FROM commits WHERE writer = $1", e.writer).Scan(&n)
	}
	return n.Int64 == e.commits, err == nil
}

func (e *postgresEngine) rollback(ctx context.Context, l *Ledger) error {
	if l.conn == nil {
		return nil
	}
	return e.pgxConn(l, func(c *pgx.Conn) error {
		if c.IsClosed() { // PostgreSQL rolls back what a session leaves
			return nil
		}
		if _, err := c.Exec(ctx, "ROLLBACK"); err != nil {
			hangUp(c)
		}
		return nil
	})
}

func (*postgresEngine) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (*postgresEngine) unstorable(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch class := e.Code[:2]; class {
	case "22", "23", "54": // data exception, constraint, limit exceeded
		// A chain number that is taken is not the message's fault: Totem chose the number.
		return e.ConstraintName != "chain_pkey"
	}
	return false
}

func (e *postgresEngine) insert(tx *Tx, table string, columns []string, rows [][]any) error {
	if err := tx.flush(); err != nil {
		return err
	}
	return e.pgxConn(tx.l, func(c *pgx.Conn) error {
		_, err := c.CopyFrom(tx.ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
		return err
	})
}

func (*postgresEngine) renumber(ctx context.Context, l *Ledger) error {
	return l.Write(ctx, func(tx *Tx) error {
		for _, t := range tables {
			if !t.numbered {
				continue
			}
			query := fmt.Sprintf(
				"SELECT setval(pg_get_serial_sequence('%s', '%s'), coalesce(max(%[2]s), 0) + 1, false) FROM %[1]s",
				t.name,
				t.key[0],
			)
			if err := tx.row(query, nil, new(int64)); err != nil {
				return err
			}
		}
		return nil
	})
}

// damage finds nothing: PostgreSQL checks its pages as it reads them, where it is
// set up with checksums.
func (*postgresEngine) damage(context.Context, queries) (string, error) { return "", nil }

// values returns arguments that PostgreSQL can take: it refuses text with a NUL or
// with what is not UTF-8, also in a condition. It may change args.
func (*postgresEngine) values(args []any) []any {
	for i, a := range args {
		if v := reflect.ValueOf(a); v.Kind() == reflect.String {
			args[i] = storable(v.String())
		}
	}
	return args
}

// text writes the placeholders as PostgreSQL does: the first ? becomes $1, the next one $2, and ?2
// becomes $2 wherever it stands.
func (*postgresEngine) text(query string) string {
	if !strings.Contains(query, "?") {
		return query
	}
	var b strings.Builder
	n, quoted := 0, false
	for i := range len(query) {
		c := query[i]
		if c == '\'' {
			quoted = !quoted
		}
		if c != '?' || quoted {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('$')
		if i+1 == len(query) || query[i+1] < '0' || query[i+1] > '9' {
			n++
			b.WriteString(strconv.Itoa(n))
		}
	}
	return b.String()
}
