package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// VisitsPath is the API's path of visits.
const VisitsPath = "/v1/visits"

// Correction is a manager's correction: the visit's real times, and why.
type Correction struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"`
}

type visited struct {
	ID         string
	Member     *string
	Tenant     string
	Space      string
	From       time.Time
	To         *time.Time
	Ended      *string
	Warnings   []string
	Correction *struct {
		Correction
		Author string
	}
}

// Visits prints visits, as measured and as corrected.
func Visits(ctx context.Context, c Client, w io.Writer, q url.Values, zone *time.Location) error {
	list, err := List[visited](ctx, c, VisitsPath, q)
	if err != nil {
		return err
	}
	t := newTable("<visit", "<member", "<space", "<from", "<to", "<ended", "<corrected")
	for _, v := range list {
		t.row(v.cells(zone)...)
	}
	return t.write(w)
}

func (v *visited) cells(zone *time.Location) []string {
	to, ended, corrected := "now", "", ""
	if v.To != nil && v.Ended != nil {
		to, ended = span(v.From, *v.To, zone), *v.Ended
	}
	if x := v.Correction; x != nil {
		corrected = fmt.Sprintf(
			"%s – %s by %s: %s",
			x.From.In(zone).Format(time.DateTime),
			span(x.From, x.To, zone),
			x.Author,
			x.Reason,
		)
	}
	return []string{v.ID, orDash(v.Member), v.Space, v.From.In(zone).Format(time.DateTime), to, ended, corrected}
}

// span returns the end of a visit as text: the time of day of to, after its date where that is
// not the date of from.
func span(from, to time.Time, zone *time.Location) string {
	if from, to = from.In(zone), to.In(zone); from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		return to.Format(time.TimeOnly)
	}
	return to.Format(time.DateTime)
}

// Correct corrects a visit and prints it.
func Correct(ctx context.Context, c Client, w io.Writer, id string, x Correction, zone *time.Location) error {
	var v visited
	if err := c.send(ctx, http.MethodPut, correctionPath(id), x, &v); err != nil {
		return err
	}
	t := newTable("<visit", "<member", "<space", "<from", "<to", "<ended", "<corrected")
	t.row(v.cells(zone)...)
	if err := t.write(w); err != nil {
		return err
	}
	return warn(w, v.Warnings)
}

// Undo undoes a correction: what was measured counts again.
func Undo(ctx context.Context, c Client, w io.Writer, id string) error {
	if err := c.send(ctx, http.MethodDelete, correctionPath(id), nil, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s counts as it was measured.\n", id)
	return err
}

func correctionPath(id string) string { return VisitsPath + "/" + url.PathEscape(id) + "/correction" }

// Attendance prints how many people were at an event, without saying who.
func Attendance(ctx context.Context, c Client, w io.Writer, event string) error {
	type counted struct {
		Site        string
		Spaces      int
		KnownHours  float64 `json:"known_hours"`
		PersonHours float64 `json:"person_hours"`
		Peak        *int
	}
	list, err := List[counted](ctx, c, "/v1/events/"+url.PathEscape(event)+"/attendance", url.Values{})
	if err != nil {
		return err
	}
	t := newTable("<site", "spaces", "known hours", "person hours", "peak")
	for _, a := range list {
		peak := "?"
		if a.Peak != nil {
			peak = fmt.Sprint(*a.Peak)
		}
		t.row(a.Site, fmt.Sprint(a.Spaces), decimal(a.KnownHours), decimal(a.PersonHours), peak)
	}
	return t.write(w)
}
