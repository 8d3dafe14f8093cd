package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lorntech/totem/docs/systemd"
	"github.com/lorntech/totem/internal/catalogues"
)

// starting is the catalogue that Init writes: one building with a hall, a coworking and
// an office, to be changed.
const starting = `# A catalogue to start from. totem catalogue check %[1]s lists what is wrong in it;
# docs/devices.md says how real devices are named here.
network: %[2]q
timezone: Europe/Paris
sites:
  - id: %[3]s
    name: %[4]q
    city: %[5]q
    holidays: fr                    # or fr-moselle
    opening:                        # weekly, local time; holidays are closed
      - {days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}
buildings:
  - {id: %[3]s-1, site: %[3]s, name: %[4]q}
spaces:                             # rent_cents_m2_month may be added to those that are let
  - {id: %[3]s-hall, building: %[3]s-1, floor: 0, name: Hall, kind: common, capacity: 40, area_m2: 120}
  - {id: %[3]s-coworking, building: %[3]s-1, floor: 0, name: Coworking, kind: coworking, parent: %[3]s-hall, capacity: 20, area_m2: 110}
  - {id: %[3]s-office-1, building: %[3]s-1, floor: 0, name: Bureau 1, kind: private-office, parent: %[3]s-hall, capacity: 4, area_m2: 25}
doors:
  - {id: %[3]s-entrance, from: outside, to: %[3]s-hall}
  - {id: %[3]s-coworking-door, from: %[3]s-hall, to: %[3]s-coworking}
  - {id: %[3]s-office-1-door, from: %[3]s-hall, to: %[3]s-office-1}
devices:
  - {id: %[3]s-entrance-in, site: %[3]s, kind: reader, door: %[3]s-entrance, direction: in}
  - {id: %[3]s-entrance-out, site: %[3]s, kind: reader, door: %[3]s-entrance, direction: out}
  - {id: %[3]s-coworking-in, site: %[3]s, kind: reader, door: %[3]s-coworking-door, direction: in}
  - {id: %[3]s-coworking-out, site: %[3]s, kind: reader, door: %[3]s-coworking-door, direction: out}
  - {id: %[3]s-office-1-in, site: %[3]s, kind: reader, door: %[3]s-office-1-door, direction: in}
  - {id: %[3]s-coworking-count, site: %[3]s, kind: people-counter, space: %[3]s-coworking, hold_seconds: 1800}
  - {id: %[3]s-gateway, site: %[3]s, kind: gateway}
`

// startingSettings are the settings that Init writes.
const startingSettings = `# Settings of Totem, a variable a line; docs/operations.md lists all of them.
TOTEM_CATALOGUE=%s
TOTEM_DATA=%s
TOTEM_HTTP=127.0.0.1:8080
TOTEM_MQTT_LISTEN=127.0.0.1:1883
# TOTEM_BILLING=/etc/totem/billing.yaml
# TOTEM_BACKUP_RECIPIENT=age1…      # as totem backup key prints it
`

// Answers are what Init asks for.
type Answers struct{ Network, Site, Name, City string }

// Usual returns the answers that are used where nobody is asked.
func Usual() Answers {
	return Answers{Network: "LORnTECH", Site: "annexe", Name: "Annexe", City: "Lunéville"}
}

var siteID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Ask asks for each answer; an empty line takes the usual one.
func Ask(in io.Reader, out io.Writer) (Answers, error) {
	a, lines := Usual(), bufio.NewScanner(in)
	for _, q := range []struct {
		asks string
		into *string
	}{
		{"Name of the network", &a.Network},
		{"Id of the first site (lower-case letters, digits, hyphens)", &a.Site},
		{"Name of its building", &a.Name},
		{"City", &a.City},
	} {
		if _, err := fmt.Fprintf(out, "%s [%s]: ", q.asks, *q.into); err != nil {
			return a, err
		}
		if !lines.Scan() {
			return a, errors.Join(
				errors.New("the input ended before all was answered; --yes takes the usual answers"),
				lines.Err(),
			)
		}
		if text := strings.TrimSpace(lines.Text()); text != "" {
			*q.into = text
		}
	}
	return a, nil
}

