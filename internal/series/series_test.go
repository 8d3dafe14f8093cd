package series_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/series/influxtest"
	"github.com/lorntech/totem/internal/wire"
)

// weeks makes messages at whole minutes around the change of clocks on 25
// October 2026 and around 11 November, a holiday.
func weeks(t *testing.T, n *catalogue.Network) (all []apptest.Sent, spans []catalogue.Interval) {
	t.Helper()
	rng := rand.New(rand.NewPCG(25, 10))
	for _, days := range [][2]catalogue.Day{{catalogue.Date(2026, 10, 24), catalogue.Date(2026, 10, 27)},
		{catalogue.Date(2026, 11, 10), catalogue.Date(2026, 11, 13)}} {
		from, to := n.Zone.Start(days[0]), n.Zone.Start(days[1])
		spans = append(spans, catalogue.Interval{From: from, To: to})
		add := func(device catalogue.DeviceID, what wire.What, every int, fill func(*wire.Message)) {
			d := n.Device(device)
			for at := from; at.Before(to); at = at.Add(time.Duration(1+rng.IntN(every)) * time.Minute) {
				m := &wire.Message{Topic: wire.Topic{Site: d.Site, Device: device, What: what}, ID: randomID(rng), At: at}
				fill(m)
				payload, err := m.Encode()
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, apptest.Sent{Topic: m.Topic.String(), Payload: payload, Msg: m})
			}
		}
		add("metz-coworking-count", wire.Count, 60, func(m *wire.Message) { m.Count = rng.IntN(20) })
		add("metz-verlaine-occupancy", wire.Occupancy, 100, func(m *wire.Message) { m.Occupied = rng.IntN(2) == 0 })
		add("metz-hall-flow", wire.Flow, 40, func(m *wire.Message) { m.In, m.Out = rng.IntN(5), rng.IntN(4) })
		add("metz-desk-1", wire.Occupancy, 50, func(m *wire.Message) { m.Occupied = rng.IntN(2) == 0 })
		add(
			"metz-entrance-in",
			wire.Status,
			900,
			func(m *wire.Message) { m.Status = &wire.StatusBody{Online: rng.IntN(4) > 0} },
		)
		for i, uid := range []string{apptest.AliceUID, apptest.RemiUID} {
			c, err := wire.ParseCredential(uid)
			if err != nil {
				t.Fatal(err)
			}
			for _, reader := range []catalogue.DeviceID{"metz-entrance-in", "metz-entrance-out", "metz-coworking-in"} {
				if n.Device(reader) == nil {
					continue
				}
				add(reader, wire.Badge, 500+i*200, func(m *wire.Message) {
					m.Badge = &wire.BadgeBody{Credential: c, Offline: &wire.Offline{Granted: true, Reason: "lease", List: "1"}}
				})
			}
		}
	}
	return all, spans
}

func randomID(rng *rand.Rand) (id uuid.UUID) {
	for i := range id {
		id[i] = byte(rng.IntN(256))
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// minutesOf reads the series of every space over the spans.
func minutesOf(t *testing.T, a *app.App, spans []catalogue.Interval) map[string][]occupancy.Run {
	t.Helper()
	if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := map[string][]occupancy.Run{}
	for _, sp := range a.Network.Spaces {
		for _, s := range spans {
			runs, err := series.Reader{
				History: a.Catalogues,
				Ledger:  a.Ledger,
			}.Minutes(t.Context(), sp.ID, occupancy.MinuteOf(s.From), occupancy.MinuteOf(s.To))
			if err != nil {
				t.Fatal(err)
			}
			out[fmt.Sprint(sp.ID, " ", s.From)] = runs
		}
	}
	return out
}

func TestShuffledAndRepeatedWeeksGiveTheExactIntegrals(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	all, spans := weeks(t, a.Network)
	apptest.Publish(t, a, all)
	inOrder := minutesOf(t, a, spans)

	cfg := apptest.Config(t)
	cfg.MQTTListen = "127.0.0.1:0"
	b := apptest.Start(t, cfg)
	apptest.Settle(t, b)
	rng := rand.New(rand.NewPCG(1, 1))
	mixed := slices.Concat(all, all[:len(all)/3])
	rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	half := len(mixed) / 2
	apptest.Publish(t, b, mixed[:half])
	minutesOf(t, b, spans) // what is made is made again where late messages touch it
	apptest.Publish(t, b, mixed[half:])
	if d := cmp.Diff(inOrder, minutesOf(t, b, spans)); d != "" {
		t.Errorf("in another order, repeated:\n%s", d)
	}
	for _, s := range spans {
		exact(t, a.Network, all, s, inOrder, "metz-verlaine-occupancy", func(m *wire.Message) int {
			if m.Occupied {
				return 1
			}
			return 0
		})
		exact(t, a.Network, all, s, inOrder, "metz-coworking-count", func(m *wire.Message) int { return m.Count })
	}
}

// exact holds a space with one sensor to a plain reading of its messages, which come at whole minutes.
func exact(
	t *testing.T,
	n *catalogue.Network,
	all []apptest.Sent,
	s catalogue.Interval,
	got map[string][]occupancy.Run,
	device catalogue.DeviceID,
	value func(*wire.Message) int,
) {
	t.Helper()
	d := n.Device(device)
	hold := occupancy.TimingOf(d).Hold
	var mine []*wire.Message
	for _, m := range all {
		if m.Msg.Topic.Device == device {
			mine = append(mine, m.Msg)
		}
	}
	slices.SortFunc(mine, func(a, b *wire.Message) int { return a.At.Compare(b.At) })
	at := s.From
	for _, r := range got[fmt.Sprint(d.Space, " ", s.From)] {
		for range r.Minutes {
			var want occupancy.Minute
			for _, m := range mine {
				if !m.At.After(at) && at.Before(m.At.Add(hold)) {
					v := value(m)
					want = occupancy.Minute{Known: 60_000, Person: int64(v) * 60_000, Peak: int32(v)}
					if v > 0 {
						want.Occupied = 60_000
					}
				}
			}
			if device == "metz-coworking-count" && want.Known == 0 {
				want = r.Minute // then another source is taken
			}
			if r.Minute != want {
				t.Fatalf("%s at %s: %+v, want %+v", d.Space, at, r.Minute, want)
			}
			at = at.Add(time.Minute)
		}
	}
	if !at.Equal(s.To) {
		t.Errorf("%s: the series ends at %s", d.Space, at)
	}
}

func TestInfluxDBHasWhatTheLedgerHas(t *testing.T) {
	influxtest.Need(t)
	server := influxtest.Start(t)
	cfg := apptest.Config(t)
	apptest.ToInflux(&cfg, server)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	all, spans := weeks(t, a.Network)
	rng := rand.New(rand.NewPCG(4, 4))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	apptest.Publish(t, a, all)
	want := minutesOf(t, a, spans)
	apptest.Shipped(t, a)
	influx := series.NewInflux(a.Network, a.Config.Influx())
	defer influx.Close()
	for _, id := range []catalogue.SpaceID{"metz-coworking", "metz-verlaine", "metz-hall"} {
		for _, s := range spans {
			got, err := influx.Minutes(t.Context(), id, occupancy.MinuteOf(s.From), occupancy.MinuteOf(s.To))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want[fmt.Sprint(id, " ", s.From)], got); d != "" {
				t.Errorf("%s: %s", id, d)
			}
		}
	}
}

func TestSeriesSurvivesARestartBetweenMessageAndMinute(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	all, spans := weeks(t, a.Network)
	apptest.Publish(t, a, all[:len(all)/2])
	apptest.Stop(t, a) // what was acknowledged has not all been made
	b, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard(), Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { apptest.Stop(t, b) })
	apptest.Publish(t, b, all[len(all)/2:])
	got := minutesOf(t, b, spans)

	c := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, c)
	apptest.Publish(t, c, all)
	if d := cmp.Diff(minutesOf(t, c, spans), got); d != "" {
		t.Error(d)
	}
}

