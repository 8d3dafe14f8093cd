package api

import (
	"encoding/base64"
	"iter"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Page is one page of a list; next is null on the last.
type Page[T any] struct {
	Items []T     `json:"items" nullable:"false"`
	Next  *string `json:"next"`
	AsOf
	fr bool // the settings by which it is written as CSV
}

func (p Page[T]) rows() any    { return p.Items }
func (p Page[T]) french() bool { return p.fr }

type pageOut[T any] struct{ Body Page[T] }

type one[T any] struct{ Body T }

// Paging is what every list takes.
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

// decodeCursor returns the parts of a cursor, nil where there is none.
func (p Paging) decode(parts int) ([]string, error) {
	if p.Cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	got := strings.Split(string(b), "\x00")
	if err != nil || len(got) != parts {
		return nil, invalid("query", "cursor", "is not the next of a page of this list")
	}
	return got, nil
}

// cut returns a page of items that are sorted by id.
func cut[T any](p Paging, all iter.Seq[T], id func(T) string) (*pageOut[T], error) {
	after, err := p.decode(1)
	if err != nil {
		return nil, err
	}
	out := &pageOut[T]{Body: Page[T]{Items: []T{}}}
	for v := range all {
		if after != nil && id(v) <= after[0] {
			continue
		}
		if len(out.Body.Items) == p.Limit {
			out.Body.Next = encodeCursor(id(out.Body.Items[p.Limit-1]))
			break
		}
		out.Body.Items = append(out.Body.Items, v)
	}
	return out, nil
}

// only returns the items that keep accepts.
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

// empty answers 204.
type empty struct{}

// forbidden refuses something that everybody may know of but that belongs to
// others. What others may not even know of is [notFound], as if it were not
// there.
func forbidden(what string) huma.StatusError {
	return problem(http.StatusForbidden, what+" does not belong to this token's sites or tenant")
}
