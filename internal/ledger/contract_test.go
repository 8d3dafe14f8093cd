package ledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/ledger/pgtest"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/webhooks"
	"github.com/lorntech/totem/internal/wire"
)

// begin is when the contract's events happen: whole milliseconds, as stored.
var begin = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }

// book is one ledger under the contract.
type book struct {
	*testing.T
	l *ledger.Ledger
}

// write commits changes, and ends the test where one fails.
func (b book) write(change func(tx *ledger.Tx) error) {
	b.Helper()
	if err := b.l.Write(b.Context(), change); err != nil {
		b.Fatal(err)
	}
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// TestContract is what every ledger keeps, whatever stores it: what was written
// is read as it was written, in the order that its function says.
func TestContract(t *testing.T) {
	places := map[string]func(t *testing.T) string{"SQLite": func(t *testing.T) string { return t.TempDir() }}
	if pgtest.Wanted() {
		server := pgtest.Start(t)
		places["PostgreSQL"] = func(t *testing.T) string { return server.Database(t) }
	} else {
		t.Logf("not run over PostgreSQL: %s is not set", pgtest.Variable)
	}
	for engine, place := range places {
		t.Run(engine, func(t *testing.T) { contract(t, place) })
	}
}

func contract(t *testing.T, place func(t *testing.T) string) {
	for name, test := range map[string]func(b book){
		"tokens": tokens, "sessions": sessions, "secrets": secrets, "rents": rents, "plans": plans, "alarms": alarms,
		"lockdowns": lockdowns, "decision times": decisionTimes, "outbox": outbox, "series": seriesDays,
		"sensors": sensors, "readers": readers, "reads": reads, "visits and corrections": corrections, "hours": hours,
		"statements": statements, "presences and stays": presences, "touched": touched, "unknown devices": unknowns,
		"catalogues": catalogues, "acts": acts, "webhooks": hooks,
		"announced readers": announced, "allowlists": allowlists,
	} {
		t.Run(name, func(t *testing.T) {
			l, err := ledger.Open(t.Context(), place(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
			test(book{t, l})
			if audit, err := l.Verify(t.Context(), nil); err != nil || !audit.OK {
				t.Errorf("the chain afterwards: %+v, %v", audit, err)
			}
		})
	}
}

func tokens(b book) {
	ends := at(60)
	hall := ledger.Token{ID: "hall", Role: ledger.Display, Sites: []catalogue.SiteID{"metz"}, Hash: []byte("a")}
	desk := ledger.Token{ID: "desk", Role: ledger.Manager, Hash: []byte("b"), ExpiresAt: &ends}
	b.write(func(tx *ledger.Tx) error { return errors.Join(tx.PutToken(hall), tx.PutToken(desk)) })
	hall.Hash = []byte("c")
	b.write(func(tx *ledger.Tx) error { return tx.PutToken(hall) })
	if list := must(b.l.Tokens(b.Context())); len(list) != 2 || list[0].ID != "desk" || !list[0].ExpiresAt.Equal(ends) {
		b.Errorf("by id: %+v", list)
	}
	if got := must(b.l.TokenByHash(b.Context(), []byte("c"))); got.ID != "hall" || got.Sites[0] != "metz" {
		b.Errorf("by its hash: %+v", got)
	}
	if _, err := b.l.TokenByHash(b.Context(), []byte("a")); !errors.Is(err, ledger.ErrNotFound) {
		b.Errorf("a replaced token opens: %v", err)
	}
	b.write(func(tx *ledger.Tx) error { return tx.DeleteToken("desk") })
	if _, err := b.l.Token(b.Context(), "desk"); !errors.Is(err, ledger.ErrNotFound) {
		b.Errorf("deleted: %v", err)
	}
	if err := b.l.Write(
		b.Context(),
		func(tx *ledger.Tx) error { return tx.DeleteToken("desk") },
	); !errors.Is(
		err,
		ledger.ErrNotFound,
	) {
		b.Errorf("deleted twice: %v", err)
	}
}

func sessions(b book) {
	hall := ledger.Token{ID: "hall", Role: ledger.Display, Hash: []byte("a")}
	desk := ledger.Token{ID: "desk", Role: ledger.Manager, Hash: []byte("b")}
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(tx.PutToken(hall), tx.PutToken(desk),
			tx.PutSession(ledger.Session{Hash: []byte("1"), Token: hall, UsedAt: at(0)}, at(-60)),
			tx.PutSession(ledger.Session{Hash: []byte("2"), Token: desk, UsedAt: at(0)}, at(-60)),
			tx.UseSession([]byte("2"), at(10)),
			tx.PutSession(ledger.Session{Hash: []byte("3"), Token: desk, UsedAt: at(20)}, at(15)))
	})
	if s := must(b.l.Session(b.Context(), []byte("1"))); s.Token.ID != "hall" || !s.UsedAt.Equal(at(0)) {
		b.Errorf("a display's session lives as long as its token: %+v", s)
	}
	if _, err := b.l.Session(b.Context(), []byte("2")); !errors.Is(err, ledger.ErrNotFound) {
		b.Errorf("idle: %v", err)
	}
	desk.Hash = []byte("new")
	b.write(func(tx *ledger.Tx) error { return errors.Join(tx.PutToken(desk), tx.DeleteSession([]byte("1"))) })
	for _, id := range []string{"1", "3"} {
		if _, err := b.l.Session(b.Context(), []byte(id)); !errors.Is(err, ledger.ErrNotFound) {
			b.Errorf("session %s after its end: %v", id, err)
		}
	}
}

func allowlists(b book) {
	first := ledger.Allowlist{
		Device: "a", Version: 1, Digest: []byte("x"), IssuedAt: at(0), ExpiresAt: at(1440), Payload: []byte("one"),
	}
	second := first
	second.Version, second.Digest, second.Payload = 2, []byte("y"), []byte("two")
	b.write(func(tx *ledger.Tx) error { return errors.Join(tx.PutAllowlist(first), tx.PutAllowlist(second)) })
	list := must(b.l.Allowlists(b.Context()))
	if len(list) != 1 || list[0].Version != 2 || string(list[0].Digest) != "y" || !list[0].ExpiresAt.Equal(at(1440)) {
		b.Errorf("%+v", list)
	}
	if got := must(b.l.AllowlistPayload(b.Context(), "a")); string(got) != "two" {
		b.Errorf("payload %q", got)
	}
	if got := must(b.l.AllowlistPayload(b.Context(), "b")); got != nil {
		b.Errorf("the payload of a list that does not exist: %q", got)
	}
}

func secrets(b book) {
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(tx.PutDeviceSecret("a", []byte("1"), "m1", 2), tx.PutDeviceSecret("b", []byte("2"), "m2", 0),
			tx.PutDeviceSecret("a", []byte("3"), "m3", 0))
	})
	if got := must(b.l.DeviceSecrets(b.Context())); len(got) != 2 || string(got["a"]) != "3" {
		b.Errorf("secrets: %q", got)
	}
	if got := must(b.l.ListKeys(b.Context())); got["a"] != 2 || got["b"] != 1 {
		b.Errorf("list keys: %v", got)
	}
	if got := must(b.l.BrokerPasswords(b.Context())); got["a"] != "m3" || got["b"] != "m2" {
		b.Errorf("Mosquitto's: %v", got)
	}
}

