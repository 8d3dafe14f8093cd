package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// copying is the name of a snapshot in the target of a copy, which identifies the source. It
// is written when the copy begins, and deleted when the copy is complete.
const copying = "copy"

// copyRows is how many rows one transaction of a copy writes.
const copyRows = 5000

// Errors of Copy.
var (
	ErrHalfCopied = errors.New("a copy into this ledger has begun and not ended: run totem ledger copy again")
	errOccupied   = errors.New("it contains another ledger already: give an empty folder or database")
	errChanging   = errors.New("the rows differ after they were copied: does a service run on one of the ledgers?")
)

// Copied is the result of a copy.
type Copied struct {
	Rows  int64 // of all tables
	Audit Audit // of the copy's chain
}

// Copy copies all rows of a ledger into another one, on any database, and checks that they
// are equal afterwards (text that PostgreSQL cannot store is replaced in the copy).
// A copy that was stopped continues where it stopped. It is complete only if Audit.OK
// is set. No service may use the target (Lock, OwnNow), nor the source, unless the source
// is read in one snapshot (CopySnapshot). progress is called with the number of rows
// copied so far and the number of all rows.
func Copy(ctx context.Context, from, to *Ledger, progress func(done, all int64)) (c Copied, err error) {
	source, err := from.identity(ctx)
	if err != nil {
		return c, err
	}
	if err := to.beginCopy(ctx, source); err != nil {
		return c, err
	}
	all, done := int64(0), int64(0)
	for _, t := range tables {
		var n int64
		if err := from.reads.QueryRowContext(ctx, "SELECT count(*) FROM "+t.name).Scan(&n); err != nil {
			return c, fmt.Errorf("ledger: count the rows of %s: %w", t.name, err)
		}
		all += n
	}
	for _, t := range tables {
		if err := copyTable(ctx, from, to, t, func(n int64) { progress(min(done+n, all), all) }); err != nil {
			return c, fmt.Errorf("ledger: copy the table %s: %w", t.name, err)
		}
		var n int64
		if err := to.reads.QueryRowContext(ctx, "SELECT count(*) FROM "+t.name+" WHERE "+t.own()).Scan(&n); err != nil {
			return c, err
		}
		done += n
	}
	if err := to.engine.renumber(ctx, to); err != nil {
		return c, fmt.Errorf("ledger: number new rows from where the copied ones end: %w", err)
	}
	c.Rows = done
	if c.Audit, err = to.Verify(ctx, nil); err != nil || !c.Audit.OK {
		return c, err
	}
	for _, l := range []*Ledger{from, to} { // another process may have taken one over
		if err := l.StillOwned(ctx); err != nil {
			return c, err
		}
	}
	err = to.Write(ctx, func(tx *Tx) error { return tx.run("DELETE FROM snapshots WHERE name = ?", copying) })
	return c, err
}

// CopySnapshot copies a ledger as it is at this instant into a data folder, while
// a service goes on with it.
func CopySnapshot(ctx context.Context, place, dir string, progress func(done, all int64)) (err error) {
	l, err := OpenExisting(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	tx, err := l.pool.BeginTx(ctx, l.engine.snapshot())
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // a read transaction has nothing to lose
	to, err := OpenForCopy(ctx, dir)
	if err != nil {
		return err
	}
	c, err := Copy(ctx, &Ledger{engine: l.engine, reads: queries{tx, l.engine}}, to, progress)
	if err == nil && !c.Audit.OK {
		err = fmt.Errorf("the audit chain is broken at entry %d: %s", c.Audit.BrokenAt, c.Audit.Why)
	}
	return errors.Join(err, to.Close())
}

// identity returns the hash of the first entry of the audit chain, in hexadecimal: no two
// ledgers have the same one.
func (l *Ledger) identity(ctx context.Context) (string, error) {
	var hash []byte
	err := l.reads.QueryRowContext(ctx, "SELECT hash FROM chain WHERE seq = 1").Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errors.New("the ledger to copy from is empty")
	}
	if err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	return hex.EncodeToString(hash), nil
}

// beginCopy records in the target which ledger it is being copied from.
func (l *Ledger) beginCopy(ctx context.Context, source string) error {
	s, err := l.Snapshot(ctx, copying)
	if err != nil {
		return err
	}
	if s.Body != nil && string(s.Body) != source {
		return errOccupied
	}
	if s.Body != nil {
		return nil
	}
	for _, t := range tables {
		var there bool
		query := "SELECT EXISTS (SELECT 1 FROM " + t.name + " WHERE " + t.own() + ")"
		if err := l.reads.QueryRowContext(ctx, query).Scan(&there); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if there {
			return errOccupied
		}
	}
	return l.Write(ctx, func(tx *Tx) error { return tx.PutSnapshot(copying, Snapshot{Body: []byte(source)}) })
}

