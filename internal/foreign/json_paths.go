package foreign

import (
	"strconv"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
)

// parseWhere parses a condition of a generic adapter, written as $.path = value.
func parseWhere(s string) (path, value string, err error) {
	path, value, ok := strings.Cut(s, "=")
	path, value = strings.TrimSpace(path), strings.TrimSpace(value)
	if !ok || value == "" {
		return "", "", fieldError("", "is not $.path = value")
	}
	_, err = parsePath(path)
	return path, value, err
}

// parsePath parses $, $.name, $[0] and $['odd key'] into names and indexes.
func parsePath(path string) ([]string, error) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, fieldError("", "must begin with $")
	}
	var steps []string
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "['"):
			end := strings.Index(rest, "']")
			if end < 0 {
				return nil, fieldError("", "has no closing ']")
			}
			steps, rest = append(steps, rest[2:end]), rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, fieldError("", "has no closing ]")
			}
			if n, err := strconv.Atoi(rest[1:end]); rest[1:end] != "*" && (err != nil || n < 0) {
				return nil, fieldError("", "has no index between [ and ]")
			}
			steps, rest = append(steps, rest[:end]), rest[end+1:] // with its bracket: an index
		case rest[0] == '.':
			end := len(rest)
			if i := strings.IndexAny(rest[1:], ".["); i >= 0 {
				end = i + 1
			}
			if end == 1 {
				return nil, fieldError("", "has an empty name")
			}
			steps, rest = append(steps, rest[1:end]), rest[end:]
		default:
			return nil, fieldError("", "is not a path like $.people or $.a.b[0]")
		}
	}
	return steps, nil
}

// follow returns the value at a path; nil where there is none. Record is the
// element for which [*] stands.
func follow(v any, path string, record int) any {
	steps, err := parsePath(path)
	if err != nil {
		return nil
	}
	for _, s := range steps {
		if index, is := strings.CutPrefix(s, "["); is {
			list, _ := v.([]any)
			i := record
			if index != "*" {
				i, err = strconv.Atoi(index)
			}
			if err != nil || i >= len(list) {
				return nil
			}
			v = list[i]
			continue
		}
		m, _ := v.(map[string]any)
		v = m[s]
	}
	return v
}

// records returns how many records a payload contains for a map: the length of
// the list that [*] iterates, 1 without any.
func records(d *catalogue.Device, v any) int {
	n := 1
	for _, path := range d.Map {
		before, _, several := strings.Cut(path, "[*]")
		if !several {
			continue
		}
		list, _ := follow(v, before, 0).([]any)
		return min(len(list), mostRecords)
	}
	return n
}

// mostRecords limits the records of one message: a payload of 64 KiB contains
// fewer.
const mostRecords = 4096