func rents(b book) {
	first := tariff.Revision{
		Space: "x", From: catalogue.Date(2026, 11, 1), At: at(0), Rent: tariff.Rent{Cents: 1100, Reason: "use", By: "m"},
	}
	second := first
	second.Rent.Cents, second.At = 1200, at(1)
	b.write(func(tx *ledger.Tx) error { return errors.Join(tx.PutRent(first), tx.PutRent(second)) })
	if got := must(b.l.Rents(b.Context())); !slices.Equal(got, []tariff.Revision{first, second}) {
		b.Errorf("in the order of their recording: %+v", got)
	}
}

func plans(b book) {
	put := func(plans map[catalogue.BuildingID]string) {
		b.write(func(tx *ledger.Tx) error { return tx.PutPlans(plans) })
	}
	put(map[catalogue.BuildingID]string{"blida": "<svg>1", "thi": "<svg>2"})
	put(map[catalogue.BuildingID]string{"blida": "<svg>3"})
	if got := must(b.l.Plan(b.Context(), "blida")); got != "<svg>3" {
		b.Errorf("%q", got)
	}
	if _, err := b.l.Plan(b.Context(), "thi"); !errors.Is(err, ledger.ErrNotFound) {
		b.Errorf("replaced: %v", err)
	}
}

func alarms(b book) {
	ended := at(9)
	gap := ingest.Alarm{ID: "gap-1", Kind: ingest.AlarmGap, Site: "metz", Device: "d", Detail: "4 to 6", Since: at(1)}
	other := ingest.Alarm{ID: "gap-2", Kind: ingest.AlarmGap, Site: "nancy", Since: at(2)}
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(tx.PutAlarm(gap), tx.PutAlarm(other), tx.AcknowledgeAlarm("gap-1", "m"))
	})
	gap.ClearedAt = &ended
	b.write(func(tx *ledger.Tx) error { return tx.PutAlarm(gap) })
	ids := func(f ledger.AlarmFilter) (list []string) {
		for _, a := range must(b.l.Alarms(b.Context(), f)) {
			list = append(list, a.ID)
		}
		return list
	}
	for name, c := range map[string]struct {
		f    ledger.AlarmFilter
		want []string
	}{
		"newest first": {ledger.AlarmFilter{}, []string{"gap-2", "gap-1"}},
		"open":         {ledger.AlarmFilter{OpenOnly: true}, []string{"gap-2"}},
		"of a site":    {ledger.AlarmFilter{Sites: []catalogue.SiteID{"metz"}}, []string{"gap-1"}},
		"of none":      {ledger.AlarmFilter{Sites: []catalogue.SiteID{}}, nil},
		"a page":       {ledger.AlarmFilter{AfterSince: at(2), AfterID: "gap-2", Limit: 5}, []string{"gap-1"}},
	} {
		if got := ids(c.f); !slices.Equal(got, c.want) {
			b.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if a := must(b.l.Alarms(b.Context(), ledger.AlarmFilter{ID: "gap-1"}))[0]; a.AcknowledgedBy != "m" ||
		!a.ClearedAt.Equal(ended) || !a.Since.Equal(at(1)) {
		b.Errorf("%+v", a)
	}
	if err := b.l.Write(
		b.Context(),
		func(tx *ledger.Tx) error { return tx.AcknowledgeAlarm("none", "m") },
	); !errors.Is(
		err,
		ledger.ErrNotFound,
	) {
		b.Errorf("there is no such alarm: %v", err)
	}
}

func lockdowns(b book) {
	for _, c := range []struct {
		active bool
		at     int
	}{{true, 0}, {true, 1}, {false, 5}, {false, 6}, {true, 9}} {
		b.write(func(tx *ledger.Tx) error { return tx.SetLockdown("metz", c.active, at(c.at)) })
	}
	list := must(b.l.Lockdowns(b.Context(), at(0)))
	if len(list) != 2 || !list[0].From.Equal(at(0)) || !list[0].To.Equal(at(5)) || list[1].To != nil {
		b.Errorf("repeats changed something: %+v", list)
	}
	if list := must(b.l.Lockdowns(b.Context(), at(6))); len(list) != 1 {
		b.Errorf("one had ended: %+v", list)
	}
}

// told returns a webhook's events, oldest first, as type and how it stands.
func (b book) told(webhook string) (list []string) {
	b.Helper()
	for _, d := range slices.Backward(must(b.l.Deliveries(b.Context(), ledger.DeliveryFilter{Queue: webhook}))) {
		list = append(list, fmt.Sprintf("%s %s %d", d.Type, d.Outcome, d.Attempts))
	}
	return list
}

func (b book) expect(what string, got []string, want ...string) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("%s: %q, want %q", what, got, want)
	}
}

