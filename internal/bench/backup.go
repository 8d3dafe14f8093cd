package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/backup"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
)

// backedUp is how many reads are in the ledger that is backed up.
const backedUp = 1_000_000

// backups measures how long a backup of a large ledger takes beside copying its
// file, and what doors feel of it.
func backups(ctx context.Context, e *env) (rows []Row, err error) {
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	dir, err := e.dir("backup")
	if err != nil {
		return nil, err
	}
	reads := e.share(backedUp)
	if err := fill(ctx, dir, n, reads, year); err != nil {
		return nil, err
	}
	a, err := e.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	time.Sleep(settle)
	copied, size, err := copyTime(filepath.Join(dir, ledger.FileName), filepath.Join(e.Dir, "plain-copy"))
	if err != nil {
		return nil, err
	}
	took, err := backUp(ctx, a, filepath.Join(e.Dir, "one.backup"))
	if err != nil {
		return nil, err
	}
	rows = append(rows, Row{
		fmt.Sprintf("backup of %d reads, %d MB", reads, size>>20),
		micro(took), "copying and syncing the file " + micro(copied), float64(took) / float64(copied), "10 M in ≤ 2 min",
	})
	time.Sleep(5 * settle) // until the system has written out what was made above
	quiet, _, err := e.during(ctx, a, n, nil)
	if err != nil {
		return nil, err
	}
	busy, _, err := e.during(ctx, a, n, func(ctx context.Context, a *app.App, _ *catalogue.Network) error {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := backUp(ctx, a, filepath.Join(e.Dir, fmt.Sprintf("%d.backup", i))); err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return append(rows, Row{
		"badge → decision while backups are made, p99", micro(busy),
		"while nothing else happens " + micro(quiet), float64(busy) / float64(quiet), "≤ 1.5 ×",
	}), nil
}

func backUp(ctx context.Context, a *app.App, file string) (time.Duration, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	_, err = backup.Create(ctx, a.Config, file, []age.Recipient{id.Recipient()}, io.Discard)
	return time.Since(began), err
}

// copyTime returns how long copying a file takes, with an fsync, and its size.
func copyTime(from, to string) (took time.Duration, size int64, err error) {
	began := time.Now()
	in, err := os.Open(from)
	if err != nil {
		return 0, 0, err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(to)
	size, err = io.Copy(out, in)
	return time.Since(began), size, errors.Join(err, out.Sync(), out.Close())
}
