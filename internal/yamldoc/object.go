package yamldoc

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// Object is a mapping of the file whose fields are read by name. A field that
// is missing or of the wrong kind is a fault of the document, and the zero
// value is returned.
type Object struct {
	Doc    *Document // to which faults are reported
	Path   string    // "spaces[3]"; empty: the file
	Line   int       // in which it begins
	fields map[string]field
}

type field struct {
	line   int
	node   ast.Node // nil: null
	broken bool     // reported already
}

// Object reads a mapping; it returns nil after a fault. what names the mapping in errors
// ("a space"); known lists the fields that it may have, or is nil if any are allowed.
func (d *Document) Object(n ast.Node, path, what string, known []string) *Object {
	at := path
	if at == "" {
		at = "syntax"
	}
	n = d.resolve(n, at)
	var pairs []*ast.MappingValueNode
	switch v := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		pairs = v.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{v}
	default:
		d.Fail(LineOf(n, 1), at, "is not a mapping; %s has %s", what, strings.Join(known, " "))
		return nil
	}
	o := &Object{Doc: d, Path: path, Line: LineOf(n, 1), fields: map[string]field{}}
	for _, p := range pairs {
		o.add(p, what, known)
	}
	return o
}

func (o *Object) add(p *ast.MappingValueNode, what string, known []string) {
	name, line := keyText(p.Key), LineOf(p.Key, o.Line)
	if known != nil && !slices.Contains(known, name) {
		hint := Suggestion(name, known)
		if hint == "" {
			hint = "; " + what + " has " + strings.Join(known, " ")
		}
		o.Doc.Fail(line, o.At(name), "unknown field%s", hint)
		return
	}
	f := field{line: line}
	switch v := o.Doc.resolve(p.Value, o.At(name)); {
	case v == nil:
		f.broken = true
	case !isNull(v):
		f.node, f.line = v, LineOf(v, line)
	}
	o.fields[name] = f
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return printable(s.Value)
	}
	return printable(oneLine(k.String()))
}

// printable keeps a message on one line, whatever the file contains.
func printable(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) || s == "" {
		return strconv.Quote(s)
	}
	return s
}

// At returns the path of a field of the object.
func (o *Object) At(name string) string {
	if o.Path == "" {
		return name
	}
	return o.Path + "." + name
}

// LineOf returns the line of a field's value, or of the object if there is
// none.
func (o *Object) LineOf(name string) int {
	if f, ok := o.fields[name]; ok {
		return f.line
	}
	return o.Line
}

// Fail reports a fault of the object's field.
func (o *Object) Fail(name, format string, args ...any) {
	o.Doc.Fail(o.LineOf(name), o.At(name), format, args...)
}

// Has reports whether the field is there and not null.
func (o *Object) Has(name string) bool { return o.fields[name].node != nil }

// Drop forgets a field that turned out to be wrong, so that it is not checked again.
func (o *Object) Drop(name string) { delete(o.fields, name) }

// Names returns the names of the fields, sorted.
func (o *Object) Names() []string { return slices.Sorted(maps.Keys(o.fields)) }

// Require reports whether the field is there, and records a fault where it is
// not.
func (o *Object) Require(name string) bool {
	if o.Has(name) {
		return true
	}
	if !o.fields[name].broken {
		o.Fail(name, "is missing")
	}
	return false
}

// Text reads a text that must be there; "" after a fault.
func (o *Object) Text(name string) string {
	if !o.Require(name) {
		return ""
	}
	return o.Optional(name)
}

// Mapping reads a mapping of this one; an empty one where it is missing. what is
// "an issuer", known are its fields; nil: any.
func (o *Object) Mapping(name, what string, known []string) *Object {
	if o.Has(name) {
		if m := o.Doc.Object(o.fields[name].node, o.At(name), what, known); m != nil {
			return m
		}
	}
	return &Object{Doc: o.Doc, Path: o.At(name), Line: o.LineOf(name), fields: map[string]field{}}
}

// Number reads a number that may be missing: nil.
func (o *Object) Number(name string) *float64 {
	if !o.Has(name) {
		return nil
	}
	v, ok := number(o.fields[name].node)
	if !ok {
		o.Fail(name, "is not a number")
		return nil
	}
	return &v
}

func number(n ast.Node) (v float64, ok bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		v, _ = strconv.ParseFloat(fmt.Sprint(n.Value), 64)
		return v, true
	case *ast.FloatNode:
		return n.Value, true
	}
	return 0, false
}

