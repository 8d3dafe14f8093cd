package catalogues_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/catalogues"
)

func TestACatalogueIsLoadedFromItsFileOrBuiltIn(t *testing.T) {
	n, err := catalogues.Load("")
	if err != nil || n.Site("metz") == nil {
		t.Errorf("the built-in one: %v", err)
	}
	if _, err := catalogues.Load(filepath.Join(t.TempDir(), "nothing.yaml")); err == nil ||
		!strings.Contains(err.Error(), "nothing.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(file, []byte("network: A\nsites: 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := catalogues.Load(file); err == nil || !strings.Contains(err.Error(), "broken.yaml:2: sites") {
		t.Errorf("a broken one: %v", err)
	}
}
