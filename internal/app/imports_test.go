package app

import (
	"fmt"
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
			b == "demo" { // those start whole services
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

func TestWhatIsProbablyASlipMustBeAccepted(t *testing.T) {
	a := startApp(t, testConfig(t))
	c := clientOf(t, a)
	const file, path = "nom;comprend;tarif horaire;TVA\nNomade;coworking;3,00;0,2\n", "/v1/import?name=plans.csv"
	dry := c.must("POST", path+"&dry_run=true", file)
	warnings := dry["warnings"].([]any)
	if len(warnings) != 1 {
		t.Fatalf("%v", dry)
	}
	if w := warnings[0].(map[string]any); w["line"] != 2.0 || w["column"] != "TVA" || w["value"] != "0,2" ||
		w["text"] == "" {
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

// A dry run of an import says what its leases and plans do before they are made.
func TestADryRunOfAnImportSaysWhatItsLeasesDo(t *testing.T) {
	_, now, c := landlord(t)
	put(c, 4500, "")
	c.must("POST", "/v1/statements", `{"month":"2026-05"}`)
	now.set(now.Load().AddDate(0, 0, 1))
	file := "id,tenant,site,spaces,plan,starts_on,status,rent\nl,t,metz,metz-bureau-102,p,2026-01-01,active,50.00\nnew,t,metz,metz-bureau-103,q,2026-06-01,active,10.00\n"
	r := c.must("POST", "/v1/import?name=leases.csv&dry_run=true", file)
	would, _ := r["would"].(map[string]any)
	if would == nil {
		t.Fatalf("%v", r)
	}
	doors := would["doors"].([]any)
	if len(doors) != 2 || !strings.Contains(fmt.Sprint(doors[0]), "metz-bureau-102-door") ||
		!strings.Contains(fmt.Sprint(doors[1]), "metz-coworking-door") {
		t.Errorf("doors: %v", doors)
	}
	// The changed rent holds from today, the 2nd of July; the new lease from June on.
	if got := fmt.Sprint(
		would["months"],
		would["corrections"],
	); got != "[map[month:2026-06 net_cents_after:5500 net_cents_before:4500] map[month:2026-07 net_cents_after:5984 net_cents_before:4500]] []" {
		t.Errorf("months: %v", got)
	}
	if status, _ := c.ask("GET", "/v1/leases/new", ""); status != 404 {
		t.Errorf("a dry run made the lease: %d", status)
	}
	if done := c.must("POST", "/v1/import?name=leases.csv", file); done["would"] != nil {
		t.Errorf("%v", done["would"])
	}
}
