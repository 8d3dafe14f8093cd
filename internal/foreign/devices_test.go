package foreign_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// deviceCase is what real devices send, and the right answer (testdata/devices).
type deviceCase struct {
	Title     string            `json:"title"`
	Catalogue []string          `json:"catalogue"`
	Cards     map[string]string `json:"cards"`
	OpenTopic string            `json:"open_topic"`
	Messages  []struct {
		Topic   string `json:"topic"`
		Payload string `json:"payload"`
		Retain  bool   `json:"retain"`
		Repeat  int    `json:"repeat"`
		Pad     int    `json:"pad"`
		WaitMS  int    `json:"wait_ms"`
	} `json:"messages"`
	WantSpaces map[string]struct {
		Occupied *bool `json:"occupied"`
		Count    *int  `json:"count"`
		Unknown  bool  `json:"unknown"`
	} `json:"want_spaces"`
	WantReads []struct {
		Member  string   `json:"member"`
		Granted bool     `json:"granted"`
		Offline *bool    `json:"offline"`
		AgeS    *float64 `json:"age_s"`
	} `json:"want_reads"`
	WantRejects        *int     `json:"want_rejects"`
	WantHeard          []string `json:"want_heard"`
	WantTold           string   `json:"want_told"`
	WantOpens          *int     `json:"want_opens"`
	WantCatalogueError string   `json:"want_catalogue_error"`
	OrCatalogueError   string   `json:"or_catalogue_error"`
}

const around = `
network: LORnTECH
timezone: Europe/Paris
sites:
  - {id: metz, name: TCRM-Blida, city: Metz, holidays: fr-moselle, opening: [{days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}]}
buildings:
  - {id: blida, site: metz, name: TCRM-Blida}
spaces:
  - {id: hall, building: blida, floor: 0, name: Hall, kind: common, capacity: 60, area_m2: 180}
  - {id: cowork, building: blida, floor: 0, name: Coworking, kind: coworking, parent: hall, capacity: 40, area_m2: 200}
  - {id: meet, building: blida, floor: 0, name: Meeting, kind: meeting-room, parent: hall, capacity: 8, area_m2: 20}
  - {id: visio, building: blida, floor: 0, name: Visio, kind: videoconference, parent: hall, capacity: 8, area_m2: 20}
doors:
  - {id: entrance, from: outside, to: hall}
  - {id: cowork-door, from: hall, to: cowork}
devices:
  - {id: metz-gateway, site: metz, kind: gateway}
`

func TestRealDevicesAsTheyAre(t *testing.T) {
	files, err := filepath.Glob("testdata/devices/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c deviceCase
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (c *deviceCase) run(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.Catalogue = filepath.Join(t.TempDir(), "catalogue.yaml")
	text := around
	for _, line := range c.Catalogue {
		text += "  " + line + "\n"
	}
	if err := os.WriteFile(cfg.Catalogue, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard()})
	wrong := c.WantCatalogueError + c.OrCatalogueError
	if wrong != "" && err != nil && strings.Contains(err.Error(), wrong) {
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", c.Title, err)
	}
	t.Cleanup(func() { apptest.Stop(t, a) })
	if c.WantCatalogueError != "" {
		t.Fatalf("the catalogue is taken; it should be an error that names %s", c.WantCatalogueError)
	}
	c.settle(t, a)
	gateway := dialGateway(t, a)
	opens := 0
	var mu sync.Mutex
	if c.OpenTopic != "" {
		reader := dialDevice(t, a, a.Foreign.Commanded(c.OpenTopic)[0].ID)
		if err := reader.Subscribe(
			t.Context(),
			c.OpenTopic,
			func(string, []byte) { mu.Lock(); opens++; mu.Unlock() },
		); err != nil {
			t.Fatal(err)
		}
	}
	arrivals, cancel := a.Pipeline.Watch()
	defer cancel()
	var heard []ingest.Arrival
	go func() {
		for v := range arrivals {
			mu.Lock()
			heard = append(heard, v)
			mu.Unlock()
		}
	}()
	for _, m := range c.Messages {
		for range max(1, m.Repeat) {
			payload := filled(m.Payload) + strings.Repeat(" ", m.Pad)
			publish := gateway.Publish
			if m.Retain {
				publish = gateway.PublishRetained
			}
			if err := publish(m.Topic, []byte(payload)); err != nil {
				t.Fatal(err)
			}
		}
		if err := gateway.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m.WaitMS > 0 {
			time.Sleep(time.Duration(m.WaitMS) * time.Millisecond) // as the device does
		}
	}
	var why string
	check := func() bool {
		mu.Lock()
		defer mu.Unlock()
		why = c.wrong(t, a, heard, opens)
		return why == ""
	}
	for end := time.Now().Add(4 * time.Second); !check(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: %s", c.Title, why)
		}
	}
	time.Sleep(100 * time.Millisecond) // what must not come has had its time
	if !check() {
		t.Errorf("%s: afterwards %s", c.Title, why)
	}
}

