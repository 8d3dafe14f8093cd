package readers

import (
	"testing"
	"time"
)

// An event that began while allowlists were being made is told at once, not a minute later.
func TestWhatCameDueMeanwhileWaitsNoLonger(t *testing.T) {
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	d := &Updater{cfg: Config{Now: func() time.Time { return now }}}
	for due, want := range map[time.Time]time.Duration{
		{}: time.Minute, now.Add(-300 * time.Millisecond): 0, now: 0, now.Add(time.Second): time.Second,
		now.Add(time.Hour): time.Minute,
	} {
		if d.due = due; d.untilNext() != want {
			t.Errorf("due %s: waits %s, want %s", due, d.untilNext(), want)
		}
	}
}
