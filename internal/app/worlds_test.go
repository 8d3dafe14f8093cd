package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// A world is a small building whose catalogue, contracts and corrections change
// between messages that come in any order. It is told twice: step by step, as it
// happens, with visits, minutes and hours made in between; and from nothing, all
// that was told of catalogues and contracts first. Both must come to the same, to
// the millisecond and the cent, and to what a plain reading of the rules makes of
// hours and minutes (worlds_plain_test.go).
type world struct {
	t     *testing.T
	rng   *rand.Rand
	now   time.Time
	told  []toldLayout
	reads []worldRead
	said  []worldCount
	terms []worldTerms
	acts  []func(*world) // in order, at their time; done again by the second telling
	late  []func(*world) // corrections: after the messages
	*house
}

// layout is what the world's catalogues differ in.
type layout struct {
	kind    catalogue.SpaceKind // of the plateau
	name    string              // its id
	below   bool                // the booth lies below the plateau, not the hall
	street  bool                // the plateau's door leads to the street, not the hall
	counter string              // where the counter hangs: hall, plateau or booth
	swapped bool                // the readers of the plateau's door and the street's hang at each other's
	closes  int                 // o'clock
	places  int
}

type toldLayout struct {
	layout
	since, at time.Time
}

type worldRead struct {
	id     uuid.UUID
	at     time.Time
	member string
	door   string
	in     bool
}

type worldCount struct {
	id uuid.UUID
	at time.Time
	n  int
}

type worldTerms struct {
	from catalogue.Day
	at   time.Time
	plan tenancy.Plan
}

const worldHold = 45 * time.Minute

// text returns the catalogue; was is the plateau's former name, if it is renamed by it.
func (l layout) text(was string) string {
	parent, from, counter := "hall", "hall", l.counter
	if l.below {
		parent = l.name
	}
	if l.street {
		from = "outside"
	}
	if counter == "plateau" {
		counter = l.name
	}
	street, glass := "street", "glass"
	if l.swapped {
		street, glass = glass, street
	}
	if was != "" {
		was = "was: " + was + ", "
	}
	return fmt.Sprintf(`network: world
timezone: Europe/Paris
sites:
  - {id: metz, name: M, city: Metz, holidays: fr, opening: [{days: [mon, tue, wed, thu, fri], from: "08:00", to: "%d:00"}]}
buildings: [{id: b, site: metz, name: B}]
spaces:
  - {id: hall, building: b, floor: 0, name: Hall, kind: common, capacity: 50, area_m2: 100}
  - {id: %s, %sbuilding: b, floor: 0, name: P, kind: %s, parent: hall, capacity: %d, area_m2: 80}
  - {id: booth, building: b, floor: 0, name: Booth, kind: coworking, parent: %s, capacity: 2, area_m2: 4}
doors:
  - {id: street, from: outside, to: hall}
  - {id: glass, from: %s, to: %s}
  - {id: curtain, from: %s, to: booth}
devices:
  - {id: street-in, site: metz, kind: reader, door: %[11]s, direction: in}
  - {id: street-out, site: metz, kind: reader, door: %[11]s, direction: out}
  - {id: glass-in, site: metz, kind: reader, door: %[12]s, direction: in}
  - {id: glass-out, site: metz, kind: reader, door: %[12]s, direction: out}
  - {id: curtain-in, site: metz, kind: reader, door: curtain, direction: in}
  - {id: curtain-out, site: metz, kind: reader, door: curtain, direction: out}
  - {id: counter, site: metz, kind: people-counter, space: %[13]s, hold_seconds: %[14]d}
`, l.closes, l.name, was, l.kind, l.places, parent, from, l.name, parent, 0, street, glass, counter, int(worldHold.Seconds()))
}

// nobody is a broker without clients.
type nobody struct{ broker.Broker }

func (nobody) Publish(string, []byte, bool) error { return nil }

func (nobody) Ready() error { return nil }

