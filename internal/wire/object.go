package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// object holds the fields of a JSON object and the first error found in them.
type object struct {
	fields map[string]json.RawMessage
	prefix string
	err    error
}

// parseObject splits an object into its fields: no duplicate, nothing after it.
// After json.Valid it only has to find where each value ends; a decoder would
// take ten times as long for every message.
func parseObject(payload []byte) (*object, error) {
	if !json.Valid(payload) {
		return nil, invalidObject(payload)
	}
	b := bytes.TrimLeft(payload, " \t\r\n")
	if b[0] != '{' {
		return nil, &FieldError{"", "is not a JSON object"}
	}
	o := &object{fields: make(map[string]json.RawMessage, 8)}
	for b = space(b[1:]); b[0] != '}'; {
		n := valueEnd(b)
		name, err := unquote(b[:n])
		if err != nil {
			return nil, &FieldError{"", "is not valid JSON"}
		}
		b = space(space(b[n:])[1:]) // past the colon
		n = valueEnd(b)
		if _, twice := o.fields[name]; twice {
			return nil, &FieldError{ShortKey(name), "occurs twice"}
		}
		o.fields[name] = b[:n:n]
		if b = space(b[n:]); b[0] == ',' {
			b = space(b[1:])
		}
	}
	return o, nil
}

// invalidObject returns what is wrong with a payload that is not valid JSON.
func invalidObject(payload []byte) error {
	if b := bytes.TrimSpace(payload); len(b) == 0 || b[0] != '{' {
		return &FieldError{"", "is not a JSON object"}
	}
	var v json.RawMessage
	if json.NewDecoder(bytes.NewReader(payload)).Decode(&v) == nil {
		return &FieldError{"", "has something after the JSON object"}
	}
	return &FieldError{"", "is not valid JSON"}
}

// space returns b without the JSON white space at its beginning.
func space(b []byte) []byte {
	for b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r' {
		b = b[1:]
	}
	return b
}

// valueEnd returns the end of the value at the beginning of valid JSON.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 {
				return i // the object's own end, after a number or a word
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
}

// unquote returns the text of a quoted key, without its quotes and escapes.
func unquote(b []byte) (string, error) {
	if !bytes.ContainsRune(b, '\\') && utf8.Valid(b) {
		return string(b[1 : len(b)-1]), nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	return s, err
}

// ShortKey shortens a key of a payload, which a stranger may have chosen, so that
// an error can name it.
func ShortKey(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

func (o *object) fail(field, msg string) {
	if o.err == nil {
		o.err = &FieldError{o.prefix + field, msg}
	}
}

// has reports whether a field is there and not null.
func (o *object) has(field string) bool {
	v, ok := o.fields[field]
	return ok && string(v) != "null"
}

// maxListForm limits the form of lists that a reader may report.
const maxListForm = 1000

// texts returns a list of at most 16 short texts.
func (o *object) texts(field string) []string {
	var list []string
	if json.Unmarshal(o.fields[field], &list) != nil || len(list) > 16 ||
		slices.ContainsFunc(list, func(s string) bool { return len(s) > 100 }) {
		o.fail(field, "is not a list of at most 16 short texts")
	}
	return list
}

func (o *object) need(field string) (json.RawMessage, bool) {
	if !o.has(field) {
		o.fail(field, "is missing")
		return nil, false
	}
	return o.fields[field], true
}

func (o *object) text(field string) string {
	v, ok := o.need(field)
	if !ok {
		return ""
	}
	if v[0] == '"' {
		if s, err := unquote(v); err == nil {
			return s
		}
	}
	o.fail(field, "is not a string")
	return ""
}

// version returns an allowlist's version: readers write it as a number or as
// text.
func (o *object) version(field string) string {
	v, ok := o.fields[field]
	if !ok || string(v) == "null" {
		return ""
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && n >= 0 {
		return string(v)
	}
	return o.text(field)
}

func (o *object) flag(field string) bool {
	v, ok := o.need(field)
	if !ok {
		return false
	}
	if s := string(v); s != "true" && s != "false" {
		o.fail(field, "is neither true nor false")
	}
	return string(v) == "true"
}

// count returns an int ≥ 0; 3.0 and 3e0 are 3, since JSON has only numbers.
func (o *object) count(field string, most int64) int64 {
	v, ok := o.need(field)
	if !ok {
		return 0
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && n >= 0 && n <= most {
		return n
	}
	x, err := strconv.ParseFloat(string(v), 64)
	switch {
	case err != nil || x != math.Trunc(x) || x < 0 || v[0] == '"':
		o.fail(field, "is not a whole number of 0 or more")
		return 0
	case x > float64(min(most, 1<<53)):
		o.fail(field, "is larger than "+strconv.FormatInt(min(most, 1<<53), 10))
		return 0
	}
	return int64(x)
}

// number returns an optional finite number.
func (o *object) number(field string) *float64 {
	if !o.has(field) {
		return nil
	}
	x, err := strconv.ParseFloat(string(o.fields[field]), 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		o.fail(field, "is not a number")
		return nil
	}
	return &x
}

func (o *object) uuid(field string) uuid.UUID {
	s := o.text(field)
	if o.err != nil {
		return uuid.Nil
	}
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 { // uuid.Parse also takes braces and urn:uuid:
		o.fail(field, "is not a UUID")
	}
	return id
}

// instant parses RFC 3339 with any offset and precision, cut to milliseconds.
func (o *object) instant(field string) time.Time {
	s := o.text(field)
	if o.err != nil {
		return time.Time{}
	}
	t, err := parseRFC3339(s)
	if err != nil {
		o.fail(field, "is not an instant as in RFC 3339")
		return time.Time{}
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Before(Earliest) || t.Year() > 9999 {
		o.fail(field, "lies before 2020 or after 9999")
	}
	return t
}

// parseRFC3339 parses an instant exactly as the RFC says: [time.Parse] also
// accepts a comma, an hour of one digit and an offset of 24 hours.
func parseRFC3339(s string) (time.Time, error) {
	s = strings.ToUpper(s)
	zone := len(s) - 1
	if zone >= 0 && s[zone] != 'Z' {
		zone = len(s) - len("+00:00")
	}
	if zone < len("2006-01-02T15:04:05") || s[13] != ':' || s[16] != ':' || strings.Contains(s, ",") ||
		s[zone] != 'Z' && (s[zone+1:zone+3] > "23" || s[zone+4:] > "59") {
		return time.Time{}, &time.ParseError{Layout: time.RFC3339, Value: s}
	}
	return time.Parse(time.RFC3339Nano, s)
}
