package admin_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/settings"
)

func TestTheHistoryOfCataloguesIsReadFromTheFolder(t *testing.T) {
	cfg := apptest.Config(t)
	apptest.Stop(t, apptest.Start(t, cfg))
	cfg.Catalogue = apptest.ChangedCatalogue(t, "name: Accueil", "name: Réception")
	before := time.Now()
	apptest.Stop(t, apptest.Start(t, cfg))
	list, err := admin.CatalogueHistory(t.Context(), cfg.Ledger())
	if err != nil || len(list) != 2 {
		t.Fatalf("%d catalogues: %v", len(list), err)
	}
	if first := admin.CatalogueAt(list, before.AddDate(-1, 0, 0)); first != &list[0] && first != &list[1] {
		t.Error("a year ago there was none")
	}
	now := admin.CatalogueAt(list, time.Now())
	if now == nil || !strings.Contains(string(now.Text), "Réception") {
		t.Errorf("now: %+v", now)
	}
	if _, err := admin.CatalogueHistory(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestACatalogueIsCheckedAgainstTheFolder(t *testing.T) {
	cfg := apptest.Config(t)
	apptest.Stop(t, apptest.Start(t, cfg))
	var warn bytes.Buffer
	file := apptest.ChangedCatalogue(t, "name: Accueil", "name: Réception")
	cfg.Catalogue = file
	_, check, err := admin.CheckCatalogue(t.Context(), cfg, &warn)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Join(check.Differences, "\n"); !strings.Contains(lines, "metz-accueil") {
		t.Errorf("differences: %s", lines)
	}
	if err := os.WriteFile(file, []byte("network: A\nsites: 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := admin.CheckCatalogue(t.Context(), cfg, &warn); err == nil ||
		!strings.Contains(err.Error(), filepath.Base(file)+":") {
		t.Errorf("a catalogue that is wrong: %v", err)
	}
}

// A replaced admin token is the one that this machine's commands and the next start read.
func TestAReplacedAdminTokenIsInTheDataFolder(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.AdminToken = ""
	former := apptest.Start(t, cfg)
	apptest.Stop(t, former)
	token, err := admin.CreateToken(t.Context(), cfg, admin.TokenRequest{ID: "admin", Role: "admin", Replace: true})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(cfg.AdminTokenFile()); err != nil || strings.TrimSpace(string(text)) != token {
		t.Errorf("the file of the admin token has another one (%v)", err)
	}
	a := apptest.Start(t, cfg)
	for given, want := range map[string]int{token: 200, former.Admin: 401} {
		c := apptest.Client{Base: "http://" + a.HTTP.String(), Token: given}.For(t)
		if status, _ := c.Raw("GET", "/v1/me", ""); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}
	// Withdrawn, it stays so after a restart, and the id stays that of an admin.
	other, err := admin.CreateToken(t.Context(), cfg, admin.TokenRequest{ID: "other", Role: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	c := apptest.Client{Base: "http://" + a.HTTP.String(), Token: other}.For(t)
	if status, _ := c.Raw("DELETE", "/v1/tokens/admin", ""); status != 204 {
		t.Errorf("withdrawing it: %d", status)
	}
	apptest.Stop(t, a)
	a = apptest.Start(t, cfg)
	c = apptest.Client{Base: "http://" + a.HTTP.String(), Token: token}.For(t)
	if status, _ := c.Raw("GET", "/v1/me", ""); status != 401 {
		t.Errorf("a withdrawn token opens after a restart: %d", status)
	}
	for _, r := range []admin.TokenRequest{
		{ID: "admin", Role: "display", Replace: true}, {ID: "admin", Role: "admin", Life: time.Hour, Replace: true},
	} {
		if _, err := admin.CreateToken(t.Context(), cfg, r); err == nil {
			t.Errorf("made: %+v", r)
		}
	}
}

func TestATokenIsMadeWithoutAService(t *testing.T) {
	cfg := apptest.Config(t)
	apptest.Stop(t, apptest.Start(t, cfg))
	place := settings.Config{Data: cfg.Data, DatabaseURL: cfg.DatabaseURL}
	token, err := admin.CreateToken(
		t.Context(),
		place,
		admin.TokenRequest{ID: "hall", Role: "display"},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []admin.TokenRequest{
		{ID: "Hall", Role: "display"},
		{ID: "m", Role: "manager"},
		{ID: "m", Role: "manager", Sites: []catalogue.SiteID{"paris"}},
		{ID: "t", Role: "tenant", Tenant: "nobody"},
	} {
		if _, err := admin.CreateToken(t.Context(), place, wrong); err == nil {
			t.Errorf("made: %+v", wrong)
		}
	}
	a := apptest.Start(t, cfg)
	c := apptest.ClientOf(t, a).WithToken(token)
	if status, _ := c.Raw("GET", "/v1/availability", ""); status != 200 {
		t.Errorf("the token does not open: %d", status)
	}
	if status, _ := c.Raw("GET", "/v1/members", ""); status != 403 {
		t.Errorf("a display may see members: %d", status)
	}
}