// Init writes a catalogue to start from, settings and systemd's units to a folder, and
// says what comes next. It replaces no file.
func Init(dir string, a Answers, out io.Writer) error {
	if !siteID.MatchString(a.Site) {
		return fmt.Errorf("the site's id %q: only lower-case letters, digits and single hyphens between them", a.Site)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	_, absent := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	catalogue := filepath.Join(dir, "catalogue.yaml")
	data := filepath.Join(dir, "data")
	if strings.HasPrefix(dir, "/etc/") { // systemd lets a service write its own folder alone
		data = "/var/lib/totem"
	}
	files := map[string]string{
		catalogue:                       fmt.Sprintf(starting, catalogue, a.Network, a.Site, a.Name, a.City),
		filepath.Join(dir, "totem.env"): fmt.Sprintf(startingSettings, catalogue, data),
	}
	units, err := fs.Glob(systemd.Files, "*")
	if err != nil {
		return err
	}
	_, unpacked := os.Stat(packagedUnit)
	packaged := unpacked == nil
	if packaged {
		units = nil
	}
	for _, name := range units {
		text, err := systemd.Files.ReadFile(name)
		if err != nil {
			return err
		}
		files[filepath.Join(dir, name)] = string(text)
	}
	for path := range files {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s exists already, and nothing was written: choose another folder", path)
		}
	}
	if err := tryCatalogue(files[catalogue]); err != nil { // before anything is written
		return err
	}
	for path, text := range files {
		if err := writeNew(path, text); err != nil {
			for made := range files { // none was there before
				_ = os.Remove(made)
			}
			return err
		}
	}
	given := slices.Collect(maps.Keys(files))
	if absent != nil { // a folder that was there stays as it is
		given = append(given, dir)
	}
	could, err := giveToService(given)
	if err != nil {
		return err
	}
	return sayNext(out, dir, packaged, could)
}

// sayNext prints what Init has written to a folder, and how to start the service with it.
func sayNext(out io.Writer, dir string, packaged, readable bool) error {
	text := fmt.Sprintf(`%[1]s has now:
  catalogue.yaml    one building, to be changed: totem catalogue check %[1]s/catalogue.yaml
  totem.env         the settings
`, dir)
	if packaged {
		text += `Start it with:
  sudo systemctl enable --now totem.service
and, once totem backup key has made a key and its recipient is in totem.env:
  sudo systemctl enable --now totem-backup.timer
`
	} else {
		chgrp := ""
		if !readable {
			chgrp = ", whose user must be able to read it: chgrp -R totem " + dir
		}
		text += fmt.Sprintf(`  *.service, *.timer for systemd: see "On a Debian machine" in docs/operations.md
Start it with:
  set -a; . %[1]s/totem.env; set +a
  totem serve
or as a service of systemd%[2]s
(in Docker: chown -R 65532 %[1]s).
`, dir, chgrp)
	}
	_, err := io.WriteString(out, text)
	return err
}

// packagedUnit is there where Totem was installed as a Debian package.
const packagedUnit = "/usr/lib/systemd/system/totem.service"

// giveToService lets the service's group, totem, read what root has made. It reports whether it did: only root can, and
// only where there is such a group.
func giveToService(paths []string) (could bool, err error) {
	group, err := user.LookupGroup("totem")
	if err != nil || os.Geteuid() != 0 {
		return false, nil //nolint:nilerr // there is no such user yet
	}
	gid, err := strconv.Atoi(group.Gid)
	for _, path := range paths {
		info, serr := os.Stat(path)
		if err = errors.Join(err, serr); err != nil {
			return false, err
		}
		err = errors.Join(os.Chown(path, 0, gid), os.Chmod(path, info.Mode().Perm()|readable(info)))
	}
	return err == nil, err
}

// readable returns the bits by which a group may read a file, or enter a folder.
func readable(info fs.FileInfo) fs.FileMode {
	if info.IsDir() {
		return 0o050
	}
	return 0o040
}

// tryCatalogue reports what is wrong in a catalogue's text.
func tryCatalogue(text string) error {
	dir, err := os.MkdirTemp("", "totem-init-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "catalogue.yaml")
	if err := writeNew(file, text); err != nil {
		return err
	}
	_, err = catalogues.Load(file)
	return err
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
