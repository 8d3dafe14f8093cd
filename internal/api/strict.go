package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// decodeStrictly reads every body: valid UTF-8, no key twice, no control
// characters in any text, nothing after the value. A key in another case is an
// unknown field (huma.ValidateStrictCasing). Everything that
// reads a body must understand it in the same way: otherwise an audit entry and its act could say different things.
func decodeStrictly(data []byte, v any) error {
	if err := checkJSON(data); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// checkJSON returns what is wrong with a body, whatever it is for.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("the body is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	c := checker{dec: dec}
	if err := c.value(nil, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body has something after its JSON value")
	}
	return nil
}

const (
	// depthMost is how deeply a body may be nested; no valid body is nested
	// deeper than four.
	depthMost = 32
	// keysMost is how many keys one object may have.
	keysMost = 200
)

// checker reads a body's tokens. It builds the path to a value only where
// something is wrong: checking must not cost more memory than the body.
type checker struct{ dec *json.Decoder }

// step is one part of the path to a value.
type step struct {
	up  *step
	key string
	n   int // in a list, where key is empty
}

func (s *step) String() string {
	if s == nil {
		return ""
	}
	if s.key == "" {
		return fmt.Sprintf("%s[%d]", s.up, s.n)
	}
	return strings.TrimPrefix(s.up.String()+"."+s.key, ".")
}

var errNoJSON = errors.New("the body is not valid JSON")

func (c checker) value(at *step, depth int) error {
	if depth > depthMost {
		return fmt.Errorf("the body is nested more than %d deep", depthMost)
	}
	t, err := c.dec.Token()
	if err != nil {
		return errNoJSON
	}
	switch t := t.(type) {
	case string:
		return checkText(t, at)
	case json.Delim:
		if t == '[' {
			here := &step{up: at}
			for ; c.dec.More(); here.n++ {
				if err := c.value(here, depth+1); err != nil {
					return err
				}
			}
		} else if err := c.object(at, depth); err != nil {
			return err
		}
		if _, err := c.dec.Token(); err != nil { // the end of the object or list
			return errNoJSON
		}
	}
	return nil
}

func (c checker) object(at *step, depth int) error {
	seen := map[string]bool{}
	for c.dec.More() {
		t, err := c.dec.Token()
		if err != nil {
			return errNoJSON
		}
		key, _ := t.(string)
		here := &step{up: at, key: key}
		if seen[key] {
			return fmt.Errorf("the key %q occurs twice", here)
		}
		if seen[key] = true; len(seen) > keysMost {
			return fmt.Errorf("an object has more than %d keys", keysMost)
		}
		if err := checkText(key, here); err != nil {
			return err
		}
		if err := c.value(here, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func checkText(s string, path *step) error {
	bad := func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' || r == unicode.ReplacementChar
	}
	if strings.ContainsFunc(s, bad) {
		return fmt.Errorf("%q contains a control character, or one that is not Unicode", path)
	}
	return nil
}
