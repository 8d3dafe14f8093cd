package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
)

// withPlan returns a catalogue with a plan of one building beside it.
func withPlan(t *testing.T, svg string) app.Config {
	t.Helper()
	cfg := apptest.Config(t)
	dir := t.TempDir()
	cfg.Catalogue = filepath.Join(dir, "buildings.yaml")
	whole, err := os.ReadFile("../catalogue/lorntech.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(
		string(whole),
		"{id: metz-blida, site: metz, name: TCRM-Blida}",
		"{id: metz-blida, site: metz, name: TCRM-Blida, plan: blida.svg}",
		1,
	)
	for name, data := range map[string]string{"buildings.yaml": text, "blida.svg": svg} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cfg
}

func TestABuildingBringsItsOwnPlan(t *testing.T) {
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect id="metz-hall" width="9" height="9"/></svg>`
	a := apptest.Start(t, withPlan(t, svg))
	c := apptest.ClientOf(t, a)
	status, header, got := c.In("GET", "/v1/buildings/metz-blida/plan", "", "image/svg+xml")
	if status != 200 || string(got) != svg || header.Get("Content-Type") != "image/svg+xml" ||
		!strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v %s", status, header, got)
	}
	if status, _ := c.Ask("GET", "/v1/buildings/nancy-source/plan", ""); status != http.StatusNotFound {
		t.Errorf("a building without a plan: %d", status)
	}
	_, err := app.Start(
		t.Context(),
		withPlan(t, strings.Replace(svg, "metz-hall", "nancy-hall", 1)),
		app.Options{Log: apptest.Discard()},
	)
	if err == nil || !strings.Contains(err.Error(), "blida.svg: line 1") || !strings.Contains(err.Error(), "nancy-hall") {
		t.Errorf("a plan of another building's space: %v", err)
	}
}

func TestThePageIsServedWithItsPolicy(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	base := "http://" + a.HTTP.String()
	for path, want := range map[string]int{"/": 200, "/site/metz": 200, "/portes": 200, "/hall/metz": 200, "/icon.svg": 200, "/totem.webmanifest": 200, "/assets/none.js": 404, "/elsewhere": 404} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		policy := res.Header.Get("Content-Security-Policy")
		if res.StatusCode != want || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'self'") {
			t.Errorf("%s: %d, policy %q", path, res.StatusCode, policy)
		}
	}
}
