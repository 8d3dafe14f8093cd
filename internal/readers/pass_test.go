package readers_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/firmware-sim/reader"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// gate is the firmware of one reader in Metz, with the list that it got last.
type gate struct {
	*reader.Reader
	mu    sync.Mutex
	lists [][]byte
}

// installed connects readers of Metz to a service; each applies its lists when
// it is told to.
func installed(t *testing.T, a *app.App, c apptest.Client, ids ...catalogue.DeviceID) map[catalogue.DeviceID]*gate {
	t.Helper()
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	site, _ := a.Keys.Site("metz")
	gates := map[catalogue.DeviceID]*gate{}
	for _, id := range ids {
		dev := a.Network.Device(id)
		g := &gate{Reader: reader.New(reader.Config{
			Device: id, Site: "metz", Door: dev.Door, Direction: dev.Direction, SiteKey: site.Public(),
			ListKey: a.Keys.List(), Boot: uuid.New(), NewID: uuid.New,
		})}
		gates[id] = g
		err := d.C.Subscribe(t.Context(), "totem/v1/metz/"+string(id)+"/allowlist", func(_ string, p []byte) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.lists = append(g.lists, p)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return gates
}

// sync applies the lists that have arrived, and returns their number.
func (g *gate) sync() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lists {
		g.Allowlist(l)
	}
	n := len(g.lists)
	return n
}

// alone shows a token to a reader that cannot ask.
func (g *gate) alone(token string, now time.Time) reader.Outcome {
	if _, opened := g.Badge(wire.Credential{QR: true, Bytes: []byte(token)}, now); opened != nil {
		return *opened
	}
	outcomes, _ := g.Tick(now.Add(reader.Wait))
	return outcomes[len(outcomes)-1]
}

// TestAPassMadeBeforeTheNetworkFellOpens: the readers have the lists of before.
func TestAPassMadeBeforeTheNetworkFellOpens(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	gates := installed(t, a, c, "metz-entrance-in", "metz-coworking-in", "metz-fablab-in")
	for id, g := range gates {
		apptest.Eventually(t, "a list of "+string(id), func() bool { return g.sync() > 0 && g.Version() != "" })
	}
	now := time.Now().Truncate(time.Minute)
	pass := func(id, space string, from, to time.Time) string {
		t.Helper()
		made := c.Must("PUT", "/v1/passes/"+id, fmt.Sprintf(
			`{"host":"alice","name":"Guest","spaces":[%q],"valid_from":%q,"valid_to":%q}`,
			space, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339)))
		token, _ := made["token"].(string)
		if token == "" || len(token) > 200 {
			t.Fatalf("token %q", token)
		}
		return token
	}
	// The network falls here: what follows reaches no reader until it is back.
	good := pass("guest", "metz-coworking", now, now.Add(2*time.Hour))
	later := pass("later", "metz-coworking", now.Add(time.Hour), now.Add(2*time.Hour))
	notGiven := pass("not-given", "metz-fablab", now, now.Add(2*time.Hour)) // Alice's lease has no FabLab
	tampered := good[:20] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, good[20:21]) + good[21:]
	for _, x := range []struct {
		what    string
		at      catalogue.DeviceID
		token   string
		granted bool
	}{
		{"the street door, which is crossed", "metz-entrance-in", good, true},
		{"its own door", "metz-coworking-in", good, true},
		{"another door", "metz-fablab-in", good, false},
		{"before its time", "metz-coworking-in", later, false},
		{"what the host has not", "metz-fablab-in", notGiven, false},
		{"a changed token", "metz-coworking-in", tampered, false},
		{"no pass at all", "metz-coworking-in", strings.Repeat("x", 43), false},
	} {
		if o := gates[x.at].alone(x.token, now.Add(time.Minute)); o.Granted != x.granted {
			t.Errorf("%s: %+v", x.what, o)
		}
	}
	if o := gates["metz-coworking-in"].alone(good, now.Add(2*time.Hour)); o.Granted {
		t.Errorf("past its end: %+v", o)
	}
	if o := gates["metz-coworking-in"].alone(good, now.Add(25*time.Hour)); o.Granted || o.Reason != "list-expired" {
		t.Errorf("past the end of the list: %+v", o)
	}

	// The network is back: the pass is in the lists; then it is deleted.
	shown := func(id catalogue.DeviceID, token string) reader.Outcome {
		gates[id].sync()
		return gates[id].alone(token, now.Add(time.Minute))
	}
	apptest.Eventually(t, "the list to know it", func() bool {
		o := shown("metz-coworking-in", good)
		return o.Granted && o.By == "list"
	})
	c.Must("DELETE", "/v1/passes/guest", "")
	apptest.Eventually(t, "the list to refuse it", func() bool { return !shown("metz-coworking-in", good).Granted })
	site, _ := a.Keys.Site("metz")
	// What is refused are deleted passes, not those of next week: a list has no room for a season's visitors.
	nextWeek := pass("next-week", "metz-coworking", now.Add(7*24*time.Hour), now.Add(8*24*time.Hour))
	c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":true,"reason":"every list is made again"}`)
	c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":false,"reason":"over"}`)
	refused := func(token string) bool {
		p, err := wire.VerifyPass(site.Public(), token)
		if err != nil {
			t.Fatal(err)
		}
		list, err := wire.VerifyList(site.Public(), "metz-coworking-in", payloadOf(t, a.Ledger, "metz-coworking-in"))
		return err == nil && slices.Contains(list.Refused, p.ID)
	}
	apptest.Eventually(t, "the list to name the deleted pass", func() bool { return refused(good) })
	if refused(nextWeek) {
		t.Error("a pass of next week is refused as if it were deleted")
	}
	// A lockdown reaches the lists: no visitor passes, not even one whom they do not know.
	unknown := wire.SignPass(site.Private, wire.Pass{
		ID: wire.PassID{9}, From: now, To: now.Add(time.Hour), Spaces: []wire.SpaceHash{wire.HashSpace("metz-coworking")},
	})
	if o := shown("metz-entrance-in", unknown); !o.Granted || o.By != "token" {
		t.Errorf("a signed pass that the list does not know: %+v", o)
	}
	c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":true,"reason":"test"}`)
	apptest.Eventually(t, "the lockdown", func() bool { return !shown("metz-entrance-in", unknown).Granted })
	// Online the ledger decides, and has no such pass.
	answer := c.Must("POST", "/v1/access/check",
		fmt.Sprintf(`{"credential":"qr:%s","door":"metz-entrance","direction":"in"}`, unknown))
	if answer["granted"] != false || answer["reason"] != "unknown-credential" {
		t.Errorf("online: %v", answer)
	}
}

// TestAPassOfNineSpacesHasARandomToken keeps tokens short enough for a QR code.
func TestAPassOfNineSpacesHasARandomToken(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	var spaces []string
	for _, s := range a.Network.Spaces {
		if s.Site == "metz" && len(spaces) < 9 {
			spaces = append(spaces, fmt.Sprintf("%q", s.ID))
		}
	}
	site, _ := a.Keys.Site("metz")
	for n, signed := range map[int]bool{8: true, 9: false} {
		now := time.Now().UTC()
		made := c.Must("PUT", fmt.Sprintf("/v1/passes/of-%d", n), fmt.Sprintf(
			`{"host":"remi","name":"Guest","spaces":[%s],"valid_from":%q,"valid_to":%q}`,
			strings.Join(spaces[:n], ","), now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)))
		token := made["token"].(string)
		p, err := wire.VerifyPass(site.Public(), token)
		if (err == nil) != signed || len(token) > 200 || signed && len(p.Spaces) != n {
			t.Errorf("%d spaces: %d characters, %+v, %v", n, len(token), p, err)
		}
	}
}
