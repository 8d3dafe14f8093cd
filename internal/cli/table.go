package cli

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table lays out rows below a heading. Columns are right-aligned, for figures;
// those whose heading begins with < are left-aligned, for text. A heading
// without words is not printed.
type table struct {
	text  []bool
	width []int
	rows  [][]string
}

func newTable(heading ...string) *table {
	t := &table{text: make([]bool, len(heading)), width: make([]int, len(heading))}
	for i, h := range heading {
		heading[i], t.text[i] = strings.CutPrefix(h, "<")
	}
	t.row(heading...)
	return t
}

// row adds a row; cells beyond the heading are left out.
func (t *table) row(cells ...string) {
	cells = cells[:min(len(cells), len(t.width))]
	for i, c := range cells {
		t.width[i] = max(t.width[i], utf8.RuneCountInString(c))
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer) error {
	var b strings.Builder
	for _, cells := range t.rows {
		var line strings.Builder
		for i, c := range cells {
			if i > 0 {
				line.WriteString("  ")
			}
			room := strings.Repeat(" ", t.width[i]-utf8.RuneCountInString(c))
			if t.text[i] {
				line.WriteString(c + room)
			} else {
				line.WriteString(room + c)
			}
		}
		if text := strings.TrimRight(line.String(), " "); text != "" {
			b.WriteString(text + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