func TestUsageOverHTTP(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	all, _ := weeks(t, a.Network)
	apptest.Publish(t, a, all)
	h := apptest.ClientOf(t, a)
	var page struct {
		Items []struct {
			Key         string
			KnownHours  float64  `json:"known_hours"`
			OpenHours   float64  `json:"open_hours"`
			Utilisation *float64 `json:"utilisation"`
		}
	}
	// 24 to 26 October: 24 + 25 + 24 hours; open on Monday only.
	apptest.Get(
		t,
		h,
		"/v1/usage?from=2026-10-24T00:00:00%2B02:00&to=2026-10-27T00:00:00%2B01:00&by=space&kind=meeting-room&site=metz&limit=1000",
		200,
		&page,
	)
	monday := a.Network.Site("metz").Opening
	if len(page.Items) == 0 || len(monday) == 0 {
		t.Fatalf("%+v", page)
	}
	for _, it := range page.Items {
		if it.Key != "metz-verlaine" && (it.KnownHours != 0 || it.Utilisation != nil) {
			t.Errorf("nothing is known of %s: %+v", it.Key, it)
		}
	}
	for _, bad := range []string{
		"from=2026-10-24T00:00:01Z&to=2026-10-27T00:00:00Z", "from=2026-10-27T00:00:00Z&to=2026-10-24T00:00:00Z",
		"from=2026-10-24T00:00:00Z", "from=2026-10-24T00:00:00Z&to=2026-10-27T00:00:00Z&by=room", "from=2026-10-24T00:00:00Z&to=2026-10-27T00:00:00Z&site=paris",
	} {
		apptest.Get(t, h, "/v1/usage?"+bad, 422, nil)
	}
	body := apptest.GetCSV(t, h, "/v1/usage?from=2026-10-24T00:00:00Z&to=2026-10-27T00:00:00Z&by=hour-of-week")
	if lines := bytes.Count(body,
		[]byte("\r\n"),
	); lines != 169 || !bytes.HasPrefix(body, []byte("key,spaces,known_hours,")) ||
		!bytes.Contains(body, []byte("\r\nmon-08,")) {
		t.Errorf("%d lines of CSV: %.200s", lines, body)
	}
	var buckets struct {
		Items []struct {
			From, To time.Time
			Known    float64 `json:"known_seconds"`
		}
	}
	apptest.Get(t,
		h,
		"/v1/occupancy?space=metz-verlaine&from=2026-10-24T00:00:00%2B02:00&to=2026-10-27T00:00:00%2B01:00&every=1d",
		200,
		&buckets,
	)
	if len(buckets.Items) != 3 || buckets.Items[1].To.Sub(buckets.Items[1].From) != 25*time.Hour {
		t.Errorf("days: %+v", buckets.Items)
	}
	apptest.Get(
		t,
		h,
		"/v1/occupancy?space=metz-verlaine&from=2026-10-24T00:00:00Z&to=2026-10-27T00:00:00Z&every=7m",
		422,
		nil,
	)
}
