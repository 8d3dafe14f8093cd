package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/wire"
)

func TestCorrectionStandsBesideWhatWasMeasured(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	c := apptest.ClientOf(t, a)
	d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID))
	visit := func() map[string]any {
		return c.Must("GET", "/v1/visits?member=alice", "")["items"].([]any)[0].(map[string]any)
	}
	v := visit()
	if v["ended"] != nil || v["to"] != nil || v["correction"] != nil || v["tenant"] != "atelier" {
		t.Errorf("a visit that goes on: %v", v)
	}
	path := "/v1/visits/" + v["id"].(string) + "/correction"
	from := time.Now().Add(-3 * time.Hour)
	got := c.Must(
		"PUT",
		path,
		fmt.Sprintf(
			`{"from":%q,"to":%q,"reason":"forgot to badge out"}`,
			wire.FormatTime(from),
			wire.FormatTime(from.Add(90*time.Minute)),
		),
	)
	if status, _ := c.Ask(
		"PUT",
		path,
		fmt.Sprintf(
			`{"from":%q,"to":%q,"reason":"a slip"}`,
			wire.FormatTime(from.AddDate(-1, 0, 0)),
			wire.FormatTime(from.AddDate(-1, 0, 0)),
		),
	); status != 422 {
		t.Errorf("a visit moved by a year: %d", status)
	}
	if said := fmt.Sprint(got["warnings"]); !strings.Contains(said, "metz-hall is none") {
		t.Errorf("a correction in a hall, which is not billed: %s", said)
	}
	if got["from"] != v["from"] {
		t.Errorf("what was measured has changed: %v", got)
	}
	k := visit()["correction"].(map[string]any)
	if k["from"] != wire.FormatTime(from) || k["reason"] != "forgot to badge out" || k["author"] != "admin" {
		t.Errorf("correction: %v", k)
	}
	c.Must("DELETE", path, "")
	if visit()["correction"] != nil {
		t.Error("the correction is still there")
	}
	if status, _ := c.Ask("DELETE", path, ""); status != 404 {
		t.Errorf("undone twice: %d", status)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}

func TestTooLargeABodyIsRefused(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	status, _ := apptest.ClientOf(t, a).Ask("PUT", "/v1/tenants/x", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`)
	if status != 413 {
		t.Errorf("got %d", status)
	}
}
