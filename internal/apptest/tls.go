package apptest

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/app"
)

// TLS returns the settings of a service that also listens with TLS on free ports, with a
// certificate that broker export made, and the file of its authority.
func TLS(t *testing.T) (cfg app.Config, authority string) {
	t.Helper()
	cfg = Config(t)
	cfg.DatabaseURL = ""   // a test may give its last service another data folder
	Stop(t, Start(t, cfg)) // the ledger that export reads
	dir := t.TempDir()
	x := admin.BrokerExport{Dir: dir, Hosts: []string{"127.0.0.1"}, Yes: true}
	if err := admin.ExportBroker(t.Context(), cfg, x, io.Discard); err != nil {
		t.Fatal(err)
	}
	cfg.HTTPTLS, cfg.MQTTTLSListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.TLSCert, cfg.TLSKey = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	return cfg, filepath.Join(dir, "ca.crt")
}