// openWorld starts a house without ways in.
func (w *world) openWorld() {
	sh := &shell{
		Config:  Config{Data: w.t.TempDir()},
		opt:     Options{Log: discard(), Now: func() time.Time { return w.now }},
		metrics: newMetrics(),
		Broker:  nobody{},
	}
	sh.ctx, sh.cancel = context.WithCancel(context.Background())
	w.house = &house{shell: sh}
	w.check(w.openData(sh.ctx))
}

func (w *world) closeWorld() {
	w.check(errors.Join(w.core.close(w.ctx), w.closes.close(w.ctx)))
	w.cancel()
}

func (w *world) check(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

// tell puts a catalogue in force, as App.replace does without ways in.
func (w *world) tell(p catalogues.Proposal) {
	if w.Network == nil {
		w.check(w.adoptFile(w.ctx, p))
	} else {
		told, err := w.record(w.ctx, w.chronicle, p)
		w.check(err)
		w.check(w.core.close(w.ctx))
		w.house = &house{shell: w.shell}
		w.check(w.useLatest(told))
	}
	w.check(w.open(w.ctx))
}

func (w *world) do(f func(*world)) {
	f(w)
	at := w.now
	w.acts = append(w.acts, func(x *world) { x.now = at; f(x) })
}

// change tells a changed catalogue, from now or from some day before.
func (w *world) change() {
	next := toldLayout{w.told[len(w.told)-1].layout, w.now, w.now}
	switch w.rng.IntN(8) {
	case 0:
		next.kind = map[catalogue.SpaceKind]catalogue.SpaceKind{catalogue.Coworking: catalogue.MeetingRoom,
			catalogue.MeetingRoom: catalogue.Coworking}[next.kind]
	case 1:
		next.name = fmt.Sprintf("plateau-%d", len(w.told))
	case 2:
		next.below = !next.below
	case 3:
		next.street = !next.street
	case 4:
		next.counter = []string{"hall", "plateau", "booth"}[w.rng.IntN(3)]
	case 5:
		next.closes = 18 + w.rng.IntN(4)
	case 6:
		next.swapped = !next.swapped
	default:
		next.places = 5 + w.rng.IntN(20)
	}
	if w.rng.IntN(2) == 0 {
		next.since = w.now.Add(
			-time.Duration(w.rng.IntN(12*24)) * time.Hour,
		).Truncate(time.Minute).Add(time.Duration(w.rng.IntN(60_000)) * time.Millisecond)
		if next.since.After(w.now) {
			next.since = w.now
		}
	}
	w.tellLayout(next)
}

func (w *world) tellLayout(next toldLayout) {
	was := ""
	if n := len(w.told); n > 0 && w.told[n-1].name != next.name {
		was = w.told[n-1].name
	}
	text := next.text(was)
	network, err := catalogue.Parse("world.yaml", []byte(text))
	w.check(err)
	p := catalogues.Proposal{
		Name:    "world.yaml",
		Text:    []byte(text),
		Network: network,
		Since:   next.since.UTC().Format(time.RFC3339Nano),
		By:      "test",
	}
	w.told = append(w.told, next)
	w.do(func(x *world) { x.tell(p) })
}

// plan changes the plan, from some day on.
func (w *world) plan() {
	v := tenancy.Plan{
		ID:              "p",
		Name:            "P",
		Includes:        []catalogue.SpaceKind{catalogue.Coworking},
		Schedule:        tenancy.Always,
		HourlyRateCents: 100 * (1 + w.rng.IntN(5)),
		IncludedMinutes: 60 * w.rng.IntN(4),
		RoundingMinutes: []int{1, 15, 60}[w.rng.IntN(3)],
		GraceMinutes:    10 * w.rng.IntN(2),
		VatPct:          20,
	}
	from := w.Network.Zone.At(w.now).Day - catalogue.Day(w.rng.IntN(12)) + 2
	if len(w.terms) == 0 || w.rng.IntN(5) == 0 {
		from = 0
	}
	w.terms = append(w.terms, worldTerms{from, w.now, v})
	w.do(func(x *world) { x.check(x.Rights.Apply(x.ctx, "test", rights.Change{Put: v, From: &from})) })
}

var worldMembers = map[string]string{"ann": "04AA0001", "bob": "04BB0002"}

func (w *world) settleWorld() {
	w.plan()
	w.do(func(x *world) {
		list := []rights.Change{{Put: tenancy.Tenant{ID: "t", Name: "T", Site: "metz", Kind: "company"}}}
		for id, uid := range worldMembers {
			list = append(list,
				rights.Change{Put: tenancy.Member{ID: tenancy.MemberID(id), Tenant: "t", Name: id}},
				credential(x.t, x.Keys, id+"-card", tenancy.MemberID(id), uid),
			)
		}
		list = append(list,
			rights.Change{
				Put: tenancy.Lease{
					ID:             "l",
					Tenant:         "t",
					Site:           "metz",
					Plan:           "p",
					StartsOn:       catalogue.Date(2026, 10, 12),
					Status:         tenancy.Active,
					RentCentsMonth: 31_000,
				},
			},
		)
		x.check(x.Rights.Apply(x.ctx, "test", list...))
	})
}

func (w *world) id() uuid.UUID {
	return uuid.UUID{
		0:  byte(w.rng.Uint32()),
		1:  byte(w.rng.Uint32()),
		6:  0x40,
		8:  0x80,
		14: byte(len(w.reads)),
		15: byte(len(w.said)),
	}
}

// before returns an instant of the last days: messages come late.
func (w *world) before() time.Time {
	return w.now.Add(-time.Duration(w.rng.Int64N(int64(5 * 24 * time.Hour)))).Truncate(time.Millisecond)
}

func (w *world) read() {
	doors := []string{"street", "glass", "curtain"}
	r := worldRead{w.id(), w.before(), []string{"ann", "bob"}[w.rng.IntN(2)], doors[w.rng.IntN(3)], w.rng.IntN(5) < 3}
	w.reads = append(w.reads, r)
	w.send(r.message())
}

func (r worldRead) message() (topic, payload string) {
	dir := "out"
	if r.in {
		dir = "in"
	}
	return "totem/v1/metz/" + r.door + "-" + dir + "/badge", fmt.Sprintf(
		`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
		r.id,
		wire.FormatTime(r.at),
		worldMembers[r.member],
	)
}

func (w *world) count() {
	c := worldCount{w.id(), w.before(), w.rng.IntN(9)}
	w.said = append(w.said, c)
	w.send(c.message())
}

func (c worldCount) message() (topic, payload string) {
	return "totem/v1/metz/counter/count", fmt.Sprintf(`{"id":%q,"at":%q,"count":%d}`, c.id, wire.FormatTime(c.at), c.n)
}

func (w *world) send(topic, payload string) {
	w.Pipeline.Handle(w.ctx, ingest.Delivery{Topic: topic, Payload: []byte(payload), Ack: func() {}})
}

// catchUp makes visits, minutes and hours of all that was committed.
func (w *world) catchUp() {
	w.check(w.Pipeline.Idle(w.ctx))
	for more := true; more; {
		var err error
		more, err = w.Presence.Step(w.ctx)
		w.check(err)
	}
	w.check(w.maker.Catch(w.ctx))
	w.check(w.bills().MakeHours(w.ctx))
}

func (w *world) correct() {
	w.catchUp()
	visits, err := w.Ledger.Visits(w.ctx, ledger.VisitFilter{Limit: 1 << 20})
	w.check(err)
	if len(visits) == 0 {
		return
	}
	v := visits[w.rng.IntN(len(visits))]
	c := ledger.Correction{
		From:   v.From.Add(-time.Duration(w.rng.IntN(60)) * time.Minute),
		To:     v.From.Add(time.Duration(1+w.rng.IntN(120)) * time.Minute),
		Reason: "r",
		Author: "a",
		At:     w.now,
	}
	put := func(x *world) error {
		return x.Ledger.Write(x.ctx, func(tx *ledger.Tx) error {
			if err := tx.PutCorrection(v.ID, c); err != nil {
				return err
			}
			body, err := json.Marshal(
				map[string]any{
					"from":   wire.FormatTime(c.From),
					"to":     wire.FormatTime(c.To),
					"reason": c.Reason,
					"author": c.Author,
					"at":     wire.FormatTime(c.At),
				},
			)
			if err != nil {
				return err
			}
			return tx.AddAct(
				&ingest.Act{At: c.At, Actor: c.Author, Action: "put", Target: ledger.CorrectionTarget(v.ID), Body: body},
			)
		})
	}
	w.check(put(w))
	at := w.now
	w.late = append(w.late, func(x *world) {
		x.now = at
		if err := put(x); err != nil &&
			!errors.Is(err, ledger.ErrNotFound) { // reads that came later may have taken its visit away
			x.check(err)
		}
	})
}

func (w *world) issue() {
	m := tariff.Month{Year: 2026, Month: time.October}
	if w.now.Before(w.Network.Zone.Start(catalogue.Date(2026, 11, 1))) {
		return
	}
	w.catchUp()
	list, err := w.bills().Issue(w.ctx, billing.Request{Month: m, Actor: "test"})
	if errors.Is(err, billing.ErrIssued) {
		return
	}
	w.check(err)
	at := w.now
	w.acts = append(w.acts, func(x *world) {
		x.now = at
		x.check(x.Ledger.Write(x.ctx, func(tx *ledger.Tx) error {
			for _, s := range list {
				body, err := json.Marshal(s)
				if err != nil {
					return err
				}
				if err := tx.AddStatement(
					ledger.Statement{Number: s.Number, Month: s.Month, Lease: s.Lease, Tenant: s.Tenant, IssuedAt: at, Body: body},
				); err != nil {
					return err
				}
				if err := tx.AddAct(
					&ingest.Act{At: at, Actor: "test", Action: "issue", Target: "statement/" + s.ID, Body: body},
				); err != nil {
					return err
				}
			}
			return nil
		}))
	})
}

// told is all that can be asked of a world, as text.
func (w *world) everything() string {
	w.catchUp()
	var out strings.Builder
	visits, err := w.Ledger.Visits(w.ctx, ledger.VisitFilter{Limit: 1 << 20})
	w.check(err)
	for _, v := range visits {
		fmt.Fprintln(
			&out,
			"visit",
			v.ID,
			v.Member,
			v.Space,
			wire.FormatTime(v.From),
			wire.FormatTime(v.To),
			v.Ended,
			v.Correction != nil,
		)
	}
	from, to := occupancy.MinuteOf(worldBegins.AddDate(0, 0, -6)), occupancy.MinuteOf(w.now)
	reader := series.Reader{History: w.Catalogues, Ledger: w.Ledger}
	for _, space := range catalogue.EverSpaces(w.Catalogues) {
		runs, err := reader.Minutes(w.ctx, space, from, to)
		w.check(err)
		at := from
		for _, r := range runs {
			if r.Minute != (occupancy.Minute{}) {
				fmt.Fprintln(&out, "minutes", space, wire.FormatTime(occupancy.MinuteTime(at)), r)
			}
			at += int64(r.Minutes)
		}
	}
	for _, by := range []series.By{series.BySpace, series.ByKind, series.ByHourOfWeek} {
		usage, err := reader.Usage(w.ctx,
			series.UsageQuery{
				From:  occupancy.MinuteTime(from),
				To:    occupancy.MinuteTime(to),
				By:    by,
				Space: func(*catalogue.Space) bool { return true },
			},
		)
		w.check(err)
		for _, u := range usage {
			fmt.Fprintln(&out, "usage", u)
		}
	}
	for _, m := range []tariff.Month{{Year: 2026, Month: time.October}, {Year: 2026, Month: time.November}} {
		hours, err := w.bills().Hours(w.ctx, m, "")
		w.check(err)
		for _, who := range []tenancy.MemberID{"ann", "bob"} {
			fmt.Fprintln(&out, "hours", m, who, mustText(hours[tariff.Person{Tenant: "t", Member: who}]))
		}
		list, err := w.bills().Issue(w.ctx, billing.Request{Month: m, DryRun: true})
		if !errors.Is(err, billing.ErrIssued) {
			w.check(err)
		}
		for i := range list { // what they say of causes depends on when what came
			for k := range list[i].Lines {
				list[i].Lines[k].Cause = ""
			}
		}
		fmt.Fprintln(&out, "statements", m, mustText(list))
	}
	return out.String()
}

func mustText(v any) string { return string(must(json.Marshal(v))) }

var worldBegins = time.Date(2026, 10, 19, 7, 0, 0, 0, time.UTC)

// live lets a world go on for some steps.
func (w *world) live(steps int) {
	w.tellLayout(
		toldLayout{
			layout{kind: catalogue.Coworking, name: "plateau", counter: "plateau", closes: 20, places: 10},
			w.now,
			w.now,
		},
	)
	w.settleWorld()
	for range steps {
		w.now = w.now.Add(time.Duration(1 + w.rng.Int64N(int64(40*time.Hour)))).Truncate(time.Millisecond)
		for range w.rng.IntN(6) {
			if w.rng.IntN(3) == 0 {
				w.count()
			} else {
				w.read()
			}
		}
		switch w.rng.IntN(6) {
		case 0, 1:
			w.check(w.Pipeline.Idle(w.ctx))
			w.change()
		case 2:
			w.plan()
		case 3:
			w.correct()
		case 4:
			w.issue()
		default:
			w.catchUp()
		}
	}
	w.check(w.Pipeline.Idle(w.ctx))
}

// again tells the same from nothing.
func (w *world) again() *world {
	b := &world{t: w.t, rng: w.rng}
	b.openWorld()
	for _, f := range w.acts {
		f(b)
	}
	b.now = w.now
	type message struct{ topic, payload string }
	var all []message
	for _, r := range w.reads {
		topic, payload := r.message()
		all = append(all, message{topic, payload})
	}
	for _, c := range w.said {
		topic, payload := c.message()
		all = append(all, message{topic, payload})
	}
	w.rng.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	for _, m := range all {
		b.send(m.topic, m.payload)
	}
	b.catchUp()
	for _, f := range w.late {
		f(b)
	}
	b.now = w.now
	return b
}

// worlds returns how many are lived through: TOTEM_WORLDS of them where it is set.
func worlds(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("TOTEM_WORLDS")); err == nil {
		return n
	}
	if testing.Short() {
		return 3
	}
	return 8
}

func TestRandomWorldsAreTheSameToldStepByStepAndFromNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("TOTEM_WORLD"), 10, 64); err == nil {
		seed = s
	}
	for i := range worlds(t) {
		own := seed + uint64(i)
		ok := t.Run(fmt.Sprint(own), func(t *testing.T) {
			w := &world{t: t, rng: rand.New(rand.NewPCG(own, 13)), now: worldBegins}
			w.openWorld()
			w.live(6 + w.rng.IntN(14))
			is := w.everything()
			w.checkPlainly()
			b := w.again()
			if from := b.everything(); from != is {
				t.Errorf("TOTEM_WORLD=%d TOTEM_WORLDS=1 shows it:\n%s", own, differing(is, from))
			}
			if t.Failed() {
				for _, l := range w.told {
					t.Logf("told %s since %s: %+v", wire.FormatTime(l.at), wire.FormatTime(l.since), l.layout)
				}
				for _, r := range w.reads {
					t.Log("read", wire.FormatTime(r.at), r.member, r.door, r.in)
				}
				for _, c := range w.said {
					t.Log("count", wire.FormatTime(c.at), c.n)
				}
			}
			for _, x := range []*world{w, b} {
				if a, err := admin.Verify(x.ctx, x.Catalogues, x.Ledger); err != nil || !a.OK {
					t.Errorf("TOTEM_WORLD=%d: verify: %+v, %v", own, a, err)
				}
				x.closeWorld()
			}
		})
		if !ok {
			return
		}
	}
}

// differing returns the lines that one of two texts has and the other has not.
func differing(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out strings.Builder
	for _, line := range x {
		if !slices.Contains(y, line) {
			fmt.Fprintln(&out, "step by step:", line)
		}
	}
	for _, line := range y {
		if !slices.Contains(x, line) {
			fmt.Fprintln(&out, "from nothing:", line)
		}
	}
	if out.Len() > 6000 {
		return out.String()[:6000]
	}
	return out.String()
}
