package main

import (
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/tenancy"
)

// networkCmd writes a large network and its people as files.
type networkCmd struct {
	world
	Times int    `help:"How many copies of each site to make." default:"1" placeholder:"N"`
	Out   string `arg:"" help:"A new folder for catalogue.yaml and the sheets that totem import reads." placeholder:"DIR"`
}

func (c *networkCmd) Run() error {
	if c.Times < 1 || c.Times > 1000 {
		return cli.Wrong("--times: must be 1 to 1000")
	}
	w, err := c.load(time.Now())
	if err != nil {
		return err
	}
	if err := os.Mkdir(c.Out, 0o755); err != nil {
		return err
	}
	if c.Times > 1 {
		w = people.Many(people.Times(w.Network, c.Times), c.Seed, w.Today, 400*c.Times, 1000*c.Times)
	}
	for name, write := range map[string]func(io.Writer) error{
		"catalogue.yaml": func(f io.Writer) error { return people.WriteCatalogue(f, w.Network) },
		"tenants.csv":    func(f io.Writer) error { return tenants(f, w) },
		"members.csv":    func(f io.Writer) error { return members(f, w) },
		"badges.csv":     func(f io.Writer) error { return badges(f, w) },
		"schedules.csv":  func(f io.Writer) error { return schedules(f, w) },
		"plans.csv":      func(f io.Writer) error { return plans(f, w) },
		"leases.csv":     func(f io.Writer) error { return leases(f, w) },
	} {
		f, err := os.Create(filepath.Join(c.Out, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	_, err = fmt.Fprintf(
		os.Stdout,
		"%s: %d sites, %d spaces, %d devices, %d members, %d badges, %d leases\n",
		c.Out,
		len(w.Network.Sites),
		len(w.Network.Spaces),
		len(w.Network.Devices),
		len(w.Members),
		len(w.Cards),
		len(w.Leases),
	)
	return err
}

// rows writes a sheet.
func rows[T any](f io.Writer, header string, list []T, row func(T) []string) error {
	out := csv.NewWriter(f)
	err := out.Write(strings.Fields(header))
	for _, v := range list {
		err = errors.Join(err, out.Write(row(v)))
	}
	out.Flush()
	return errors.Join(err, out.Error())
}

func spaced[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = string(v)
	}
	return strings.Join(words, " ")
}

func tenants(f io.Writer, w *people.World) error {
	return rows(f, "id name site kind", w.Tenants, func(t tenancy.Tenant) []string {
		return []string{string(t.ID), t.Name, string(t.Site), string(t.Kind)}
	})
}

func members(f io.Writer, w *people.World) error {
	return rows(f, "id tenant name email roles staff_sites", w.Members, func(m tenancy.Member) []string {
		return []string{string(m.ID), string(m.Tenant), m.Name, m.Email, spaced(m.Roles), spaced(m.StaffSites)}
	})
}

func badges(f io.Writer, w *people.World) error {
	instant := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	return rows(f, "id member kind uid status valid_from valid_to", w.Cards, func(c people.Card) []string {
		return []string{string(c.Credential), string(c.Member), string(c.Kind), hex.EncodeToString(c.UID), string(c.Status),
			instant(c.ValidFrom), instant(c.ValidTo)}
	})
}

func schedules(f io.Writer, w *people.World) error {
	return rows(f, "id windows holidays", w.Schedules, func(s tenancy.Schedule) []string {
		var windows []string
		for _, o := range s.Windows {
			var days []string
			for _, d := range o.Days {
				days = append(days, d.String())
			}
			windows = append(windows, fmt.Sprintf("%s %s-%s", strings.Join(days, " "), o.From, o.To))
		}
		return []string{string(s.ID), strings.Join(windows, "; "), fmt.Sprint(s.Holidays)}
	})
}

func plans(f io.Writer, w *people.World) error {
	const header = "id name includes roaming schedule included_minutes hourly_rate_cents rounding_minutes grace_minutes " +
		"daily_cap_minutes inferred_cap_minutes vat_pct"
	return rows(f, header, w.Plans, func(p tenancy.Plan) []string {
		return []string{string(p.ID), p.Name, spaced(p.Includes), fmt.Sprint(p.Roaming), string(p.Schedule),
			fmt.Sprint(p.IncludedMinutes), fmt.Sprint(p.HourlyRateCents), fmt.Sprint(p.RoundingMinutes),
			fmt.Sprint(p.GraceMinutes), fmt.Sprint(p.DailyCapMinutes), fmt.Sprint(p.InferredCapMinutes), fmt.Sprint(p.VatPct)}
	})
}

func leases(f io.Writer, w *people.World) error {
	day := func(d *catalogue.Day) string {
		if d == nil {
			return ""
		}
		return d.String()
	}
	const header = "id tenant site spaces plan starts_on ends_on status members rent_cents_month"
	return rows(f, header, w.Leases, func(l tenancy.Lease) []string {
		who := spaced(l.Members)
		if l.Members != nil && who == "" { // nobody; an empty cell is everybody
			who = "-"
		}
		return []string{string(l.ID), string(l.Tenant), string(l.Site), spaced(l.Spaces), string(l.Plan),
			day(&l.StartsOn), day(l.EndsOn), string(l.Status), who, fmt.Sprint(l.RentCentsMonth)}
	})
}
