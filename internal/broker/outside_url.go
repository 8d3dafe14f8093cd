package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
)

// parseURL parses the address of an outside broker. Its errors never show the
// address, which may hold a password.
func parseURL(address string) (*url.URL, *tls.Config, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, errors.New("the address is not like mqtt://user:pass@host:1883")
	}
	secure, port := false, "1883"
	switch u.Scheme {
	case "mqtt", "tcp":
	case "mqtts", "ssl", "tls":
		secure, port = true, "8883"
	default:
		return nil, nil, errors.New("the address must begin with mqtt:// or mqtts://")
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return nil, nil, errors.New("the address must be like mqtt://user:pass@host:1883")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	server := &url.URL{Scheme: "mqtt", User: u.User, Host: net.JoinHostPort(u.Hostname(), port)}
	config, err := trust(u.Query(), secure)
	if err != nil {
		return nil, nil, err
	}
	if secure {
		server.Scheme = "mqtts"
		config.ServerName = u.Hostname()
	}
	return server, config, nil
}

// trust returns the TLS configuration that the address asks for.
func trust(query url.Values, secure bool) (*tls.Config, error) {
	for key := range query {
		if key != "ca" || !secure {
			return nil, fmt.Errorf("the address has an unknown setting %q: only mqtts:// takes one, ?ca=FILE", key)
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if !query.Has("ca") {
		return config, nil
	}
	pem, err := os.ReadFile(query.Get("ca"))
	if err != nil {
		return nil, fmt.Errorf("authorities of the MQTT broker: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities of the MQTT broker: %s holds no certificate", query.Get("ca"))
	}
	return config, nil
}
