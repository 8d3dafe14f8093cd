package life

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/tenancy"
)

// walk simulates one person's day.
type walk struct {
	t     *Town
	p     *person
	rng   *rand.Rand
	at    time.Time
	where catalogue.SpaceID
	since time.Time
	steps []Step
	stays []Stay
}

// plan makes the person's day; it returns false where they stay at home.
func (w *walk) plan(day catalogue.Day) bool {
	c := w.t.cal[w.p.site]
	comes := w.p.comes
	if c.Holidays.Has(day) || day.Weekday() == time.Sunday || day.Weekday() == time.Saturday {
		comes *= 0.04
	}
	zone := w.t.network.Zone
	if nights := w.closedHours(day); len(nights) > 0 {
		for _, e := range nights {
			if e.StartsAt.After(w.at) {
				w.stayUp(e)
			}
		}
		return len(w.steps) > 0
	}
	if slices.ContainsFunc(w.closedHours(day-1), func(e *tenancy.Event) bool { return e.EndsAt.After(zone.Start(day)) }) {
		return false // they sleep after a night event
	}
	event := w.invitation(day)
	if w.rng.Float64() >= comes {
		if event == nil {
			return false
		}
		w.at = event.StartsAt
		w.attend(event)
		w.goHome()
		return true
	}
	arrive := zone.Instant(day, int(w.hourNear(8.9, 0.9)*3600))
	leave := zone.Instant(day, int(max(12, w.hourNear(17.4, 1.1))*3600))
	if leave.Before(arrive.Add(time.Hour)) {
		leave = arrive.Add(2 * time.Hour)
	}
	w.at, w.since = arrive, arrive
	work := w.p.works[w.rng.IntN(len(w.p.works))]
	if !w.goTo(work) {
		w.goHome()
		return true
	}
	w.morning(zone.Instant(day, int(w.hourNear(10.5, 0.4)*3600)), work)
	w.lunch(zone.Instant(day, int(w.hourNear(12.3, 0.3)*3600)), work, leave)
	if event != nil && event.StartsAt.Before(leave) && event.EndsAt.Before(leave.Add(time.Hour)) {
		w.attend(event)
		event = nil
		w.goTo(work)
	} else {
		w.morning(zone.Instant(day, int(w.hourNear(15, 0.6)*3600)), work)
	}
	if leave.After(w.at) && (event == nil || leave.Before(event.StartsAt)) {
		w.at = leave
	}
	w.attend(event)
	w.goHome()
	return true
}

// closedHours returns the day's events during closed hours of which the person
// is in the crew: whoever stays through the night does not work by day.
func (w *walk) closedHours(day catalogue.Day) []*tenancy.Event {
	var list []*tenancy.Event
	for i := range w.t.events[day] {
		if e := &w.t.events[day][i]; people.AtClosedHours(e) && slices.Contains(e.Invited, w.p.id) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *tenancy.Event) int { return a.StartsAt.Compare(b.StartsAt) })
	return list
}

