package broker

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Nodes splits the address of an outside broker into those of its nodes:
// mqtt://user:pass@host-1:1883,mqtt://user:pass@host-2:1883. They must be one
// cluster, since they must know the same sessions.
func Nodes(address string) []string {
	var nodes []string
	for part := range strings.SplitSeq(address, ",") {
		if n := len(nodes); n > 0 && !strings.Contains(part, "://") {
			nodes[n-1] += "," + part // a comma of a password
			continue
		}
		nodes = append(nodes, part)
	}
	return nodes
}

// parseURLs parses the addresses of an outside broker's nodes. trust returns what a
// node's certificate is checked with. The errors never show an address, which may
// hold a password.
func parseURLs(address string) (nodes []*url.URL, trust mqtt.ConnectionAttemptHandler, err error) {
	trusted := map[string]*tls.Config{}
	for _, one := range Nodes(address) {
		node, config, err := parseURL(one)
		if err != nil {
			return nil, nil, err
		}
		if len(nodes) > 0 && node.Scheme != nodes[0].Scheme {
			// Otherwise an attacker could stop the nodes with TLS, and read the password sent to another.
			return nil, nil, errors.New("the addresses of a cluster must all begin with mqtt://, or all with mqtts://")
		}
		nodes, trusted[node.Host] = append(nodes, node), config
	}
	return nodes, func(node *url.URL, _ *tls.Config) *tls.Config { return trusted[node.Host] }, nil
}

// parseURL parses the address of one node.
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
	if u.Hostname() == "" || strings.Contains(u.Host, ",") || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return nil, nil, errors.New("the address must be like mqtt://user:pass@host:1883")
	}
	node := &url.URL{Scheme: "mqtt", User: u.User, Host: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))}
	if secure {
		node.Scheme = "mqtts"
	}
	config, err := trust(u.Query(), secure)
	if err != nil {
		return nil, nil, err
	}
	config.ServerName = u.Hostname()
	return node, config, nil
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
