// Package docs holds what the documents promise about themselves.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	heading  = regexp.MustCompile(`(?m)^##+ ([0-9]+(?:\.[0-9]+)?) `)
	trap     = regexp.MustCompile(`(?m)^([0-9]+)\. `)
	citation = regexp.MustCompile(`\b[Rr]ules ([0-9]+(?:\.[0-9]+)?(?:(?:, | and | to |, and )[0-9]+(?:\.[0-9]+)?)*)`)
	number   = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)?`)
	trapOf   = regexp.MustCompile(`docs/devices\.md, trap ([0-9]+)`)
)

// TestCitedRulesExist holds every "rules 4.2" of code, tests and documents to
// docs/rules.md, and every trap to docs/devices.md.
func TestCitedRulesExist(t *testing.T) {
	rules, traps := numbers(t, "rules.md", heading), numbers(t, "devices.md", trap)
	cited := 0
	for _, file := range sources(t) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// A comment may break its line within a citation.
		text := regexp.MustCompile(`\n\s*(// )?`).ReplaceAllString(string(raw), " ")
		for _, list := range citation.FindAllStringSubmatch(text, -1) {
			for _, n := range number.FindAllString(list[1], -1) {
				cited++
				if !rules[n] {
					t.Errorf("%s cites rules %s, which docs/rules.md does not have", file, n)
				}
			}
		}
		for _, m := range trapOf.FindAllStringSubmatch(text, -1) {
			cited++
			if !traps[m[1]] {
				t.Errorf("%s cites trap %s, which docs/devices.md does not have", file, m[1])
			}
		}
		if strings.HasSuffix(file, ".go") &&
			regexp.MustCompile(
				`contract §|devices\.md, trap`,
			).MatchString(strings.ReplaceAll(text, "docs/devices.md, trap", "")) {
			t.Errorf("%s cites a page that is not in the repository", file)
		}
	}
	if cited < 50 {
		t.Errorf("%d citations found: the test does not find them", cited)
	}
}

// TestRulesAreNumberedOnce holds that no rule's number stands twice.
func TestRulesAreNumberedOnce(t *testing.T) {
	raw, err := os.ReadFile("rules.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(string(raw), -1) {
		if seen[m[1]] {
			t.Errorf("rule %s stands twice", m[1])
		}
		seen[m[1]] = true
	}
}

// TestNamedFunctionsExist holds the functions that architecture.md names, as
// `package.Type.Method` or `package.Function`, to the sources.
func TestNamedFunctionsExist(t *testing.T) {
	raw, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z]+)\\.(?:([A-Za-z]+)\\.)?([A-Za-z]+)`").FindAllStringSubmatch(string(raw), -1)
	checked := 0
	for _, m := range named {
		dir := filepath.Join("..", "internal", m[1])
		if _, err := os.Stat(dir); err != nil {
			continue // a file, as ledger.db
		}
		declared := `(?m)^func ` + m[3] + `[\[(]`
		if m[2] != "" {
			declared = `(?m)^func \([a-z]+ \*?` + m[2] + `\) ` + m[3] + `\(`
		}
		if m[3] == "db" || m[3] == "json" {
			continue
		}
		checked++
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && regexp.MustCompile(declared).Match(text)
		}) {
			t.Errorf("architecture.md names %s, which is not there", m[0])
		}
	}
	if checked < 40 {
		t.Errorf("%d functions checked: the test does not find them", checked)
	}
}

func numbers(t *testing.T, file string, pattern *regexp.Regexp) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, m := range pattern.FindAllStringSubmatch(string(raw), -1) {
		found[m[1]] = true
	}
	return found
}

// sources returns the repository's Go files and documents, as git knows them; without git all below the top.
func sources(t *testing.T) []string {
	t.Helper()
	var files []string
	keep := func(path string) {
		if (strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".md")) &&
			!strings.HasSuffix(path, "docs/rules_test.go") {
			files = append(files, path)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "git", "ls-files", "--full-name", "..").Output(); err == nil {
		for line := range strings.Lines(string(out)) {
			if _, err := os.Stat(filepath.Join("..", strings.TrimSpace(line))); err == nil {
				keep(filepath.Join("..", strings.TrimSpace(line)))
			}
		}
		return files
	}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		keep(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
