package sheets

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// column is one column of a kind of sheet: its names, and how it is written and
// read. An empty cell is the field's default; a column that a file does not
// have leaves the field as it is.
type column[T any] struct {
	name  string
	also  string // other names, without accents, case and punctuation, separated by spaces
	get   func(*T) string
	set   func(*reader, *T, string) error
	field string // of the record, where its name differs
}

// of returns the name of the field that a column sets.
func (c column[T]) of(field string) column[T] {
	c.field = field
	return c
}

// fits reports whether a header's cell means the column.
func (c column[T]) fits(name string) bool {
	return name != "" && (name == plain(c.name) || slices.Contains(strings.Fields(c.also), name))
}

// cells holds a row's texts by column name; columns that the file lacks are
// missing.
type cells map[string]string

// fullName joins the names of a row.
func (c cells) fullName() string {
	if c["name"] != "" {
		return c["name"]
	}
	return strings.TrimSpace(c["firstname"] + " " + c["lastname"])
}

// id returns the column of a record's own id.
func id[T any](also string, get func(*T) string) column[T] {
	return column[T]{name: "id", also: also, get: get}
}

// text returns a column of plain text.
func text[T any](name, also string, field func(*T) *string) column[T] {
	return column[T]{
		name: name,
		also: also,
		get:  func(v *T) string { return textCell(*field(v)) },
		set:  func(_ *reader, v *T, s string) error { *field(v) = s; return nil },
	}
}

// word returns a column that holds one of some words. An empty cell means the word otherwise.
func word[T any, S ~string](name, also string, words map[string]string, otherwise S, field func(*T) *S) column[T] {
	return column[T]{
		name: name,
		also: also,
		get:  func(v *T) string { return string(*field(v)) },
		set: func(_ *reader, v *T, s string) error {
			if s == "" {
				s = string(otherwise)
			}
			*field(v) = S(oneWord(s, words))
			return nil
		},
	}
}

// yes returns a column of yes or no.
func yes[T any](name, also string, field func(*T) *bool) column[T] {
	return column[T]{
		name: name,
		also: also,
		get:  func(v *T) string { return strconv.FormatBool(*field(v)) },
		set: func(_ *reader, v *T, s string) (err error) {
			if *field(v) = false; s != "" {
				*field(v), err = parseBool(s)
			}
			return err
		},
	}
}

// whole returns a column of whole numbers.
func whole[T any](name, also string, field func(*T) *int) column[T] {
	return column[T]{
		name: name,
		also: also,
		get:  func(v *T) string { return strconv.Itoa(*field(v)) },
		set: func(_ *reader, v *T, s string) (err error) {
			if *field(v) = 0; s != "" {
				*field(v), err = parseWhole(s, 1)
			}
			return err
		},
	}
}

// scaled returns a column for the quantity of the column base in a larger unit, such as euros beside cents. Where a row
// fills only one of the two, that one counts; where it fills both, they must agree.
func scaled[T any](name, also, base string, times int64, field func(*T) *int, units ...string) column[T] {
	return column[T]{name: name, also: also, field: base, set: func(r *reader, v *T, s string) error {
		if s == "" {
			if r.row[base] == "" {
				*field(v) = 0
			}
			return nil
		}
		n, err := parseWhole(s, times, units...)
		if err == nil && r.row[base] != "" && n != *field(v) {
			return fmt.Errorf("differs from %s", base)
		}
		*field(v) = n
		return err
	}}
}

// ids returns a column of a list; find resolves what people write, nil where
// that is ids.
func ids[T any, S ~string](
	name, also string,
	field func(*T) *[]S,
	find func(*reader, string) (string, error),
) column[T] {
	return column[T]{
		name: name,
		also: also,
		get:  func(v *T) string { return writeList(*field(v)) },
		set: func(r *reader, v *T, s string) (err error) {
			*field(v), err = listed[S](r, s, find)
			return err
		},
	}
}

