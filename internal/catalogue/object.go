package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// object is a mapping of the file whose fields are read by name. A field that
// is missing or of the wrong kind is a fault of the document, and the zero
// value is returned.
type object struct {
	doc    *document
	path   string // "spaces[3]"; empty: the file
	line   int
	fields map[string]field
}

type field struct {
	line   int
	node   ast.Node // nil: null
	broken bool     // reported already
}

// object reads a mapping; nil after a fault. what is "a space", known are its
// fields.
func (d *document) object(n ast.Node, path, what string, known []string) *object {
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
		d.fail(lineOf(n, 1), at, "is not a mapping; %s has %s", what, strings.Join(known, " "))
		return nil
	}
	o := &object{doc: d, path: path, line: lineOf(n, 1), fields: map[string]field{}}
	for _, p := range pairs {
		o.add(p, what, known)
	}
	return o
}

func (o *object) add(p *ast.MappingValueNode, what string, known []string) {
	name, line := keyText(p.Key), lineOf(p.Key, o.line)
	if !slices.Contains(known, name) {
		hint := suggestion(name, known)
		if hint == "" {
			hint = "; " + what + " has " + strings.Join(known, " ")
		}
		o.doc.fail(line, o.at(name), "unknown field%s", hint)
		return
	}
	f := field{line: line}
	switch v := o.doc.resolve(p.Value, o.at(name)); {
	case v == nil:
		f.broken = true
	case !isNull(v):
		f.node, f.line = v, lineOf(v, line)
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

// at returns the path of a field of the object.
func (o *object) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// lineOf returns the line of a field's value, or of the object if there is
// none.
func (o *object) lineOf(name string) int {
	if f, ok := o.fields[name]; ok {
		return f.line
	}
	return o.line
}

// fail reports a fault of the object's field.
func (o *object) fail(name, format string, args ...any) {
	o.doc.fail(o.lineOf(name), o.at(name), format, args...)
}

// has reports whether the field is there and not null.
func (o *object) has(name string) bool { return o.fields[name].node != nil }

// require reports whether the field is there, and records a fault where it is
// not.
func (o *object) require(name string) bool {
	if o.has(name) {
		return true
	}
	if !o.fields[name].broken {
		o.fail(name, "is missing")
	}
	return false
}

// text reads a required text.
func (o *object) text(name string) string {
	if !o.require(name) {
		return ""
	}
	return o.optional(name)
}

// optional reads a text that may be missing. A number is taken as written: room
// 101 is called "101".
func (o *object) optional(name string) string {
	if !o.has(name) {
		return ""
	}
	s, ok := scalarText(o.fields[name].node)
	if !ok {
		o.fail(name, "is not a text")
		return ""
	}
	if strings.TrimSpace(s) == "" {
		o.fail(name, "is empty")
		return ""
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		o.fail(name, "contains a line break or another control character")
		return ""
	}
	return s
}

func scalarText(n ast.Node) (string, bool) {
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

// whole reads a whole number in [least, most]; what is missing is a fault.
func (o *object) whole(name string, least, most int) int {
	if !o.require(name) {
		return 0
	}
	return o.wholeOr(name, least, most, 0)
}

// wholeOr reads a whole number in [least, most] that may be missing.
func (o *object) wholeOr(name string, least, most, missing int) int {
	if !o.has(name) {
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
		o.fail(name, "is not a whole number")
	case v < int64(least):
		o.fail(name, "is less than %d", least)
	case v > int64(most):
		o.fail(name, "is more than %d", most)
	default:
		return int(v)
	}
	return missing
}

// positive reads a required number greater than 0 and not above most.
func (o *object) positive(name string, most float64) float64 {
	if !o.require(name) {
		return 0
	}
	var v float64
	switch n := o.fields[name].node.(type) {
	case *ast.IntegerNode:
		v, _ = strconv.ParseFloat(fmt.Sprint(n.Value), 64)
	case *ast.FloatNode:
		v = n.Value
	default:
		o.fail(name, "is not a number")
		return 0
	}
	switch {
	case v <= 0:
		o.fail(name, "must be more than 0")
	case v > most:
		o.fail(name, "is more than %.0f", most)
	default:
		return v
	}
	return 0
}

// flag reads true or false; what is missing is false.
func (o *object) flag(name string) bool {
	if !o.has(name) {
		return false
	}
	b, ok := o.fields[name].node.(*ast.BoolNode)
	if !ok {
		o.fail(name, "must be true or false")
		return false
	}
	return b.Value
}

// list reads a list; missing and null are empty (rules 13.2).
func (o *object) list(name string) []ast.Node {
	if !o.has(name) {
		return nil
	}
	s, ok := o.fields[name].node.(*ast.SequenceNode)
	if !ok {
		o.fail(name, "is not a list")
		return nil
	}
	return s.Values
}

// texts reads a mapping of texts with any names.
func (o *object) texts(name string) map[string]string {
	if !o.has(name) {
		return nil
	}
	m, ok := o.fields[name].node.(*ast.MappingNode)
	if !ok {
		o.fail(name, "is not a mapping of names to texts")
		return nil
	}
	texts := map[string]string{}
	for _, p := range m.Values {
		key := keyText(p.Key)
		v := o.doc.resolve(p.Value, o.at(name+"."+key))
		s, ok := scalarText(v)
		if b, isBool := v.(*ast.BoolNode); isBool {
			s, ok = strconv.FormatBool(b.Value), true
		}
		if !ok && v != nil {
			o.doc.fail(lineOf(p.Key, o.line), o.at(name+"."+key), "is not a text")
		}
		texts[key] = s
	}
	return texts
}
