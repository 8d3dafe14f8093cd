// Package yamldoc reads YAML files that operators write, and reports every fault with its line and field:
//
//	d := yamldoc.New("lorntech.yaml")
//	root := d.Root(text, "a catalogue", []string{"network", "sites"})
//	name := root.Text("network")
//	err := yamldoc.Report("lorntech.yaml", d.Faults) // "lorntech.yaml:4: sites[0].id: is missing"
//
// All faults of a file are reported at once. It reads mappings field by field, and
// knows nothing of what they mean.
package yamldoc

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile limits the size of a file, in bytes: 250 times LORnTECH's catalogue.
const maxFile = 16 << 20

// Document is a YAML file being read. It collects all faults, so that the
// operator sees them at once.
type Document struct {
	// MayBeEmpty accepts a file without content.
	MayBeEmpty bool
	// Faults holds the faults found so far.
	Faults  []*Error
	file    string
	anchors map[string]ast.Node
}

// New returns an empty document; file is its name in errors.
func New(file string) *Document {
	return &Document{file: file, anchors: map[string]ast.Node{}}
}

// Fail records a fault.
func (d *Document) Fail(line int, field, format string, args ...any) {
	d.Faults = append(d.Faults, &Error{File: d.file, Line: max(line, 1), Field: field, Msg: fmt.Sprintf(format, args...)})
}

// Root parses the text and returns its only mapping; nil after a fault.
func (d *Document) Root(data []byte, what string, known []string) *Object {
	if len(data) > maxFile {
		d.Fail(1, "syntax", "the file is larger than %d bytes", maxFile)
		return nil
	}
	// With Windows' line ends the library counts lines wrongly after comments.
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	if line, ok := invalidText(text); !ok {
		d.Fail(line, "syntax", "the text is not valid UTF-8")
		return nil
	}
	if line := tooDeep(text); line > 0 {
		d.Fail(line, "syntax", "lists or mappings are nested more than %d deep", deepestYAML)
		return nil
	}
	file, line, err := parseYAML(text)
	switch {
	case err != nil:
		d.Fail(line, "syntax", "%s", err)
	case len(file.Docs) > 1:
		d.Fail(LineOf(file.Docs[1].Body, 1), "syntax", "the file must contain only one document")
	case isEmpty(file) && d.MayBeEmpty:
		return &Object{Doc: d, Line: 1, fields: map[string]field{}}
	case isEmpty(file):
		d.Fail(1, "syntax", "the file is empty")
	default:
		ast.Walk(d, file.Docs[0].Body)
		return d.Object(file.Docs[0].Body, "", what, known)
	}
	return nil
}

// Visit notes the anchors; it is ast.Visitor's method.
func (d *Document) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		d.anchors[a.Name.String()] = a.Value
	}
	return d
}

func invalidText(s string) (line int, ok bool) {
	if utf8.ValidString(s) {
		return 0, true
	}
	line = 1
	for i, r := range s {
		if r == '\n' {
			line++
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				break
			}
		}
	}
	return line, false
}

// parseYAML returns the line and the first words of a syntax error. The library
// may panic on broken text; that is treated as a syntax error like any other.
func parseYAML(text string) (file *ast.File, line int, err error) {
	defer func() {
		if r := recover(); r != nil {
			file, line, err = nil, 1, errors.New("the YAML cannot be read")
		}
	}()
	file, err = parser.ParseBytes([]byte(text), 0)
	if located, ok := errors.AsType[yaml.Error](err); ok {
		if tk := located.GetToken(); tk != nil && tk.Position != nil {
			line = tk.Position.Line
		}
		return nil, line, errors.New(oneLine(located.GetMessage()))
	}
	return file, 1, err
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "\t", `\t`)), " ")
}

func isEmpty(file *ast.File) bool {
	return len(file.Docs) == 0 || file.Docs[0].Body == nil || isNull(file.Docs[0].Body)
}

func isNull(n ast.Node) bool {
	if n == nil {
		return true
	}
	_, ok := n.(*ast.NullNode)
	return ok
}

// LineOf returns where a node begins.
func LineOf(n ast.Node, otherwise int) int {
	if n == nil {
		return otherwise
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil && tk.Position.Line > 0 {
		return tk.Position.Line
	}
	return otherwise
}

// resolve follows anchors and aliases; nil after a fault.
func (d *Document) resolve(n ast.Node, field string) ast.Node {
	const hops = 8 // an alias may refer to an alias, but not without end
	for range hops {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.AliasNode:
			target, ok := d.anchors[v.Value.String()]
			if !ok {
				d.Fail(LineOf(v, 1), field, "no anchor &%s", oneLine(v.Value.String()))
				return nil
			}
			n = target
		case *ast.TagNode:
			d.Fail(LineOf(v, 1), field, "tags like !!str are not supported")
			return nil
		default:
			return n
		}
	}
	d.Fail(LineOf(n, 1), field, "an alias refers to itself")
	return nil
}