// hooks: what is committed is queued for whom it concerns, once and in order.
func hooks(b book) {
	put := func(w webhooks.Webhook) {
		b.Helper()
		b.write(func(tx *ledger.Tx) error {
			return errors.Join(tx.PutWebhook(w, at(0)), tx.AddAct(
				&ingest.Act{At: at(0), Actor: "test", Action: "put", Target: "webhook/" + w.ID, Body: ledger.WebhookAct(&w)},
			))
		})
	}
	all := []webhooks.Topic{webhooks.OfAlarms, webhooks.OfLockdowns, webhooks.OfStatements}
	put(webhooks.Webhook{ID: "all", Queue: "all", URL: "https://a.example", Topics: all, Nonce: []byte("n")})
	metz := webhooks.Webhook{
		ID:     "metz",
		Queue:  "metz",
		URL:    "https://b.example",
		Topics: all[:2],
		Sites:  []catalogue.SiteID{"metz"},
		Nonce:  []byte("m"),
	}
	put(metz)
	if got := must(b.l.Webhook(b.Context(), "metz")); got.URL != metz.URL || !slices.Equal(got.Topics, metz.Topics) ||
		!slices.Equal(got.Sites, metz.Sites) || string(got.Nonce) != "m" || got.Off || got.FormerUntil != nil {
		b.Errorf("read again: %+v", got)
	}
	alarm := func(id string, site catalogue.SiteID, cleared *time.Time) {
		b.Helper()
		b.write(func(tx *ledger.Tx) error {
			return tx.PutAlarm(
				ingest.Alarm{ID: id, Kind: ingest.AlarmSilent, Site: site, Device: "d", Since: at(0), ClearedAt: cleared},
			)
		})
	}
	over := at(5)
	alarm("a1", "metz", nil)
	alarm("a1", "metz", nil)
	alarm("a1", "metz", &over)
	alarm("a1", "metz", &over)
	alarm("a2", "nancy", &over) // over before it was written
	lockdown := func(active ...bool) {
		b.write(func(tx *ledger.Tx) error {
			for _, on := range active {
				if err := tx.SetLockdown("metz", on, at(6)); err != nil {
					return err
				}
			}
			return tx.AddAct(
				&ingest.Act{At: at(6), Actor: "test", Action: "lockdown", Target: "site/metz", Body: []byte(`{"active":false}`)},
			)
		})
	}
	lockdown(true, true, false, false)
	undone := errors.New("undone")
	if err := b.l.Write(b.Context(), func(tx *ledger.Tx) error {
		return errors.Join(tx.SetLockdown("metz", true, at(7)), undone)
	}); !errors.Is(err, undone) {
		b.Fatal(err)
	}
	b.expect("of Metz", b.told("metz"),
		"alarm.raised waiting 0", "alarm.cleared waiting 0", "lockdown.begun waiting 0", "lockdown.ended waiting 0")
	b.expect("of all", b.told("all"), "alarm.raised waiting 0", "alarm.cleared waiting 0",
		"alarm.raised waiting 0", "alarm.cleared waiting 0", "lockdown.begun waiting 0", "lockdown.ended waiting 0")
	select {
	case <-b.l.Queued():
	default:
		b.Error("nobody was told that events wait")
	}
	next := must(b.l.NextDeliveries(b.Context()))
	if len(next) != 2 || next[0].Type != webhooks.AlarmRaised || next[0].Queue == next[1].Queue {
		b.Fatalf("next: %+v", next)
	}
	for _, d := range next { // one is delivered, the other one's receiver wants nothing more
		d.Attempts, d.Status, d.Outcome, d.DoneAt = 1, 200, webhooks.Delivered, &over
		if d.Queue == "metz" {
			d.Status, d.Outcome, d.Fault = 410, webhooks.GivenUp, "answered 410"
		}
		if err := b.l.NoteDelivery(b.Context(), must(b.l.Webhook(b.Context(), d.Queue)), d, d.Queue == "metz"); err != nil {
			b.Fatal(err)
		}
	}
	lockdown(true, false)
	b.expect("of Metz, switched off", b.told("metz"), "alarm.raised given-up 1", "alarm.cleared given-up 0",
		"lockdown.begun given-up 0", "lockdown.ended given-up 0")
	if w := must(b.l.WaitingDeliveries(b.Context())); w["metz"] != 0 || w["all"] != 7 {
		b.Errorf("waiting: %v", w)
	}
	told := func(space, body string) {
		b.Helper()
		if err := b.l.QueueAvailability(b.Context(), must(b.l.Webhook(b.Context(), "all")), []webhooks.Event{{
			Type: webhooks.AvailabilityChanged, Topic: webhooks.OfAvailability, About: space, At: at(8), Data: body,
		}}); err != nil {
			b.Fatal(err)
		}
	}
	told("s1", "free")
	told("s2", "free")
	told("s1", "busy")
	got := must(b.l.ToldAvailability(b.Context(), webhooks.Webhook{Queue: "all"}))
	if len(got) != 2 || !strings.Contains(string(got["s1"]), `"busy"`) || len(b.told("all")) != 10 {
		b.Errorf("a newer state takes the place of one that waits: %q, %q", got, b.told("all"))
	}
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(tx.DeleteWebhook("all"),
			tx.AddAct(&ingest.Act{At: at(9), Actor: "test", Action: "delete", Target: "webhook/all", Body: []byte("{}")}))
	})
	if err := b.l.Write(
		b.Context(),
		func(tx *ledger.Tx) error { return tx.DeleteWebhook("all") },
	); !errors.Is(
		err,
		ledger.ErrNotFound,
	) {
		b.Errorf("deleted twice: %v", err)
	}
	b.write(func(tx *ledger.Tx) error {
		_, err := tx.Purge(time.Now().AddDate(1, 0, 0), ledger.Retention{}, nil, 100)
		return err
	})
	if len(b.told("all")) != 0 {
		b.Errorf("of a deleted one: %q", b.told("all"))
	}
	if len(b.told("metz")) != 0 {
		b.Errorf("purged: %q", b.told("metz"))
	}
}