// stayUp stays at an event to its end, and moves among its spaces.
func (w *walk) stayUp(e *tenancy.Event) {
	minutes := func(least, more int) time.Duration { return time.Duration(least*60+w.rng.IntN(more*60)) * time.Second }
	w.at = latest(w.at, e.StartsAt.Add(minutes(0, 8)))
	leave := e.EndsAt.Add(-minutes(1, 6))
	for w.at.Before(leave) {
		if !w.goTo(e.Spaces[w.rng.IntN(len(e.Spaces))]) {
			break
		}
		w.at = w.at.Add(minutes(15, 60))
	}
	w.at = latest(leave, w.at)
	w.goHome()
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// invitation returns the event of the day that the person goes to: most of
// those who are invited do, and some people of a site go to public ones. It has
// a random source of its own, so that events change nothing else of a day.
func (w *walk) invitation(day catalogue.Day) *tenancy.Event {
	for i := range w.t.events[day] {
		e := &w.t.events[day][i]
		if w.t.network.Space(e.Spaces[0]).Site != w.p.site || people.AtClosedHours(e) {
			continue
		}
		likely := 0.25
		if e.Audience != tenancy.Public {
			likely = 0
			if slices.Contains(e.Invited, w.p.id) {
				likely = 0.85
			}
		}
		if rand.New(rand.NewPCG(w.t.seed^uint64(day), hashText(string(e.ID)+string(w.p.id)))).Float64() < likely {
			return e
		}
	}
	return nil
}

// hashText turns a text into a number for the random source.
func hashText(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // writing to a hash cannot fail
	return h.Sum64()
}

// attend stays at an event from about its beginning to about its end.
func (w *walk) attend(e *tenancy.Event) {
	if e == nil {
		return
	}
	about := func(t time.Time, minutes int) time.Time {
		return t.Add(time.Duration(w.rng.IntN(minutes*60)) * time.Second)
	}
	if begin := about(e.StartsAt, 20); begin.After(w.at) {
		w.at = begin
	}
	if !w.goTo(e.Spaces[0]) {
		return
	}
	if end := about(e.EndsAt.Add(-30*time.Minute), 25); end.After(w.at) {
		w.at = end
	}
}

// hourNear returns a random hour near h, within the day.
func (w *walk) hourNear(hour, spread float64) float64 {
	return min(23.5, max(0.2, hour+w.rng.NormFloat64()*spread))
}

// morning simulates a meeting, a coffee or an hour in the FabLab, and the way
// back to work.
func (w *walk) morning(at time.Time, work catalogue.SpaceID) {
	if !at.After(w.at.Add(20 * time.Minute)) {
		return
	}
	kinds := []catalogue.SpaceKind{catalogue.MeetingRoom, catalogue.Cafe, catalogue.FabLab, catalogue.Videoconference}
	chance := []float64{0.14, 0.1, 0.05, 0.03}
	draw := w.rng.Float64()
	for i, k := range kinds {
		if draw -= chance[i]; draw >= 0 {
			continue
		}
		rooms := w.t.rooms[w.p.site][k]
		if len(rooms) == 0 {
			return
		}
		w.at = at
		w.goTo(rooms[w.rng.IntN(len(rooms))])
		w.at = w.at.Add(time.Duration(15+w.rng.IntN(75)) * time.Minute)
		w.goTo(work)
		return
	}
}

func (w *walk) lunch(at time.Time, work catalogue.SpaceID, leave time.Time) {
	if !at.After(w.at) || w.rng.Float64() > 0.6 || at.Add(2*time.Hour).After(leave) {
		return
	}
	w.at = at
	w.goHome()
	w.at = w.at.Add(time.Duration(30+w.rng.IntN(50)) * time.Minute)
	w.goTo(work)
}

// goTo walks to a space by the doors on the way. It returns false where one
// stays shut.
func (w *walk) goTo(target catalogue.SpaceID) bool {
	n := w.t.network
	for w.where != catalogue.Outside && !n.Within(target, w.where) {
		if !w.stepOut() {
			return false
		}
	}
	chain := n.Chain(target)
	slices.Reverse(chain)
	for _, next := range chain {
		if n.Within(w.where, next) {
			continue
		}
		if !w.stepIn(next) {
			return false
		}
	}
	return true
}

// goHome leaves by every door on the way.
func (w *walk) goHome() {
	for w.where != catalogue.Outside && w.stepOut() {
	}
}

// stepIn passes into the next space inwards.
func (w *walk) stepIn(next catalogue.SpaceID) bool {
	w.tick()
	door := w.door(next, w.where)
	if door == nil { // an open area of the space they are in
		w.passOpening(catalogue.In, next)
		return true
	}
	s := Step{
		At:        w.at,
		Member:    w.p.id,
		UID:       w.p.uid,
		Door:      door.ID,
		Direction: catalogue.In,
		From:      w.where,
		To:        next,
		Granted:   true,
		Badged:    w.t.readers[door.ID][catalogue.In],
	}
	if s.Badged {
		if s.Granted, s.Reason = w.t.decide(s.UID, s.Door, s.Direction, s.At); !s.Granted {
			s.To = w.where
		}
	}
	w.steps = append(w.steps, s)
	if s.Granted {
		w.move(next)
	}
	return s.Granted
}

// stepOut passes to the space that is crossed to reach the present one.
func (w *walk) stepOut() bool {
	w.tick()
	sp := w.t.network.Space(w.where)
	if sp == nil {
		return false
	}
	parent := sp.Parent
	if parent == "" {
		parent = catalogue.Outside
	}
	door := w.door(w.where, parent)
	if door == nil {
		w.passOpening(catalogue.Out, parent)
		return true
	}
	w.steps = append(w.steps, Step{
		At: w.at, Member: w.p.id, UID: w.p.uid, Door: door.ID, Direction: catalogue.Out, From: w.where, To: door.From,
		Granted: true, Reason: "egress",
		Badged: w.t.readers[door.ID][catalogue.Out] && w.rng.IntN(100) >= w.t.Forgetful,
	})
	w.move(door.From)
	return true
}

// passOpening moves where there is no door: sensors notice, readers do not.
func (w *walk) passOpening(direction catalogue.Direction, to catalogue.SpaceID) {
	w.steps = append(w.steps, Step{At: w.at, Member: w.p.id, Direction: direction, From: w.where, To: to, Granted: true})
	w.move(to)
}

// door returns a door between a space and the one before it, preferring doors
// with readers.
func (w *walk) door(into, from catalogue.SpaceID) *catalogue.Door {
	var found *catalogue.Door
	for _, d := range w.t.doors[into] {
		if d.From == from && (found == nil || !w.t.readers[found.ID][catalogue.In] && w.t.readers[d.ID][catalogue.In]) {
			found = d
		}
	}
	return found
}

// tick advances the time by the walk to the next door.
func (w *walk) tick() {
	w.at = w.at.Add(time.Duration(8000+w.rng.IntN(30000)) * time.Millisecond)
}

// move ends one stay and begins the next.
func (w *walk) move(to catalogue.SpaceID) {
	if w.where != catalogue.Outside && w.at.After(w.since) {
		w.stays = append(w.stays, Stay{w.p.id, w.where, w.since, w.at})
	}
	w.where, w.since = to, w.at
}
