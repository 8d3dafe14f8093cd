package yamldoc_test

import (
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/yamldoc"
)

// shelf is what the tests read.
type shelf struct {
	name, colour, note string
	boards, spare      int
	width              float64
	fixed              bool
	books              []string
	labels             map[string]string
	depth              *float64
	owner              string
}

var known = []string{
	"name", "colour", "note", "boards", "spare", "width", "fixed", "books", "labels", "depth", "owner",
}

func read(text string) (s shelf, faults string) {
	d := yamldoc.New("shelf.yaml")
	if o := d.Root([]byte(text), "a shelf", known); o != nil {
		if o.Require("name") {
			s.name = o.Text("name")
		}
		s.colour = yamldoc.Pick(o, "colour", []string{"white", "brown"})
		s.note = o.Block("note")
		s.boards = o.Whole("boards", 1, 20)
		s.spare = o.WholeOr("spare", 0, 3, 1)
		s.width = o.Positive("width", 400)
		s.fixed = o.Flag("fixed")
		s.books = o.TextList("books")
		s.labels = o.Texts("labels")
		s.depth = o.Number("depth")
		if owner := o.Mapping("owner", "an owner", []string{"name"}); owner != nil {
			s.owner = owner.Optional("name")
		}
	}
	if err := yamldoc.Report("shelf.yaml", d.Faults); err != nil {
		faults = err.Error()
	}
	return s, faults
}

func TestAFileIsRead(t *testing.T) {
	s, faults := read(`name: Corner
colour: brown
note: |
  Two lines,
  kept as they are.
boards: 5
width: 80.5
fixed: true
books: [Emma, "1984"]
labels: {a: fiction, b: "2"}
depth: 30
owner: {name: Ann}
`)
	if faults != "" {
		t.Fatal(faults)
	}
	if s.name != "Corner" || s.colour != "brown" || s.boards != 5 || s.spare != 1 || s.width != 80.5 || !s.fixed ||
		strings.Join(s.books, "+") != "Emma+1984" || s.labels["b"] != "2" || *s.depth != 30 || s.owner != "Ann" ||
		s.note != "Two lines,\nkept as they are.\n" {
		t.Errorf("%+v, depth %v", s, *s.depth)
	}
}

func TestEachFaultNamesItsLineAndField(t *testing.T) {
	for text, want := range map[string]string{
		"colour: brown\n":                            "shelf.yaml:1: name: ",
		"name: A\ncolour: brwn\n":                    `shelf.yaml:2: colour: "brwn" is not known; did you mean "brown"?`,
		"name: A\ncolour: black\n":                   "it must be one of white brown",
		"name: A\nbords: 3\n":                        "shelf.yaml:2: bords: ",
		"name: A\nboards: many\n":                    "shelf.yaml:2: boards: ",
		"name: A\nboards: 21\n":                      "shelf.yaml:2: boards: ",
		"name: A\nboards: 2.5\n":                     "shelf.yaml:2: boards: ",
		"name: A\nwidth: -1\n":                       "shelf.yaml:2: width: ",
		"name: A\nwidth: 401\n":                      "shelf.yaml:2: width: ",
		"name: A\nfixed: perhaps\n":                  "shelf.yaml:2: fixed: ",
		"name: A\nbooks: Emma\n":                     "shelf.yaml:2: books: ",
		"name: A\nlabels: [a]\n":                     "shelf.yaml:2: labels: ",
		"name: A\ndepth: deep\n":                     "shelf.yaml:2: depth: ",
		"name: A\nowner: Ann\n":                      "shelf.yaml:2: owner: ",
		"name: A\nowner: {nam: Ann}\n":               "owner.nam: ",
		"name: [A]\n":                                "shelf.yaml:1: name: ",
		"name: A\nname: B\n":                         "shelf.yaml:2: ",
		"name: \"A\n":                                "shelf.yaml:1: syntax: ",
		"name: A\x00\n":                              "shelf.yaml:1: name: contains a line break or another control character",
		"name: A\xff\n":                              "shelf.yaml:1: syntax: the text is not valid UTF-8",
		"":                                           "shelf.yaml:1: ",
		"- name: A\n":                                "shelf.yaml:1: syntax: is not a mapping; a shelf has ",
		"name: A\n---\nname: B\n":                    "shelf.yaml:",
		"name: A\nbooks: " + strings.Repeat("[", 40): "shelf.yaml:2: syntax: ",
	} {
		if _, faults := read(text); !strings.Contains(faults, want) {
			t.Errorf("%q:\n%s\nwant %q", text, faults, want)
		}
	}
}

func TestManyFaultsAreCounted(t *testing.T) {
	text := "name: A\n" // boards and width are missing
	for i := range 30 {
		text += "wrong" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ": 1\n"
	}
	_, faults := read(text)
	if !strings.Contains(faults, "and 12 more") || strings.Count(faults, "\n") != 20 {
		t.Errorf("reported: %s", faults)
	}
}

// FuzzRoot: no text makes the reader panic, and every fault has a line.
func FuzzRoot(f *testing.F) {
	f.Add("name: A\nbooks: [a, {b: c}]\n")
	f.Add("a: &x [1]\nb: *x\n")
	f.Add("name: >\n  a\n? b\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return
		}
		d := yamldoc.New("f.yaml")
		_ = d.Root([]byte(text), "a shelf", known)
		for _, fault := range d.Faults {
			if fault.Line < 1 ||
				fault.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+2 { // a lone CR ends a line in YAML
				t.Errorf("%v", fault)
			}
		}
		read(text)
	})
}
