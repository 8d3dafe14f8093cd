package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"
)

// where is a query with a WHERE clause, which is built from conditions that must all hold.
type where struct {
	query string
	conds []string
	args  []any
}

func (w *where) and(cond string, args ...any) {
	w.conds, w.args = append(w.conds, cond), append(w.args, args...)
}

func (w *where) in(column string, values []string) {
	if len(values) == 0 {
		w.and("1 = 0")
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	w.and(column+" IN ("+strings.TrimSuffix(strings.Repeat("?,", len(values)), ",")+")", args...)
}

// prefixes keeps rows whose column begins with one of the prefixes; nil keeps
// all.
func (w *where) prefixes(column string, prefixes []string) {
	if prefixes == nil {
		return
	}
	var or []string
	var args []any
	for _, p := range prefixes {
		or, args = append(or, "substr("+column+", 1, ?) = ?"), append(args, len(p), p)
	}
	w.and("("+strings.Join(append(or, "1 = 0"), " OR ")+")", args...)
}

// between keeps [from, to); a zero bound means none.
func (w *where) between(column string, from, to time.Time) {
	if !from.IsZero() {
		w.and(column+" >= ?", ms(from))
	}
	if !to.IsZero() {
		w.and(column+" < ?", ms(to))
	}
}

func (w *where) sql() string {
	if len(w.conds) == 0 {
		return w.query
	}
	return w.query + " WHERE " + strings.Join(w.conds, " AND ")
}

func strs[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// each scans all rows of a query.
func each(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// list returns the rows of a query, each as scan reads it; what says in an
// error what was being done.
func list[T any](
	ctx context.Context,
	db queries,
	what string,
	scan func(*sql.Rows) (T, error),
	query string,
	args ...any,
) (all []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	err = each(rows, err, func(rows *sql.Rows) error {
		v, err := scan(rows)
		all = append(all, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return all, nil
}

// limit returns the LIMIT of a query for at most n rows; 0: all.
func limit(n int) int64 {
	if n == 0 {
		return math.MaxInt64
	}
	return int64(n)
}
