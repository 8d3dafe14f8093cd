package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql migrations/postgres/*.sql
var migrations embed.FS

// newLedger returns a ledger that writes on conn, the only connection of write, and
// reads on the connections of pool.
func newLedger(e engine, write, pool *sql.DB, conn *sql.Conn) *Ledger {
	return &Ledger{
		engine: e,
		reads:  queries{on: pool, engine: e},
		pool:   pool,
		write:  write,
		conn:   conn,
		stmts:  map[string]*sql.Stmt{},
		lost:   make(chan struct{}),
		queued: make(chan struct{}, 1),
	}
}

// ErrNewer is returned for a ledger that a newer Totem has written.
var ErrNewer = errors.New("the ledger was written by a newer version of Totem: use that version")

// migrate brings the schema up to date with the files of a folder, and returns
// its version before, which is 0 for a new database. If there is anything to
// migrate and may is not nil, migrate calls may first; its error forbids the migration.
func migrate(
	ctx context.Context,
	dialect goose.Dialect,
	db *sql.DB,
	folder string,
	may func(context.Context) error,
) (was int64, err error) {
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(dialect, db, files)
	if err != nil {
		return 0, err
	}
	if was, err = provider.GetDBVersion(ctx); err != nil {
		return 0, err
	}
	if sources := provider.ListSources(); was > sources[len(sources)-1].Version {
		return was, fmt.Errorf(
			"%w: its schema is %d, and this program knows %d",
			ErrNewer,
			was,
			sources[len(sources)-1].Version,
		)
	}
	pending, err := provider.HasPending(ctx)
	if err == nil && pending && may != nil {
		err = may(ctx)
	}
	if err != nil {
		return was, err
	}
	_, err = provider.Up(ctx)
	return was, err
}
