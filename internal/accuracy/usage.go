package accuracy

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/cli"
)

// used is the API's answer for one space.
type used struct {
	Key      string
	Known    float64 `json:"known_hours"`
	Occupied float64 `json:"occupied_hours"`
	Person   float64 `json:"person_hours"`

	KnownOpen    float64 `json:"known_open_hours"`
	OccupiedOpen float64 `json:"occupied_open_hours"`
}

// compared sums measured and true use of the spaces whose state comes from one
// kind of source.
type compared struct {
	spaces              int
	known, hours        float64
	occupied, occupiedT float64
	person, personT     float64
	worst               float64 // the largest error of one space, in occupied hours
	worstSpace          catalogue.SpaceID
}

// usage prints the series beside the truth, source by source.
func (l *lived) usage(ctx context.Context, out io.Writer) error {
	q := l.span()
	q.Set("by", "space")
	list, err := cli.List[used](ctx, l.client, cli.UsagePath, q)
	if err != nil {
		return err
	}
	hours := l.network.Zone.Start(l.to).Sub(l.network.Zone.Start(l.from)).Hours()
	groups := map[catalogue.DeviceKind]*compared{}
	for _, u := range list {
		if u.Known == 0 {
			continue
		}
		kind := l.source(catalogue.SpaceID(u.Key))
		if groups[kind] == nil {
			groups[kind] = &compared{}
		}
		groups[kind].add(u, l.truly(catalogue.SpaceID(u.Key)), hours)
	}
	fmt.Fprintf(out, "\nUse of spaces, by the best device they have:\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "source\tspaces\tknown\toccupied h\ttruly\terror\tperson h\ttruly\terror\tworst space\t")
	for _, k := range []catalogue.DeviceKind{catalogue.PeopleCounter, catalogue.FlowCounter, catalogue.Reader,
		catalogue.Occupancy} {
		if g := groups[k]; g != nil {
			person, personT, personErr := fmt.Sprintf("%.0f", g.person), fmt.Sprintf("%.0f", g.personT), off(g.person, g.personT)
			if k == catalogue.Occupancy { // one person is counted while a yes/no sensor says yes
				person, personT, personErr = "–", "–", "–"
			}
			fmt.Fprintf(t,
				"%s\t%d\t%.1f %%\t%.1f\t%.1f\t%s\t%s\t%s\t%s\t%s %+.1f h\t\n",
				k,
				g.spaces,
				100*g.known/g.hours,
				g.occupied,
				g.occupiedT,
				off(g.occupied, g.occupiedT),
				person,
				personT,
				personErr,
				g.worstSpace,
				g.worst,
			)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return l.utilisation(out, list)
}

// utilisation prints each site's utilisation over the spaces of which anything
// is known.
func (l *lived) utilisation(out io.Writer, list []used) error {
	type sum struct{ known, said, open, truly float64 }
	sites, all := map[catalogue.SiteID]*sum{}, &sum{}
	for _, u := range list {
		sp := l.network.Space(catalogue.SpaceID(u.Key))
		if u.Known == 0 {
			continue
		}
		if sites[sp.Site] == nil {
			sites[sp.Site] = &sum{}
		}
		open, truly := l.trulyOpen(sp)
		for _, s := range []*sum{sites[sp.Site], all} {
			s.known, s.said, s.open, s.truly = s.known+u.KnownOpen, s.said+u.OccupiedOpen, s.open+open, s.truly+truly
		}
	}
	fmt.Fprintf(out, "\nUtilisation of opening hours:\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "site\tsaid\ttruly\toff\t")
	row := func(name string, s *sum) {
		said, truly := 100*s.said/s.known, 100*s.truly/s.open
		fmt.Fprintf(t, "%s\t%.2f %%\t%.2f %%\t%s points\t\n", name, said, truly, hundredths(said-truly))
	}
	for _, site := range l.network.Sites {
		if s := sites[site.ID]; s != nil && s.known > 0 {
			row(string(site.ID), s)
		}
	}
	row("all", all)
	return t.Flush()
}

// trulyOpen returns how many hours a space's site was open, and how many of them it really was occupied.
func (l *lived) trulyOpen(sp *catalogue.Space) (open, occupied float64) {
	calendar := l.network.Calendar(l.network.Site(sp.Site))
	spans := l.occupied(sp.ID)
	for day := l.from; day < l.to; day++ {
		for _, w := range calendar.Windows(day) {
			from, to := l.network.Zone.Instant(day, int(w.From)*60), l.network.Zone.Instant(day, int(w.To)*60)
			open += to.Sub(from).Hours()
			for _, s := range spans {
				begin, end := later(s.From, from), earlier(s.To, to)
				if end.After(begin) {
					occupied += end.Sub(begin).Hours()
				}
			}
		}
	}
	return open, occupied
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func off(said, truly float64) string {
	if truly == 0 {
		return "–"
	}
	return hundredths(100*(said-truly)/truly) + " %"
}

// source returns the best kind of device that tells who is in a space: a counter in
// it, else a reader that leads into it, else an occupancy sensor.
func (l *lived) source(id catalogue.SpaceID) catalogue.DeviceKind {
	has := map[catalogue.DeviceKind]bool{}
	for _, d := range l.network.Devices {
		if d.Space == id {
			has[d.Kind] = true
		}
	}
	for _, k := range []catalogue.DeviceKind{catalogue.PeopleCounter, catalogue.FlowCounter} {
		if has[k] {
			return k
		}
	}
	for _, d := range l.network.Devices {
		if door := l.network.Door(d.Door); d.Kind == catalogue.Reader && door != nil &&
			(d.Direction == catalogue.In && door.To == id || d.Direction == catalogue.Out && door.From == id) {
			return catalogue.Reader
		}
	}
	return catalogue.Occupancy
}

// truth is how many hours a space really was occupied, and how many person-hours
// people really spent there.
type truth struct{ occupied, person float64 }

func (l *lived) truly(id catalogue.SpaceID) truth {
	var t truth
	for _, s := range l.truth {
		if s.Space == id {
			t.person += s.To.Sub(s.From).Hours()
		}
	}
	for _, s := range l.occupied(id) {
		t.occupied += s.To.Sub(s.From).Hours()
	}
	return t
}

// occupied returns the stretches in which somebody really was in a space.
func (l *lived) occupied(id catalogue.SpaceID) []life.Stay {
	var stays, out []life.Stay
	for _, s := range l.truth {
		if s.Space == id {
			stays = append(stays, s)
		}
	}
	slices.SortFunc(stays, func(a, b life.Stay) int { return a.From.Compare(b.From) })
	for _, s := range stays {
		if n := len(out); n > 0 && !s.From.After(out[n-1].To) {
			out[n-1].To = later(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (c *compared) add(u used, t truth, hours float64) {
	c.spaces++
	c.known += u.Known
	c.hours += hours
	c.occupied += u.Occupied
	c.occupiedT += t.occupied
	c.person += u.Person
	c.personT += t.person
	if d := u.Occupied - t.occupied; math.Abs(d) > math.Abs(c.worst) {
		c.worst, c.worstSpace = d, catalogue.SpaceID(u.Key)
	}
}

// hundredths writes a difference with its sign, to two decimals; zero is always "+0.00".
func hundredths(x float64) string {
	return fmt.Sprintf("%+.2f", math.Round(100*x)/100+0)
}