func decisionTimes(b book) {
	d := ledger.DecisionTime{
		Minute: 100, Site: "metz", Count: 3, Refused: 1,
		Mean: 2 * time.Millisecond, P50: time.Millisecond, P99: 4 * time.Millisecond, Max: 5 * time.Millisecond,
		Refusals: []ledger.Refusals{{Door: "metz-entrance", Reason: "outside-hours", Count: 1}},
	}
	e := d
	e.Minute, e.Refusals = 101, []ledger.Refusals{}
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(tx.AddDecisionTime(d), tx.AddDecisionTime(d), tx.AddDecisionTime(e))
	})
	if got := must(b.l.DecisionTimes(b.Context(), 99, 10)); !reflect.DeepEqual(got, []ledger.DecisionTime{d, e}) {
		b.Errorf("%+v", got)
	}
	if got := must(b.l.DecisionTimes(b.Context(), 100, 10)); len(got) != 1 {
		b.Errorf("after minute 100: %+v", got)
	}
}

func outbox(b book) {
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(tx.ToOutbox("a", 5), tx.ToOutbox("a", 6), tx.ToOutbox("b", 5))
	})
	list, all, err := b.l.Outbox(b.Context(), 2)
	if err != nil || len(list) != 2 || all != 3 {
		b.Fatalf("%+v of %d: %v", list, all, err)
	}
	b.write(func(tx *ledger.Tx) error { return tx.ToOutbox("a", 5) }) // it changed while it was sent
	b.write(func(tx *ledger.Tx) error { return tx.Delivered(list) })
	left, all, err := b.l.Outbox(b.Context(), 10)
	if err != nil || all != len(left) ||
		!slices.ContainsFunc(left, func(o ledger.Owed) bool { return o.Space == "a" && o.Hour == 5 }) {
		b.Errorf("what changed is owed again: %+v of %d, %v", left, all, err)
	}
}

func seriesDays(b book) {
	day := occupancy.MinuteOf(begin) / 1440
	run := func(n int32) []occupancy.Run {
		return []occupancy.Run{
			{Minutes: 30, Minute: occupancy.Minute{Known: 60_000, Occupied: 60_000, Person: int64(n) * 60_000, Peak: n}},
		}
	}
	from := day*1440 + 600
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(tx.MarkDirty("x", at(0), at(30)), tx.PutMinutes("x", from, run(2), true),
			tx.PutMinutes("x", from+10, run(5), true), tx.PutMinutes("y", from+1440, run(1), false))
	})
	peaks := map[int64]int32{}
	err := b.l.SeriesRuns(b.Context(), "x", day, day+1, false, func(day int64, runs []occupancy.Run) {
		minute := day * 1440
		for _, r := range runs {
			for range r.Minutes {
				peaks[minute] = r.Peak
				minute++
			}
		}
	})
	if err != nil || peaks[from] != 2 || peaks[from+9] != 2 || peaks[from+10] != 5 || peaks[from+39] != 5 ||
		peaks[from+40] != 0 {
		b.Errorf("the later minutes are put over the earlier: %v %v", peaks, err)
	}
	if got := must(b.l.SeriesSpaces(b.Context())); !slices.Equal(got, []catalogue.SpaceID{"x", "y"}) {
		b.Errorf("spaces: %v", got)
	}
	if _, all, _ := b.l.Outbox(b.Context(), 10); all != 1 {
		b.Errorf("%d hours owed, want the one of x", all)
	}
	dirty := must(b.l.DirtyMinutes(b.Context(), 10))
	if len(dirty) != 1 || dirty[0].Space != "x" {
		b.Fatalf("marked: %+v", dirty)
	}
	b.write(func(tx *ledger.Tx) error { return tx.ClearDirty(dirty[0].ID) })
	if left := must(b.l.DirtyMinutes(b.Context(), 10)); len(left) != 0 {
		b.Errorf("still marked: %+v", left)
	}
	b.write(func(tx *ledger.Tx) error { return tx.AllToOutbox("y", from, from+2*1440) })
	if _, all, _ := b.l.Outbox(b.Context(), 10); all < 2 {
		b.Errorf("%d hours owed after all of y", all)
	}
}

