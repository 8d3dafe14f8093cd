package ingest_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/wire"
)

type refusedCase struct{ topic, payload, reason string }

// device returns whose message is kept as that of one who sends no cards.
func (c refusedCase) device() string {
	if c.reason == "too-large" { // nobody looks at who sent it
		return ""
	}
	return strings.Split(c.topic, "/")[3]
}

func TestWhatIsRefusedIsKeptWithItsReason(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		id, now := uuid.NewString(), wire.FormatTime(time.Now())
		future := wire.FormatTime(time.Now().Add(10 * time.Minute))
		for _, c := range []refusedCase{
			{"totem/v1/metz/metz-entrance-in/badge", `{"id":"` + id + `","at":"` + now + `"}`, "malformed: credential"},
			{"totem/v1/metz/metz-entrance-in/badge", `nonsense`, "malformed: is not a JSON object"},
			{"totem/v1/metz/metz-entrance-in/badge", `{"id":"1","at":"` + now + `","credential":"04"}`, "malformed: id"},
			{"totem/v1/metz/metz-entrance-in/count", `{"id":"` + id + `","at":"` + now + `","count":1}`, "wrong-kind"},
			{"totem/v1/metz/nobody/count", `{"id":"` + id + `","at":"` + now + `","count":1}`, "unknown-device"},
			{"totem/v1/metz/metz-coworking-count/count", `{"id":"` + id + `","at":"` + future + `","count":1}`, "future"},
			{"totem/v1/metz/metz-coworking-count/count", `{"id":"` + id + `","at":"` + now + `","count":-1}`, "malformed: count"},
			{"totem/v1/metz/metz-coworking-count/count", `{"x":"` + strings.Repeat("a", wire.MaxPayload) + `"}`, "too-large"},
		} {
			d.Raw(c.topic, c.payload)
			var rejects []ingest.Reject
			apptest.Eventually(t, c.reason, func() bool {
				var err error
				rejects, err = a.Ledger.Rejects(t.Context(), nil, 0, 1)
				return err == nil && len(rejects) == 1 && strings.HasPrefix(rejects[0].Reason, c.reason)
			})
			if r := rejects[0]; r.Topic != c.topic ||
				!bytes.Equal(r.Payload,
					wire.Conceal(
						[]byte(c.payload[:min(len(c.payload), wire.MaxPayload)]),
						a.Network.Device(catalogue.DeviceID(c.device())),
					),
				) {
				t.Errorf("%s: kept as %s %.40s", c.reason, r.Topic, r.Payload)
			}
		}
	})
}
