package sheets

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Warning is a probable mistake, and its place: the row is read all the same,
// but committed only where the warnings are accepted.
type Warning struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column string `json:"column"` // as the file names it
	Value  string `json:"value"`
	Text   string `json:"text"`
}

// String describes it on one line.
func (w Warning) String() string {
	return Fault{w.File, w.Line, w.Column, fmt.Sprintf("%q %s", w.Value, w.Text)}.Error()
}

func (r *reader) warn(t *table, line int, column, value, text string) {
	r.report.Warnings = append(r.report.Warnings, Warning{t.file, line, strings.TrimSpace(column), value, text})
}

// money are words in the name of a column of amounts.
var money = regexp.MustCompile(
	`(?i)loyer|prix|tarif|montant|redevance|charges|caution|facture|tva|ttc|\bht\b|euro|€|rent\b|price|amount|rate\b|vat|cost|cents`,
)

// headerSlips warns of columns of amounts that are not read, of lines above the header, and of letters that were
// probably decoded wrongly.
func (r *reader) headerSlips(t *table, l *layout) {
	filled := func(i int) bool {
		return slices.ContainsFunc(t.rows,
			func(row line) bool { return i < len(row.cells) && strings.TrimSpace(row.cells[i]) != "" },
		)
	}
	for i, h := range t.header {
		if h = strings.TrimSpace(h); l.at[i] < 0 && money.MatchString(h) && filled(i) {
			r.warn(t, t.head, h, h, "seems to be an amount, but is not a known column: the rows are read without it")
		}
	}
	for _, skipped := range t.above {
		r.warn(t,
			skipped.number,
			"",
			strings.TrimSpace(strings.Join(skipped.cells, " ")),
			fmt.Sprintf("is above line %d, which was taken for the header: it is not read", t.head),
		)
	}
	if t.strange != "" {
		r.warn(t, t.head, "", t.strange, "contains letters that look wrong: the encoding is unknown, save the file as UTF-8")
	}
}

// badgeSlips warns of a column of UIDs in which no cell contains a letter: among hexadecimal numbers some would, so
// that these are probably decimal numbers, dates or telephone numbers.
func (r *reader) badgeSlips(t *table, column, decimal int) {
	var rows []line
	for _, row := range t.rows {
		if decimal >= 0 && decimal < len(row.cells) && strings.TrimSpace(row.cells[decimal]) != "" {
			continue // both spellings must agree
		}
		if column < len(row.cells) && pairs.MatchString(strings.TrimSpace(row.cells[column])) {
			return // nothing else is written like that
		}
		if column >= len(row.cells) || strings.TrimSpace(row.cells[column]) == "" {
			continue
		}
		if strings.ContainsFunc(row.cells[column], unicode.IsLetter) {
			return
		}
		rows = append(rows, row)
	}
	for _, row := range rows {
		r.warn(
			t,
			row.number,
			t.header[column],
			strings.TrimSpace(row.cells[column]),
			"is read as hex, but no badge of the column contains a letter: decimal numbers belong in a column decimalId; dates and telephone numbers are not badges",
		)
	}
}

// pairs matches a UID in hex with colons, as readers show it: 04:A1:B2:C3.
var pairs = regexp.MustCompile(`^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){3,}$`)

var rounded = regexp.MustCompile(`^\d{15}0*$`)

// roundedBadge reports whether a spreadsheet, which keeps 15 digits, has
// rounded a number.
func roundedBadge(cell string) bool {
	digits := strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || strings.ContainsRune(",.'", c) {
			return -1
		}
		return c
	}, strings.TrimPrefix(cell, "dec:"))
	return rounded.MatchString(digits) && (len(digits) > 15 || strings.HasSuffix(digits, "00"))
}

// dates are the columns of days and instants.
var dates = []string{"starts_on", "ends_on", "valid_from", "valid_to", "starts_at", "ends_at"}

var yearIn = regexp.MustCompile(`(?:^|\D)(\d{4})(?:\D|$)`)

// cellSlips checks one cell that was read.
func (r *reader) cellSlips(t *table, row line, kind, column, called, cell string) {
	switch {
	case cell == "":
	case kind == "plans" && column == "vat_pct":
		if n, err := parseNumber(cell, "%"); err == nil && n.Sign() > 0 && n.Num().Cmp(n.Denom()) < 0 {
			r.warn(t,
				row.number,
				called,
				cell,
				"is a VAT of less than 1 %: did a fraction lose its percent sign? 20 % is written 20",
			)
		}
	case kind == "badges" && (column == "uid" || column == "decimal") && roundedBadge(cell):
		r.warn(t,
			row.number,
			called,
			cell,
			"ends in zeros after fifteen digits, which is all that spreadsheets keep: the badge's number is lost",
		)
	case slices.Contains(dates, column):
		if m := yearIn.FindStringSubmatch(cell); m != nil && (m[1] < "1990" || m[1] > "2100") {
			r.warn(t, row.number, called, cell, "lies before 1990 or after 2100")
		}
	}
}

// turned returns a form that a name and the same name with its parts swapped
// have in common.
func turned(name string) string {
	var words []string
	for w := range strings.FieldsSeq(name) {
		if p := plain(w); p != "" {
			words = append(words, p)
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// recordSlips checks a record that a row has created or changed.
func (r *reader) recordSlips(t *table, row line, l *layout, v any, there bool) {
	switch v := v.(type) {
	case tenancy.Member:
		if there {
			return
		}
		for _, id := range r.byWords[wordsOf{v.Tenant, turned(v.Name)}] {
			if m, ok := r.book.Member(id); ok && id != v.ID && m.Tenant == v.Tenant && plain(m.Name) != plain(v.Name) &&
				turned(m.Name) == turned(v.Name) {
				r.warn(t,
					row.number,
					l.name("name"),
					v.Name,
					fmt.Sprintf("is the name of member %s with first and last name swapped", id),
				)
				return
			}
		}
	case tenancy.Lease:
		for _, id := range v.Spaces {
			if sp := r.network.Space(id); sp == nil || !sp.Kind.Office() {
				continue
			}
			for _, lease := range slices.Sorted(slices.Values(r.bySpace[id])) {
				other, ok := r.book.Lease(lease)
				if ok && lease != v.ID && other.Tenant != v.Tenant && overlap(&other, &v) && slices.Contains(other.Spaces, id) {
					r.warn(t,
						row.number,
						l.name("spaces"),
						string(id),
						fmt.Sprintf("is let to %s on the same days by lease %s", other.Tenant, other.ID),
					)
				}
			}
		}
	}
}

func overlap(a, b *tenancy.Lease) bool {
	ends := func(l *tenancy.Lease) catalogue.Day {
		if l.EndsOn == nil {
			return 1 << 30
		}
		return *l.EndsOn
	}
	return a.StartsOn <= ends(b) && b.StartsOn <= ends(a)
}

// wordsOf is the key by which members whose names have the same words are found: their tenant, and the words in a
// fixed order.
type wordsOf struct {
	tenant tenancy.TenantID
	words  string
}