func sensors(b book) {
	say := func(device catalogue.DeviceID, minute int, body string) *ingest.Observation {
		return &ingest.Observation{
			ID: uuid.New(), At: at(minute), ReceivedAt: at(minute + 1), Device: device, What: wire.Count, Body: body,
		}
	}
	first, second := say("c", 0, `{"count":3}`), say("c", 10, `{"count":4}`)
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(tx.AddObservation(second), tx.AddObservation(first), tx.AddObservation(say("d", 5, `{"count":9}`)))
	})
	var counts []int
	yield := func(_ time.Time, _ uuid.UUID, v *ingest.Values) { counts = append(counts, *v.Count) }
	if err := b.l.SensorSaid(b.Context(), "c", at(0), at(10), yield); err != nil || !slices.Equal(counts, []int{3}) {
		b.Errorf("of c before its second: %v, %v", counts, err)
	}
	counts = nil
	if err := b.l.SensorBefore(b.Context(), "c", at(60), yield); err != nil || !slices.Contains(counts, 4) {
		b.Errorf("its last: %v, %v", counts, err)
	}
	b.write(func(tx *ledger.Tx) error {
		if next := must(tx.NextSaid("c", at(0))); !next.Equal(at(10)) {
			b.Errorf("after its first it speaks at %s", next)
		}
		if !must(tx.ToldAlready("c", at(1), 2*time.Minute, `{"count":3}`)) ||
			must(tx.ToldAlready("c", at(5), time.Minute, `{"count":3}`)) {
			b.Error("what was told already is found within its time only")
		}
		return nil
	})
	var seqs []int64
	err := b.l.ObservationsAfter(
		b.Context(),
		0,
		func(o *ingest.Observation) error { seqs = append(seqs, o.Seq); return nil },
	)
	if err != nil || len(seqs) != 3 || !slices.IsSorted(seqs) {
		b.Errorf("%v %v", seqs, err)
	}
	if page := must(b.l.ObservationsPage(b.Context(), seqs[0], 1)); len(page) != 1 || page[0].Seq != seqs[1] {
		b.Errorf("a page: %+v", page)
	}
	if got := must(b.l.NewestArrival(b.Context())); got.IsZero() {
		b.Error("nothing arrived")
	}
	if got := must(b.l.FirstMessage(b.Context())); !got.Equal(at(0)) {
		b.Errorf("the first message is of %s", got)
	}
}

// announced: what is announced is asked for once, and answered the same.
func announced(b book) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		type question struct {
			kind          int
			at            time.Time
			alive, status bool
		}
		var questions []question
		from := at(100)
		for range 1 + random.IntN(6) {
			q := question{random.IntN(4), at(random.IntN(60)), random.IntN(3) > 0, random.IntN(2) > 0}
			questions = append(questions, q)
			if q.at.Before(from) {
				from = q.at
			}
		}
		answers := func(reader catalogue.DeviceID, announce bool) (said []string) {
			b.write(func(tx *ledger.Tx) error {
				if announce {
					if err := tx.ExpectReaders([]catalogue.DeviceID{reader, "nobody"}, from); err != nil {
						return err
					}
				}
				for _, q := range questions {
					var yes bool
					var when time.Time
					var err error
					switch q.kind {
					case 0:
						yes, when, err = tx.NoteHeard(reader, q.at)
					case 1, 2:
						yes, when, err = tx.NoteLife(reader, q.at, q.alive || !q.status, q.status)
					case 3:
						if when, err = tx.LastWill(reader); q.alive && err == nil {
							err = tx.NoteWill(reader, q.at)
						}
					}
					if err != nil {
						return err
					}
					said = append(said, fmt.Sprint(q.kind, yes, when))
				}
				return nil
			})
			return said
		}
		b.expect("announced", answers("one", true), answers("two", false)...)
	}
}

func readers(b book) {
	b.write(func(tx *ledger.Tx) error {
		if earlier, until, err := tx.NoteHeard("r", at(10)); err != nil || !earlier || !until.IsZero() {
			b.Errorf("first heard: %t %s %v", earlier, until, err)
		}
		if earlier, until, err := tx.NoteHeard("r", at(5)); err != nil || !earlier || !until.Equal(at(10)) {
			b.Errorf("a late message of before: %t %s %v", earlier, until, err)
		}
		if earlier, _, err := tx.NoteHeard("r", at(7)); err != nil || earlier {
			b.Errorf("between: %t %v", earlier, err)
		}
		if changed, _, err := tx.NoteLife("r", at(20), false, true); err != nil || !changed {
			b.Errorf("it went offline: %t %v", changed, err)
		}
		if changed, _, err := tx.NoteLife("r", at(30), true, false); err != nil || !changed {
			b.Errorf("it was heard again: %t %v", changed, err)
		}
		return tx.NoteWill("r", at(21))
	})
	known, silent, err := b.l.Readers(b.Context(), []catalogue.DeviceID{"r", "never"}, at(0), at(60))
	if err != nil || !known.Equal(at(5)) || len(silent) != 1 || !silent[0].From.Equal(at(20)) ||
		!silent[0].To.Equal(at(30)) {
		b.Errorf("known since %s, silent %+v: %v", known, silent, err)
	}
	b.write(func(tx *ledger.Tx) error {
		if got, err := tx.LastWill("r"); err != nil || !got.Equal(at(21)) {
			b.Errorf("its last will came at %s: %v", got, err)
		}
		return nil
	})
}

