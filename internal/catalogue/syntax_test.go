package catalogue

import (
	"strings"
	"testing"
)

func TestBrokenYAMLNamesItsLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "1: syntax: the file is empty"},
		{"only a comment", "# nothing\n", "1: syntax: the file is empty"},
		{"null", "null\n", "1: syntax: the file is empty"},
		{"a list", "- a\n- b\n", "1: syntax: is not a mapping; a catalogue has network timezone sites buildings spaces doors devices"},
		{"a text", "hello", "1: syntax: is not a mapping; a catalogue has network timezone sites buildings spaces doors devices"},
		{"unclosed bracket", "network: A\nsites: [{id: a}\nspaces:\n  - {id: b}\n", "3: syntax: ',' or ']' must be specified"},
		{"unclosed quote", "network: A\ntimezone: \"UTC\nsites:\n", "2: syntax: could not find end character of double-quoted text"},
		{"unclosed brace", "network: A\nsites:\n  - {id: a, name: b\n", "3: syntax: could not find flow mapping end token '}'"},
		{"bad indentation", "network: A\nsites:\n  - id: a\n   name: b\n", "4: syntax: value is not allowed in this context"},
		{"a tab", "network: A\nsites:\n\t- id: a\n", `3: syntax: found character '\t' that cannot start any token`},
		{"a field twice", "network: A\ntimezone: UTC\nnetwork: B\n", `3: syntax: mapping key "network" already defined at [1:1]`},
		{"a field twice in a row", "network: A\ntimezone: UTC\nsites:\n  - {id: a, id: b}\n", `4: syntax: mapping key "id" already defined at [4:6]`},
		{"two documents", "network: A\ntimezone: UTC\n---\nnetwork: B\n", "4: syntax: the file must contain only one document"},
		{"no UTF-8", "network: A\ntimezone: \xff\n", "2: syntax: the text is not valid UTF-8"},
		{"a NUL", "network: A\x00\ntimezone: UTC", "1: network: contains a line break or another control character"},
		{"lines of Windows", "network: A\r\ntimezone: UTC\r\n# note\r\nsites:\r\n  - {id: a, name: A, city: A}\r\n", "5: sites[0].holidays: is missing"},
		{"after comments and empty lines", "# one\n\nnetwork: A # two\n\n\ntimezone: UTC\nsites:\n  # three\n  - id: a\n    name: A\n    # four\n    city: A\n    holidays: de\n", `13: sites[0].holidays: "de" is not known: it must be one of fr fr-moselle`},
		{"a tag", "network: !!str A\ntimezone: UTC\n", "1: network: tags like !!str are not supported"},
		{"an unknown alias", "network: A\ntimezone: UTC\nsites: *nowhere\n", "3: sites: no anchor &nowhere"},
		{"an alias to itself", "network: A\ntimezone: UTC\nsites: &a [*a]", "3: sites[0]: is not a mapping; a site has id name city holidays opening"},
		{"brackets without end", strings.Repeat("[", 10000), "1: syntax: lists or mappings are nested more than 32 deep"},
		{"far too long", strings.Repeat("a", 17<<20), "1: syntax: the file is larger than 16777216 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(c.text))
			if err == nil || err.Error() != "f.yaml:"+c.want {
				t.Errorf("\n got %v\nwant %s", err, c.want)
			}
		})
	}
}

// What is nested without end is refused before it costs anything.
func TestWhatIsNestedTooDeepIsRefused(t *testing.T) {
	for _, text := range []string{"a: " + strings.Repeat("[", 200_000), strings.Repeat("{a: ", 100_000), strings.Repeat("- ", 100_000), "a:\n" + strings.Repeat("? ", 50_000)} {
		_, err := Parse("deep.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), "nested") {
			t.Errorf("%.20s…: %v", text, err)
		}
	}
}
