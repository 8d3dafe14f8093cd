package admin_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
)

// A second export keeps who may read each file, and adds what the operator wrote.
func TestASecondExportKeepsWhatTheOperatorDid(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.DatabaseURL = "" // a data folder without a ledger is tried too
	dir := filepath.Join(t.TempDir(), "broker")
	export := func() error {
		return admin.ExportBroker(
			t.Context(),
			cfg,
			admin.BrokerExport{Dir: dir, Hosts: []string{"localhost"}, Yes: true},
			io.Discard,
		)
	}
	if err := admin.ExportBroker(
		t.Context(),
		cfg,
		admin.BrokerExport{Dir: dir},
		io.Discard,
	); err == nil ||
		!strings.Contains(err.Error(), "--yes") {
		t.Errorf("the built-in catalogue unasked: %v", err)
	}
	if err := export(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "acl"), 0o644); err != nil { //nolint:gosec // the operator's choice
		t.Fatal(err)
	}
	for name, text := range map[string]string{"own.passwd": "watcher:$7$x\n", "own.acl": "\nuser watcher\ntopic read totem/v1/+/live/#\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Earlier versions wrote the authority's key beside what Mosquitto reads.
	key := filepath.Join(cfg.Data, "broker-ca.key")
	if err := os.Rename(key, filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := export(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"passwd": "\nwatcher:$7$x\n", "acl": "\nuser watcher\n", "ca.crt": string(before), "totem.conf": "listener 8883\n"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s does not hold %q: %v", name, want, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "acl")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the mode of acl: %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ca.key")); err == nil {
		t.Error("the authority's key is still where Mosquitto reads")
	}
	for _, c := range []struct{ name, text, says string }{
		{"own.passwd", "\ntotem:$7$x\n", "own.passwd:2"},
		{"own.passwd", "plain:secret\n", "own.passwd:1"},
		{"own.passwd", "a:$7$x\na:$7$y\n", "own.passwd:2"},
		{"own.acl", "topic readwrite totem/v1/#\n", "own.acl:1"},
		{"own.acl", "user watcher\npattern readwrite totem/v1/#\n", "own.acl:2"},
		{"own.acl", "user metz-gateway\ntopic write totem/v1/#\n", "own.acl:1"},
	} {
		for _, name := range []string{"own.passwd", "own.acl"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, c.name), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := export(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %q: %v", c.name, c.text, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "own.acl")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "own.passwd")); err != nil {
		t.Fatal(err)
	}
	// An export again keeps the names of the certificate.
	if err := admin.ExportBroker(t.Context(), cfg, admin.BrokerExport{Dir: dir, Yes: true}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(
		filepath.Join(dir, "totem.conf"),
	); err != nil ||
		!strings.Contains(string(text), "listener 8883") {
		t.Errorf("without --host TLS is gone: %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if err := export(); err == nil || !strings.Contains(err.Error(), "broker-ca.key") {
		t.Errorf("a lost authority is replaced unasked: %v", err)
	}
	cfg.Data = t.TempDir()
	if err := export(); err == nil || !strings.Contains(err.Error(), "does not contain a ledger") {
		t.Errorf("another data folder: %v", err)
	}
}