// read returns a read of a member at the entrance.
func read(member tenancy.MemberID, minute int, granted bool) *ingest.Read {
	return &ingest.Read{
		ID: uuid.New(), At: at(minute), ReceivedAt: at(minute), Device: "entrance-in", Door: "entrance",
		Direction: catalogue.In, Subject: visit.Subject{Member: member}, Granted: granted, Reason: "lease",
		Credential: tenancy.CredentialHash{1, byte(minute)},
	}
}

func reads(b book) {
	in, refused, later := read("alice", 0, true), read("bob", 1, false), read("alice", 2, true)
	for _, r := range []*ingest.Read{in, refused, later} {
		b.write(func(tx *ledger.Tx) error {
			_, err := tx.See(r.ID, [16]byte{}, true)
			return errors.Join(err, tx.AddRead(r))
		})
		r.Seq = must(b.l.ReadByID(b.Context(), r.ID)).Seq
	}
	b.write(func(tx *ledger.Tx) error {
		return tx.AddReaderDecision(
			refused.Seq,
			&ingest.ReaderDecision{Granted: true, Reason: "lease", List: "3", ReceivedAt: at(3)},
		)
	})
	got := must(b.l.ReadByID(b.Context(), refused.ID))
	if got.Reader == nil || !got.Moved() || got.Granted || got.Subject.Member != "bob" {
		b.Errorf("what its reader did counts: %+v", got)
	}
	if _, err := b.l.ReadByID(b.Context(), uuid.New()); !errors.Is(err, ledger.ErrNotFound) {
		b.Errorf("there is no such read: %v", err)
	}
	count := func(f ledger.ReadFilter) int { return len(must(b.l.Reads(b.Context(), f))) }
	for name, c := range map[string]struct {
		f    ledger.ReadFilter
		want int
	}{
		"all":          {ledger.ReadFilter{}, 3},
		"of alice":     {ledger.ReadFilter{Member: "alice"}, 2},
		"granted":      {ledger.ReadFilter{Result: "granted"}, 3},
		"refused":      {ledger.ReadFilter{Result: "refused"}, 0},
		"at no door":   {ledger.ReadFilter{Doors: []catalogue.DoorID{}}, 0},
		"at the door":  {ledger.ReadFilter{Doors: []catalogue.DoorID{"entrance"}}, 3},
		"in a minute":  {ledger.ReadFilter{From: at(1), To: at(2)}, 1},
		"a page of 2":  {ledger.ReadFilter{Limit: 2}, 2},
		"of no tenant": {ledger.ReadFilter{Tenant: "nobody"}, 0},
	} {
		if got := count(c.f); got != c.want {
			b.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if list := must(b.l.Reads(b.Context(), ledger.ReadFilter{Newest: true, Limit: 1})); list[0].ID != later.ID {
		b.Errorf("the newest: %+v", list[0])
	}
	if moves := must(b.l.Moves(b.Context(), visit.Subject{Member: "alice"}, at(0), at(5))); len(moves) != 2 {
		b.Errorf("alice's moves: %+v", moves)
	}
	b.write(func(tx *ledger.Tx) error {
		if r := must(tx.Read(in.Seq)); r.ID != in.ID || !r.At.Equal(in.At) || r.Credential != in.Credential {
			b.Errorf("%+v", r)
		}
		return nil
	})
	var seqs []int64
	if err := b.l.ReadsAfter(
		b.Context(),
		in.Seq,
		func(r *ingest.Read) error { seqs = append(seqs, r.Seq); return nil },
	); err != nil ||
		len(seqs) != 2 {
		b.Errorf("after the first: %v, %v", seqs, err)
	}
}

// aVisit stores one visit of alice from minute 0 to 60.
func aVisit(b book) ledger.Visit {
	v := ledger.Visit{
		ID: uuid.New(), Member: "alice", Tenant: "atelier", Space: "coworking", From: at(0), To: at(60), Ended: visit.Badge,
	}
	b.write(func(tx *ledger.Tx) error { return tx.ReplaceVisits("alice", at(0), at(600), []ledger.Visit{v}) })
	return v
}

func corrections(b book) {
	v := aVisit(b)
	c := ledger.Correction{From: at(0), To: at(30), Reason: "she left", Author: "m", At: at(100)}
	act := &ingest.Act{At: c.At, Actor: "m", Action: "put", Target: ledger.CorrectionTarget(v.ID), Body: []byte(`{}`)}
	b.write(func(tx *ledger.Tx) error { return errors.Join(tx.PutCorrection(v.ID, c), tx.AddAct(act)) })
	list := must(b.l.Visits(b.Context(), ledger.VisitFilter{Member: "alice"}))
	if len(list) != 1 || list[0].Correction == nil || !list[0].Correction.To.Equal(at(30)) || !list[0].To.Equal(at(60)) {
		b.Fatalf("the correction stands beside what was measured: %+v", list)
	}
	for name, n := range map[string]struct {
		f    ledger.VisitFilter
		want int
	}{
		"by id":     {ledger.VisitFilter{ID: v.ID}, 1},
		"of space":  {ledger.VisitFilter{Spaces: []catalogue.SpaceID{"hall"}}, 0},
		"of tenant": {ledger.VisitFilter{Tenant: "atelier"}, 1},
		"in time":   {ledger.VisitFilter{From: at(-10), To: at(10)}, 1},
		"too late":  {ledger.VisitFilter{From: at(60), To: at(70)}, 0},
	} {
		if got := len(must(b.l.Visits(b.Context(), n.f))); got != n.want {
			b.Errorf("%s: %d, want %d", name, got, n.want)
		}
	}
	b.write(func(tx *ledger.Tx) error {
		del := &ingest.Act{At: at(110), Actor: "m", Action: "delete", Target: act.Target}
		return errors.Join(tx.DeleteCorrection(v.ID), tx.AddAct(del))
	})
	if list := must(b.l.Visits(b.Context(), ledger.VisitFilter{ID: v.ID})); list[0].Correction != nil {
		b.Errorf("undone: %+v", list[0])
	}
	err := b.l.Write(b.Context(), func(tx *ledger.Tx) error { return tx.PutCorrection(uuid.New(), c) })
	if !errors.Is(err, ledger.ErrNotFound) {
		b.Errorf("of no visit: %v", err)
	}
}

func hours(b book) {
	aVisit(b)
	const month = 2026*12 + 10
	if months := must(b.l.HoursToMake(b.Context(), at(0))); !slices.Equal(months, []int{month}) {
		b.Fatalf("to make: %v", months)
	}
	row := func() (r ledger.MonthHours) {
		n := 0
		err := b.l.Hours(b.Context(), month, "atelier", func(m *ledger.MonthHours) error {
			r, n = *m, n+1
			r.Body = slices.Clone(m.Body)
			return nil
		})
		if err != nil || n != 1 || r.Member != "alice" {
			b.Fatalf("%d rows, %+v: %v", n, r, err)
		}
		return r
	}
	stale := row()
	b.write(func(tx *ledger.Tx) error {
		return tx.ReplaceVisits("alice", at(0), at(600), []ledger.Visit{{
			ID: uuid.New(), Member: "alice", Tenant: "atelier", Space: "coworking", From: at(0), To: at(90), Ended: visit.Badge,
		}})
	})
	stale.Body = []byte("stale")
	b.write(func(tx *ledger.Tx) error { return tx.PutHours(&stale) })
	if r := row(); r.Made == r.Marked || string(r.Body) == "stale" {
		b.Errorf("hours of visits that have changed since were stored: %+v", r)
	}
	fresh := row()
	fresh.Body, fresh.Due = []byte("fresh"), at(120)
	b.write(func(tx *ledger.Tx) error { return tx.PutHours(&fresh) })
	if r := row(); string(r.Body) != "fresh" || !r.Due.Equal(at(120)) ||
		len(must(b.l.HoursToMake(b.Context(), at(0)))) != 0 {
		b.Errorf("%+v", r)
	}
	if months := must(b.l.HoursToMake(b.Context(), at(120))); len(months) != 1 {
		b.Errorf("due: %v", months)
	}
}

func statements(b book) {
	s := ledger.Statement{Month: "2026-10", Lease: "l", Tenant: "t", IssuedAt: at(0), Body: []byte(`{"net":1}`)}
	for i := range 3 {
		s.Month = fmt.Sprintf("2026-%02d", i+1)
		b.write(func(tx *ledger.Tx) error {
			n, err := tx.NextStatement()
			if err != nil || n != int64(i+1) {
				b.Errorf("number %d, %v", n, err)
			}
			s.Number = n
			return tx.AddStatement(s)
		})
	}
	list := must(b.l.Statements(b.Context(), ledger.StatementFilter{Tenant: "t", After: 1, Limit: 1}))
	if len(list) != 1 || list[0].Number != 2 || string(list[0].Body) != `{"net":1}` || !list[0].IssuedAt.Equal(at(0)) {
		b.Errorf("%+v", list)
	}
	for name, n := range map[string]int{
		"month": len(must(b.l.Statements(b.Context(), ledger.StatementFilter{Month: "2026-10"}))),
		"none":  len(must(b.l.Statements(b.Context(), ledger.StatementFilter{Of: []tenancy.TenantID{}}))),
	} {
		if n != 0 {
			b.Errorf("%s: %d", name, n)
		}
	}
	if err := b.l.Write(b.Context(), func(tx *ledger.Tx) error { return tx.AddStatement(s) }); err == nil {
		b.Error("a number was issued twice")
	}
}

func presences(b book) {
	who := visit.Subject{Member: "alice"}
	guest := visit.Subject{Pass: "guest"}
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(
			tx.PutPresence(ledger.Presence{Subject: who, Space: "hall", Since: at(0), Until: at(60)}),
			tx.PutPresence(ledger.Presence{Subject: who, Space: "room", Since: at(5), Until: at(60)}),
			tx.PutPresence(ledger.Presence{Subject: guest, Space: "hall", Since: at(0), Until: at(10)}),
			tx.ReplaceStays(
				who,
				at(0),
				at(60),
				[]visit.Stay{{Space: "hall", From: at(0), To: at(5)}, {Space: "room", From: at(5), To: at(60)}},
			),
			tx.ReplaceStays(who, at(0), at(60), []visit.Stay{{Space: "hall", From: at(0), To: at(4)}}),
		)
	})
	list := must(b.l.Presences(b.Context(), at(20)))
	if len(list) != 1 || list[0].Subject != who || list[0].Space != "room" || !list[0].Since.Equal(at(5)) {
		b.Errorf("at minute 20: %+v", list)
	}
	if stays := must(b.l.Stays(b.Context(), "hall", at(0), at(60))); len(stays) != 1 || !stays[0].To.Equal(at(4)) {
		b.Errorf("replaced stays: %+v", stays)
	}
	if stays := must(b.l.Stays(b.Context(), "room", at(0), at(60))); len(stays) != 0 {
		b.Errorf("a stay that is gone: %+v", stays)
	}
}

