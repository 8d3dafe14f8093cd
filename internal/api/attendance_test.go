package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/wire"
)

func TestAttendanceOfAnEventCountsWithoutNames(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	begin := time.Date(2026, 11, 18, 17, 0, 0, 0, time.UTC)
	apptest.ClientOf(t, a).Must(
		"PUT",
		"/v1/events/talk",
		`{"title":"Talk","spaces":["metz-auditorium","metz-cafe"],"starts_at":"2026-11-18T17:00:00Z","ends_at":"2026-11-18T19:00:00Z","audience":"public","invited":[]}`,
	)
	say := func(device string, at time.Time, count int) apptest.Sent {
		return apptest.Sent{
			Topic:   "totem/v1/metz/" + device + "/count",
			Payload: fmt.Appendf(nil, `{"id":%q,"at":%q,"count":%d}`, uuid.New(), wire.FormatTime(at), count),
		}
	}
	var all []apptest.Sent
	for m := -30; m < 150; m += 15 { // 40 in the auditorium, 5 in the café; before and after nobody
		n, at := 0, begin.Add(time.Duration(m)*time.Minute)
		if m >= 0 && m < 120 {
			n = 1
		}
		all = append(all, say("metz-auditorium-count", at, 40*n), say("metz-cafe-count", at, 5*n))
	}
	apptest.Publish(t, a, all)
	var page struct {
		Items []struct {
			Site   string
			Peak   int
			Person float64 `json:"person_hours"`
			Known  float64 `json:"known_hours"`
		}
	}
	apptest.Get(t, apptest.ClientOf(t, a), "/v1/events/talk/attendance", 200, &page)
	if len(page.Items) != 1 || page.Items[0].Peak != 45 || page.Items[0].Person != 90 || page.Items[0].Known != 4 {
		t.Errorf("%+v", page)
	}
	apptest.Get(t, apptest.ClientOf(t, a), "/v1/events/none/attendance", 404, nil)
}
