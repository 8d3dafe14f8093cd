package live_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
)

func TestTheLastStatusOrWillThatArrivedCounts(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	online := func() string {
		d := a.Live.Devices()[apptest.Reader]
		if d.Online == nil {
			return "never said"
		}
		return fmt.Sprint(*d.Online)
	}
	apptest.Say(t, a, string(apptest.Reader), "status", apptest.AtNow(0)+`,"online":true`, false)
	apptest.Say(t, a, string(apptest.Reader), "status", `{"online":false}`, true)
	apptest.Eventually(t, "offline by its will", func() bool { return online() == "false" })
	apptest.Say(
		t,
		a,
		string(apptest.Reader),
		"status",
		apptest.AtNow(2*time.Second)+`,"online":true`,
		false,
	) // its clock is slow
	apptest.Eventually(t, "online after the reconnect", func() bool { return online() == "true" })
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, silent, err := a.Ledger.Readers(
		t.Context(),
		[]catalogue.DeviceID{apptest.Reader},
		time.Now().Add(-time.Hour),
		time.Now().Add(time.Minute),
	)
	if err != nil || len(silent) != 0 && silent[len(silent)-1].To.IsZero() {
		t.Errorf("to the series it is silent for ever: %+v, %v", silent, err)
	}
}

func TestAlarmsEndByArrivalAndNeverBeforeTheyBegan(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	alarms := func() map[ingest.AlarmKind]ingest.Alarm {
		list, err := a.Ledger.Alarms(t.Context(), ledger.AlarmFilter{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		m := map[ingest.AlarmKind]ingest.Alarm{}
		for _, al := range list {
			m[al.Kind] = al
		}
		return m
	}
	boot := uuid.New()
	number := func(n int) string { return fmt.Sprintf(`,"boot":%q,"seq":%d`, boot, n) }
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(time.Hour)+`,"count":1`+number(1), false)
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(0)+`,"count":1`+number(3), false)
	apptest.Eventually(t, "the gap", func() bool { return alarms()[ingest.AlarmGap].ID != "" })
	apptest.Say(t, a, "metz-coworking-count", "count", apptest.AtNow(30*time.Minute)+`,"count":1`+number(2), false)
	apptest.Eventually(t, "its end", func() bool { return alarms()[ingest.AlarmGap].ClearedAt != nil })
	if g := alarms()[ingest.AlarmGap]; g.ClearedAt.Before(g.Since) {
		t.Errorf("a gap since %s was cleared at %s", g.Since, g.ClearedAt)
	}
	apptest.Say(t, a, string(apptest.Reader), "door", apptest.AtNow(time.Minute)+`,"state":"forced"`, false)
	apptest.Eventually(t, "forced", func() bool { return alarms()[ingest.AlarmDoorForced].ID != "" })
	apptest.Say(t, a, string(apptest.Reader), "door", apptest.AtNow(time.Hour)+`,"state":"closed"`, false) // of before
	apptest.Say(t, a, string(apptest.Reader), "door", apptest.AtNow(2*time.Hour)+`,"state":"held"`, false)
	time.Sleep(100 * time.Millisecond) // what would be raised or cleared is by then
	if got := alarms(); got[ingest.AlarmDoorForced].ClearedAt != nil || got[ingest.AlarmDoorHeld].ID != "" {
		t.Errorf("late door states changed what a later one said: %+v", got)
	}
}

func TestAlarmsOfWhatLeftTheCatalogueAreClosed(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	err := a.Ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		return tx.PutAlarm(
			ingest.Alarm{
				ID:     "silent-gone-1",
				Kind:   ingest.AlarmSilent,
				Site:   "metz",
				Device: "gone",
				Since:  time.Now().Add(-time.Hour),
			},
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	apptest.Stop(t, a)
	a = apptest.Start(t, cfg)
	apptest.Eventually(t, "it is closed", func() bool {
		list, err := a.Ledger.Alarms(t.Context(), ledger.AlarmFilter{ID: "silent-gone-1", Limit: 1})
		return err == nil && len(list) == 1 && list[0].ClearedAt != nil &&
			strings.Contains(list[0].Detail, "left the catalogue")
	})
}
