package admin_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/catalogues"
)

func TestInitWritesWhatServeTakes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	var out strings.Builder
	a, err := admin.Ask(strings.NewReader("\nluneville\nLe \"Nouveau\" lieu\n\n"), &out)
	if err != nil ||
		a != (admin.Answers{Network: "LORnTECH", Site: "luneville", Name: `Le "Nouveau" lieu`, City: "Lunéville"}) {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := admin.Init(dir, a, &out); err != nil {
		t.Fatal(err)
	}
	n, err := catalogues.Load(filepath.Join(dir, "catalogue.yaml"))
	if err != nil || n.Sites[0].Name != `Le "Nouveau" lieu` || n.Sites[0].ID != "luneville" {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"totem.env", "totem.service", "totem-backup.timer"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(text) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := admin.Init(dir, a, &out); err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("again: %v", err)
	}
	a.Site = "Not an id"
	if err := admin.Init(t.TempDir(), a, &out); err == nil {
		t.Error("a wrong id")
	}
	if _, err := admin.Ask(strings.NewReader("only one line\n"), &out); err == nil {
		t.Error("the input ended early")
	}
}