// copyTable copies the rows after those that are there already. Where the rows
// differ then, because the source was used between two attempts, it copies all again.
func copyTable(ctx context.Context, from, to *Ledger, t table, progress func(int64)) error {
	for again := range 2 {
		if again == 1 {
			err := to.Write(ctx, func(tx *Tx) error { return tx.run("DELETE FROM " + t.name + " WHERE " + t.own()) })
			if err != nil {
				return err
			}
		}
		if err := appendRows(ctx, from, to, t, progress); err != nil {
			return err
		}
		a, err := from.digest(ctx, t)
		if err != nil {
			return err
		}
		b, err := to.digest(ctx, t)
		if err != nil || a == b {
			return err
		}
	}
	return errChanging
}

func appendRows(ctx context.Context, from, to *Ledger, t table, progress func(int64)) error {
	order := strings.Join(t.key, ", ")
	last := make([]any, len(t.key))
	dest := make([]any, len(t.key))
	for i := range last {
		dest[i] = &last[i]
	}
	err := to.reads.QueryRowContext(ctx, "SELECT "+order+" FROM "+t.name+" WHERE "+t.own()+
		" ORDER BY "+strings.Join(t.key, " DESC, ")+" DESC LIMIT 1").Scan(dest...)
	begun := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for n := int64(0); ; {
		after, args := t.own(), []any(nil)
		if begun {
			after += " AND (" + order + ") > (" + strings.TrimSuffix(strings.Repeat("?,", len(t.key)), ",") + ")"
			args = last
		}
		var columns []string
		var batch [][]any
		err := from.rows(
			ctx,
			"SELECT * FROM "+t.name+" WHERE "+after+" ORDER BY "+order+" LIMIT ?",
			append(slices.Clip(args), copyRows),
			func(names []string, row []any) error {
				columns = names
				batch = append(batch, row)
				return nil
			},
		)
		if err != nil || len(batch) == 0 {
			return err
		}
		if err := to.Write(ctx, func(tx *Tx) error { return to.engine.insert(tx, t.name, columns, batch) }); err != nil {
			return err
		}
		for i, column := range t.key {
			for j, name := range columns {
				if name == column {
					last[i] = batch[len(batch)-1][j]
				}
			}
		}
		begun = true
		n += int64(len(batch))
		progress(n)
		if len(batch) < copyRows {
			return nil
		}
	}
}

// rows calls yield with the columns' names and each row: nil, int64, string and
// []byte, as the columns are declared in both databases.
func (l *Ledger) rows(
	ctx context.Context,
	query string,
	args []any,
	yield func(names []string, row []any) error,
) error {
	rows, err := l.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	names := make([]string, len(types))
	binary := make([]bool, len(types))
	for i, t := range types {
		names[i] = t.Name()
		binary[i] = t.DatabaseTypeName() == "BLOB" || t.DatabaseTypeName() == "BYTEA"
	}
	for rows.Next() {
		row, dest := make([]any, len(types)), make([]any, len(types))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		for i, v := range row {
			row[i] = asDeclared(v, binary[i])
		}
		if err := yield(names, row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// asDeclared returns a value in the type that its column is declared with. SQLite may
// hold text in a column of bytes, or bytes in a column of text. Characters that
// PostgreSQL cannot store in text (a rejected topic may contain any) are replaced.
func asDeclared(v any, binary bool) any {
	switch x := v.(type) {
	case string:
		if binary {
			return []byte(x)
		}
		return storable(x)
	case []byte:
		if !binary {
			return storable(string(x))
		}
	}
	return v
}

// digest returns the hash of a table's rows, in order.
func (l *Ledger) digest(ctx context.Context, t table) (sum [32]byte, err error) {
	h := sha256.New()
	err = l.rows(ctx, "SELECT * FROM "+t.name+" WHERE "+t.own()+" ORDER BY "+strings.Join(t.key, ", "), nil,
		func(names []string, row []any) error {
			var fields int64
			for i, name := range names { // their order may differ
				fields ^= fieldDigest(name, row[i])
			}
			return binary.Write(h, binary.BigEndian, fields)
		})
	return [32]byte(h.Sum(nil)), err
}

// fieldDigest returns a number for a column's name and value.
func fieldDigest(name string, v any) int64 {
	h := sha256.New()
	write(h, name)
	switch x := v.(type) {
	case nil:
		write(h, "null")
	case int64:
		write(h, "int")
		_ = binary.Write(h, binary.BigEndian, x) // a hash takes everything
	case string:
		write(h, "text")
		write(h, x)
	case []byte:
		write(h, "bytes")
		h.Write(x)
	default:
		write(h, fmt.Sprintf("%T %v", x, x))
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

func write(h hash.Hash, s string) { h.Write(append([]byte(s), 0)) }
