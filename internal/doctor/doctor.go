// Package doctor looks at the machine, the settings and the data folder of a service,
// and says what is wrong and what to do:
//
//	for _, f := range doctor.Examine(ctx, cfg) {
//		fmt.Println(f.State, f.What, f.Says, f.Do)
//	}
//
// It changes nothing but a file in the data folder, which it removes again. The service
// may be running.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/disk"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/settings"
)

// State is how serious a finding is.
type State string

// The states, the best first.
const (
	Fine    State = "fine"
	Warning State = "look"
	Wrong   State = "wrong"
)

// Finding is what was found out about one thing, and what to do about it.
type Finding struct {
	What  string `json:"what"`
	State State  `json:"state"`
	Says  string `json:"says"`
	Do    string `json:"do,omitempty"`
}

func fine(what, format string, args ...any) Finding {
	return Finding{What: what, State: Fine, Says: fmt.Sprintf(format, args...)}
}

func warn(what, do, format string, args ...any) Finding {
	return Finding{what, Warning, fmt.Sprintf(format, args...), do}
}

func wrong(what, do, format string, args ...any) Finding {
	return Finding{what, Wrong, fmt.Sprintf(format, args...), do}
}

// Limits beyond which something deserves a look.
const (
	fsyncSlow    = 20 * time.Millisecond
	fsyncTooSlow = 200 * time.Millisecond
	leastFree    = 1 << 30 // bytes
	backupOld    = 36 * time.Hour
	renewBefore  = 14 * 24 * time.Hour
	patience     = 5 * time.Second
)

// Examine looks at everything, one thing after the other.
func Examine(ctx context.Context, cfg settings.Config) (list []Finding) {
	if err := cfg.Check(); err != nil {
		return []Finding{wrong("settings", "correct the setting that is named", "%v", err)}
	}
	list = append(list, fine("settings", "the data folder is %s", cfg.Data), clock())
	list = append(list, catalogueOf(cfg))
	list = append(list, certificate(cfg)...)
	list = append(list, folder(cfg)...)
	list = append(list, ports(ctx, cfg)...)
	list = append(list, ledgerOf(ctx, cfg)...)
	if cfg.MQTTURL != "" {
		list = append(list, brokers(ctx, cfg)...)
	}
	if cfg.InfluxURL != "" {
		list = append(list, influx(ctx, cfg))
	}
	return list
}

func catalogueOf(cfg settings.Config) Finding {
	n, err := catalogues.Load(cfg.Catalogue)
	if err != nil {
		return wrong("catalogue", "totem catalogue check "+cfg.Catalogue+" lists all errors", "%v", err)
	}
	if cfg.Catalogue == "" {
		return warn("catalogue", "--catalogue (TOTEM_CATALOGUE) names your own; totem init makes one to start from",
			"the built-in one of the four LORnTECH sites is used")
	}
	return fine(
		"catalogue",
		"%s: %d sites, %d spaces, %d devices",
		cfg.Catalogue,
		len(n.Sites),
		len(n.Spaces),
		len(n.Devices),
	)
}

// folder looks at the data folder: who may read it, how much room it has, how fast it is.
func folder(cfg settings.Config) (list []Finding) {
	info, err := os.Stat(cfg.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return []Finding{warn("data folder", "totem serve makes it", "there is none yet at %s", cfg.Data)}
	}
	if err == nil && !info.IsDir() {
		err = errors.New("it is a file")
	}
	if err != nil {
		return []Finding{
			wrong("data folder", "give --data (TOTEM_DATA) a folder that this user may read", "%s: %v", cfg.Data, err),
		}
	}
	if open := readableByOthers(cfg.Data); len(open) > 0 {
		list = append(
			list,
			wrong("permissions", "chmod 700 "+cfg.Data+"; chmod 600 on its files", "others may read %v", open),
		)
	} else {
		list = append(list, fine("permissions", "only its owner may read %s", cfg.Data))
	}
	if free, size, err := disk.Room(cfg.Data); err != nil {
		list = append(list, warn("disk", "", "%v", err))
	} else if says := fmt.Sprintf("%.1f of %.1f GB are free", float64(free)/1e9, float64(size)/1e9); free < leastFree {
		list = append(list, wrong("disk", "make room: when it is full nothing is acknowledged", "%s", says))
	} else {
		list = append(list, fine("disk", "%s", says))
	}
	took, err := fsync(cfg.Data)
	switch {
	case err != nil:
		list = append(list, wrong("fsync", "the service must be able to write there", "%v", err))
	case took > fsyncTooSlow:
		list = append(
			list,
			wrong("fsync", "each door waits for it: use a disk of this machine, an SSD", "a durable write takes %s", took),
		)
	case took > fsyncSlow:
		list = append(
			list,
			warn("fsync", "an SSD takes a millisecond or two; each door waits for it", "a durable write takes %s", took),
		)
	default:
		list = append(list, fine("fsync", "a durable write takes %s", took))
	}
	if _, err := keys.RelayKeyOf(cfg.KeysFile()); err != nil {
		list = append(
			list,
			wrong("keys", "restore them from a backup: the ledger cannot be used without its keys", "%v", err),
		)
	} else {
		list = append(list, fine("keys", "%s can be read; keep a copy of it in backups", cfg.KeysFile()))
	}
	return list
}

