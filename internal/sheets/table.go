// Package sheets reads and writes what people keep in spreadsheets: tenants,
// members, badges, schedules, plans, leases, passes and events as CSV. It
// recognises separators, byte order marks, UTF-8, UTF-16 and Windows-1252,
// French and English column names, decimal commas and dates like 31/10/2026.
//
// What it reads becomes changes of package rights, all or none; it stores
// nothing itself.
package sheets

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Fault is what is wrong with a file, and where.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  string `json:"column,omitempty"` // as the file names it
	Message string `json:"message"`
}

// Error names the place.
func (f Fault) Error() string {
	place := f.File
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if f.Column != "" {
		place += ": column " + f.Column
	}
	return place + ": " + f.Message
}

// table is a CSV file as text: its header and its rows.
type table struct {
	file   string
	head   int // the header's line
	header []string
	rows   []line
}

type line struct {
	number int // in the file, from 1
	cells  []string
}

// decode makes UTF-8 of a file. Without a byte order mark it is UTF-8 where it
// is valid as such, else Windows-1252, of which Latin-1 is a part.
func decode(data []byte) (string, error) {
	var enc encoding.Encoding = charmap.Windows1252
	switch {
	case bytes.HasPrefix(data, []byte{0xef, 0xbb, 0xbf}):
		data, enc = data[3:], encoding.Nop
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case utf8.Valid(data):
		enc = encoding.Nop
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil || !utf8.Valid(text) || bytes.ContainsRune(text, 0) {
		return "", errors.New("is no text in UTF-8, UTF-16 or Windows-1252")
	}
	return string(text), nil
}

// separators are those that spreadsheets write.
const separators = ";,\t|"

// read reads a file with the separator that fits its header best: score says
// how many of a header's columns are known.
func read(file string, data []byte, score func(header []string) int) (*table, error) {
	text, err := decode(data)
	if err != nil {
		return nil, Fault{File: file, Message: err.Error()}
	}
	if !strings.Contains(text, "\n") { // lines as Macintosh ends them
		text = strings.ReplaceAll(text, "\r", "\n")
	}
	var best *table
	var bestErr error
	most := -1
	for _, sep := range separators {
		t, err := split(file, text, sep)
		if n := score(t.header); n > most {
			most, best, bestErr = n, t, err
		}
	}
	return best, bestErr
}

func split(file, text string, sep rune) (*table, error) {
	// Excel may say its separator in a first line.
	skipped := 0
	if rest, ok := strings.CutPrefix(text, "sep="+string(sep)); ok && (strings.HasPrefix(rest, "\n") || strings.HasPrefix(rest, "\r\n")) {
		text, skipped = rest[strings.IndexByte(rest, '\n')+1:], 1
	}
	t := &table{file: file}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = sep, -1
	for {
		cells, err := r.Read()
		var at *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			if t.header == nil {
				return t, Fault{File: file, Line: 1, Message: "is empty: a first line names the columns"}
			}
			return t, nil
		case errors.As(err, &at):
			return t, Fault{File: file, Line: at.Line + skipped, Message: quotes[at.Err]}
		case err != nil:
			return t, Fault{File: file, Message: err.Error()}
		}
		number, _ := r.FieldPos(0)
		number += skipped
		switch {
		case blank(cells):
		case t.header == nil:
			t.header, t.head = cells, number
		case len(cells) > len(t.header) && !blank(cells[len(t.header):]):
			return t, Fault{File: file, Line: number, Message: fmt.Sprintf("has %d cells, the first line %d", len(cells), len(t.header))}
		default:
			t.rows = append(t.rows, line{number, cells})
		}
	}
}

// quotes says what is wrong with quoted cells: what else a CSV's form can be wrong in is not asked of it.
var quotes = map[error]string{
	csv.ErrBareQuote: `a cell has a quote (") within it: put the whole cell in quotes, and double the one within`,
	csv.ErrQuote:     `a cell's quotes (") are not closed, or something stands after them`,
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
