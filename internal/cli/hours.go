package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"time"
)

// HoursPath is the API's path of measured hours.
const HoursPath = "/v1/hours"

type hoursRow struct {
	Tenant    string
	Member    *string
	Day       *string
	Measured  int64 `json:"measured_seconds"`
	Corrected int64 `json:"corrected_seconds"`
	Billable  int64 `json:"billable_minutes"`
	Unleased  int64 `json:"unleased_seconds"`
	Inferred  int64 `json:"inferred_seconds"`
}

// Hours prints the measured hours of a month, and their sum.
func Hours(ctx context.Context, c Client, w io.Writer, q url.Values) error {
	list, err := List[hoursRow](ctx, c, HoursPath, q)
	if err != nil {
		return err
	}
	var names []string // columns before the figures
	for _, name := range []string{"tenant", "member", "day"} {
		if names = append(names, "<"+name); name == q.Get("by") {
			break
		}
	}
	t := newTable(append(names, "measured", "corrected", "billable", "unleased", "inferred")...)
	row := func(h hoursRow) {
		cells := []string{h.Tenant, orDash(h.Member), orDash(h.Day)}[:len(names)]
		t.row(
			append(cells,
				clock(h.Measured),
				clock(h.Corrected),
				fmt.Sprintf("%d min", h.Billable),
				clock(h.Unleased),
				clock(h.Inferred),
			)...)
	}
	nothing := ""
	all := hoursRow{Tenant: "all", Member: &nothing, Day: &nothing}
	for _, h := range list {
		row(h)
		all.Measured, all.Corrected, all.Billable, all.Unleased, all.Inferred = all.Measured+h.Measured,
			all.Corrected+h.Corrected, all.Billable+h.Billable, all.Unleased+h.Unleased, all.Inferred+h.Inferred
	}
	row(all)
	return t.write(w)
}

func orDash(s *string) string {
	if s == nil {
		return "–"
	}
	return *s
}

// clock writes seconds as hours, minutes and seconds.
func clock(seconds int64) string {
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

type explained struct {
	Measured  int64 `json:"measured_seconds"`
	Corrected int64 `json:"corrected_seconds"`
	Unleased  int64 `json:"unleased_seconds"`
	Inferred  int64 `json:"inferred_seconds"`
	Visits    []struct {
		ID         string
		Space      string
		From       time.Time
		To         *time.Time
		Ended      *string
		Correction *struct {
			From, To       time.Time
			Reason, Author string
		}
		Counted struct {
			Parts []struct {
				From, To time.Time
				Lease    *string
			}
		}
		First *explainedRead `json:"first_read"`
		Last  *explainedRead `json:"last_read"`
	}
	Leases []struct {
		Lease, Plan string
		Seconds     int64
		Rounded     int64 `json:"rounded_minutes"`
		Billable    int64 `json:"billable_minutes"`
		Grace       int   `json:"grace_minutes"`
		Rounding    int   `json:"rounding_minutes"`
		Cap         int   `json:"daily_cap_minutes"`
		Inferred    int   `json:"inferred_cap_minutes"`
		Rate        int   `json:"hourly_rate_cents"`
	}
}

type explainedRead struct {
	ID        string
	At        time.Time
	Received  time.Time `json:"received_at"`
	Device    string
	Direction string
	Reason    string
	Offline   bool
}

// Explain prints how a member's day was computed, down to the badges.
func Explain(ctx context.Context, c Client, w io.Writer, member, day, known string, zone *time.Location) error {
	var e explained
	q := url.Values{"member": {member}, "day": {day}}
	if known != "" {
		q.Set("as_known", known)
	}
	if err := c.get(ctx, HoursPath+"/explain", q, &e); err != nil {
		return err
	}
	fmt.Fprintf(w,
		"%s on %s: measured %s, corrected %s, unleased %s, inferred %s\n",
		member,
		day,
		clock(e.Measured),
		clock(e.Corrected),
		clock(e.Unleased),
		clock(e.Inferred),
	)
	at := func(t time.Time) string { // with its date where it is another day
		if t = t.In(zone); t.Format(time.DateOnly) != day {
			return t.Format("2006-01-02 15:04:05.000")
		}
		return t.Format("15:04:05.000")
	}
	capped := false
	for _, v := range e.Visits {
		capped = capped || v.Ended != nil && v.Correction == nil && (*v.Ended == "closing" || *v.Ended == "max")
		to, ended := "now", "still going on"
		if v.To != nil && v.Ended != nil {
			to, ended = at(*v.To), endings[*v.Ended]
		}
		fmt.Fprintf(w, "\n%s  %s – %s  %s, visit %s\n", v.Space, at(v.From), to, ended, v.ID)
		if v.First == nil {
			fmt.Fprintln(w, "  no badge to show: badges are kept for three months, and shown only to those who may see the door")
		}
		v.First.show(w, "began", at, zone)
		v.Last.show(w, "ended", at, zone)
		if x := v.Correction; x != nil {
			fmt.Fprintf(w, "  corrected to %s – %s by %s: %s\n", at(x.From), at(x.To), x.Author, x.Reason)
		}
		if len(v.Counted.Parts) == 0 {
			fmt.Fprintln(w, "  counts nothing: the space belongs to a coworking that counts, or the time is beyond the cap")
		}
		for _, x := range v.Counted.Parts {
			if x.Lease == nil {
				fmt.Fprintf(w, "  %s – %s is not covered by a lease and is never billed\n", at(x.From), at(x.To))
			} else {
				fmt.Fprintf(w, "  counts %s – %s for %s\n", at(x.From), at(x.To), *x.Lease)
			}
		}
	}
	for _, l := range e.Leases {
		fmt.Fprintf(w, "\n%s (plan %s, %s € an hour)\n  %s counted", l.Lease, l.Plan, euros(int64(l.Rate)), clock(l.Seconds))
		if l.Inferred > 0 && capped {
			fmt.Fprintf(w, ", at most %d min of a visit that ended by closing time or 16 hours", l.Inferred)
		}
		if l.Rounded == 0 {
			fmt.Fprintf(w, "\n  shorter than the grace of %d min", l.Grace)
		} else {
			fmt.Fprintf(w, "\n  %d min, rounded up to %s (grace %d min)", l.Rounded, minutes(l.Rounding), l.Grace)
		}
		if l.Cap > 0 && l.Billable < l.Rounded {
			fmt.Fprintf(w, "\n  cut at %d min a day", l.Cap)
		}
		fmt.Fprintf(w, "\n  = %d min billable\n", l.Billable)
	}
	return nil
}

// minutes names a rounding; 0 is to the next minute.
func minutes(n int) string {
	if n <= 1 {
		return "the next minute"
	}
	return fmt.Sprintf("%d min", n)
}

// endings name how visits ended; all but badge are inferred.
var endings = map[string]string{
	"badge":     "badged out",
	"elsewhere": "end inferred: seen elsewhere",
	"closing":   "end inferred: closing time",
	"max":       "end inferred: 16 hours",
}

// late is how long after its badge a read must arrive for the delay to be
// shown.
const late = 10 * time.Second

func (r *explainedRead) show(w io.Writer, word string, at func(time.Time) string, zone *time.Location) {
	if r == nil {
		return
	}
	how := r.Reason
	if r.Offline {
		how += ", decided by the reader"
	}
	if r.Received.Sub(r.At) > late {
		how += ", arrived " + r.Received.In(zone).Format("2006-01-02 15:04:05")
	}
	fmt.Fprintf(w, "  %s with read %s at %s, %s %s (%s)\n", word, r.ID, at(r.At), r.Device, r.Direction, how)
}
