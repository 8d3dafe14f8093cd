package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// SettingError is an error that a setting of the device in the catalogue would
// mend. It unwraps to its FieldError.
type SettingError struct {
	wire.FieldError
	Setting string
}

// Unwrap returns the error without the setting.
func (e *SettingError) Unwrap() error { return &e.FieldError }

func fieldError(field, message string) error {
	return &wire.FieldError{Field: field, Msg: message}
}

// loose is a JSON object of a real device: a missing value is nil, and the
// first value of a wrong kind is kept as the error.
type loose struct {
	fields map[string]any
	at     string // the path to it
	err    *error
}

// parseLoose parses an object; numbers keep their spelling until they are read.
func parseLoose(payload []byte) (loose, error) {
	v, err := parseAny(payload)
	if err != nil {
		return loose{}, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return loose{}, fieldError("", "is not a JSON object")
	}
	return loose{fields: m, err: new(error)}, nil
}

func parseAny(payload []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fieldError("", "is not valid JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fieldError("", "has something after the JSON value")
	}
	return v, nil
}

func (l loose) fail(key, msg string) {
	if *l.err == nil {
		*l.err = fieldError(l.at+wire.ShortKey(key), msg)
	}
}

// needs fails because a setting of the catalogue is missing or does not fit.
func (l loose) needs(key, setting, msg string) {
	if *l.err == nil {
		*l.err = &SettingError{FieldError: wire.FieldError{Field: l.at + wire.ShortKey(key), Msg: msg}, Setting: setting}
	}
}

// has reports whether a key is there and not null.
func (l loose) has(key string) bool { return l.fields[key] != nil }

// any reports whether any of the keys is there.
func (l loose) any(keys ...string) bool {
	return slices.ContainsFunc(keys, l.has)
}

// object returns the object at a key; an empty one where there is none.
func (l loose) object(key string) loose {
	inner := loose{at: l.at + key + ".", err: l.err}
	if v := l.fields[key]; v != nil {
		m, ok := v.(map[string]any)
		if !ok {
			l.fail(key, "is not an object")
		}
		inner.fields = m
	}
	return inner
}

// objects returns the list of objects at a key.
func (l loose) objects(key string) []loose {
	v := l.fields[key]
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		l.fail(key, "is not a list")
		return nil
	}
	var out []loose
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			l.fail(key+"["+strconv.Itoa(i)+"]", "is not an object")
			continue
		}
		out = append(out, loose{fields: m, at: l.at + key + "[" + strconv.Itoa(i) + "].", err: l.err})
	}
	return out
}

func (l loose) number(key string) *float64 {
	v := l.fields[key]
	if v == nil {
		return nil
	}
	n, ok := v.(json.Number)
	if !ok {
		l.fail(key, "is not a number")
		return nil
	}
	x, err := n.Float64()
	if err != nil || math.IsInf(x, 0) {
		l.fail(key, "is not a number")
		return nil
	}
	return &x
}

// secondary returns the same object for reading secondary values: one of them that
// cannot be read is left out, and causes no error.
func (l loose) secondary() loose {
	l.err = new(error)
	return l
}

// percent returns a number of 0 to 100.
func (l loose) percent(key string) *float64 {
	x := l.number(key)
	if x != nil && (*x < 0 || *x > 100) {
		l.fail(key, "is not a percentage")
		return nil
	}
	return x
}

// air returns the same object for reading air values. On an air sensor a value that
// cannot be read is an error; on any other device it is left out (secondary).
func (l loose) air(d *catalogue.Device) loose {
	if d.Kind == catalogue.Air {
		return l
	}
	return l.secondary()
}

// total reads a whole number of 0 or more, as 3 or 3.0.
func (l loose) total(key string) *uint64 {
	x := l.number(key)
	if x == nil {
		return nil
	}
	if *x < 0 || *x != math.Trunc(*x) || *x > 1<<53 {
		l.fail(key, "is not a whole number of 0 or more")
		return nil
	}
	n := uint64(*x)
	return &n
}

// count reads such a number of people.
func (l loose) count(key string) *int {
	t := l.total(key)
	if t == nil {
		return nil
	}
	if *t > wire.MostPeople {
		l.fail(key, "is larger than "+strconv.Itoa(wire.MostPeople))
		return nil
	}
	n := int(*t)
	return &n
}

func (l loose) flag(key string) *bool {
	v := l.fields[key]
	if v == nil {
		return nil
	}
	b, ok := v.(bool)
	if !ok {
		l.fail(key, "is neither true nor false")
		return nil
	}
	return &b
}

// word reads a text; ok is false where there is none.
func (l loose) word(key string) (word string, ok bool) {
	v := l.fields[key]
	if v == nil {
		return "", false
	}
	if word, ok = v.(string); !ok {
		l.fail(key, "is not a text")
	}
	return word, ok
}

// yesNoWord reads a word that means yes or no.
func (l loose) yesNoWord(key string, yes, no []string) *bool {
	w, ok := l.word(key)
	if !ok {
		return nil
	}
	for _, v := range yes {
		if strings.EqualFold(w, v) {
			return new(true)
		}
	}
	for _, v := range no {
		if strings.EqualFold(w, v) {
			return new(false)
		}
	}
	l.fail(key, "must be one of the words "+strings.Join(append(append([]string{}, yes...), no...), ", "))
	return nil
}

// instant reads RFC 3339; zero where there is none.
func (l loose) instant(key string) time.Time {
	w, ok := l.word(key)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, w)
	if err != nil {
		l.fail(key, "is not an instant as in RFC 3339")
	}
	return t
}

// seconds reads seconds since 1970; zero where there are none.
func (l loose) seconds(key string) time.Time {
	x := l.number(key)
	if x == nil {
		return time.Time{}
	}
	return unixTime(*x)
}

// unixTime returns the time of seconds since 1970, to the millisecond; what no
// clock can show becomes 1970.
func unixTime(seconds float64) time.Time {
	if math.Abs(seconds) > 1e11 {
		return time.Unix(0, 0)
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000)))
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
