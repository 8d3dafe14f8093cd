package series_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/series/influxtest"
)

// store is one place where the series is kept: what is put into the ledger
// must be read back from it.
type store interface {
	// settle waits until all that was put is there.
	settle(t *testing.T)
	minutes(t *testing.T, space catalogue.SpaceID, from, to int64) []occupancy.Run
	// days sums whole local days by space.
	days(t *testing.T, from, to time.Time) map[catalogue.SpaceID]occupancy.Sum
}

type embedded struct {
	network *catalogue.Network
	l       *ledger.Ledger
}

func (embedded) settle(*testing.T) {}

func (e embedded) minutes(t *testing.T, space catalogue.SpaceID, from, to int64) []occupancy.Run {
	t.Helper()
	runs, err := series.Reader{History: catalogue.Always(e.network), Ledger: e.l}.Minutes(t.Context(), space, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func (e embedded) days(t *testing.T, from, to time.Time) map[catalogue.SpaceID]occupancy.Sum {
	t.Helper()
	list, err := series.Reader{
		History: catalogue.Always(e.network),
		Ledger:  e.l,
	}.Usage(
		t.Context(),
		series.UsageQuery{From: from, To: to, By: series.BySpace, Space: func(*catalogue.Space) bool { return true }},
	)
	if err != nil {
		t.Fatal(err)
	}
	out := map[catalogue.SpaceID]occupancy.Sum{}
	for _, u := range list {
		u.CapacityOpen = 0 // which an outside store does not keep
		out[catalogue.SpaceID(u.Key)] = u.Sum
	}
	return out
}

type influx struct {
	i *series.Influx
	s *series.Shipper
}

func (f influx) settle(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = f.s.Ship(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func (f influx) minutes(t *testing.T, space catalogue.SpaceID, from, to int64) []occupancy.Run {
	t.Helper()
	runs, err := f.i.Minutes(t.Context(), space, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func (f influx) days(t *testing.T, from, to time.Time) map[catalogue.SpaceID]occupancy.Sum {
	t.Helper()
	out, err := f.i.Days(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func network(t *testing.T) *catalogue.Network {
	t.Helper()
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func open(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func toInflux(t *testing.T, n *catalogue.Network, l *ledger.Ledger, s *influxtest.Server) influx {
	t.Helper()
	i := series.NewInflux(n, series.InfluxConfig{URL: s.URL, Token: s.Token, Org: s.Org, Bucket: s.Bucket})
	t.Cleanup(i.Close)
	return influx{i, series.NewShipper(catalogue.Always(n), l, i, time.Now, discard())}
}

// each runs a test over every store.
func each(t *testing.T, f func(t *testing.T, n *catalogue.Network, l *ledger.Ledger, s store)) {
	t.Run("embedded", func(t *testing.T) {
		n, l := network(t), open(t)
		f(t, n, l, embedded{n, l})
	})
	t.Run("influxdb", func(t *testing.T) {
		influxtest.Need(t)
		n, l := network(t), open(t)
		f(t, n, l, toInflux(t, n, l, influxtest.Start(t)))
	})
}

func put(t *testing.T, l *ledger.Ledger, space catalogue.SpaceID, from int64, runs []occupancy.Run) {
	t.Helper()
	if err := l.Write(
		t.Context(),
		func(tx *ledger.Tx) error { return tx.PutMinutes(space, from, runs, true) },
	); err != nil {
		t.Fatal(err)
	}
}

func drawRuns(rng *rand.Rand, minutes int) []occupancy.Run {
	var runs []occupancy.Run
	for left := minutes; left > 0; {
		r := occupancy.Run{Minutes: min(left, 1+rng.IntN(90))}
		r.Known = int32(rng.IntN(3)) * 30_000
		if r.Peak = int32(rng.IntN(4)); r.Known == 0 {
			r.Peak = 0
		}
		if r.Peak > 0 {
			r.Occupied = r.Known / 2
			r.Person = int64(r.Occupied) * int64(r.Peak)
		}
		left -= r.Minutes
		runs = occupancy.AppendRun(runs, r)
	}
	return runs
}

// clockChange returns the week around 25 October 2026, a day of 25 hours.
func clockChange(n *catalogue.Network) (from, to time.Time) {
	return n.Zone.Start(catalogue.Date(2026, 10, 24)), n.Zone.Start(catalogue.Date(2026, 10, 27))
}

func TestMinutesPutInAnyOrderAndAgainAreThoseReadBack(t *testing.T) {
	each(t, func(t *testing.T, n *catalogue.Network, l *ledger.Ledger, s store) {
		rng := rand.New(rand.NewPCG(3, 5))
		from, to := clockChange(n)
		a, b := occupancy.MinuteOf(from), occupancy.MinuteOf(to)
		want := map[catalogue.SpaceID][]occupancy.Run{}
		spaces := []catalogue.SpaceID{n.Spaces[0].ID, n.Spaces[1].ID, n.Spaces[40].ID}
		for round := range 40 {
			space := spaces[rng.IntN(len(spaces))]
			at := rng.IntN(int(b - a - 300))
			runs := drawRuns(rng, 1+rng.IntN(300))
			put(t, l, space, a+int64(at), runs)
			want[space] = occupancy.Splice(want[space], at, runs)
			if round%13 == 0 {
				s.settle(t) // what is put after it was sent is sent again
			}
		}
		s.settle(t)
		for _, space := range spaces {
			whole := occupancy.Splice([]occupancy.Run{{Minutes: int(b - a)}}, 0, want[space])
			if got := s.minutes(t, space, a, b); !slices.Equal(got, whole) {
				t.Errorf("%s:\n%v, want\n%v", space, got, whole)
			}
		}
	})
}

func TestDaysRollUpToTheSameSumsOverTheClockChange(t *testing.T) {
	each(t, func(t *testing.T, n *catalogue.Network, l *ledger.Ledger, s store) {
		rng := rand.New(rand.NewPCG(8, 13))
		from, to := clockChange(n)
		a, b := occupancy.MinuteOf(from), occupancy.MinuteOf(to)
		for _, space := range []catalogue.SpaceID{n.Spaces[0].ID, n.Spaces[50].ID} {
			runs := drawRuns(rng, int(b-a))
			put(t, l, space, a, runs)
			s.settle(t)
			want := plainSum(n, n.Space(space), a, runs)
			if got := s.days(t, from, to)[space]; got != want {
				t.Errorf("%s: %+v, want %+v", space, got, want)
			}
		}
	})
}

// plainSum looks at every minute by itself.
func plainSum(n *catalogue.Network, sp *catalogue.Space, at int64, runs []occupancy.Run) occupancy.Sum {
	var s occupancy.Sum
	cal := n.Calendar(n.Site(sp.Site))
	for _, r := range runs {
		for range r.Minutes {
			s.Known += int64(r.Known)
			s.Occupied += int64(r.Occupied)
			s.Person += r.Person
			s.Peak = max(s.Peak, r.Peak)
			if cal.Open(occupancy.MinuteTime(at)) {
				s.Open += occupancy.MinuteMS
				s.KnownOpen += int64(r.Known)
				s.OccupiedOpen += int64(r.Occupied)
				s.PersonOpen += r.Person
			}
			at++
		}
	}
	return s
}

func TestInfluxDBAwayOrKilledWhileWritingHasAllOfItInTheEnd(t *testing.T) {
	influxtest.Need(t)
	n, l := network(t), open(t)
	server := influxtest.Start(t)
	s := toInflux(t, n, l, server)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.s.Run(ctx) }()
	defer func() { cancel(); <-done }()

	rng := rand.New(rand.NewPCG(21, 34))
	from, _ := clockChange(n)
	a := occupancy.MinuteOf(from)
	want := map[catalogue.SpaceID][]occupancy.Run{}
	for round := range 6 {
		for _, sp := range n.Spaces[:20] {
			runs := drawRuns(rng, 600)
			put(t, l, sp.ID, a+int64(round)*300, runs) // half of it over what was there
			want[sp.ID] = occupancy.Splice(want[sp.ID], round*300, runs)
		}
		if round%2 == 0 {
			server.Stop(t, syscall.SIGKILL)
		} else {
			server.Restart(t)
		}
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		if _, owed, err := l.Outbox(t.Context(), 1); err != nil {
			t.Fatal(err)
		} else if owed == 0 {
			break
		}
		if time.Now().After(deadline) {
			owed, fault := s.s.Status()
			t.Fatalf("%d hours are still owed: %v", owed, fault)
		}
		time.Sleep(50 * time.Millisecond) // another process: there is nothing to wait on
	}
	for _, sp := range n.Spaces[:20] {
		if got := s.minutes(t, sp.ID, a, a+2100); !slices.Equal(got, want[sp.ID]) {
			t.Errorf("%s: %v, want %v", sp.ID, got, want[sp.ID])
		}
	}
}

func TestInfluxDBErrorsSayWhatToDo(t *testing.T) {
	influxtest.Need(t)
	n := network(t)
	server := influxtest.Start(t)
	for _, c := range []struct {
		name string
		cfg  series.InfluxConfig
		says string
	}{
		{"no such bucket", series.InfluxConfig{URL: server.URL, Bucket: "nowhere/autogen"}, "TOTEM_INFLUX_BUCKET"},
		{"nobody there", series.InfluxConfig{URL: "http://127.0.0.1:1", Bucket: influxtest.Bucket, Token: "secret-token"}, "TOTEM_INFLUX_URL"},
	} {
		i := series.NewInflux(n, c.cfg)
		err := i.Mark(t.Context(), time.Now())
		i.Close()
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(fmt.Sprint(err), "secret-token") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
