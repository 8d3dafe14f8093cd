package admin_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/goccy/go-yaml"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/freeport"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// compose is what the tests look at of docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Image       string
		Build       string
		Command     []string
		Environment map[string]string
		Volumes     []string
		Ports       []string
		Restart     string
		Healthcheck struct{ Test []string }
		MemLimit    string  `yaml:"mem_limit"`
		CPUs        float64 `yaml:"cpus"`
		Configs     []struct{ Source, Target string }
	}
	Volumes map[string]any
	Configs map[string]struct{ Content string }
}

func readCompose(t *testing.T) (c compose, text string) {
	t.Helper()
	data, err := os.ReadFile("../../docker-compose.yml")
	if err == nil {
		err = yaml.Unmarshal(data, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, string(data)
}

func TestComposeFileHoldsNoSecretAndListensAtHome(t *testing.T) {
	c, text := readCompose(t)
	for _, name := range []string{"setup", "mosquitto", "influxdb", "totem", "grafana"} {
		s, ok := c.Services[name]
		if !ok {
			t.Errorf("there is no service %s", name)
		}
		if s.MemLimit == "" || s.CPUs == 0 {
			t.Errorf("%s has no limits", name)
		}
		if len(s.Healthcheck.Test) == 0 && s.Restart != "no" {
			t.Errorf("%s has no health check", name)
		}
		if !strings.Contains(s.Image, ":") && s.Image != "totem" {
			t.Errorf("%s: the image %q names no version", name, s.Image)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") && p != "8883:8883" {
				t.Errorf("%s listens beyond this machine: %s", name, p)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[source]; !named && !strings.HasPrefix(source, "/") { // of the host: it makes them
				if _, err := os.Stat(filepath.Join("../..", source)); err != nil {
					t.Errorf("%s: volume %s: %v", name, v, err)
				}
			}
		}
		for _, x := range s.Configs {
			if c.Configs[x.Source].Content == "" {
				t.Errorf("%s: there is no config %s", name, x.Source)
			}
		}
		for k, v := range s.Environment {
			if secret := strings.Contains(k, "PASSWORD") || strings.Contains(k, "TOKEN"); secret && !strings.HasPrefix(v, "${") {
				t.Errorf("%s: %s has a value in the file", name, k)
			}
		}
	}
	example, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+)(:?[?][^}]*)?\}`).FindAllStringSubmatch(text, -1) {
		if m[2] == "" {
			t.Errorf("${%s} may be left out: it must be required", m[1])
		}
		if !regexp.MustCompile(`(?m)^` + m[1] + `=$`).Match(example) {
			t.Errorf(".env.example does not name %s, or gives it a value", m[1])
		}
	}
	values := []string{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=$`).FindAllStringSubmatch(string(example), -1) {
		values = append(values, m[1]+"=x")
	}
	options, err := cli.NewProjectOptions(
		[]string{"../../docker-compose.yml"},
		cli.WithEnv(values),
		cli.WithResolvedPaths(false),
	)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context()) // as docker compose itself reads it
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range project.Services {
		if !slices.Contains(s.CapDrop, "ALL") || s.Logging == nil || s.Logging.Options["max-size"] == "" {
			t.Errorf("%s keeps capabilities, or its log grows for ever", s.Name)
		}
		if s.Build != nil && s.PullPolicy != "never" {
			t.Errorf("%s: docker compose pull would look for an image that nobody publishes", s.Name)
		}
	}
	if grace := project.Services["totem"].StopGracePeriod; grace == nil || time.Duration(*grace) < 20*time.Second {
		t.Errorf("totem is given %v to end", grace)
	}
}

// brokerOf starts the real Mosquitto with the compose file's configuration,
// its files exported by Totem; only paths and the port are others.
func brokerOf(t *testing.T, data string) (m *mosquittotest.Server, dir string, secrets map[string]string) {
	t.Helper()
	if !mosquittotest.Wanted() {
		t.Skip("not run: needs Mosquitto; set " + mosquittotest.Variable + "=1 (.ci/run and make integration do)")
	}
	dir = t.TempDir()
	x := admin.BrokerExport{
		Yes:           true,
		Dir:           dir,
		Hosts:         []string{"127.0.0.1", "localhost"},
		TotemPassword: "totems-own-password",
		NewSecrets:    filepath.Join(t.TempDir(), "secrets.csv"),
		Certificates:  []string{"metz-entrance-out"},
	}
	if err := admin.ExportBroker(t.Context(), app.Config{Data: data}, x, io.Discard); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(x.NewSecrets)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	secrets = map[string]string{}
	for _, r := range rows[1:] {
		secrets[r[0]] = r[1]
	}
	addr := freeport.Addr(t)
	c, _ := readCompose(t)
	_, port, _ := net.SplitHostPort(addr)
	config := strings.ReplaceAll(c.Configs["mosquitto"].Content, "/broker/", dir+"/")
	config = strings.Replace(config, "listener 8883", "listener "+port+" 127.0.0.1", 1)
	config = strings.Replace(config, "log_dest stdout", "log_dest stderr\nlog_type all\nuser root", 1)
	return mosquittotest.StartConfig(t, addr, config), dir, secrets
}