func touched(b book) {
	first := read("alice", 0, true)
	b.write(func(tx *ledger.Tx) error { return tx.AddRead(first) })
	list, upTo, err := b.l.TouchedAfter(b.Context(), 0, 10)
	if err != nil || len(list) != 1 || list[0].Subject.Member != "alice" || upTo < 1 {
		b.Fatalf("%+v up to %d, %v", list, upTo, err)
	}
	b.write(func(tx *ledger.Tx) error { return tx.Touch(list[0]) })
	before := must(b.l.Touched(b.Context(), 10))
	b.write(func(tx *ledger.Tx) error { return tx.TouchDoors([]catalogue.DoorID{"entrance"}, at(-10), at(1)) })
	b.write(func(tx *ledger.Tx) error { return tx.Made(before[0]) })
	left := must(b.l.Touched(b.Context(), 10))
	if len(left) != 1 {
		b.Fatalf("what was touched again meanwhile is not made: %+v", left)
	}
	b.write(func(tx *ledger.Tx) error { return tx.Made(left[0]) })
	if left := must(b.l.Touched(b.Context(), 10)); len(left) != 0 {
		b.Errorf("left: %+v", left)
	}
	b.write(func(tx *ledger.Tx) error {
		for who, there := range map[tenancy.MemberID]bool{"alice": true, "nobody": false} {
			if got := must(tx.StillThere(visit.Subject{Member: who})); got != there {
				b.Errorf("%s has reads: %t", who, got)
			}
		}
		return nil
	})
}

