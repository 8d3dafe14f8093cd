package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/apptest"
)

// What a statement lacks as an invoice is said when it is issued, and in a dry run; where
// the settings require it, nothing is issued.
func TestAnIncompleteIssuerIsSaid(t *testing.T) {
	month := time.Now().AddDate(0, -2, 0).Format("2006-01")
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	for _, dry := range []bool{true, false} {
		got := apptest.ClientOf(t, a).Must("POST", "/v1/statements", fmt.Sprintf(`{"month":%q,"dry_run":%t}`, month, dry))
		if says := fmt.Sprint(got["warnings"]); !strings.Contains(says, "issuer.address, issuer.siren") {
			t.Errorf("dry run %t: warnings %s", dry, says)
		}
	}
	list := apptest.ClientOf(t, a).Must("GET", "/v1/statements", "")["items"].([]any)
	id := list[0].(map[string]any)["id"].(string)
	_, _, page := apptest.ClientOf(t, a).In("GET", "/v1/statements/"+id+"?locale=fr", "", "text/html")
	if !strings.Contains(string(page), "Émetteur incomplet") {
		t.Error("the page does not say that there is no issuer")
	}

	cfg := apptest.Config(t)
	cfg.Billing = filepath.Join(t.TempDir(), "billing.yaml")
	if err := os.WriteFile(cfg.Billing, []byte("issuer: {required: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := apptest.Start(t, cfg)
	apptest.Settle(t, b)
	c := apptest.ClientOf(t, b)
	body := fmt.Sprintf(`{"month":%q}`, month)
	if status, got := c.Ask(
		"POST",
		"/v1/statements",
		body,
	); status != 409 ||
		!strings.Contains(fmt.Sprint(got), "issuer.siren") {
		t.Errorf("required and missing: %d %v", status, got)
	}
	if n := len(c.Must("GET", "/v1/statements", "")["items"].([]any)); n != 0 {
		t.Errorf("%d statements were issued", n)
	}
}
