package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
)

// The service speaks TLS by itself, with the certificate that broker export makes.
func TestTheServiceSpeaksTLSByItself(t *testing.T) {
	cfg, authority := apptest.TLS(t)
	a := apptest.Start(t, cfg)
	ca, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
	}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + a.HTTPTLS.String() + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	if _, err := http.Get("https://" + a.HTTPTLS.String() + "/readyz"); err == nil {
		t.Error("a stranger's authority is trusted")
	}
	c, err := tls.Dial("tcp", a.MQTTTLS.String(), &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	connect := append([]byte{0x10, 13, 0, 4}, "MQTT\x04\x02\x00\x3c\x00\x01x"...)
	if _, err := c.Write(connect); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(c, answer); err != nil || !bytes.Equal(answer, []byte{0x20, 2, 0, 0}) {
		t.Errorf("CONNACK % x, %v", answer, err)
	}
	cfg.Data, cfg.TLSCert = t.TempDir(), filepath.Join(t.TempDir(), "nothing.crt")
	if _, err := app.Start(
		t.Context(),
		cfg,
		app.Options{Log: apptest.Discard()},
	); err == nil ||
		!strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("without a certificate: %v", err)
	}
}

// A plain listener that other machines reach is warned of; what is missing is said.
func TestTheFirstStartSaysWhatIsMissing(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.HTTP = "0.0.0.0:0"
	var said bytes.Buffer
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	if err := app.Serve(ctx, cfg, slog.New(slog.NewTextHandler(&said, nil))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"page=http://", "four LORnTECH sites", "travel in clear text", "no device has been heard", "there are no leases yet"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, said.String())
		}
	}
}