func tlsClient(t *testing.T, m *mosquittotest.Server, dir, user, password string) (*mqttclient.Client, error) {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}}).DialContext(
		t.Context(),
		"tcp",
		m.Addr,
	)
	if err != nil {
		t.Fatal(err)
	}
	return mqttclient.Connect(
		t.Context(),
		conn,
		mqttclient.Options{ClientID: user + "-x", Username: user, Password: password},
	)
}

func TestExportedBrokerHoldsTheContractsRules(t *testing.T) {
	data := t.TempDir()
	m, dir, secrets := brokerOf(t, data)
	cfg := apptest.Config(t)
	cfg.Data = data
	cfg.MQTTURL = "mqtts://totem:totems-own-password@" + strings.Replace(m.Addr,
		"127.0.0.1",
		"localhost",
		1,
	) + "?ca=" + filepath.Join(dir, "ca.crt")
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	apptest.WaitReady(t, a)
	if _, err := tlsClient(t, m, dir, "metz-entrance-in", "wrong"); err == nil {
		t.Error("a wrong password is let in")
	}
	if _, err := tlsClient(t, m, dir, "", ""); err == nil {
		t.Error("the anonymous are let in")
	}
	reader, err := tlsClient(t, m, dir, "metz-entrance-in", secrets["metz-entrance-in"])
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	answers := make(chan []byte, 10)
	if err := reader.Subscribe(
		t.Context(),
		"totem/v1/metz/metz-entrance-in/decision",
		func(_ string, p []byte) { answers <- p },
	); err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	if err := reader.Publish(apptest.BadgeTopic("metz-entrance-in"), apptest.BadgeNow(id, apptest.AliceUID)); err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-answers:
		if !strings.Contains(string(p), id.String()) {
			t.Errorf("answer %s", p)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no decision within 10 s")
	}
	gateway, err := tlsClient(t, m, dir, "metz-gateway", secrets["metz-gateway"])
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	count := func(n int) []byte {
		return fmt.Appendf(nil, `{"id":%q,"at":%q,"count":%d}`, uuid.New(), wire.FormatTime(time.Now()), n)
	}
	before := messages(t, a)
	for _, c := range []struct {
		client *mqttclient.Client
		topic  string
	}{
		{reader, apptest.BadgeTopic("metz-entrance-out")}, {reader, "totem/v1/metz/metz-entrance-in/decision"}, {reader, "totem/v1/metz/metz-entrance-in/allowlist"},
		{reader, "totem/v1/metz/live/metz-hall"}, {gateway, "totem/v1/nancy/nancy-cafe-count/count"}, {gateway, "totem/v1/metz/metz-cafe-count/decision"},
	} {
		if err := c.client.Publish(c.topic, count(1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := gateway.Publish("totem/v1/metz/metz-cafe-count/count", count(5)); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	apptest.Eventually(t, "the gateway's count", func() bool { return messages(t, a) > before })
	if n := messages(t, a) - before; n != 1 {
		t.Errorf("%d messages came through, of which one was allowed", n)
	}
}

func TestCertificatesNameTheirDevice(t *testing.T) {
	data := t.TempDir()
	m, dir, _ := brokerOf(t, data)
	m.Stop(syscall.SIGKILL) // one that has only begun may miss a SIGTERM
	c, _ := readCompose(t)
	_, port, _ := net.SplitHostPort(m.Addr)
	config := strings.ReplaceAll(c.Configs["mosquitto"].Content, "/broker/", dir+"/")
	config = strings.Replace(config, "listener 8883", "listener "+port+" 127.0.0.1", 1)
	config = strings.Replace(config, "# require_certificate", "require_certificate", 1)
	config = strings.Replace(config, "# use_identity", "use_identity", 1)
	m = mosquittotest.StartConfig(t,
		m.Addr,
		strings.Replace(config, "log_dest stdout", "log_dest stderr\nlog_type all\nuser root", 1),
	)
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	dial := func(with []tls.Certificate) (*mqttclient.Client, error) {
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: with, MinVersion: tls.VersionTLS12}}).DialContext(
			t.Context(),
			"tcp",
			m.Addr,
		)
		if err != nil {
			return nil, err
		}
		return mqttclient.Connect(t.Context(), conn, mqttclient.Options{ClientID: "cert"})
	}
	pair, err := tls.LoadX509KeyPair(
		filepath.Join(dir, "client-metz-entrance-out.crt"),
		filepath.Join(dir, "client-metz-entrance-out.key"),
	)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dial([]tls.Certificate{pair})
	if err != nil {
		t.Fatalf("the device's certificate is refused: %v", err)
	}
	defer client.Close()
	if err := client.Subscribe(
		t.Context(),
		"totem/v1/metz/metz-entrance-out/decision",
		func(string, []byte) {},
	); err != nil {
		t.Error(err)
	}
	if _, err := dial(nil); err == nil {
		t.Error("without a certificate one is let in")
	}
}

// messages counts what was committed.
func messages(t *testing.T, a *app.App) int {
	t.Helper()
	list, err := a.Ledger.ObservationsPage(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	rejects, err := a.Ledger.Rejects(t.Context(), nil, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list) + len(rejects)
}
