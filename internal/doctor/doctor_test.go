package doctor_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/certs/certstest"
	"github.com/lorntech/totem/internal/doctor"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/settings"
)

// found returns what is said of a thing, and how serious it is.
func found(t *testing.T, cfg settings.Config, what string) (doctor.State, string) {
	t.Helper()
	for _, f := range doctor.Examine(t.Context(), cfg) {
		if f.What == what {
			if f.State != doctor.Fine && f.Do == "" {
				t.Errorf("%s: %s, and nothing to do about it", what, f.Says)
			}
			return f.State, f.Says
		}
	}
	return "", ""
}

func TestARunningServiceIsWell(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.DatabaseURL = ""
	a := apptest.Start(t, cfg)
	cfg.HTTP = a.HTTP.String()
	for _, f := range doctor.Examine(t.Context(), cfg) {
		if f.State == doctor.Wrong {
			t.Errorf("%s: %s", f.What, f.Says)
		}
	}
	if state, _ := found(t, cfg, "service"); state != doctor.Fine {
		t.Error("it is not found")
	}
	if state, says := found(t, cfg, "devices"); state != doctor.Warning || !strings.Contains(says, "of 257") {
		t.Errorf("devices: %s %s", state, says)
	}
	if state, _ := found(t, cfg, "backup"); state != doctor.Warning {
		t.Error("there is no backup")
	}
	err := a.Ledger.Write(t.Context(), func(tx *ledger.Tx) error { return tx.SetBackupAt(time.Now()) })
	if err != nil {
		t.Fatal(err)
	}
	if state, says := found(t, cfg, "backup"); state != doctor.Fine {
		t.Errorf("a backup of this moment: %s", says)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	open := t.TempDir()
	if err := os.WriteFile(filepath.Join(open, "keys.json"), []byte("{"), 0o644); err != nil { //nolint:gosec // the fault
		t.Fatal(err)
	}
	bad := filepath.Join(open, "catalogue.yaml")
	if err := os.WriteFile(bad, []byte("network: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tlsFor := func(left time.Duration) settings.Config {
		cert, key := certstest.Write(t, t.TempDir(), 1, left)
		return settings.Config{Data: open, TLSCert: cert, TLSKey: key}
	}
	for _, c := range []struct {
		what, says string
		cfg        settings.Config
		state      doctor.State
	}{
		{"settings", "--http", settings.Config{HTTP: "nowhere"}, doctor.Wrong},
		{"catalogue", "catalogue.yaml:1", settings.Config{Catalogue: bad}, doctor.Wrong},
		{"data folder", "none yet", settings.Config{Data: filepath.Join(open, "none")}, doctor.Warning},
		{"data folder", "catalogue.yaml", settings.Config{Data: bad}, doctor.Wrong},
		{"permissions", "keys.json", settings.Config{Data: open}, doctor.Wrong},
		{"keys", "keys.json", settings.Config{Data: open}, doctor.Wrong},
		{"port", "--http", settings.Config{Data: open, HTTP: taken.Addr().String()}, doctor.Wrong},
		{"broker", "127.0.0.1:1", settings.Config{Data: open, MQTTURL: "mqtt://127.0.0.1:1"}, doctor.Wrong},
		{"certificate", "key", settings.Config{Data: open, TLSCert: bad, TLSKey: filepath.Join(open, "key")}, doctor.Wrong},
		{"certificate", "has expired", tlsFor(-time.Hour), doctor.Wrong},
		{"certificate", "expires on", tlsFor(24 * time.Hour), doctor.Warning},
		{"certificate", "valid until", tlsFor(90 * 24 * time.Hour), doctor.Fine},
		{"InfluxDB", "TOTEM_INFLUX_URL", settings.Config{Data: open, InfluxURL: "http://127.0.0.1:1"}, doctor.Wrong},
	} {
		if state, says := found(t, c.cfg, c.what); state != c.state || !strings.Contains(says, c.says) {
			t.Errorf("%s: %q %q, want %q with %q", c.what, state, says, c.state, c.says)
		}
	}
}

func TestAFileThatTheServiceHasNotTakenIsSaid(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.DatabaseURL = ""
	apptest.Stop(t, apptest.Start(t, cfg))
	text, err := os.ReadFile("../catalogue/lorntech.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Catalogue = filepath.Join(t.TempDir(), "catalogue.yaml")
	for _, taken := range []bool{false, true} {
		changed := text
		if !taken {
			changed = bytes.Replace(text, []byte("capacity: 40"), []byte("capacity: 41"), 1)
		}
		if err := os.WriteFile(cfg.Catalogue, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		told := false
		for _, f := range doctor.Examine(t.Context(), cfg) {
			told = told ||
				f.What == "catalogue" && f.State == doctor.Warning && strings.Contains(f.Says, "differences from the one in force")
		}
		if told == taken {
			t.Errorf("taken %v: told %v", taken, told)
		}
	}
}
