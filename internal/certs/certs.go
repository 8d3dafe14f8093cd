// Package certs reads a certificate and its key from files, again whenever they were
// renewed, so that a service need not be started again. For clients it reads the
// authorities that they trust.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

// Config returns TLS settings with the certificate of two PEM files. Where a renewed file
// cannot be read, the former certificate is used on, and the log says so.
func Config(cert, key string, log *slog.Logger) (*tls.Config, error) {
	f := &files{cert: cert, key: key, log: log}
	if err := f.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: f.certificate}, nil
}

type files struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	now     *tls.Certificate
	changed [2]time.Time // when each file was written
}

// times returns when each file was written.
func (f *files) times() (changed [2]time.Time, err error) {
	for i, name := range []string{f.cert, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return changed, err
		}
		changed[i] = info.ModTime()
	}
	return changed, nil
}

// read reads both files; f.mu is held, or nobody else knows f yet.
func (f *files) read() error {
	changed, err := f.times()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", f.cert, f.key, err)
	}
	f.now, f.changed = &pair, changed
	return nil
}

func (f *files) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed, err := f.times()
	if err == nil && changed != f.changed {
		if err = f.read(); err == nil {
			f.log.Info("a renewed certificate is in use", "file", f.cert)
		}
		f.changed = changed // a file that is wrong is read again when it changes
	}
	if err != nil {
		f.log.Warn("could not read the renewed certificate; the former one is in use", "error", err)
	}
	return f.now, nil
}

// Transport returns an HTTP transport that trusts, besides the machine's authorities, those
// of a PEM file, such as the ca.crt of totem broker export; an empty name: those alone.
func Transport(authorities string) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if authorities == "" {
		return t, nil
	}
	text, err := os.ReadFile(authorities)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // a machine without authorities of its own
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate (PEM)", authorities)
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return t, nil
}