// wrong says what is not as it should be; empty: nothing.
func (c *deviceCase) wrong(t *testing.T, a *app.App, heard []ingest.Arrival, opens int) string {
	live := map[string]int{}
	all := a.Live.Availability()
	for i, s := range all {
		live[string(s.Space)] = i
	}
	for id, want := range c.WantSpaces {
		s := all[live[id]]
		switch {
		case want.Unknown && (s.Count != nil || s.Occupied != nil):
			return id + " is known"
		case want.Occupied != nil && (s.Occupied == nil || *s.Occupied != *want.Occupied):
			return id + " is not occupied as it should be"
		case want.Count != nil && (s.Count == nil || *s.Count != *want.Count):
			return id + " has another count"
		}
	}
	if c.WantReads != nil {
		reads, err := a.Ledger.Reads(t.Context(), ledger.ReadFilter{Limit: 100})
		if err != nil {
			return err.Error()
		}
		if len(reads) != len(c.WantReads) {
			return fmt.Sprintf("%d reads, want %d", len(reads), len(c.WantReads))
		}
		for i, want := range c.WantReads {
			r := reads[i]
			age := time.Since(r.At).Seconds()
			if string(r.Subject.Member) != want.Member || r.Moved() != want.Granted ||
				want.Offline != nil && *want.Offline != (r.Reader != nil) ||
				want.AgeS != nil && (age < *want.AgeS-1 || age > *want.AgeS+10) {
				return fmt.Sprintf("read %d is %+v, want %+v", i, r, want)
			}
		}
	}
	rejects, err := a.Ledger.Rejects(t.Context(), nil, 0, 100)
	if err != nil {
		return err.Error()
	}
	if c.WantRejects != nil && len(rejects) != *c.WantRejects {
		return fmt.Sprintf("%d rejects: %+v", len(rejects), rejects)
	}
	shown, err := json.Marshal(heard)
	if err != nil {
		return err.Error()
	}
	for _, want := range c.WantHeard {
		if !strings.Contains(string(shown), want) {
			return "the watch does not show " + want + ": " + string(shown)
		}
	}
	if c.WantTold != "" &&
		!slices.ContainsFunc(heard, func(v ingest.Arrival) bool { return string(v.Device) == c.WantTold }) {
		return "nothing names " + c.WantTold
	}
	if c.WantOpens != nil && opens != *c.WantOpens {
		return fmt.Sprintf("%d openings", opens)
	}
	return ""
}

// settle gives each named member their card and a lease that opens both doors.
func (c *deviceCase) settle(t *testing.T, a *app.App) {
	changes := []rights.Change{
		apptest.Change(tenancy.Tenant{ID: "t", Name: "T", Site: "metz", Kind: "company"}),
		apptest.Change(
			tenancy.Plan{ID: "p", Name: "P", Includes: []catalogue.SpaceKind{catalogue.Coworking}, Schedule: tenancy.Always},
		),
		apptest.Change(
			tenancy.Lease{
				ID:       "l",
				Tenant:   "t",
				Site:     "metz",
				Plan:     "p",
				StartsOn: catalogue.Date(2020, 1, 1),
				Status:   tenancy.Active,
			},
		),
	}
	for name, uid := range c.Cards {
		changes = append(changes,
			apptest.Change(tenancy.Member{ID: tenancy.MemberID(name), Tenant: "t", Name: name}),
			apptest.Credential(t, a.Keys, name+"-card", tenancy.MemberID(name), uid),
		)
	}
	if err := a.Rights.Apply(t.Context(), "test", changes...); err != nil {
		t.Fatal(err)
	}
}

func dialGateway(t *testing.T, a *app.App) *mqttclient.Client {
	return dialDevice(t, a, "metz-gateway")
}

// dialDevice connects as a device with a new secret of its own.
func dialDevice(t *testing.T, a *app.App, id catalogue.DeviceID) *mqttclient.Client {
	t.Helper()
	secret := apptest.ClientOf(t, a).Must("POST", "/v1/devices/"+string(id)+"/secret", "")["password"].(string)
	c, err := mqttclient.Dial(t.Context(), a.MQTT.String(), string(id)+":test", string(id), secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var placeholder = regexp.MustCompile(`\{\{(\w+)(?: (-?\d+))?\}\}`)

// filled puts the instants of now into a payload.
func filled(payload string) string {
	return placeholder.ReplaceAllStringFunc(payload, func(s string) string {
		m := placeholder.FindStringSubmatch(s)
		by, _ := strconv.Atoi(m[2])
		at := time.Now().Add(time.Duration(by) * time.Second)
		switch m[1] {
		case "unix":
			return strconv.FormatInt(at.Unix(), 10)
		case "unixms":
			return strconv.FormatInt(at.UnixMilli(), 10)
		case "local":
			paris, _ := time.LoadLocation("Europe/Paris")
			return at.In(paris).Format("2006-01-02 15:04:05")
		}
		return at.UTC().Format(time.RFC3339Nano)
	})
}
