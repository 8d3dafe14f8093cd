package admin

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mosquitto"
	"github.com/lorntech/totem/internal/settings"
)

// BrokerExport describes what to write for a Mosquitto.
type BrokerExport struct {
	Dir           string
	Hosts         []string // names under which the broker is reached; none: no certificates
	TotemPassword string   // empty: created, and kept in the data folder
	NewSecrets    string   // CSV file for new secrets of devices that have none; empty: none are created
	Certificates  []string // devices for which a client certificate is made
	Yes           bool     // the built-in catalogue is meant
}

// passwordFile keeps Totem's own password at an outside broker.
const passwordFile = "broker-password"

// ExportBroker writes a Mosquitto's password file, access rules and
// certificates from the catalogue and the devices' secrets. The service may be running.
func ExportBroker(ctx context.Context, cfg settings.Config, x BrokerExport, out io.Writer) (err error) {
	if err := cfg.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return err
	}
	if x.Dir, err = filepath.Abs(x.Dir); err != nil {
		return err
	}
	if x.NewSecrets != "" {
		if x.NewSecrets, err = filepath.Abs(x.NewSecrets); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(x.Dir, "passwd")); err == nil && cfg.DatabaseURL == "" {
		if _, err := os.Stat(filepath.Join(cfg.Data, ledger.FileName)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--data (TOTEM_DATA): %s does not contain a ledger, and exporting nothing would lock out every "+
				"device of %s", cfg.Data, x.Dir)
		}
	}
	if x.NewSecrets != "" && filepath.Dir(filepath.Clean(x.NewSecrets)) == x.Dir &&
		slices.Contains(
			[]string{"passwd", "acl", "totem.conf", "ca.crt", "server.crt", "server.key"},
			filepath.Base(x.NewSecrets),
		) {
		return fmt.Errorf("--new-secrets: the export itself writes %s", x.NewSecrets)
	}
	l, err := ledger.Open(ctx, cfg.Ledger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	h, err := catalogues.HistoryOf(ctx, cfg, l)
	if err != nil {
		return err
	}
	n := *h.Last()
	foreign, err := foreign.New(n)
	if err != nil {
		return err
	}
	if built, err := catalogue.Default(); err != nil {
		return err
	} else if cfg.Catalogue == "" && n.Name == built.Name && slices.EqualFunc(n.Sites, built.Sites, sameSite) && !x.Yes {
		return errors.New("the ledger's catalogue has the name and the sites of the built-in one, LORnTECH: " +
			"give yours with --catalogue FILE (TOTEM_CATALOGUE), or --yes to export this one")
	}
	for _, id := range x.Certificates { // nothing is written before all is known to be right
		if n.Device(catalogue.DeviceID(id)) == nil {
			return fmt.Errorf("--client-certificate: the catalogue has no device %q", id)
		}
	}
	e := export{BrokerExport: x, cfg: cfg, network: n, ledger: l, out: out}
	if err := e.openFolder(); err != nil {
		return err
	}
	if x.NewSecrets != "" {
		if err := e.newSecrets(ctx); err != nil {
			return err
		}
	}
	if err := e.passwords(ctx); err != nil {
		return err
	}
	acl, err := e.withOwn(mosquitto.ACL(n, foreign), ownRules)
	if err != nil {
		return err
	}
	if err := errors.Join(e.write("acl", acl), e.certificates()); err != nil {
		return err
	}
	return e.configuration()
}

func sameSite(a, b catalogue.Site) bool { return a.ID == b.ID }

type export struct {
	BrokerExport
	cfg     settings.Config
	network *catalogue.Network
	ledger  *ledger.Ledger
	out     io.Writer
}

// newSecrets creates a secret for each device whose password cannot be written
// for Mosquitto.
func (e *export) newSecrets(ctx context.Context) error {
	have, err := e.ledger.BrokerPasswords(ctx)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	_ = w.Write([]string{"username", "password"}) // writing to a buffer cannot fail
	made := map[catalogue.DeviceID]string{}
	for _, d := range e.network.Devices {
		if have[d.ID] == "" {
			made[d.ID] = keys.NewSecret()
			_ = w.Write([]string{string(d.ID), made[d.ID]})
		}
	}
	w.Flush()
	if len(made) == 0 {
		fmt.Fprintln(e.out, "every device has a password already: no new ones were created")
		return nil
	}
	if _, err := os.Stat(e.NewSecrets); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--new-secrets: %s exists already and is not overwritten", e.NewSecrets)
	}
	if err := keys.WriteSecret(e.NewSecrets, file.Bytes()); err != nil {
		return fmt.Errorf("--new-secrets: %w", err)
	}
	fmt.Fprintf(e.out,
		"wrote %s: the new passwords of %d devices; they are stored nowhere else\n",
		e.NewSecrets,
		len(made),
	)
	return e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		for _, d := range e.network.Devices {
			secret, ok := made[d.ID]
			if !ok {
				continue
			}
			hashed := mosquitto.Hash(secret)
			if err := tx.PutDeviceSecret(d.ID, keys.HashSecret(secret), hashed, 0); err != nil {
				return err
			}
			if err := tx.AddAct(
				&ingest.Act{
					At:     time.Now().UTC(),
					Actor:  Actor,
					Action: "secret",
					Target: "device/" + string(d.ID),
					Body:   ledger.SecretAct(keys.HashSecret(secret), hashed),
				},
			); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *export) passwords(ctx context.Context) error {
	hashes := map[string]string{}
	have, err := e.ledger.BrokerPasswords(ctx)
	if err != nil {
		return err
	}
	missing := 0
	for _, d := range e.network.Devices {
		if h := have[d.ID]; h != "" {
			hashes[string(d.ID)] = h
		} else {
			missing++
		}
	}
	password, err := e.totemPassword()
	if err != nil {
		return err
	}
	hashes[mosquitto.User] = mosquitto.Hash(password)
	if missing > 0 {
		fmt.Fprintf(e.out,
			"%d devices have no password yet: totem devices secret DEVICE makes one, --new-secrets FILE all of them\n",
			missing,
		)
	}
	if err := e.clash(hashes); err != nil {
		return err
	}
	text, err := e.withOwn(mosquitto.Passwords(hashes), ownPasswords)
	if err != nil {
		return err
	}
	return e.write("passwd", text)
}

