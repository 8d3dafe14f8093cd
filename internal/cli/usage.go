package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// UsageQuery holds the parameters of totem usage.
type UsageQuery struct {
	From, To       time.Time
	By, Site, Kind string
}

// Values returns the query's parameters.
func (q UsageQuery) Values() url.Values {
	v := between(q.From, q.To)
	for name, s := range map[string]string{"by": q.By, "site": q.Site, "kind": q.Kind} {
		if s != "" {
			v.Set(name, s)
		}
	}
	return v
}

// UsagePath is the API's path of usage.
const UsagePath = "/v1/usage"

type usage struct {
	Key         string
	Spaces      int
	Known       float64 `json:"known_hours"`
	Person      float64 `json:"person_hours"`
	Open        float64 `json:"open_hours"`
	KnownOpen   float64 `json:"known_open_hours"`
	Peak        *int
	Utilisation *float64
	Fill        *float64
}

// barWidth is the width of a full bar.
const barWidth = 20

// Usage draws what was used: a line with a bar for each group or, for hours of
// the week, a map of seven days by twenty-four hours.
func Usage(ctx context.Context, c Client, w io.Writer, q UsageQuery) error {
	list, err := List[usage](ctx, c, UsagePath, q.Values())
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s to %s\n\n", q.From.Format("Mon 2 Jan 2006 15:04"), q.To.Format("Mon 2 Jan 2006 15:04 MST"))
	if q.By == "hour-of-week" {
		heat(w, list)
		return nil
	}
	t := newTable("<"+q.By, "<utilisation", "", "fill", "person hours", "peak", "open h known")
	for _, u := range list {
		known := "–"
		if u.Open > 0 {
			known = percent(&[]float64{u.KnownOpen / u.Open}[0])
		}
		peak := "?"
		if u.Peak != nil {
			peak = fmt.Sprint(*u.Peak)
		}
		t.row(u.Key, bar(u.Utilisation), percent(u.Utilisation), percent(u.Fill), grouped(u.Person), peak, known)
	}
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintln(w,
		"\nUtilisation and fill cover the known part of the opening hours; ? means unknown, which never counts as vacant.",
	)
	return nil
}

func percent(x *float64) string {
	if x == nil {
		return "?"
	}
	return fmt.Sprintf("%3.0f %%", *x*100)
}

// grouped writes a number with spaces between groups of three digits, as 12 345.6.
func grouped(x float64) string {
	s := fmt.Sprintf("%.1f", x)
	whole, part, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + " " + whole[i:]
	}
	return whole + "." + part
}

func bar(x *float64) string {
	if x == nil {
		return strings.Repeat("·", barWidth)
	}
	eighths := int(min(1, max(0, *x))*barWidth*8 + 0.5)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return s + strings.Repeat(" ", barWidth-len([]rune(s)))
}

// shades are the characters of the heat map, by fraction of the time that was
// occupied.
const shades = " ░▒▓█"

// heat draws the hours of the week: the fraction of the known time that was
// occupied.
func heat(w io.Writer, list []usage) {
	cells := map[string]usage{}
	for _, u := range list {
		cells[u.Key] = u
	}
	fmt.Fprint(w, "     ")
	for h := range 24 {
		fmt.Fprintf(w, "%-3s", fmt.Sprintf("%02d", h))
	}
	fmt.Fprintln(w)
	for _, day := range []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} {
		fmt.Fprintf(w, "%s  ", day)
		for h := range 24 {
			fmt.Fprintf(w, "%s ", cell(cells[fmt.Sprintf("%s-%02d", day, h)]))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(
		w,
		"\nFraction of the opening hours that was occupied:   ░░ to 25 %  ▒▒ to 50 %  ▓▓ to 75 %  ██ above  ·· unknown; blank: closed or vacant.",
	)
}

func cell(u usage) string {
	if u.Open == 0 {
		return "  "
	}
	if u.Utilisation == nil {
		return "··"
	}
	levels := []rune(shades)
	i := int(*u.Utilisation*4 + 0.999)
	return strings.Repeat(string(levels[min(max(i, 0), len(levels)-1)]), 2)
}
