package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
)

// The files of an operator's own, in the export's folder: an export adds them to what it
// writes, and never changes them.
const (
	ownPasswords = "own.passwd"
	ownRules     = "own.acl"
)

// access is who owns a file, and who may read it.
type access struct {
	uid, gid int
	mode     fs.FileMode
}

// give returns the owner, group and mode that a file of the export is to have: those of the existing file or,
// for a new one, root and the group mosquitto, under which Debian's Mosquitto runs. It returns false for a new file
// where there is no such group, or where this process is not root.
func give(path string) (access, bool) {
	if info, err := os.Stat(path); err == nil {
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			return access{int(s.Uid), int(s.Gid), info.Mode().Perm()}, true
		}
	}
	group, err := user.LookupGroup("mosquitto")
	if err != nil || os.Geteuid() != 0 {
		return access{}, false
	}
	gid, err := strconv.Atoi(group.Gid)
	return access{0, gid, 0o640}, err == nil
}

// write writes one of the export's files, whole or not at all.
func (e *export) write(name string, data []byte) error {
	path := filepath.Join(e.Dir, name)
	as, known := give(path)
	if err := keys.WriteSecret(path, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if known {
		if err := errors.Join(os.Chown(path, as.uid, as.gid), os.Chmod(path, as.mode)); err != nil {
			return fmt.Errorf("restore the owner and mode of %s: %w", path, err)
		}
	}
	fmt.Fprintf(e.out, "wrote %s\n", path)
	return nil
}

// openFolder makes the export's folder, which Mosquitto must be able to enter.
func (e *export) openFolder() error {
	if _, err := os.Stat(e.Dir); err == nil {
		return nil
	}
	as, known := give(e.Dir)
	if err := os.MkdirAll(e.Dir, 0o700); err != nil || !known {
		return err
	}
	return errors.Join(os.Chown(e.Dir, as.uid, as.gid), os.Chmod(e.Dir, 0o750)) //nolint:gosec // its group enters
}

// own returns an operator's own file; empty where there is none.
func (e *export) own(name string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(e.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// withOwn adds an operator's own file to one of the export's.
func (e *export) withOwn(data []byte, name string) ([]byte, error) {
	own, err := e.own(name)
	if err != nil || len(own) == 0 {
		return data, err
	}
	fmt.Fprintf(e.out, "%s is added\n", filepath.Join(e.Dir, name))
	return append(append(bytes.TrimRight(data, "\n"), '\n'), own...), nil
}

// clash returns an error where own.passwd has a name twice, or one that the export writes too: with two passwords for
// one name it would be left to chance which of them counts. It checks own.acl too.
func (e *export) clash(hashes map[string]string) error {
	own, err := e.own(ownPasswords)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, line := range strings.Split(string(own), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, _ := strings.Cut(line, ":")
		fault := ""
		switch _, taken := hashes[name]; {
		case taken:
			fault = "is a name of the export's own"
		case seen[name]:
			fault = "is there twice"
		case name == "" || !strings.HasPrefix(hash, "$"):
			fault = "has no hashed password: mosquitto_passwd makes such a line"
		}
		if fault != "" {
			return fmt.Errorf("%s:%d: %q %s", filepath.Join(e.Dir, ownPasswords), i+1, name, fault)
		}
		seen[name] = true
	}
	return e.foreignRules(hashes)
}

// foreignRules returns an error where a rule in own.acl would apply to a user of the export. Mosquitto applies each
// rule to the user named above it, and a pattern to every user.
func (e *export) foreignRules(hashes map[string]string) error {
	own, err := e.own(ownRules)
	if err != nil {
		return err
	}
	user := ""
	for i, line := range strings.Split(string(own), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "user "); ok {
			user = strings.TrimSpace(name)
			if _, taken := hashes[user]; taken || e.network.Device(catalogue.DeviceID(user)) != nil {
				return fmt.Errorf("%s:%d: %q is a user of the export's own", filepath.Join(e.Dir, ownRules), i+1, user)
			}
			continue
		}
		fault := ""
		switch {
		case strings.HasPrefix(line, "pattern"):
			fault = "a pattern is for every user, readers too: write rules for users of your own"
		case user == "":
			fault = "stands above the first user, so it would apply to a user of the export"
		}
		if fault != "" {
			return fmt.Errorf("%s:%d: %s", filepath.Join(e.Dir, ownRules), i+1, fault)
		}
	}
	return nil
}

// config is Mosquitto's configuration, for the folder conf.d of Debian's: it sets nothing
// that /etc/mosquitto/mosquitto.conf sets.
const config = `# Made by totem broker export, for /etc/mosquitto/conf.d. Mosquitto reads it again with
# systemctl restart mosquitto; passwd, acl and certificates with systemctl reload mosquitto.
%slistener %s
%sallow_anonymous false
password_file %s
acl_file %s
# One connection for each name, and nobody takes another's session.
use_username_as_clientid true
# What was acknowledged to a device and not yet taken by Totem is kept on disk.
autosave_on_changes true
autosave_interval 1
# Enough for a day without Totem. 0, which means unlimited, does not work in several releases of 2.0.
max_queued_messages 1000000
max_inflight_messages 1000
message_size_limit 131072
`

// configuration writes totem.conf, and says what comes next.
func (e *export) configuration() error {
	in := func(name string) string { return filepath.Join(e.Dir, name) }
	note, listener, tls, url := "# No --host was given: devices of this machine alone, without TLS.\n", "1883 127.0.0.1", "",
		"mqtt://totem:PASSWORD@127.0.0.1:1883"
	if len(e.Hosts) > 0 {
		note, listener = "", "8883"
		tls = "certfile " + in("server.crt") + "\nkeyfile " + in("server.key") + "\ncafile " + in("ca.crt") + "\n"
		url = "mqtts://totem:PASSWORD@" + e.Hosts[0] + ":8883?ca=" + in("ca.crt")
	}
	text := fmt.Sprintf(config, note, listener, tls, in("passwd"), in("acl"))
	if err := e.write("totem.conf", []byte(text)); err != nil {
		return err
	}
	fmt.Fprintf(e.out, `
Once, on Debian:
  sudo ln -s %s /etc/mosquitto/conf.d/totem.conf && sudo systemctl restart mosquitto
After each further export:
  sudo systemctl reload mosquitto
Totem itself, with the password in %s:
  TOTEM_MQTT_URL='%s'
`, in("totem.conf"), filepath.Join(e.cfg.Data, passwordFile), url)
	return nil
}
