package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/backup"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// load sends counts and badges until the context ends, and returns the ids that
// were acknowledged.
func load(ctx context.Context, t *testing.T, a *app.App) (acknowledged func() []uuid.UUID) {
	t.Helper()
	c, err := mqttclient.DialOptions(t.Context(), a.MQTT.String(), mqttclient.Options{ClientID: "load", Window: 50})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var ids []uuid.UUID
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer c.Close()
		for ctx.Err() == nil {
			var batch []uuid.UUID
			for range 40 {
				id := uuid.New()
				batch = append(batch, id)
				at := wire.FormatTime(time.Now().Add(-3 * time.Hour))
				if err := c.Publish(apptest.BadgeTopic(apptest.Reader), fmt.Appendf(nil,
					`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
					id, at, apptest.AliceUID)); err != nil {
					return
				}
			}
			if c.Drain(t.Context()) != nil {
				return
			}
			mu.Lock()
			ids = append(ids, batch...)
			mu.Unlock()
		}
	}()
	return func() []uuid.UUID {
		if ctx.Err() != nil {
			<-ended
		}
		mu.Lock()
		defer mu.Unlock()
		return append([]uuid.UUID(nil), ids...)
	}
}

// TestABackupOfABusyServiceIsWholeAndRestores makes a backup while messages
// arrive, erases a person afterwards, and restores it on another machine.
func TestABackupOfABusyServiceIsWholeAndRestores(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.Catalogue = apptest.ChangedCatalogue(t, "name: Accueil", "name: Réception")
	cfg.ListMaxBytes = 100_000
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	c.Must("PUT", "/v1/members/leaver", `{"tenant":"atelier","name":"Needle Hayworth"}`)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	acknowledged := load(ctx, t, a)
	apptest.Eventually(t, "some load", func() bool { return len(acknowledged()) > 400 })
	before := acknowledged()
	id, dir := newIdentity(t), t.TempDir()
	file := filepath.Join(dir, "totem.backup")
	m, err := backup.Create(t.Context(), a.Config, file, []age.Recipient{id.Recipient()}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	apptest.Eventually(t, "more load", func() bool { return len(acknowledged()) > len(before)+400 })
	stop()
	acknowledged()
	c.Must("DELETE", "/v1/members/leaver/data", "")
	if sealed, err := os.ReadFile(
		file,
	); err != nil || bytes.Contains(sealed, []byte("SQLite")) ||
		bytes.Contains(sealed, []byte("Needle")) {
		t.Errorf("the file is not sealed: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cfg.Data, ".backup-*")); len(left) != 0 {
		t.Errorf("left in the data folder: %v", left)
	}

	to := backup.Target{
		Data:     filepath.Join(t.TempDir(), "restored"),
		Erasures: filepath.Join(cfg.Data, backup.ErasuresName),
	}
	found, err := backup.Restore(t.Context(), file, []age.Identity{id}, to, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if found.Head != m.Head || found.Members < 3 || found.Spaces < 100 || found.Erased != 1 {
		t.Errorf("found: %+v", found)
	}
	set, err := os.ReadFile(filepath.Join(to.Data, "settings.env"))
	if err != nil || !strings.Contains(string(set), "TOTEM_LIST_MAX_BYTES=100000") ||
		strings.Contains(string(set), cfg.AdminToken) {
		t.Errorf("settings: %q %v", set, err)
	}
	other := apptest.Config(t)
	other.Data, other.DatabaseURL, other.Catalogue = to.Data, "", filepath.Join(to.Data, "catalogue.yaml")
	b := apptest.Start(t, other)
	for _, id := range before {
		is, err := b.Ledger.ReadByID(t.Context(), id)
		was, err2 := a.Ledger.ReadByID(t.Context(), id)
		if err != nil || err2 != nil || is.Seq != was.Seq || !is.At.Equal(was.At) || is.Subject != was.Subject {
			t.Fatalf("a read that was acknowledged before the backup: %+v %v, was %+v %v", is, err, was, err2)
		}
	}
	first, err := b.Ledger.Reads(t.Context(), ledger.ReadFilter{})
	if err != nil || len(first) < len(before) {
		t.Errorf("%d reads, %v", len(first), err)
	}
	restored := apptest.ClientOf(t, b)
	for _, path := range []string{"/v1/leases", "/v1/plans", "/v1/tenants", "/v1/spaces?limit=1000", "/v1/members", "/v1/credentials"} {
		_, was := c.Raw("GET", path, "")
		if _, is := restored.Raw("GET", path, ""); string(is) != string(was) {
			t.Errorf("%s: %.300s\nwas %.300s", path, is, was)
		}
	}
	if v := restored.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
	if got, err := os.ReadFile(
		filepath.Join(to.Data, backup.ErasuresName),
	); err != nil ||
		strings.Contains(string(got), "leaver") {
		t.Errorf("the erasures are kept, and name nobody: %q %v", got, err)
	}
	// Its badges still open doors: keys and ledger belong together.
	if got := apptest.OpenDoor(t, b, b.MQTT.String()).Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID)); !got.Granted {
		t.Errorf("Alice after the restore: %+v", got)
	}
}

// quiet makes a backup of a service that has ended; its ledger is a file.
func quiet(t *testing.T, id *age.X25519Identity) (file, data string) {
	t.Helper()
	cfg := apptest.Config(t)
	cfg.DatabaseURL = ""
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	apptest.OpenDoor(t, a, a.MQTT.String()).Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID))
	apptest.Stop(t, a)
	file = filepath.Join(t.TempDir(), "totem.backup")
	if _, err := backup.Create(t.Context(), cfg, file, []age.Recipient{id.Recipient()}, io.Discard); err != nil {
		t.Fatal(err)
	}
	return file, cfg.Data
}

func TestWhatIsNotAWholeBackupRestoresNothing(t *testing.T) {
	id := newIdentity(t)
	file, _ := quiet(t, id)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"cut off in the middle": whole[:len(whole)/2],
		"cut off by one byte":   whole[:len(whole)-1],
		"one bit is another":    append(append(append([]byte(nil), whole[:len(whole)/2]...), whole[len(whole)/2]^1), whole[len(whole)/2+1:]...),
		"longer":                append(append([]byte(nil), whole...), 'x'),
		"empty":                 {},
		"something else":        []byte("a text"),
	} {
		bad := filepath.Join(t.TempDir(), "bad.backup")
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		data := filepath.Join(t.TempDir(), "data")
		if _, err := backup.Restore(t.Context(), bad, []age.Identity{id}, backup.Target{Data: data}, io.Discard); err == nil {
			t.Errorf("%s: it was restored", name)
		}
		if left, _ := os.ReadDir(data); len(left) != 0 {
			t.Errorf("%s: left in the folder: %v", name, left)
		}
	}
	data := filepath.Join(t.TempDir(), "data")
	if _, err := backup.Restore(
		t.Context(),
		file,
		[]age.Identity{newIdentity(t)},
		backup.Target{Data: data},
		io.Discard,
	); err == nil ||
		!strings.Contains(err.Error(), "cannot be unsealed") {
		t.Errorf("another key: %v", err)
	}
}

func TestARestoreReplacesNothing(t *testing.T) {
	id := newIdentity(t)
	file, data := quiet(t, id)
	was, err := os.ReadFile(filepath.Join(data, ledger.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(
		t.Context(),
		file,
		[]age.Identity{id},
		backup.Target{Data: data},
		io.Discard,
	); err == nil ||
		!strings.Contains(err.Error(), "holds a ledger already") {
		t.Errorf("over a ledger: %v", err)
	}
	if is, err := os.ReadFile(filepath.Join(data, ledger.FileName)); err != nil || !bytes.Equal(is, was) {
		t.Errorf("the ledger was touched: %v", err)
	}
	cfg := apptest.Config(t)
	cfg.Data, cfg.DatabaseURL = data, ""
	if _, err := backup.Create(t.Context(), cfg, file, []age.Recipient{id.Recipient()}, io.Discard); err == nil {
		t.Error("a backup replaced another")
	}
	missing := backup.Target{Data: t.TempDir(), Erasures: "/nowhere/erasures.jsonl"}
	if _, err := backup.Restore(t.Context(), file, []age.Identity{id}, missing, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "--erasures") {
		t.Errorf("a file of erasures that is not there: %v", err)
	}
}

// TestOtherKeysOrAnAlteredLedgerAreFound: a backup that was put together by hand.
// sudo totem restore leaves nothing in a service's folder that the service cannot read.
func TestARestoreGivesItsFilesToTheFoldersOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not run: it needs root, whose files are given to another user")
	}
	cfg := apptest.Config(t)
	apptest.Stop(t, apptest.Start(t, cfg))
	id, file, to := newIdentity(t), filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "data")
	if _, err := backup.Create(t.Context(), cfg, file, []age.Recipient{id.Recipient()}, io.Discard); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if err := errors.Join(os.Mkdir(to, 0o700), os.Chown(to, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), file, []age.Identity{id}, backup.Target{Data: to}, io.Discard); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(to)
	if err != nil || len(entries) < 3 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != nobody {
			t.Errorf("%s belongs to %d", e.Name(), owner)
		}
	}
}

func TestOtherKeysOrAnAlteredLedgerAreFound(t *testing.T) {
	id := newIdentity(t)
	for name, spoil := range map[string]func(data string) error{
		"the audit chain is broken": func(data string) error { return alter(t, data, "UPDATE reads SET granted = 0") },
		"keys": func(data string) error {
			if err := os.Remove(keys.Path(data)); err != nil {
				return err
			}
			return otherKeys(data)
		},
		"newer": func(data string) error {
			return alter(t, data, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
		},
	} {
		_, data := quiet(t, id)
		if err := spoil(data); err != nil {
			t.Fatal(err)
		}
		cfg := apptest.Config(t)
		cfg.Data, cfg.DatabaseURL = data, ""
		file := filepath.Join(t.TempDir(), "spoilt.backup")
		if _, err := backup.Create(t.Context(), cfg, file, []age.Recipient{id.Recipient()}, io.Discard); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		to := backup.Target{Data: filepath.Join(t.TempDir(), "data")}
		if _, err := backup.Restore(
			t.Context(),
			file,
			[]age.Identity{id},
			to,
			io.Discard,
		); err == nil ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestARestoredServiceKeepsItsCatalogue: the catalogue that is in force is in the
// ledger; where its file is not in the backup, the service must not take up the
// built-in one instead.
func TestARestoredServiceKeepsItsCatalogue(t *testing.T) {
	id := newIdentity(t)
	cfg := apptest.Config(t)
	cfg.Catalogue = filepath.Join(t.TempDir(), "elsewhere.yaml")
	renamed := bytes.Replace(catalogue.DefaultText(), []byte("city: Metz"), []byte("city: Divodurum"), 1)
	if err := os.WriteFile(cfg.Catalogue, renamed, 0o600); err != nil {
		t.Fatal(err)
	}
	apptest.Stop(t, apptest.Start(t, cfg))
	without := cfg
	without.Catalogue = "" // as an operator who has forgotten the setting makes the backup
	file := filepath.Join(t.TempDir(), "totem.backup")
	if _, err := backup.Create(t.Context(), without, file, []age.Recipient{id.Recipient()}, io.Discard); err != nil {
		t.Fatal(err)
	}
	restored := apptest.Config(t)
	restored.DatabaseURL = ""
	if _, err := backup.Restore(
		t.Context(), file, []age.Identity{id}, backup.Target{Data: restored.Data}, io.Discard,
	); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(restored.Data, "catalogue.yaml"))
	if err != nil || !bytes.Equal(text, renamed) {
		t.Fatalf("the catalogue beside the restored ledger: %d bytes, %v", len(text), err)
	}
}

// TestNoErasureIsLostByATornLine: a full disk cuts off a line, and the next
// erasure is noted all the same.
func TestNoErasureIsLostByATornLine(t *testing.T) {
	id := newIdentity(t)
	file, data := quiet(t, id)
	path := filepath.Join(data, backup.ErasuresName)
	if err := os.WriteFile(path, []byte(`{"at":"2026-11-0`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := apptest.Config(t)
	cfg.Data, cfg.DatabaseURL = data, ""
	a := apptest.Start(t, cfg)
	if err := a.Rights.Erase(t.Context(), "test", "alice"); err != nil {
		t.Fatal(err)
	}
	apptest.Stop(t, a)
	to := backup.Target{Data: filepath.Join(t.TempDir(), "data"), Erasures: path}
	found, err := backup.Restore(t.Context(), file, []age.Identity{id}, to, io.Discard)
	if err != nil || found.Erased != 1 {
		t.Errorf("erased again: %+v, %v", found, err)
	}
	// A whole line that says nothing is an error, not a person who stays.
	if err := os.WriteFile(path, []byte("\n{\"at\":\"never\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	to.Data = filepath.Join(t.TempDir(), "data")
	if _, err := backup.Restore(t.Context(), file, []age.Identity{id}, to, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "erasures.jsonl:2") {
		t.Errorf("a line that is not an erasure: %v", err)
	}
}

// TestNothingInTheFolderIsReplaced: what the backup would replace, and what SQLite
// would play into its ledger, is named; nothing is put there.
func TestNothingInTheFolderIsReplaced(t *testing.T) {
	id := newIdentity(t)
	file, _ := quiet(t, id)
	for _, name := range []string{ledger.FileName + "-wal", "settings.env", "catalogue.yaml", ".restore-123"} {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := backup.Restore(t.Context(), file, []age.Identity{id}, backup.Target{Data: data}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("over %s: %v", name, err)
		}
		if left, _ := os.ReadDir(data); len(left) != 1 {
			t.Errorf("over %s: the folder has %v", name, left)
		}
	}
	data := t.TempDir()
	if err := otherKeys(data); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(
		t.Context(),
		file,
		[]age.Identity{id},
		backup.Target{Data: data},
		io.Discard,
	); err == nil ||
		!strings.Contains(err.Error(), "holds keys already") {
		t.Errorf("over keys: %v", err)
	}
}

// TestWhoCameBackStays: a restore sets the chain back, and its numbers come again.
// Who was erased under a higher number, has joined again since and is in a later
// backup must not be erased by its restore.
func TestWhoCameBackStays(t *testing.T) {
	id := newIdentity(t)
	file, _ := quiet(t, id)
	erased := filepath.Join(t.TempDir(), backup.ErasuresName)
	line := fmt.Sprintf(
		`{"who":"somebody","after":%d,"at":%q}`+"\n",
		1<<40,
		wire.FormatTime(time.Now().Add(-48*time.Hour)),
	)
	if err := os.WriteFile(erased, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	to := backup.Target{Data: filepath.Join(t.TempDir(), "data"), Erasures: erased}
	found, err := backup.Restore(t.Context(), file, []age.Identity{id}, to, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(to.Data, backup.ErasuresName))
	if err != nil || !bytes.Contains(kept, fmt.Appendf(nil, `"after":%d,`, found.Head)) {
		t.Errorf("the line after the restore, whose chain ends at %d: %s, %v", found.Head, kept, err)
	}
}
