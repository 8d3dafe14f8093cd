package web_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTranslatedFaultsExist holds the French translations of error texts
// (src/lib/faults.ts) to the texts in the Go sources: a text that is reworded
// there would otherwise be shown in English.
func TestTranslatedFaultsExist(t *testing.T) {
	faults, err := os.ReadFile("src/lib/faults.ts")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, file := range goFiles(t, "../../internal/*/*.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(text)
	}
	// What the browser or huma says, and what a formatted text begins with, is not in our sources.
	foreign := regexp.MustCompile(`^(expected |Failed to fetch|NetworkError|Load failed|forbidden|"|\(|\.\*)`)
	beginnings := regexp.MustCompile(`\^([^|/]*)`)
	checked := 0
	for _, m := range regexp.MustCompile(`\[/(\^.*?)/i?, '`).FindAllStringSubmatch(string(faults), -1) {
		for _, alternative := range beginnings.FindAllStringSubmatch(m[1], -1) {
			literal, _, _ := strings.Cut(alternative[1], "(")
			literal, _, _ = strings.Cut(literal, ".*")
			literal = strings.TrimRight(literal, "$ ")
			if literal == "" || foreign.MatchString(alternative[1]) {
				continue
			}
			checked++
			if !strings.Contains(sources.String(), literal) {
				t.Errorf("faults.ts translates %q, which no Go source says", literal)
			}
		}
	}
	if checked < 25 {
		t.Errorf("%d translations checked: the test does not find them", checked)
	}
}

// TestWhatPeopleAreToldHasFrench holds the texts with which the service refuses
// what people enter in the page (checks of package tenancy, and the API's own
// problems) to the translations: each must have its French.
func TestWhatPeopleAreToldHasFrench(t *testing.T) {
	faults, err := os.ReadFile("src/lib/faults.ts")
	if err != nil {
		t.Fatal(err)
	}
	var french []*regexp.Regexp
	for _, m := range regexp.MustCompile(`\[/(.*?)/(i?), '`).FindAllStringSubmatch(string(faults), -1) {
		flags := ""
		if m[2] != "" {
			flags = "(?i)"
		}
		french = append(french, regexp.MustCompile(flags+m[1]))
	}
	texts := refusals(t, "../../internal/tenancy/*.go", "../../internal/api/*.go", "../../internal/catalogue/week.go",
		"../../internal/wire/credential.go")
	if len(texts) < 60 {
		t.Fatalf("only %d texts were found: the test does not find them", len(texts))
	}
	delete(texts, "%s") // the error of another function, whose texts are listed themselves
	for text, at := range texts {
		said := strings.NewReplacer(`%q`, `"x"`, "%d", "5", "%s", "x", "%v", "x", "%w", "x").Replace(text)
		if !slices.ContainsFunc(french, func(r *regexp.Regexp) bool { return r.MatchString(said) }) {
			t.Errorf("%s: faults.ts has no French for %q", at, text)
		}
	}
}

// refusals returns the texts that the sources refuse input with, and where each
// stands: the message of c.must(ok, field, message, …), of &FieldError{field,
// message} and &ConflictError{field, message}, of the API's problem(status,
// message) and invalid(where, field, message), and of the checks of windows and
// UIDs.
func refusals(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	fset := token.NewFileSet()
	note := func(e ast.Expr) {
		if call, ok := e.(*ast.CallExpr); ok && len(call.Args) > 0 { // fmt.Sprintf
			e = call.Args[0]
		}
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				texts[text] = fset.Position(lit.Pos()).String()
			}
		}
	}
	calls := map[string]int{"must": 2, "problem": 1, "invalid": 2}
	for _, file := range goFiles(t, patterns...) {
		tree, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name := ""
				switch f := n.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				i, ok := calls[name]
				if (strings.HasSuffix(file, "week.go") || strings.HasSuffix(file, "credential.go")) &&
					(name == "Errorf" || name == "New") {
					i, ok = 0, true // what a schedule's windows and a badge's UID are refused with
				}
				if ok && len(n.Args) > i {
					note(n.Args[i])
				}
			case *ast.CompositeLit:
				if id, ok := n.Type.(*ast.Ident); ok && strings.HasSuffix(id.Name, "Error") && len(n.Elts) == 2 {
					note(n.Elts[1])
				}
			}
			return true
		})
	}
	return texts
}

// goFiles lists the sources that match the patterns, without tests.
func goFiles(t *testing.T, patterns ...string) (files []string) {
	t.Helper()
	for _, pattern := range patterns {
		list, err := filepath.Glob(pattern)
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, slices.DeleteFunc(list, func(f string) bool { return strings.HasSuffix(f, "_test.go") })...)
	}
	return files
}

// Each code that the API answers has its words on the page, and each reason also in the
// command line: a new one would be shown as its code.
func TestEveryCodeHasItsWords(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	words := read("src/lib/words.svelte.ts")
	const names = "const %s: Record<string, [string, string]> = {"
	for _, c := range []struct{ constants, in, words string }{
		{"Reason", "access/decide.go", "reasons"},
		{"AlarmKind", "ingest/record.go", "alarmKinds"},
		{"DeviceKind", "catalogue/catalogue.go", "deviceKinds"},
		{"SpaceKind", "catalogue/catalogue.go", "kinds"},
	} {
		_, said, there := strings.Cut(words, fmt.Sprintf(names, c.words))
		said, _, _ = strings.Cut(said, "\n}")
		found := regexp.MustCompile(
			`(\w+) +`+c.constants+` = "([a-z-]+)"`,
		).FindAllStringSubmatch(
			read("../../internal/"+c.in),
			-1,
		)
		if !there || len(found) < 5 {
			t.Fatalf("%s: %d constants, words %v: the test does not find them", c.constants, len(found), there)
		}
		for _, m := range found {
			if !regexp.MustCompile(`(^|[\s,])'?` + regexp.QuoteMeta(m[2]) + `'?: \[`).MatchString(said) {
				t.Errorf("words.svelte.ts: %s has no words for %s", c.words, m[2])
			}
			if c.constants == "Reason" && !strings.Contains(read("../../internal/cli/reasons.go"), "access."+m[1]+":") {
				t.Errorf("internal/cli/reasons.go has no words for %s", m[2])
			}
		}
	}
}