func unknowns(b book) {
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(
			tx.AddReject(
				&ingest.Reject{
					ReceivedAt: at(0),
					Topic:      "totem/v1/metz/new/count",
					Payload:    []byte("1"),
					Reason:     "unknown-device: x",
				},
			),
			tx.AddReject(
				&ingest.Reject{
					ReceivedAt: at(9),
					Topic:      "totem/v1/metz/new/count",
					Payload:    []byte("2"),
					Reason:     "unknown-device: x",
				},
			),
			tx.AddReject(
				&ingest.Reject{ReceivedAt: at(3), Topic: "totem/v1/nancy/a/count", Payload: []byte("3"), Reason: "bad-json: y"},
			),
		)
	})
	list := must(b.l.Unknowns(b.Context(), "unknown-device", []string{"totem/v1/metz/"}, "", 10))
	if len(list) != 1 || list[0].Count != 2 || !list[0].First.Equal(at(0)) || string(list[0].Payload) != "2" {
		b.Errorf("%+v", list)
	}
	if list := must(b.l.Rejects(b.Context(), nil, 0, 10)); len(list) != 3 {
		b.Errorf("%d rejects", len(list))
	}
}

func catalogues(b book) {
	b.write(func(tx *ledger.Tx) error {
		return errors.Join(
			tx.PutCatalogue(ledger.Catalogue{N: 1, Name: "a.yaml", Text: []byte("network: A"), At: at(0), By: "admin"}),
			tx.MarkDirty("old", at(0), at(5)),
			tx.AddRead(read("alice", 0, true)))
	})
	if list := must(b.l.Catalogues(b.Context())); len(list) != 1 || string(list[0].Text) != "network: A" {
		b.Errorf("%+v", list)
	}
	if err := b.l.NoteCatalogue(b.Context(), "basis", at(0)); err != nil {
		b.Error(err)
	}
	b.write(func(tx *ledger.Tx) error { return tx.RenameSpace("old", "new", true) })
	if dirty := must(b.l.DirtyMinutes(b.Context(), 10)); len(dirty) != 1 || dirty[0].Space != "new" {
		b.Errorf("renamed: %+v", dirty)
	}
	aVisit(b)
	if what := must(b.l.KeptUnder(b.Context(), []catalogue.SpaceID{"nothing"})); what != "" {
		b.Errorf("nothing is kept under that name, but %s", what)
	}
	if what := must(b.l.KeptUnder(b.Context(), []catalogue.SpaceID{"coworking"})); what == "" {
		b.Error("visits are kept under that name")
	}
}

func acts(b book) {
	for i, target := range []string{"member/alice", "member/bob", "member/alice"} {
		b.write(func(tx *ledger.Tx) error {
			return tx.AddAct(&ingest.Act{At: at(i), Actor: "admin", Action: "look", Target: target})
		})
	}
	if list := must(b.l.Acts(b.Context(), "member/alice")); len(list) != 2 {
		b.Errorf("of alice: %+v", list)
	}
	if list := must(b.l.ActsSince(b.Context(), "member", at(0))); len(list) != 2 {
		b.Errorf("after minute 0: %+v", list)
	}
	if used := must(b.l.Used(b.Context())); used {
		b.Error("acts can be read without keys")
	}
	if err := b.l.Ping(b.Context()); err != nil {
		b.Error(err)
	}
}
