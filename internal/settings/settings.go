// Package settings holds the settings of the service: flags and, by the same
// name, environment variables (rules 13.1).
//
//	cfg := settings.Config{Data: "./totem-data"}
//	err := cfg.Check() // fills in defaults; the error names the wrong setting
//
// It reads no file and starts nothing.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/yamldoc"
)

// Config is the settings (rules 13.1): flags and, by the same name,
// environment variables. An empty setting is unset.
type Config struct {
	Data              string `help:"Folder of the ledger, the keys and the admin token." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
	DatabaseURL       string `name:"database-url" help:"A PostgreSQL database for the ledger instead of a file in the data folder: postgres://user:password@host:5432/database." env:"TOTEM_DATABASE_URL" placeholder:"URL"`
	Keys              string `help:"File of the keys, the same for all machines of a service; default: keys.json in the data folder." env:"TOTEM_KEYS" placeholder:"FILE"`
	HTTP              string `name:"http" help:"Address of the API and the live page." env:"TOTEM_HTTP" default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	HTTPTLS           string `name:"http-tls" help:"Another address of the API and the page, with TLS." env:"TOTEM_HTTP_TLS" placeholder:"HOST:PORT"`
	Debug             string `help:"Loopback address on which profiles are served (net/http/pprof)." env:"TOTEM_DEBUG" placeholder:"HOST:PORT"`
	Advertise         string `help:"URL at which other machines reach this one's API; default: that of --http, with this machine's name where that is 0.0.0.0." env:"TOTEM_ADVERTISE" placeholder:"URL"`
	MQTTListen        string `name:"mqtt-listen" help:"Address of the embedded broker." env:"TOTEM_MQTT_LISTEN" default:"127.0.0.1:1883" placeholder:"HOST:PORT"`
	MQTTTLSListen     string `name:"mqtt-tls-listen" help:"Another address of the embedded broker, with TLS." env:"TOTEM_MQTT_TLS_LISTEN" placeholder:"HOST:PORT"`
	TLSCert           string `name:"tls-cert" help:"Certificate for --http-tls and --mqtt-tls-listen, with its chain, as PEM; read again when it is renewed." env:"TOTEM_TLS_CERT" placeholder:"FILE"`
	TLSKey            string `name:"tls-key" help:"Its private key." env:"TOTEM_TLS_KEY" placeholder:"FILE"`
	MQTTURL           string `name:"mqtt-url" help:"An outside broker instead of the embedded one: mqtt://user:pass@host:1883 or mqtts://…; several for the nodes of a cluster, with commas between." env:"TOTEM_MQTT_URL" placeholder:"URL"`
	Catalogue         string `help:"Catalogue file; default: the four LORnTECH sites." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
	CatalogueSince    string `help:"When a changed catalogue begins to hold: a local day or an instant; default: its first start." env:"TOTEM_CATALOGUE_SINCE" placeholder:"DAY"`
	Billing           string `help:"File of billing settings: issuer, accounts, targets of rents, ILAT index; default: no issuer, default targets." env:"TOTEM_BILLING" placeholder:"FILE"`
	InfluxURL         string `name:"influx-url" help:"URL of an InfluxDB that gets a copy of the series for dashboards: 2.x, or 1.8 with its 2.x API." env:"TOTEM_INFLUX_URL" placeholder:"URL"`
	InfluxToken       string `name:"influx-token" help:"Its token, which may write and read the bucket; for 1.8 user:password." env:"TOTEM_INFLUX_TOKEN" placeholder:"TOKEN"`
	InfluxOrg         string `name:"influx-org" help:"Its organisation; none for 1.8." env:"TOTEM_INFLUX_ORG" placeholder:"ORG"`
	InfluxBucket      string `name:"influx-bucket" help:"Its bucket; for 1.8 database/policy." env:"TOTEM_INFLUX_BUCKET" default:"totem" placeholder:"BUCKET"`
	KeepMessages      int    `name:"keep-messages-days" help:"Days for which sensors' messages are kept; the series computed from them stays." env:"TOTEM_KEEP_MESSAGES_DAYS" default:"400" placeholder:"DAYS"`
	KeepSeries        int    `name:"keep-series-days" help:"Days for which the series is kept in the ledger; 0: for ever." env:"TOTEM_KEEP_SERIES_DAYS" default:"0" placeholder:"DAYS"`
	TenantMembers     int    `name:"tenant-members" help:"How many members a tenant's own token may create." env:"TOTEM_TENANT_MEMBERS" default:"2000" placeholder:"N"`
	TenantCredentials int    `name:"tenant-credentials" help:"How many credentials a tenant's own token may create." env:"TOTEM_TENANT_CREDENTIALS" default:"5000" placeholder:"N"`
	TenantPasses      int    `name:"tenant-passes" help:"How many visitors' passes a tenant's own token may have at a time." env:"TOTEM_TENANT_PASSES" default:"200" placeholder:"N"`
	ListMaxBytes      int    `name:"list-max-bytes" help:"Size of an allowlist above which the alarm list-too-large is raised; the list is sent all the same." env:"TOTEM_LIST_MAX_BYTES" default:"262144" placeholder:"BYTES"`
	SignIn            string `name:"sign-in" help:"File of sign-in settings: the provider of the city's accounts, and who gets which role; default: with tokens only." env:"TOTEM_SIGN_IN" placeholder:"FILE"`
	WebhooksAllow     string `name:"webhooks-allow" help:"Private networks that webhooks may reach, with commas between: 10.1.0.0/16,fd00:1::/32; default: none." env:"TOTEM_WEBHOOKS_ALLOW" placeholder:"NETWORKS"`
	AdminToken        string `help:"The first admin token; default: made, and kept in a file of the data folder." env:"TOTEM_ADMIN_TOKEN" placeholder:"TOKEN"`
}

const (
	defaultData       = "./totem-data"
	defaultHTTP       = "127.0.0.1:8080"
	defaultMQTTListen = "127.0.0.1:1883"
	defaultBucket     = "totem"
	// Limits of what a tenant's own token may create, and of the size of a
	// list.
	defaultTenantMembers, defaultTenantCredentials, defaultTenantPasses = 2000, 5000, 200
	defaultListMax                                                      = 256 << 10
	// 400 days: a full year, and five weeks in which to compare it with the
	// next.
	defaultKeepMessages = 400
	// leastKeepMessages leaves late messages their time to arrive.
	leastKeepMessages = 30
)

// Check fills in defaults. Its error names the wrong setting.
func (c *Config) Check() error {
	for _, s := range []struct {
		value *string
		def   string
	}{{&c.Data, defaultData}, {&c.HTTP, defaultHTTP}, {&c.MQTTListen, defaultMQTTListen}, {&c.InfluxBucket,
		defaultBucket}} {
		if *s.value == "" {
			*s.value = s.def
		}
	}
	var errs []error
	for _, n := range []struct {
		name  string
		value *int
		def   int
	}{
		{"--tenant-members (TOTEM_TENANT_MEMBERS)", &c.TenantMembers, defaultTenantMembers},
		{"--tenant-credentials (TOTEM_TENANT_CREDENTIALS)", &c.TenantCredentials, defaultTenantCredentials},
		{"--tenant-passes (TOTEM_TENANT_PASSES)", &c.TenantPasses, defaultTenantPasses},
		{"--list-max-bytes (TOTEM_LIST_MAX_BYTES)", &c.ListMaxBytes, defaultListMax},
		{"--keep-series-days (TOTEM_KEEP_SERIES_DAYS)", &c.KeepSeries, 0},
	} {
		if *n.value == 0 {
			*n.value = n.def
		}
		if *n.value < 0 {
			errs = append(errs, fmt.Errorf("%s: must not be negative", n.name))
		}
	}
	errs = append(errs, checkAddress("--http (TOTEM_HTTP)", c.HTTP), checkDatabase(c.DatabaseURL))
	if c.MQTTURL == "" {
		errs = append(errs, checkAddress("--mqtt-listen (TOTEM_MQTT_LISTEN)", c.MQTTListen))
	} else {
		errs = append(errs, checkBroker(c.MQTTURL))
	}
	_, err := c.WebhookNetworks()
	errs = append(errs, err, c.checkSeries(), c.checkTLS(), c.checkDebug())
	return errors.Join(errs...)
}

// checkDebug checks that profiles are for this machine alone.
func (c *Config) checkDebug() error {
	const name = "--debug (TOTEM_DEBUG)"
	if c.Debug == "" {
		return nil
	}
	if err := checkAddress(name, c.Debug); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(c.Debug)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s: %q is not an address of this machine alone, like 127.0.0.1:6060", name, c.Debug)
	}
	return nil
}

// checkTLS checks the settings of the listeners with TLS.
func (c *Config) checkTLS() error {
	var errs []error
	for name, addr := range map[string]string{
		"--http-tls (TOTEM_HTTP_TLS)": c.HTTPTLS, "--mqtt-tls-listen (TOTEM_MQTT_TLS_LISTEN)": c.MQTTTLSListen,
	} {
		if addr == "" {
			continue
		}
		errs = append(errs, checkAddress(name, addr))
		if c.TLSCert == "" || c.TLSKey == "" {
			errs = append(errs, fmt.Errorf("%s: needs --tls-cert (TOTEM_TLS_CERT) and --tls-key (TOTEM_TLS_KEY)", name))
		}
	}
	if c.MQTTTLSListen != "" && c.MQTTURL != "" {
		errs = append(
			errs,
			errors.New("--mqtt-tls-listen (TOTEM_MQTT_TLS_LISTEN): cannot be set with --mqtt-url: devices use that broker"),
		)
	}
	return errors.Join(errs...)
}

// WebhookNetworks returns the private networks that webhooks may reach.
func (c *Config) WebhookNetworks() (list []netip.Prefix, err error) {
	for part := range strings.SplitSeq(c.WebhooksAllow, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("--webhooks-allow (TOTEM_WEBHOOKS_ALLOW): %q is not a network like 10.1.0.0/16", part)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

func (c *Config) checkSeries() error {
	if c.KeepMessages == 0 {
		c.KeepMessages = defaultKeepMessages
	}
	if c.KeepMessages < leastKeepMessages {
		return fmt.Errorf(
			"--keep-messages-days (TOTEM_KEEP_MESSAGES_DAYS): must be %d or more, for late messages",
			leastKeepMessages,
		)
	}
	if c.KeepSeries > 0 && c.KeepSeries < c.KeepMessages {
		return errors.New("--keep-series-days (TOTEM_KEEP_SERIES_DAYS): must be 0 or no less than --keep-messages-days")
	}
	if u, err := url.Parse(c.Advertise); c.Advertise != "" &&
		(err != nil || u.Scheme != "http" || "http://"+u.Host != c.Advertise) {
		return errors.New("--advertise (TOTEM_ADVERTISE): must be an address like http://10.0.0.5:8080")
	}
	if u, err := url.Parse(c.InfluxURL); c.InfluxURL != "" &&
		(err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("--influx-url (TOTEM_INFLUX_URL): must be an address like http://127.0.0.1:8086")
	}
	return nil
}

// Influx returns the settings of the InfluxDB.
func (c *Config) Influx() series.InfluxConfig {
	return series.InfluxConfig{URL: c.InfluxURL, Token: c.InfluxToken, Org: c.InfluxOrg, Bucket: c.InfluxBucket}
}

func checkAddress(name, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not an address like 127.0.0.1:8080", name, address)
	}
	return nil
}

func checkDatabase(raw string) error {
	if raw != "" && !ledger.InPostgres(raw) {
		// The URL may hold a password: it is not repeated.
		return errors.New(
			"--database-url (TOTEM_DATABASE_URL): must be an address like postgres://user:password@host:5432/database",
		)
	}
	return nil
}

// Ledger returns where the ledger is: the data folder, or the URL of a
// PostgreSQL database.
func (c *Config) Ledger() string {
	if c.DatabaseURL != "" {
		return c.DatabaseURL
	}
	return c.Data
}

// KeysFile returns the file of the keys.
func (c *Config) KeysFile() string {
	if c.Keys != "" {
		return c.Keys
	}
	return keys.Path(c.Data)
}

func checkBroker(raw string) error {
	for _, node := range broker.Nodes(raw) {
		u, err := url.Parse(node)
		if err != nil || u.Host == "" || u.Scheme != "mqtt" && u.Scheme != "mqtts" {
			// The URL may hold a password: it is not repeated.
			return errors.New("--mqtt-url (TOTEM_MQTT_URL): must be an address like mqtt://user:password@host:1883 " +
				"or mqtts://host:8883, or those of a cluster's nodes with commas between them")
		}
	}
	return nil
}

// AdminTokenFile returns the file of the first admin token, for services whose
// settings name none.
func (c *Config) AdminTokenFile() string { return filepath.Join(c.Data, "admin-token") }

// Unread names the setting in an error about a file or folder that cannot be opened; other
// errors already name the file's line.
func Unread(setting string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", setting, err)
	}
	return err
}

// LocalURL returns the URL at which this machine reaches its own service. listen is the value
// of --http; if it is empty, the default is taken.
func LocalURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		host, port, _ = net.SplitHostPort(defaultHTTP)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Unknown returns a warning for each TOTEM_ variable of an environment that nothing
// reads, with the nearest name: a misspelt setting would be left out silently.
func Unknown(environment, known []string) (warnings []string) {
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "TOTEM_") || strings.HasPrefix(name, "TOTEM_TEST_") || value == "" ||
			slices.Contains(known, name) {
			continue
		}
		warnings = append(warnings, name+" is not a setting, and nothing reads it"+yamldoc.Suggestion(name, known))
	}
	return warnings
}

// Variables returns the environment variables of the settings.
func Variables() []string {
	var names []string
	t := reflect.TypeFor[Config]()
	for field := range t.Fields() {
		names = append(names, field.Tag.Get("env"))
	}
	return names
}
