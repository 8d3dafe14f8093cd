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
	"internal/catalogue": {
		module + "internal/dated",
		module + "internal/yamldoc",
		"github.com/goccy/go-yaml",
		"github.com/rickar/cal",
	},
	"internal/yamldoc": {"github.com/goccy/go-yaml"},
	"internal/dated":   {},
	"internal/tenancy": {module + "internal/catalogue", module + "internal/dated", "github.com/google/uuid"},
	"internal/visit":   {module + "internal/catalogue", module + "internal/tenancy", "github.com/google/uuid"},
	"internal/access": {
		module + "internal/catalogue",
		module + "internal/tenancy",
		module + "internal/visit",
		"github.com/google/uuid",
	},
	"internal/tariff": {
		module + "internal/catalogue",
		module + "internal/dated",
		module + "internal/tenancy",
		module + "internal/visit",
		"github.com/google/uuid",
	},
	"internal/occupancy": {
		module + "internal/catalogue",
		module + "internal/tenancy",
		module + "internal/visit",
		"github.com/google/uuid",
	},
	"internal/foreign": {
		module + "internal/catalogue",
		module + "internal/occupancy",
		module + "internal/wire",
		"github.com/google/uuid",
	},
	"internal/wire": {module + "internal/catalogue", module + "internal/occupancy", "github.com/google/uuid"},
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
		if b := filepath.Base(dir); b == "app" || b == "bench" || b == "accuracy" ||
			b == "demo" || b == "apptest" { // those start whole services
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

// TestAppWiresNoSimulation keeps what the demo and the commands need out of the
// service.
func TestAppWiresNoSimulation(t *testing.T) {
	for file, imports := range importsOf(t, "internal/app") {
		for _, imp := range imports {
			if strings.HasPrefix(imp, module+"firmware-sim") || imp == module+"internal/mqttclient" ||
				imp == module+"internal/people" ||
				imp == module+"internal/demo" {
				t.Errorf("%s imports %s", file, imp)
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