// totemPassword returns the given password, or the one in the data folder,
// which is created if it is missing.
func (e *export) totemPassword() (string, error) {
	if e.TotemPassword != "" {
		return e.TotemPassword, nil
	}
	path := filepath.Join(e.cfg.Data, passwordFile)
	data, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(data)) > 0 {
		return string(bytes.TrimSpace(data)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	password := keys.NewSecret()
	fmt.Fprintf(e.out, "wrote %s: Totem's own password, as user %s\n", path, mosquitto.User)
	return password, keys.WriteSecret(path, []byte(password+"\n"))
}

func (e *export) certificates() error {
	if len(e.Hosts) == 0 { // a further export keeps the names of the former one
		if have, err := os.ReadFile(filepath.Join(e.Dir, "server.crt")); err == nil {
			e.Hosts = mosquitto.Hosts(have)
		}
	}
	if len(e.Hosts) == 0 {
		if len(e.Certificates) > 0 {
			return errors.New("--client-certificate: needs --host, for which the certificate authority is made")
		}
		return nil
	}
	now := time.Now()
	ca, err := e.pair(
		authority,
		func(have mosquitto.Pair) bool { return len(have.Cert) > 0 },
		func() (mosquitto.Pair, error) { return mosquitto.NewAuthority(now) },
	)
	if err != nil {
		return err
	}
	if err := e.write("ca.crt", ca.Cert); err != nil {
		return err
	}
	_, err = e.pair(
		"server",
		func(have mosquitto.Pair) bool {
			return mosquitto.Serves(have.Cert, e.Hosts, now) && mosquitto.Signed(have.Cert, ca.Cert)
		},
		func() (mosquitto.Pair, error) { return mosquitto.NewServer(ca, e.Hosts, now) },
	)
	if err != nil {
		return err
	}
	for _, id := range e.Certificates {
		if _, err := e.pair(
			"client-"+id,
			func(mosquitto.Pair) bool { return false },
			func() (mosquitto.Pair, error) { return mosquitto.NewClient(ca, id, now) },
		); err != nil {
			return err
		}
	}
	return nil
}

// authority names the certificate that the others are signed with.
const authority = "ca"

// file returns the path of a certificate or of its key. The authority's are in the data folder, which backups include
// and Mosquitto does not read.
func (e *export) file(name, ending string) string {
	if name == authority {
		return filepath.Join(e.cfg.Data, "broker-"+name+ending)
	}
	return filepath.Join(e.Dir, name+ending)
}

// findAuthority moves the certificate authority to the data folder from the export's folder, where earlier versions
// wrote it. If the authority's key is lost, it returns an error: with a new authority every device would be cut off.
func (e *export) findAuthority() error {
	old := filepath.Join(e.Dir, authority)
	if _, err := os.Stat(e.file(authority, ".key")); errors.Is(err, fs.ErrNotExist) {
		cert, err := os.ReadFile(old + ".crt")
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		key, err := os.ReadFile(old + ".key")
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s.crt is there, and its key %s is not: restore it from a backup; "+
				"or remove ca.crt, and give every device the new one", old, e.file(authority, ".key"))
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "moved %s.key to %s\n", old, e.file(authority, ".key"))
		return errors.Join(
			keys.WriteSecret(e.file(authority, ".crt"), cert),
			keys.WriteSecret(e.file(authority, ".key"), key),
			os.Remove(old+".key"),
		)
	}
	if _, err := os.Stat(e.file(authority, ".crt")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	cert, err := os.ReadFile(old + ".crt")
	if err != nil {
		return fmt.Errorf("the authority's key is there, and its certificate is not: %w", err)
	}
	return keys.WriteSecret(e.file(authority, ".crt"), cert)
}

// pair reads a certificate and its key, and creates them where they are missing
// or no longer valid.
func (e *export) pair(
	name string,
	good func(mosquitto.Pair) bool,
	make func() (mosquitto.Pair, error),
) (mosquitto.Pair, error) {
	var have mosquitto.Pair
	var errs [2]error
	if name == authority {
		if err := e.findAuthority(); err != nil {
			return have, err
		}
	}
	have.Cert, errs[0] = os.ReadFile(e.file(name, ".crt"))
	have.Key, errs[1] = os.ReadFile(e.file(name, ".key"))
	if errs[0] == nil && errs[1] == nil && good(have) {
		return have, nil
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return have, err
		}
	}
	made, err := make()
	if err != nil {
		return made, fmt.Errorf("certificate %s: %w", strings.TrimPrefix(name, "client-"), err)
	}
	if name == authority { // whoever has this key can be any broker and any device
		fmt.Fprintf(e.out, "wrote %s: a backup has it too\n", e.file(name, ".key"))
		return made, errors.Join(
			keys.WriteSecret(e.file(name, ".key"), made.Key),
			keys.WriteSecret(e.file(name, ".crt"), made.Cert),
		)
	}
	return made, errors.Join(e.write(name+".key", made.Key), e.write(name+".crt", made.Cert))
}
