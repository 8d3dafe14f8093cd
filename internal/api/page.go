package api

import (
	"encoding/base64"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Page is one page of a list; next is null on the last.
type Page[T any] struct {
	Items []T     `json:"items" nullable:"false"`
	Next  *string `json:"next"`
	AsOf
	fr bool // whether its CSV is in the French form
}

func (p Page[T]) rows() any    { return p.Items }
func (p Page[T]) french() bool { return p.fr }

type pageOut[T any] struct{ Body Page[T] }

type one[T any] struct{ Body T }

// Paging holds the parameters limit and cursor, which every list takes.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many items at the most."`
	Cursor string `query:"cursor" doc:"The value of next on the page before."`
}

// Tabular are the parameters of a list that is also written as CSV.
type Tabular struct {
	Paging
	Locale string `query:"locale" enum:"en,fr" doc:"Of the CSV, en by default: fr has semicolons, decimal commas and a byte order mark, as French spreadsheets open it."`
	Accept string `header:"Accept" hidden:"true"`
}

func encodeCursor(parts ...string) *string {
	c := base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
	return &c
}

// decode returns the parts of a cursor, nil where there is none.
func (p Paging) decode(parts int) ([]string, error) {
	if p.Cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	got := strings.Split(string(b), "\x00")
	if err != nil || len(got) != parts {
		return nil, p.wrongCursor()
	}
	return got, nil
}

// There is one way to make a page, pageOf, and three kinds of lists:
//   - rows that were fetched from the ledger after the cursor, one more than the
//     limit (pageOf itself);
//   - items that are sorted by an id, which is the cursor (pageByID);
//   - a list that is computed as a whole, whose cursor is a number (pageOfAll).

// pageOf returns a page of rows that were fetched: one row more than the limit
// means that there are more. Limit 0 means all.
func pageOf[A, B any](limit int, fetched []A, show func(A) B, cursor func(A) []string) *pageOut[B] {
	out := &pageOut[B]{Body: Page[B]{Items: []B{}}}
	if limit > 0 && len(fetched) > limit {
		fetched = fetched[:limit]
		out.Body.Next = encodeCursor(cursor(fetched[limit-1])...)
	}
	for _, v := range fetched {
		out.Body.Items = append(out.Body.Items, show(v))
	}
	return out
}

// pageByID returns a page of items that are sorted by id.
func pageByID[T any](p Paging, all iter.Seq[T], id func(T) string) (*pageOut[T], error) {
	after, err := p.decode(1)
	if err != nil {
		return nil, err
	}
	var rows []T
	for v := range all {
		if after != nil && id(v) <= after[0] {
			continue
		}
		if rows = append(rows, v); len(rows) > p.Limit {
			break
		}
	}
	return pageOf(p.Limit, rows, func(v T) T { return v }, func(v T) []string { return []string{id(v)} }), nil
}

// pageOfAll returns a page of a list that is computed as a whole; where CSV is asked for, it returns the whole list.
func pageOfAll[A, B any](p Tabular, all []A, show func(A) B) (*pageOut[B], error) {
	if wantsCSV(p.Accept) {
		out := pageOf(0, all, show, nil)
		out.Body.fr = p.Locale == "fr"
		return out, nil
	}
	from, err := p.number()
	if err != nil {
		return nil, err
	}
	if from < 0 || from > int64(len(all)) {
		return nil, p.wrongCursor()
	}
	next := strconv.FormatInt(from+int64(p.Limit), 10)
	return pageOf(p.Limit, all[from:], show, func(A) []string { return []string{next} }), nil
}

// pageOfAllAsOf is pageOfAll for an answer that may be incomplete (as_of).
func pageOfAllAsOf[A, B any](asOf AsOf, p Tabular, all []A, show func(A) B) (*pageOut[B], error) {
	out, err := pageOfAll(p, all, show)
	if err == nil {
		out.Body.AsOf = asOf
	}
	return out, err
}

// number returns the number in a cursor; 0 where there is none.
func (p Paging) number() (int64, error) {
	parts, err := p.decode(1)
	if err != nil || parts == nil {
		return 0, err
	}
	n, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return 0, p.wrongCursor()
	}
	return n, nil
}

func (p Paging) wrongCursor() error {
	return invalid("query", "cursor", "is not a value of next that this list has answered")
}

// only returns the items for which fits is true.
func only[T any](all iter.Seq[T], fits func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range all {
			if fits(v) && !yield(v) {
				return
			}
		}
	}
}

func operationID(method, path string) string {
	words := strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '{' || r == '}' || r == '-' })
	return strings.ToLower(method) + "-" + strings.Join(words[1:], "-")
}

// empty is the answer of operations that answer 204: no body.
type empty struct{}

// forbidden returns the error for something that the caller may know of but that belongs to others. For what the caller
// may not even know of, use [notFound].
func forbidden(what string) huma.StatusError {
	return problem(http.StatusForbidden, what+" does not belong to this token's sites or tenant")
}
