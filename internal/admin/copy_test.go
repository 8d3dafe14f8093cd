package admin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/ledger/pgtest"
)

// asked are questions whose answers a copy must not change.
var asked = []string{
	"/v1/visits?limit=200", "/v1/access/reads?limit=200", "/v1/hours?month=2026-10", "/v1/statements?limit=100",
	"/v1/leases", "/v1/members", "/v1/tokens", "/v1/alarms", "/v1/rejects",
}

// answers returns what a service on a ledger says.
func answers(t *testing.T, cfg app.Config) (list []string) {
	t.Helper()
	a := apptest.Start(t, cfg)
	defer apptest.Stop(t, a)
	c := apptest.ClientOf(t, a)
	for _, path := range asked {
		status, body := c.Raw("GET", path, "")
		if status != 200 {
			t.Errorf("%s: %d", path, status)
		}
		list = append(list, path+" "+string(body))
	}
	return list
}

// A ledger moves from SQLite to PostgreSQL and back, and nobody can tell.
func TestALedgerIsCopiedToPostgreSQLAndBack(t *testing.T) {
	pgtest.Need(t)
	database := pgtest.Start(t).Database(t)
	cfg := apptest.Config(t)
	cfg.DatabaseURL = ""
	a := apptest.Start(t, cfg)
	apptest.MetzAndNancy(t, a)
	apptest.Stop(t, a)
	before := answers(t, cfg)

	var out bytes.Buffer
	copied := func(from, to string) {
		t.Helper()
		out.Reset()
		if err := admin.CopyLedger(t.Context(), from, to, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "every table is equal") {
			t.Error(out.String())
		}
	}
	copied(cfg.Data, database)
	there := cfg
	there.DatabaseURL, there.Keys, there.Data = database, filepath.Join(cfg.Data, "keys.json"), t.TempDir()
	if d := cmp.Diff(before, answers(t, there)); d != "" {
		t.Errorf("over PostgreSQL (-was +is)\n%s", d)
	}
	if err := admin.CopyLedger(t.Context(), cfg.Data, database, &out, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "contains another ledger") {
		t.Errorf("a copy over a ledger that is in use: %v", err)
	}
	back := cfg
	back.Data = t.TempDir()
	copied(database, back.Data)
	keys, err := os.ReadFile(there.Keys)
	if err == nil {
		err = os.WriteFile(filepath.Join(back.Data, "keys.json"), keys, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, answers(t, back)); d != "" {
		t.Errorf("back in SQLite (-was +is)\n%s", d)
	}
}

// A copy that was stopped leaves a ledger that no service opens, and goes on.
func TestAStoppedCopyGoesOn(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.DatabaseURL = ""
	a := apptest.Start(t, cfg)
	apptest.MetzAndNancy(t, a)
	apptest.Stop(t, a)
	places := []string{t.TempDir()}
	if pgtest.Wanted() {
		places = append(places, pgtest.Start(t).Database(t))
	}
	for _, place := range places {
		from, err := ledger.Open(t.Context(), cfg.Data)
		if err != nil {
			t.Fatal(err)
		}
		to, err := ledger.OpenForCopy(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = ledger.Copy(ctx, from, to, func(done, all int64) {
			if done > all/2 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("it was stopped: %v", err)
		}
		if err := errors.Join(from.Close(), to.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Open(t.Context(), place); !errors.Is(err, ledger.ErrHalfCopied) {
			t.Errorf("half a ledger opens: %v", err)
		}
		apptest.Stop(t, apptest.Start(t, cfg)) // the source was used meanwhile: its catalogue's cursors may differ
		var out bytes.Buffer
		if err := admin.CopyLedger(t.Context(), cfg.Data, place, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
}