// readableByOthers lists what others than the owner may read in the data folder.
func readableByOthers(dir string) (open []string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what this user may not read is not open
		}
		if info, err := d.Info(); err == nil && info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o077 != 0 {
			open = append(open, filepath.Base(path))
		}
		return nil
	})
	return open
}

// fsync returns the median of a few durable writes of four kilobytes.
func fsync(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	page := make([]byte, 4096)
	var took []time.Duration
	for range 9 {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2].Round(10 * time.Microsecond), nil
}

// ports looks at whether the service answers, or could listen.
func ports(ctx context.Context, cfg settings.Config) (list []Finding) {
	client := http.Client{Timeout: patience}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, settings.LocalURL(cfg.HTTP)+"/healthz", nil)
	if err == nil {
		var resp *http.Response
		if resp, err = client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return []Finding{wrong("service", "another program has this address: stop it, or give --http another one",
					"%s is not answered by Totem", settings.LocalURL(cfg.HTTP))}
			}
			return []Finding{fine("service", "it answers at %s", settings.LocalURL(cfg.HTTP))}
		}
	}
	list = append(
		list,
		warn("service", "totem serve, or systemctl start totem", "nothing answers at %s", settings.LocalURL(cfg.HTTP)),
	)
	listen := []struct{ name, addr string }{{"--http (TOTEM_HTTP)", cfg.HTTP}}
	if cfg.MQTTURL == "" {
		listen = append(listen, struct{ name, addr string }{"--mqtt-listen (TOTEM_MQTT_LISTEN)", cfg.MQTTListen})
	}
	for _, l := range listen {
		lc := net.ListenConfig{}
		if s, err := lc.Listen(ctx, "tcp", l.addr); err != nil {
			list = append(list, wrong("port", "another program has it (ss -ltnp), or the address is not this machine's",
				"%s: %v", l.name, err))
		} else {
			_ = s.Close()
		}
	}
	return list
}

// ledgerOf looks at the ledger: its newest message, its devices, its newest backup.
func ledgerOf(ctx context.Context, cfg settings.Config) (list []Finding) {
	l, err := ledger.OpenExisting(ctx, cfg.Ledger())
	if err != nil {
		if cfg.DatabaseURL == "" {
			if _, missing := os.Stat(filepath.Join(cfg.Data, ledger.FileName)); errors.Is(missing, fs.ErrNotExist) {
				return nil // nothing was started yet
			}
		}
		return []Finding{wrong("ledger", "read what it says; a backup can be restored beside it", "%v", err)}
	}
	defer l.Close()
	now := time.Now()
	switch newest, err := l.NewestArrival(ctx); {
	case err != nil:
		list = append(list, wrong("ledger", "", "%v", err))
	case newest.IsZero():
		list = append(
			list,
			warn("ledger", "totem devices secret DEVICE gives a device its password; totem devices watch shows what arrives",
				"no device has been heard yet"),
		)
	case newest.After(now.Add(time.Second)):
		list = append(list, wrong("clock", "set this machine's clock, and keep it by NTP",
			"this machine's clock is %s behind the ledger's newest message", newest.Sub(now).Round(time.Second)))
	default:
		list = append(list, fine("ledger", "the newest message came %s ago", now.Sub(newest).Round(time.Second)))
	}
	list = append(list, heard(ctx, cfg, l)...)
	switch at, err := l.BackupAt(ctx); {
	case err != nil:
		list = append(list, wrong("backup", "", "%v", err))
	case at.IsZero():
		list = append(
			list,
			warn("backup", "totem backup FILE makes one; a timer for each night is in docs/systemd", "none was made yet"),
		)
	case now.Sub(at) > backupOld:
		list = append(
			list,
			warn("backup", "see why totem-backup.timer does not run", "the newest is %.0f hours old", now.Sub(at).Hours()),
		)
	default:
		list = append(list, fine("backup", "the newest is %.0f hours old", now.Sub(at).Hours()))
	}
	return list
}

