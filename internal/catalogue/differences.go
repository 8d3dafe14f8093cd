package catalogue

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differences returns the differences of a network from one before it, one a
// line.
func Differences(before, after *Network) []string {
	var list []string
	if renamed := renames(before, after); len(renamed) > 0 {
		for _, old := range slices.Sorted(maps.Keys(renamed)) {
			list = append(list, fmt.Sprintf("space %s: renamed, was %s", renamed[old], old))
		}
		before = before.renamed(renamed)
	}
	if a, b := before.Zone.Location().String(), after.Zone.Location().String(); a != b {
		list = append(list, fmt.Sprintf("timezone: %s → %s", a, b))
	}
	list = append(list, differences("site", before.Sites, after.Sites, func(v Site) string { return string(v.ID) })...)
	list = append(list,
		differences("building", before.Buildings, after.Buildings, func(v Building) string { return string(v.ID) })...)
	list = append(list, differences("space", before.Spaces, after.Spaces, func(v Space) string { return string(v.ID) })...)
	list = append(list, differences("door", before.Doors, after.Doors, func(v Door) string { return string(v.ID) })...)
	return append(list,
		differences("device", before.Devices, after.Devices, func(v Device) string { return string(v.ID) })...)
}

func differences[T any](noun string, before, after []T, id func(T) string) (list []string) {
	was, is := fieldsByID(before, id), fieldsByID(after, id)
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, there := is[name]; !there {
			list = append(list, fmt.Sprintf("%s %s: removed", noun, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		old, there := was[name]
		if !there {
			list = append(list, fmt.Sprintf("%s %s: added", noun, name))
			continue
		}
		var changed []string
		for _, field := range slices.Sorted(maps.Keys(is[name])) {
			if a, b := old[field], is[name][field]; a != b {
				changed = append(changed, fmt.Sprintf("%s %s → %s", field, orNone(a), orNone(b)))
			}
		}
		for _, field := range slices.Sorted(maps.Keys(old)) {
			if _, there := is[name][field]; !there {
				changed = append(changed, fmt.Sprintf("%s %s → none", field, old[field]))
			}
		}
		if len(changed) > 0 {
			list = append(list, fmt.Sprintf("%s %s: %s", noun, name, strings.Join(changed, ", ")))
		}
	}
	return list
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// fieldsByID returns the fields of each thing, as JSON writes them.
func fieldsByID[T any](all []T, id func(T) string) map[string]map[string]string {
	out := make(map[string]map[string]string, len(all))
	for _, v := range all {
		if sp, is := any(v).(Space); is {
			sp.Was = ""
			v = any(sp).(T)
		}
		text, _ := json.Marshal(v) // these values were read from text and can be written as text
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(text, &fields)
		out[id(v)] = make(map[string]string, len(fields))
		for name, value := range fields {
			out[id(v)][name] = strings.Trim(string(value), `"`)
		}
	}
	return out
}
