package presence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/wire"
)

// A week of late reads of many people costs one pass over each, and who badges
// today is first.
func TestVisitsOfManyLateReadsAreMadeInOnePass(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	monday := time.Now().Add(-7 * 24 * time.Hour)
	for i := range 2000 { // in and in again: nothing ever shows that she left
		at := wire.FormatTime(monday.Add(time.Duration(i) * 5 * time.Minute))
		payload := fmt.Appendf(nil,
			`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
			uuid.New(),
			at,
			apptest.AliceUID,
		)
		a.Pipeline.Handle(
			t.Context(),
			ingest.Delivery{Topic: apptest.BadgeTopic(apptest.Reader), Payload: payload, From: "g", Ack: func() {}},
		)
	}
	apptest.OpenDoor(t, a, a.MQTT.String()).Badge(apptest.BadgeNow(uuid.New(), apptest.RemiUID))
	apptest.Eventually(t, "Rémi is there", func() bool {
		there, err := a.Ledger.Presences(t.Context(), time.Now())
		return err == nil && len(there) > 0
	})
	if asOf, err := a.Presence.CaughtUp(t.Context()); err != nil || !asOf.IsZero() {
		t.Fatal(asOf, err)
	}
	if left, err := a.Ledger.Touched(t.Context(), 10); err != nil || len(left) != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}
