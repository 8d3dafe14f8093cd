package ingest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
)

func TestABadgeIsEnrolledByHoldingItTwiceToAReader(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	const path = "/v1/devices/metz-entrance-in/enrolment"
	state := func() string {
		_, got := c.Ask("GET", path, "")
		return fmt.Sprint(got["state"])
	}
	begin := func() string { return c.Must("POST", path, `{"member":"alice","kind":"card"}`)["id"].(string) }
	put := func(id, member string) int {
		status, _ := c.Ask(
			"PUT",
			"/v1/credentials/alice-new",
			`{"member":"`+member+`","kind":"card","status":"active","enrolment":"`+id+`"}`,
		)
		return status
	}
	begin()
	if status, _ := c.Ask("POST", path, `{"member":"bob","kind":"card"}`); status != 409 {
		t.Errorf("a second at the same reader: %d", status)
	}
	d.Badge(apptest.BadgeNow(uuid.New(), "04FEED01"))
	d.Badge(apptest.BadgeNow(uuid.New(), "04FEED02"))
	if got := state(); got != "ended" {
		t.Errorf("after two different badges: %s", got)
	}
	id := begin()
	d.Badge(apptest.BadgeNow(uuid.New(), apptest.BobUID)) // somebody's already
	if got := state(); got != "waiting" {
		t.Errorf("after a known badge: %s", got)
	}
	d.Badge(apptest.BadgeNow(uuid.New(), "04FEED03"))
	if got := state(); got != "once" || put(id, "alice") != 422 {
		t.Errorf("after one badge: %s", got)
	}
	d.Badge(apptest.BadgeNow(uuid.New(), "04FEED03"))
	if got := state(); got != "ready" {
		t.Errorf("after the same twice: %s", got)
	}
	if status := put(id, "bob"); status != 422 {
		t.Errorf("for another member: %d", status)
	}
	if status := put(id, "alice"); status != 200 {
		t.Errorf("for its member: %d", status)
	}
	if w := c.Must(
		"POST",
		"/v1/access/explain",
		`{"credential":"04FEED03","door":"metz-entrance","direction":"in"}`,
	); w["granted"] != true {
		t.Errorf("the new badge: %v", w)
	}
	_, got := c.Raw("GET", "/v1/credentials/alice-new", "")
	if strings.Contains(strings.ToUpper(string(got)), "FEED") || strings.Contains(string(got), "enrolment") {
		t.Errorf("what is shown of it: %s", got)
	}
	if status, _ := c.As(
		"manager",
		`,"sites":["nancy"]`,
	).Ask(
		"POST",
		path,
		`{"member":"alice","kind":"card"}`,
	); status != 404 {
		t.Errorf("a manager of another site: %d", status)
	}
}
