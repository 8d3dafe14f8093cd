package ledger

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/google/uuid"
)

// engine is what differs between the databases that can store a ledger. All
// other code of this package is written once, in SQL that both SQLite and
// PostgreSQL understand. SQLite's functions that PostgreSQL lacks are defined in
// its schema (migrations/postgres).
type engine interface {
	// text returns a query with the placeholders of the database.
	text(query string) string
	// values returns the arguments of a query as the database can take them.
	values(args []any) []any
	// begin starts a transaction on the writer's connection, and returns the
	// newest entry of the chain.
	begin(ctx context.Context, l *Ledger) (chainHead, error)
	// later may postpone a statement that returns no rows, until just before the next
	// statement that returns some. It returns false if the caller must run it now.
	later(query string, args []any) bool
	// flush runs the statements that later has postponed.
	flush(ctx context.Context, l *Ledger) error
	// commit ends the transaction. After nil it is durable. After an error nothing of
	// it is there, unless the ledger was being closed: then its outcome may not be known.
	commit(ctx context.Context, l *Ledger) error
	// expect looks up which of the messages were seen before, and the number of the
	// next observation. It may return nil and 0: the caller then asks for each message.
	expect(tx *Tx, ids []uuid.UUID) (map[uuid.UUID]*Seen, int64, error)
	// rollback ends the transaction and leaves nothing of it.
	rollback(ctx context.Context, l *Ledger) error
	// snapshot returns the options of a transaction that reads one consistent state.
	snapshot() *sql.TxOptions
	// unstorable reports whether the values of a statement caused an error: a
	// constraint that they break, a value that the column cannot hold.
	unstorable(err error) bool
	// insert adds rows to a table.
	insert(tx *Tx, table string, columns []string, rows [][]any) error
	// renumber makes numbered tables go on after their last row.
	renumber(ctx context.Context, l *Ledger) error
	// damage returns what is wrong with the database's own files; empty: nothing.
	damage(ctx context.Context, tx queries) (string, error)
}

// newestEntry selects the newest entry of the chain.
const newestEntry = "SELECT seq, hash FROM chain ORDER BY seq DESC LIMIT 1"

// queries runs statements that read, on a pool or within a transaction.
type queries struct {
	on interface {
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	engine engine
}

func (q queries) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return q.on.QueryContext(ctx, q.engine.text(query), q.engine.values(args)...)
}

func (q queries) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return q.on.QueryRowContext(ctx, q.engine.text(query), q.engine.values(args)...)
}

// InPostgres reports whether a place is the URL of a PostgreSQL database, not a
// data directory.
func InPostgres(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// Open opens the ledger in a data directory, or in the PostgreSQL database of a
// URL (postgres://…). It creates the ledger if it is missing, and migrates it.
// Commands may open it while a service runs on it ([Ledger.Own]).
func Open(ctx context.Context, place string) (*Ledger, error) {
	l, err := OpenForCopy(ctx, place)
	if err != nil {
		return nil, err
	}
	s, err := l.Snapshot(ctx, copying)
	if err == nil && s.Body != nil {
		err = ErrHalfCopied
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// OpenForCopy is like Open, but also opens a ledger into which a copy has begun and not ended.
func OpenForCopy(ctx context.Context, place string) (*Ledger, error) {
	if InPostgres(place) {
		return openPostgres(ctx, place)
	}
	return openSQLite(ctx, place)
}

// OpenExisting opens a ledger that must be there.
func OpenExisting(ctx context.Context, place string) (*Ledger, error) {
	there, err := exists(ctx, place)
	if err != nil {
		return nil, err
	}
	if !there && InPostgres(place) {
		return nil, errors.New("--database-url (TOTEM_DATABASE_URL): the database does not contain a ledger")
	}
	if !there {
		return nil, errors.New("--data (TOTEM_DATA): " + place + " does not contain a ledger")
	}
	return Open(ctx, place)
}

func exists(ctx context.Context, place string) (bool, error) {
	if InPostgres(place) {
		return existsPostgres(ctx, place)
	}
	return existsSQLite(place)
}