// TextList reads a list of texts; missing and null are empty.
func (o *Object) TextList(name string) (texts []string) {
	for _, n := range o.List(name) {
		s, ok := ScalarText(o.Doc.resolve(n, o.At(name)))
		if !ok {
			o.Doc.Fail(LineOf(n, o.Line), o.At(name), "is not a list of texts")
			return nil
		}
		texts = append(texts, s)
	}
	return texts
}

// Optional reads a text that may be missing. A number is taken as written: room
// 101 is called "101".
func (o *Object) Optional(name string) string {
	s := o.Block(name)
	if strings.ContainsFunc(s, unicode.IsControl) {
		o.Fail(name, "contains a line break or another control character")
		return ""
	}
	return s
}

// Block reads a text that may be missing and may have several lines.
func (o *Object) Block(name string) string {
	if !o.Has(name) {
		return ""
	}
	s, ok := ScalarText(o.fields[name].node)
	if !ok {
		o.Fail(name, "is not a text")
		return ""
	}
	if strings.TrimSpace(s) == "" {
		o.Fail(name, "is empty")
		return ""
	}
	return s
}

// ScalarText returns a text or a number as it is written; ok is false for anything
// else.
func ScalarText(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode:
		return v.Token.Value, true
	case *ast.FloatNode:
		return v.Token.Value, true
	}
	return "", false
}

// Whole reads a whole number in [least, most]; what is missing is a fault.
func (o *Object) Whole(name string, least, most int) int {
	if !o.Require(name) {
		return 0
	}
	return o.WholeOr(name, least, most, 0)
}

// WholeOr reads a whole number in [least, most] that may be missing.
func (o *Object) WholeOr(name string, least, most, missing int) int {
	if !o.Has(name) {
		return missing
	}
	i, ok := o.fields[name].node.(*ast.IntegerNode)
	var v int64
	if ok {
		switch n := i.Value.(type) {
		case int64:
			v = n
		case uint64:
			v = int64(min(n, uint64(most)+1))
		}
	}
	switch {
	case !ok:
		o.Fail(name, "is not a whole number")
	case v < int64(least):
		o.Fail(name, "is less than %d", least)
	case v > int64(most):
		o.Fail(name, "is more than %d", most)
	default:
		return int(v)
	}
	return missing
}

// Positive reads a required number greater than 0 and not above most.
func (o *Object) Positive(name string, most float64) float64 {
	if !o.Require(name) {
		return 0
	}
	v, ok := number(o.fields[name].node)
	if !ok {
		o.Fail(name, "is not a number")
		return 0
	}
	switch {
	case v <= 0:
		o.Fail(name, "must be more than 0")
	case v > most:
		o.Fail(name, "is more than %.0f", most)
	default:
		return v
	}
	return 0
}

// Flag reads true or false; what is missing is false.
func (o *Object) Flag(name string) bool {
	if !o.Has(name) {
		return false
	}
	b, ok := o.fields[name].node.(*ast.BoolNode)
	if !ok {
		o.Fail(name, "must be true or false")
		return false
	}
	return b.Value
}

// List reads a list; missing and null are empty (rules 13.2).
func (o *Object) List(name string) []ast.Node {
	if !o.Has(name) {
		return nil
	}
	s, ok := o.fields[name].node.(*ast.SequenceNode)
	if !ok {
		o.Fail(name, "is not a list")
		return nil
	}
	return s.Values
}

// Texts reads a mapping of texts with any names.
func (o *Object) Texts(name string) map[string]string {
	if !o.Has(name) {
		return nil
	}
	m, ok := o.fields[name].node.(*ast.MappingNode)
	if !ok {
		o.Fail(name, "is not a mapping of names to texts")
		return nil
	}
	texts := map[string]string{}
	for _, p := range m.Values {
		key := keyText(p.Key)
		v := o.Doc.resolve(p.Value, o.At(name+"."+key))
		s, ok := ScalarText(v)
		if b, isBool := v.(*ast.BoolNode); isBool {
			s, ok = strconv.FormatBool(b.Value), true
		}
		if !ok && v != nil {
			o.Doc.Fail(LineOf(p.Key, o.Line), o.At(name+"."+key), "is not a text")
		}
		texts[key] = s
	}
	return texts
}
