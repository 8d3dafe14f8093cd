package cli

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// table lays out rows below a heading. Columns are right-aligned, for figures;
// those whose heading begins with < are left-aligned, for text. A heading
// without words is not printed. In a terminal that is too narrow for it, each
// row is printed as a block of lines, one for each column.
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

// columns returns the width of the terminal that w writes to, in characters; 0:
// it is a file or a pipe, which has no width.
func columns(w io.Writer) int {
	switch w := w.(type) {
	case interface{ Columns() int }:
		return w.Columns()
	case interface{ Fd() uintptr }: // a terminal, or what prints to one
		if n, _, err := term.GetSize(int(w.Fd())); err == nil {
			return n
		}
	}
	return 0
}

func (t *table) write(w io.Writer) error {
	total := -2
	for _, n := range t.width {
		total += n + 2
	}
	var b strings.Builder
	named := strings.Join(t.rows[0], "") != ""
	if room := columns(w); named && room > 0 && room < total {
		t.blocks(&b)
	} else {
		t.lines(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) lines(b *strings.Builder) {
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
}

// blocks writes each row's first cell that has text as a title, and the others
// below it, each after its column's heading; a cell without a heading continues
// the line before.
func (t *table) blocks(b *strings.Builder) {
	heading, names := t.rows[0], 0
	for _, h := range heading {
		names = max(names, utf8.RuneCountInString(h))
	}
	for _, cells := range t.rows[1:] {
		var lines []string
		for i, c := range cells {
			switch c = strings.TrimSpace(c); {
			case c == "":
			case len(lines) == 0:
				lines = append(lines, c)
			case heading[i] == "":
				lines[len(lines)-1] += "  " + c
			default:
				room := strings.Repeat(" ", names-utf8.RuneCountInString(heading[i]))
				lines = append(lines, "  "+heading[i]+room+"  "+c)
			}
		}
		b.WriteString(strings.Join(lines, "\n") + "\n")
	}
}
