package api

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestAStatementPrintsOnOneA4Page prints with a real Chromium; it is asked for
// by TOTEM_TEST_CHROMIUM=1, as make integration and CI do.
func TestAStatementPrintsOnOneA4Page(t *testing.T) {
	if os.Getenv("TOTEM_TEST_CHROMIUM") == "" {
		t.Skip("not run: needs Chromium; make integration runs it")
	}
	for _, name := range []string{"statement-fr.html", "statement-en.html"} {
		page, err := filepath.Abs(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		out := filepath.Join(dir, "page.pdf")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx,
			"chromium",
			"--headless",
			"--no-sandbox",
			"--disable-gpu",
			"--user-data-dir="+dir,
			"--no-pdf-header-footer",
			"--print-to-pdf="+out,
			"file://"+page,
		)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		pdf, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		// 595 × 842 points are 210 × 297 mm.
		if boxes := regexp.MustCompile(
			`/MediaBox \[0 0 59[45][.\d]* 84[12][.\d]*\]`,
		).FindAll(pdf, -1); len(boxes) != 1 ||
			!bytes.Contains(pdf, []byte("/Count 1")) {
			t.Errorf("%s: %d pages of A4", name, len(boxes))
		}
	}
}
