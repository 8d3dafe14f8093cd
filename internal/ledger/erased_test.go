package ledger_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/wire"
)

// TestNothingOfAPersonIsLeftInAnyFile searches the bytes of every file of the
// data folder, those that SQLite has freed too.
func TestNothingOfAPersonIsLeftInAnyFile(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Priced(t, a)
	c := apptest.ClientOf(t, a)
	const uid = "04D7E15A9B3C80"
	c.Must(
		"PUT",
		"/v1/members/needle-member",
		`{"tenant":"atelier","name":"Needle Hayworth","email":"needle@hay.example"}`,
	)
	c.Must(
		"PUT",
		"/v1/members/needle-member",
		`{"tenant":"atelier","name":"Needle Haystack","email":"needle@hay.example"}`,
	)
	c.Must(
		"PUT",
		"/v1/credentials/card-of-hers",
		`{"member":"needle-member","kind":"card","uid":"`+uid+`","status":"active"}`,
	)
	c.Must(
		"PUT",
		"/v1/credentials/former-card",
		`{"member":"needle-member","kind":"card","uid":"04D7E15A9B3C81","status":"active"}`,
	)
	c.Must("DELETE", "/v1/credentials/former-card", "")
	const l = `{"tenant":"atelier","site":"metz","spaces":[],"plan":"cowork","starts_on":"2020-01-01","status":"active","rent_cents_month":0,"members":`
	c.Must("PUT", "/v1/leases/hers", l+`["needle-member"]}`)
	c.Must("PUT", "/v1/leases/hers", l+`["alice"]}`) // no longer hers
	c.Must("PUT", "/v1/leases/hers", l+`["alice","needle-member"]}`)
	c.Must(
		"PUT",
		"/v1/passes/guest",
		`{"host":"needle-member","name":"Needle Guest","spaces":["metz-coworking"],"valid_from":"2026-01-01T00:00:00Z","valid_to":"2026-01-02T00:00:00Z"}`,
	)
	c.Must("DELETE", "/v1/passes/guest", "")
	stays := apptest.Stay("2026-10-06", "09:00:00", "12:00:00")
	for i := range stays {
		stays[i].Payload = []byte(strings.Replace(string(stays[i].Payload), apptest.AliceUID, uid, 1))
	}
	ahead := `{"id":"` + uuid.NewString() + `","at":"` + wire.FormatTime(
		time.Now().Add(time.Hour),
	) + `","credential":"` + uid + `"}`
	apptest.Publish(
		t,
		a,
		append(stays, apptest.Sent{Topic: apptest.BadgeTopic("metz-coworking-in"), Payload: []byte(ahead)},
			apptest.Sent{Topic: apptest.BadgeTopic("metz-coworking-in"), Payload: []byte(`{"credential":"` + uid + `"`)},
			apptest.Sent{Topic: apptest.BadgeTopic("metz-unheard-of"), Payload: []byte(`{"uid":"04-D7-E1-5A-9B-3C-80"}`)}),
	)
	var visits struct{ Items []struct{ ID string } }
	apptest.Get(t, c, "/v1/visits?member=needle-member&space=metz-coworking", 200, &visits)
	if len(visits.Items) == 0 {
		t.Fatalf("%d visits", len(visits.Items))
	}
	c.Must(
		"PUT",
		"/v1/visits/"+visits.Items[0].ID+"/correction",
		`{"from":"2026-10-06T07:00:00Z","to":"2026-10-06T09:00:00Z","reason":"Needle forgot her badge"}`,
	)
	_, rejects := c.Raw("GET", "/v1/rejects", "")
	for _, said := range []string{"04D7", "04-D7"} {
		if strings.Contains(string(rejects), said) || !strings.Contains(string(rejects), "[masked]") {
			t.Errorf("rejects: %s", rejects)
		}
	}
	c.Must("DELETE", "/v1/members/needle-member/data", "")
	// One who was deleted before they ever badged is held in acts alone.
	c.Must("PUT", "/v1/members/needle-second", `{"tenant":"atelier","name":"Needle Second","email":"second@hay.example"}`)
	c.Must(
		"PUT",
		"/v1/credentials/second-card",
		`{"member":"needle-second","kind":"card","uid":"04D7E15A9B3C82","status":"active"}`,
	)
	c.Must("DELETE", "/v1/credentials/second-card", "")
	c.Must("DELETE", "/v1/members/needle-second", "")
	c.Must("GET", "/v1/members/needle-second/data", "")
	c.Must("DELETE", "/v1/members/needle-second/data", "")
	if answer := c.Must("GET", "/v1/audit/verify", ""); answer["ok"] != true {
		t.Errorf("after the erasure: %v", answer)
	}
	check := func(when string) {
		for _, secret := range []string{uid, strings.ToLower(uid), "needle", "Needle", "Haystack", "Hayworth", "hay.example", "\x04\xd7\xe1\x5a\x9b\x3c\x80"} {
			for _, file := range holding(t, cfg.Data, secret) {
				t.Errorf("%s: %s holds %q", when, file, secret)
			}
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for len(holding(t, cfg.Data, "Haystack"))+len(holding(t, cfg.Data, "second@")) > 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	check("while it runs")
	apptest.Stop(t, a)
	check("once it is stopped")
}

// holding lists the files below a folder that hold a text.
func holding(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			files = append(files, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
