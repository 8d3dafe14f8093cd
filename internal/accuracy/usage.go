package accuracy

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/terminal"
)

// used is what the API says of one space.
type used struct {
	Key      string
	Known    float64 `json:"known_hours"`
	Occupied float64 `json:"occupied_hours"`
	Person   float64 `json:"person_hours"`
}

// compared adds up what was said and what was true of the spaces whose state
// comes from one kind of source.
type compared struct {
	spaces              int
	known, hours        float64
	occupied, occupiedT float64
	person, personT     float64
	worst               float64 // of one space, in occupied hours
	worstSpace          catalogue.SpaceID
}

// usage compares the series with the truth, source by source.
func (l *lived) usage(ctx context.Context, out io.Writer) error {
	q := l.span()
	q.Set("by", "space")
	list, err := terminal.List[used](ctx, l.client, terminal.UsagePath, q)
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
	for _, k := range []catalogue.DeviceKind{catalogue.PeopleCounter, catalogue.FlowCounter, catalogue.Reader, catalogue.Occupancy} {
		if g := groups[k]; g != nil {
			person, personT, personErr := fmt.Sprintf("%.0f", g.person), fmt.Sprintf("%.0f", g.personT), off(g.person, g.personT)
			if k == catalogue.Occupancy { // one person is reckoned while somebody is there
				person, personT, personErr = "–", "–", "–"
			}
			fmt.Fprintf(t, "%s\t%d\t%.1f %%\t%.1f\t%.1f\t%s\t%s\t%s\t%s\t%s %+.1f h\t\n", k, g.spaces, 100*g.known/g.hours, g.occupied, g.occupiedT, off(g.occupied, g.occupiedT),
				person, personT, personErr, g.worstSpace, g.worst)
		}
	}
	return t.Flush()
}

func off(said, truly float64) string {
	if truly == 0 {
		return "–"
	}
	return fmt.Sprintf("%+.2f %%", 100*(said-truly)/truly)
}

// source is the best kind of device that tells of a space; readers where it has none.
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

// truth is how long a space really was occupied, and by how many.
type truth struct{ occupied, person float64 }

func (l *lived) truly(id catalogue.SpaceID) truth {
	var t truth
	type edge struct {
		at time.Time
		by int
	}
	var edges []edge
	for _, s := range l.truth {
		if s.Space == id {
			edges = append(edges, edge{s.From, 1}, edge{s.To, -1})
			t.person += s.To.Sub(s.From).Hours()
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	n := 0
	for i, e := range edges {
		if n > 0 {
			t.occupied += e.at.Sub(edges[i-1].at).Hours()
		}
		n += e.by
	}
	return t
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