// listed parses a list of names or ids. Commas, semicolons or bars separate them; where there are none of these, spaces
// do, unless the whole text is one name.
func listed[S ~string](r *reader, s string, find func(*reader, string) (string, error)) ([]S, error) {
	list := []S{}
	if find == nil {
		return parseList[S](s), nil
	}
	words := []string{s}
	if strings.ContainsAny(s, ",;|") {
		words = strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(",;|", c) })
	} else if whole, err := find(r, s); err == nil && whole == s { // nobody has that name
		words = strings.FieldsFunc(s, unicode.IsSpace)
	}
	for _, w := range words {
		if w = strings.TrimSpace(w); w == "" || w == none {
			continue
		}
		id, err := find(r, w)
		if err != nil {
			return nil, err
		}
		list = append(list, S(id))
	}
	return list, nil
}

// instant returns a column of an instant that may be missing; read parses
// dates.
func instant[T any](
	name, also string,
	read func(string, *catalogue.Zone) (time.Time, error),
	field func(*T) **time.Time,
) column[T] {
	return column[T]{name: name, also: also, get: func(v *T) string {
		if *field(v) == nil {
			return ""
		}
		return wire.FormatTime(**field(v))
	}, set: func(r *reader, v *T, s string) error {
		if *field(v) = nil; s == "" {
			return nil
		}
		t, err := read(s, r.network.Zone)
		*field(v) = &t
		return err
	}}
}

// moment returns a column of an instant.
func moment[T any](
	name, also string,
	read func(string, *catalogue.Zone) (time.Time, error),
	field func(*T) *time.Time,
) column[T] {
	c := instant(name, also, read, func(v *T) **time.Time { t := field(v); return &t })
	c.set = func(r *reader, v *T, s string) (err error) {
		*field(v), err = read(s, r.network.Zone)
		return err
	}
	return c
}

// refer returns a column that names another record, by its id or by what people
// call it.
func refer[T any, S ~string](
	name, also string,
	field func(*T) *S,
	find func(*reader, string) (string, error),
) column[T] {
	return column[T]{
		name: name,
		also: also,
		get:  func(v *T) string { return string(*field(v)) },
		set: func(r *reader, v *T, s string) error {
			id, err := find(r, s)
			*field(v) = S(id)
			return err
		},
	}
}

// ownSite returns a column of the site that plans and schedules belong to;
// empty: the network's.
func ownSite[T any](field func(*T) **catalogue.SiteID) column[T] {
	return column[T]{name: "own_site", also: "sitepropre", field: "site", get: func(v *T) string {
		if *field(v) == nil {
			return ""
		}
		return string(**field(v))
	}, set: func(r *reader, v *T, s string) error {
		if *field(v) = nil; s == "" {
			return nil
		}
		id, err := r.site(s)
		site := catalogue.SiteID(id)
		*field(v) = &site
		return err
	}}
}

// hash returns a column of a hash as an export writes it; an empty cell leaves
// the hash as it is.
func hash[T any](name string, field func(*T) *tenancy.CredentialHash) column[T] {
	return column[T]{
		name: name,
		get:  func(v *T) string { return textCell(writeHash(*field(v))) },
		set: func(_ *reader, v *T, s string) (err error) {
			if s != "" {
				*field(v), err = parseHash(s)
			}
			return err
		},
	}
}

// claims returns the column of what a signed pass says; an empty cell leaves it
// as it is.
func claims() column[tenancy.Pass] {
	return column[tenancy.Pass]{
		name: "claims",
		get:  func(v *tenancy.Pass) string { return textCell(base64.RawURLEncoding.EncodeToString(v.Claims)) },
		set: func(_ *reader, v *tenancy.Pass, s string) error {
			if s == "" {
				return nil
			}
			b, err := base64.RawURLEncoding.DecodeString(s)
			if err == nil {
				_, err = wire.ParsePass(b)
			}
			if err != nil {
				return errors.New("is not what an export writes of a signed pass")
			}
			v.Claims = b
			return nil
		},
	}
}

// keyed returns the column that identifies the keys of an export's hashes.
func keyed[T any]() column[T] {
	return column[T]{name: "keys", set: func(r *reader, _ *T, s string) error {
		if s != "" && s != r.fingerprint() {
			return errors.New("these hashes come from another installation: copy its keys.json first, or give UIDs")
		}
		return nil
	}}
}

// beside returns a column that only other columns of its row read.
func beside[T any](name, also string) column[T] {
	return column[T]{name: name, also: also, set: func(*reader, *T, string) error { return nil }}
}
