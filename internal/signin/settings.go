package signin

import (
	"net/url"
	"os"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/yamldoc"
)

// Settings say which provider signs people in, and what they may do.
type Settings struct {
	Issuer   string            // address of the provider, as its tokens name it
	ClientID string            // what the provider calls Totem
	Secret   string            // of that client; empty: a public client
	URL      string            // this service's own address, as browsers reach it
	Name     map[string]string // of the button, by language: fr, en
	Scopes   []string          // asked for besides openid
	Rules    []Rule
}

// CallbackPath is where the provider sends browsers back to.
const CallbackPath = "/v1/session/callback"

// Load reads the settings of a file; nil where file is empty: nobody signs in with
// an account.
func Load(n *catalogue.Network, file string) (*Settings, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // there are none
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(n, file, data)
}

// Parse reads settings; an error names the file, the line and the field.
func Parse(n *catalogue.Network, file string, data []byte) (*Settings, error) {
	d := yamldoc.New(file)
	s := &Settings{Name: map[string]string{"fr": "Compte de la ville", "en": "City account"}}
	root := d.Root(data, "a file of sign-in settings",
		[]string{"issuer", "client_id", "client_secret", "client_secret_file", "url", "name", "scopes", "rules"})
	if root != nil {
		s.Issuer = readURL(root, "issuer")
		s.ClientID = root.Text("client_id")
		s.readSecret(root)
		s.URL = strings.TrimSuffix(readURL(root, "url"), "/")
		if u, err := url.Parse(s.URL); err == nil && u.Path != "" {
			root.Fail("url", "must have no path: the page is at the root of its address")
		}
		for language, name := range root.Texts("name") {
			if _, known := s.Name[language]; !known {
				root.Fail("name", "has a language other than fr and en")
			}
			s.Name[language] = name
		}
		s.Scopes = root.TextList("scopes")
		s.readRules(n, root)
	}
	return s, yamldoc.Report(file, d.Faults)
}

func readURL(o *yamldoc.Object, name string) string {
	raw := o.Text(name)
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		o.Fail(name, "is not an address like https://example.org")
	case u.Scheme != "https" && (u.Scheme != "http" || !local(u.Hostname())):
		o.Fail(name, "must begin with https://: codes and tokens pass through it")
	}
	return raw
}

// local reports whether a host is this machine: for trials.
func local(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }

func (s *Settings) readSecret(root *yamldoc.Object) {
	s.Secret = root.Optional("client_secret")
	file := root.Optional("client_secret_file")
	switch {
	case file == "":
	case s.Secret != "":
		root.Fail("client_secret_file", "is given together with client_secret")
	default:
		data, err := os.ReadFile(file)
		switch s.Secret = strings.TrimSpace(string(data)); {
		case err != nil:
			root.Fail("client_secret_file", "%v", err)
		case s.Secret == "":
			root.Fail("client_secret_file", "%s is empty", file)
		}
	}
}
