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

// decodeStrictly is how every body is read: valid UTF-8, no key twice, no
// control characters in any text, nothing after the value. A key in another
// case is a field that nobody knows (huma.ValidateStrictCasing). What one
// reader of a body takes and another overlooks must not exist: an audit entry
// and the act would tell of different things.
func decodeStrictly(data []byte, v any) error {
	if err := checkJSON(data); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// checkJSON says what is wrong with a body, whatever it is for.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("the body is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := checkValue(dec, ""); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body has something after its JSON value")
	}
	return nil
}

// checkValue reads one value, at a path.
func checkValue(dec *json.Decoder, path string) error {
	t, err := dec.Token()
	if err != nil {
		return errors.New("the body is not valid JSON")
	}
	switch t := t.(type) {
	case string:
		return checkText(t, path)
	case json.Delim:
		if t == '[' {
			for i := 0; dec.More(); i++ {
				if err := checkValue(dec, fmt.Sprintf("%s[%d]", path, i)); err != nil {
					return err
				}
			}
		} else if err := checkObject(dec, path); err != nil {
			return err
		}
		if _, err := dec.Token(); err != nil { // its end
			return errors.New("the body is not valid JSON")
		}
	}
	return nil
}

func checkObject(dec *json.Decoder, path string) error {
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return errors.New("the body is not valid JSON")
		}
		key, _ := t.(string)
		at := strings.TrimPrefix(path+"."+key, ".")
		if seen[key] {
			return fmt.Errorf("%q stands twice", at)
		}
		seen[key] = true
		if err := checkText(key, at); err != nil {
			return err
		}
		if err := checkValue(dec, at); err != nil {
			return err
		}
	}
	return nil
}

func checkText(s, path string) error {
	bad := func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' || r == unicode.ReplacementChar
	}
	if strings.ContainsFunc(s, bad) {
		return fmt.Errorf("%q has a control character, or one that is not Unicode", path)
	}
	return nil
}
