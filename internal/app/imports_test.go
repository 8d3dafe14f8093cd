package app

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lorntech/totem/"

// allowed is what each package of the domain may import beside the standard
// library; packages that are not named here are technology and wiring.
var allowed = map[string][]string{
	"internal/catalogue": {module + "internal/dated", "github.com/goccy/go-yaml", "github.com/rickar/cal"},
	"internal/dated":     {},
	"internal/lease":     {module + "internal/catalogue", module + "internal/dated", "github.com/google/uuid"},
	"internal/visit":     {module + "internal/catalogue", module + "internal/lease", "github.com/google/uuid"},
	"internal/access":    {module + "internal/catalogue", module + "internal/lease", module + "internal/visit", "github.com/google/uuid"},
	"internal/billing":   {module + "internal/catalogue", module + "internal/dated", module + "internal/lease", module + "internal/visit", "github.com/google/uuid"},
	"internal/occupancy": {module + "internal/catalogue", module + "internal/lease", module + "internal/visit", "github.com/google/uuid"},
	"internal/wire":      {module + "internal/catalogue", "github.com/google/uuid"},
}

// adapters are technologies: none of them imports another.
var adapters = []string{"internal/api", "internal/broker", "internal/ledger"}

func TestDomainKnowsNoTechnology(t *testing.T) {
	for pkg, may := range allowed {
		for file, imports := range importsOf(t, pkg) {
			for _, imp := range imports {
				if strings.Contains(strings.Split(imp, "/")[0], ".") &&
					!slices.ContainsFunc(may, func(ok string) bool { return imp == ok || strings.HasPrefix(imp, ok+"/") }) {
					t.Errorf("%s imports %s", file, imp)
				}
			}
		}
	}
}

func TestBrokerAndLedgerDoNotKnowEachOther(t *testing.T) {
	for _, pkg := range []string{"internal/broker", "internal/ledger"} {
		for file, imports := range importsOf(t, pkg) {
			for _, imp := range imports {
				for _, other := range adapters {
					if other != pkg && imp == module+other {
						t.Errorf("%s imports %s", file, imp)
					}
				}
			}
		}
	}
}

func TestOnlyAppAndCommandsWire(t *testing.T) {
	root := filepath.Join("..", "..")
	dirs, err := filepath.Glob(filepath.Join(root, "internal", "*"))
	if err != nil || len(dirs) < 10 {
		t.Fatalf("found %d packages: %v", len(dirs), err)
	}
	for _, dir := range dirs {
		if b := filepath.Base(dir); b == "app" || b == "bench" || b == "accuracy" { // those start whole services
			continue
		}
		pkg, err := filepath.Rel(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		for file, imports := range importsOf(t, filepath.ToSlash(pkg)) {
			if slices.Contains(imports, module+"internal/app") {
				t.Errorf("%s imports internal/app", file)
			}
		}
	}
}

func importsOf(t *testing.T, pkg string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pkg), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			out[file] = append(out[file], strings.Trim(imp.Path.Value, `"`))
		}
	}
	return out
}

func TestWhatIsProbablyASlipMustBeAccepted(t *testing.T) {
	a := startApp(t, testConfig(t))
	c := clientOf(t, a)
	const file, path = "nom;comprend;tarif horaire;TVA\nNomade;coworking;3,00;0,2\n", "/v1/import?name=plans.csv"
	dry := c.must("POST", path+"&dry_run=true", file)
	warnings := dry["warnings"].([]any)
	if len(warnings) != 1 {
		t.Fatalf("%v", dry)
	}
	if w := warnings[0].(map[string]any); w["line"] != 2.0 || w["column"] != "TVA" || w["value"] != "0,2" || w["text"] == "" {
		t.Errorf("%v", w)
	}
	if status, body := c.raw("POST", path, file); status != 409 || !strings.Contains(string(body), "0,2") {
		t.Errorf("not accepted: %d %s", status, body)
	}
	if status, _ := c.raw("GET", "/v1/plans/nomade", ""); status != 404 {
		t.Errorf("it was imported: %d", status)
	}
	c.must("POST", path+"&accept=warnings", file)
	if status, _ := c.raw("GET", "/v1/plans/nomade", ""); status != 200 {
		t.Errorf("it was accepted and not imported: %d", status)
	}
}
