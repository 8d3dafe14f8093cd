package web_test

import (
	"os"
	"path/filepath"
	"regexp"
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
	for _, pattern := range []string{"../../internal/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(text)
		}
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
