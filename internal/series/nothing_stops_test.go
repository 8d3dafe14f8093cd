package series_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/occupancy"
)

// damage changes the ledger behind the service's back.
func damage(t *testing.T, a *app.App, query string, args ...any) {
	t.Helper()
	if _, err := apptest.Database(t, a.Config).Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

func TestADayOfTheSeriesThatCannotBeReadIsMadeAgain(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(20*time.Minute)+`,"count":4`, false)
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := time.Now().UTC().Truncate(time.Minute)
	path := fmt.Sprintf(
		"/v1/usage?by=space&site=metz&from=%s&to=%s",
		to.Add(-15*time.Minute).Format(time.RFC3339),
		to.Format(time.RFC3339),
	)
	known := func() float64 {
		_, got := apptest.ClientOf(t, a).Ask("GET", path, "")
		for _, item := range got["items"].([]any) {
			if u := item.(map[string]any); u["key"] == "metz-coworking" {
				return u["known_hours"].(float64)
			}
		}
		return -1
	}
	if got := known(); got != 0.25 {
		t.Fatalf("%g hours are known, want 0.25", got)
	}
	damage(t, a, "UPDATE series_days SET body = substr(body, 1, 1) WHERE space = 'metz-coworking'")
	if status, _ := apptest.ClientOf(t, a).Ask("GET", path, ""); status != 200 {
		t.Errorf("usage answers %d where one day of one space cannot be read", status)
	}
	apptest.Eventually(t, "the day is made again", func() bool { return known() == 0.25 })
}

func TestASpaceThatCannotBeMadeIsNamedAndTheOthersGoOn(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(20*time.Minute)+`,"count":4`, false)
	apptest.Say(t, a, "metz-fablab-count", "count", apptest.AtNow(20*time.Minute)+`,"count":2`, false)
	damage(t, a, "UPDATE observations SET body = '{' WHERE device = 'metz-coworking-count'")
	// The follower may have made the space before the damage: another message has it made again, after it.
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(19*time.Minute)+`,"count":4`, false)
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	faults := strings.Join(a.Degraded(), "\n")
	if !strings.Contains(faults, "metz-coworking ") {
		t.Errorf("degraded: %q does not name the space", faults)
	}
	minutes, err := a.APIConfig().Series.Minutes(
		t.Context(),
		"metz-fablab",
		occupancy.MinuteOf(time.Now().Add(-10*time.Minute)),
		occupancy.MinuteOf(time.Now().Add(-5*time.Minute)),
	)
	if err != nil || len(minutes) == 0 || minutes[0].Peak != 2 {
		t.Errorf("the other space: %+v, %v", minutes, err)
	}
	damage(t, a, "UPDATE observations SET body = '{\"count\":4}' WHERE body = '{' AND device = 'metz-coworking-count'")
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := a.Degraded(); len(got) != 0 {
		t.Errorf("it is still degraded: %v", got)
	}
}
