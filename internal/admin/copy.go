package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/internal/ledger"
)

// CopyLedger copies a ledger between data folders and PostgreSQL databases, each
// named by its folder or URL; no service may run on either. The keys are not
// part of a ledger: the new service needs the file of the old one.
func CopyLedger(ctx context.Context, from, to string, out, bar io.Writer) (err error) {
	if from == to {
		return errors.New("the two ledgers are the same")
	}
	source, err := exclusive(ctx, from, ledger.OpenExisting)
	if err != nil {
		return fmt.Errorf("copy from %s: %w", shown(from), err)
	}
	defer func() { err = errors.Join(err, source.close()) }()
	target, err := exclusive(ctx, to, ledger.OpenForCopy)
	if err != nil {
		return fmt.Errorf("copy to %s: %w", shown(to), err)
	}
	defer func() { err = errors.Join(err, target.close()) }()
	p := progress.New(bar, 1000, "copying the ledger")
	done, err := ledger.Copy(ctx, source.Ledger, target.Ledger, func(done, all int64) {
		p.Set(int(1000 * done / max(all, 1)))
	})
	p.Finish()
	if err != nil {
		return fmt.Errorf("copy to %s: %w", shown(to), err)
	}
	if !done.Audit.OK {
		return fmt.Errorf(
			"every row was copied, but the chain is broken at entry %d: %s",
			done.Audit.BrokenAt,
			done.Audit.Why,
		)
	}
	fmt.Fprintf(out, "Copied %d rows to %s: every table is equal, and the chain of %d entries is intact.\n",
		done.Rows, shown(to), done.Audit.Entries)
	return nil
}

// shown returns a place as it may be printed: a URL without its password.
func shown(place string) string {
	if u, err := url.Parse(place); err == nil && ledger.InPostgres(place) {
		return u.Redacted()
	}
	return place
}

// owned is a ledger that no other process serves.
type owned struct {
	*ledger.Ledger
	unlock func() error
}

func (o owned) close() error { return errors.Join(o.Ledger.Close(), o.unlock()) }

func exclusive(
	ctx context.Context,
	place string,
	open func(context.Context, string) (*ledger.Ledger, error),
) (o owned, err error) {
	o.unlock = func() error { return nil }
	if !ledger.InPostgres(place) {
		if err := os.MkdirAll(place, 0o700); err != nil {
			return o, err
		}
		if o.unlock, err = ledger.Lock(place); err != nil {
			return o, err
		}
	}
	if o.Ledger, err = open(ctx, place); err != nil {
		return o, errors.Join(err, o.unlock())
	}
	if err := o.OwnNow(ctx); err != nil {
		return o, errors.Join(err, o.close())
	}
	return o, nil
}
