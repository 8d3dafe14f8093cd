// Package sheets reads and writes spreadsheets: tenants, members, badges,
// schedules, plans, leases, passes and events as CSV. It recognises separators,
// byte order marks, UTF-8, UTF-16 and Windows-1252, French and English column
// names, decimal commas and dates like 31/10/2026.
//
// Import puts what it reads into a draft of package rights, of which everything
// or nothing is committed; the package stores nothing itself.
package sheets

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// Fault is a fault in a file, and its place.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  string `json:"column,omitempty"` // as the file names it
	Message string `json:"message"`
}

// Error writes file, line and column of the fault, and its message.
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
	above  []line // lines above the header that are not titles
	// strange is a word with letters that may have been decoded wrongly.
	strange string
}

type line struct {
	number int // line in the file, from 1
	cells  []string
}

// decode converts a file to UTF-8. Without a byte order mark it is UTF-8 where
// that is valid, else one of eight bits; strange is a word that does not look
// right in it.
func decode(data []byte) (decoded, strange string, err error) {
	var enc encoding.Encoding
	switch {
	case bytes.HasPrefix(data, []byte{0xef, 0xbb, 0xbf}):
		data, enc = data[3:], encoding.Nop
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case utf8.Valid(data):
		enc = encoding.Nop
	}
	if enc == nil {
		decoded, strange = eightBits(data)
	} else {
		var text []byte
		text, err = enc.NewDecoder().Bytes(data)
		decoded = string(text)
	}
	if err != nil || !utf8.ValidString(decoded) || strings.ContainsRune(decoded, 0) {
		return "", "", errors.New("is not a text in UTF-8, UTF-16, Windows-1252, Mac Roman or code page 850")
	}
	return decoded, strange, nil
}

// separators are those that spreadsheets write.
const separators = ";,\t|"

// read parses a file with the separator that fits its header best: score
// returns how many of a header's columns are known.
func read(file string, data []byte, score func(header []string) int) (*table, error) {
	text, strange, err := decode(data)
	if err != nil {
		return nil, Fault{File: file, Message: err.Error()}
	}
	if !strings.Contains(text, "\n") { // line ends of a Macintosh
		text = strings.ReplaceAll(text, "\r", "\n")
	}
	var best *table
	var bestErr error
	most := -1
	for _, sep := range separators {
		t, err := split(file, text, sep, score)
		t.strange = strange
		if n := score(t.header); n > most {
			most, best, bestErr = n, t, err
		}
	}
	return best, bestErr
}

// headWithin is how many lines are searched for a header: titles may be above
// it.
const headWithin = 20

// headOf returns the record with the most known columns, the first of several.
func headOf(records []line, score func([]string) int) int {
	head, most := 0, 0
	for i, r := range records[:min(len(records), headWithin)] {
		if n := score(r.cells); n > most {
			head, most = i, n
		}
	}
	return head
}

func split(file, text string, sep rune, score func([]string) int) (*table, error) {
	// Excel may name its separator in a first line.
	skipped := 0
	if first, rest, ok := strings.Cut(text, "\n"); ok &&
		strings.EqualFold(strings.Trim(first, "\r\""), "sep="+string(sep)) {
		text, skipped = rest, 1
	}
	t := &table{file: file}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = sep, -1
	var records []line
	for {
		cells, err := r.Read()
		var at *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return t, t.take(records, score)
		case errors.As(err, &at):
			_ = t.take(records, score) // the read records show how the file is separated
			return t, Fault{File: file, Line: at.Line + skipped, Message: quotes[at.Err]}
		case err != nil:
			return t, Fault{File: file, Message: err.Error()}
		}
		if number, _ := r.FieldPos(0); !blank(cells) {
			records = append(records, line{number + skipped, cells})
		}
	}
}

// take makes a table of records: a header, and the rows below it.
func (t *table) take(records []line, score func([]string) int) error {
	if len(records) == 0 {
		return Fault{File: t.file, Line: 1, Message: "is empty: the first line must name the columns"}
	}
	head := headOf(records, score)
	t.header, t.head = records[head].cells, records[head].number
	for _, r := range records[:head] {
		if full := slices.DeleteFunc(
			slices.Clone(r.cells),
			func(c string) bool { return strings.TrimSpace(c) == "" },
		); len(full) > 1 {
			t.above = append(t.above, line{r.number, full})
		}
	}
	for _, r := range records[head+1:] {
		if len(r.cells) > len(t.header) && !blank(r.cells[len(t.header):]) {
			return Fault{
				File:    t.file,
				Line:    r.number,
				Message: fmt.Sprintf("has %d cells, but the header has %d", len(r.cells), len(t.header)),
			}
		}
		t.rows = append(t.rows, r)
	}
	return nil
}

// quotes explains an error about quoted cells; other errors in a CSV's form
// cannot occur.
var quotes = map[error]string{
	csv.ErrBareQuote: `a cell has a quote (") within it: put the whole cell in quotes, and double the one within`,
	csv.ErrQuote:     `a cell's quotes (") are not closed, or are followed by something`,
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