// heard compares the catalogue's devices with those that were heard.
func heard(ctx context.Context, cfg settings.Config, l *ledger.Ledger) []Finding {
	history, err := catalogues.HistoryOf(ctx, cfg, l)
	if err != nil {
		return []Finding{wrong("catalogue", "", "%v", err)}
	}
	heard, err := l.Heard(ctx)
	if err != nil {
		return []Finding{wrong("devices", "", "%v", err)}
	}
	var list []Finding
	if changed := notTaken(cfg, *history.Last()); changed > 0 {
		list = append(list, warn("catalogue", "totem catalogue apply "+cfg.Catalogue+", or start totem again",
			"%s has %d differences from the one in force: totem catalogue check shows them", cfg.Catalogue, changed))
	}
	var never []catalogue.DeviceID
	for _, d := range (*history.Last()).Devices {
		if !heard[string(d.ID)] && d.Kind != catalogue.Gateway {
			never = append(never, d.ID)
		}
	}
	all := len((*history.Last()).Devices)
	if len(never) > 0 {
		some := never[:min(len(never), 5)]
		return append(list, warn("devices", "totem devices unknown shows who sends under another name",
			"%d of %d devices of the catalogue have not been heard, as %v", len(never), all, some))
	}
	return append(list, fine("devices", "all %d devices of the catalogue have been heard", all))
}

// notTaken returns by how much the catalogue's file differs from the catalogue in force; 0
// where there is no file, or one that cannot be read (catalogueOf).
func notTaken(cfg settings.Config, inForce *catalogue.Network) int {
	if cfg.Catalogue == "" {
		return 0
	}
	n, err := catalogues.Load(cfg.Catalogue)
	if err != nil {
		return 0
	}
	return len(catalogue.Differences(inForce, n))
}

// certificate looks at the certificate of the listeners with TLS.
func certificate(cfg settings.Config) []Finding {
	if cfg.TLSCert == "" && cfg.TLSKey == "" {
		return nil
	}
	const what = "certificate"
	pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return []Finding{wrong(what, "correct --tls-cert (TOTEM_TLS_CERT) and --tls-key (TOTEM_TLS_KEY)", "%v", err)}
	}
	end := pair.Leaf.NotAfter
	switch left := time.Until(end); {
	case left <= 0:
		return []Finding{
			wrong(what, "renew it: totem reads the new file by itself", "it has expired on %s", end.Format(time.DateOnly)),
		}
	case left < renewBefore:
		return []Finding{
			warn(what, "renew it: totem reads the new file by itself", "it expires on %s", end.Format(time.DateOnly)),
		}
	}
	return []Finding{fine(what, "it is valid until %s", end.Format(time.DateOnly))}
}

// brokers looks at whether an outside broker's nodes can be reached.
func brokers(ctx context.Context, cfg settings.Config) (list []Finding) {
	for _, node := range broker.Nodes(cfg.MQTTURL) {
		u, err := url.Parse(node)
		if err != nil {
			continue // Check has seen it
		}
		d := net.Dialer{Timeout: patience}
		c, err := d.DialContext(ctx, "tcp", u.Host)
		if err != nil {
			list = append(list, wrong("broker", "start it, or correct --mqtt-url (TOTEM_MQTT_URL)", "%s: %v", u.Host, err))
			continue
		}
		_ = c.Close()
		list = append(list, fine("broker", "%s can be reached; /readyz tells whether it lets Totem in", u.Host))
	}
	return list
}

func influx(ctx context.Context, cfg settings.Config) Finding {
	n, err := catalogues.Load(cfg.Catalogue)
	if err != nil {
		return warn("InfluxDB", "", "not looked at: the catalogue cannot be read")
	}
	i := series.NewInflux(n, cfg.Influx())
	defer i.Close()
	if err := i.Access(ctx, time.Now()); err != nil {
		return wrong("InfluxDB", "correct the setting that is named; everything is sent later", "%v", err)
	}
	return fine("InfluxDB", "bucket %s can be written and read", cfg.InfluxBucket)
}
