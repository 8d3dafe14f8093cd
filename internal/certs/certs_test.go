package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/certs"
	"github.com/lorntech/totem/internal/certs/certstest"
)

func serial(t *testing.T, c *tls.Config) int64 {
	t.Helper()
	pair, err := c.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.Int64()
}

func TestARenewedCertificateIsUsed(t *testing.T) {
	dir := t.TempDir()
	cert, key := certstest.Write(t, dir, 1, time.Hour)
	c, err := certs.Config(cert, key, slog.New(slog.DiscardHandler))
	if err != nil || serial(t, c) != 1 {
		t.Fatal(err)
	}
	certstest.Write(t, dir, 2, time.Hour)
	if n := serial(t, c); n != 2 {
		t.Errorf("serial %d after the renewal", n)
	}
	if err := os.WriteFile(cert, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := serial(t, c); n != 2 {
		t.Errorf("serial %d while the file is damaged", n)
	}
	if _, err := certs.Config(cert, key, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a damaged file at the start")
	}
	if _, err := certs.Config(filepath.Join(dir, "none"), key, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no file at the start")
	}
}
