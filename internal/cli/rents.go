package cli

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CalibrationPath is the API's path of suggested rents.
const CalibrationPath = "/v1/calibration"

type calibrated struct {
	Space, Kind, Status, Measure string
	Use                          *float64
	KnownShare                   float64 `json:"known_share"`
	Rent                         int64   `json:"rent_cents_m2_month"`
	Suggested                    *int64  `json:"suggested_rent_cents_m2_month"`
	Change                       *float64
	Revised, Bound               *string
	Median                       float64 `json:"kind_median_rent_cents_m2_month"`
	Income                       int64   `json:"income_cents"`
	Would                        *int64  `json:"suggested_income_cents"`
}

type calibratedGroup struct {
	Key                  string
	Spaces, Insufficient int
	MeanRent             float64  `json:"mean_rent_cents_m2_month"`
	MeanWould            float64  `json:"mean_suggested_rent_cents_m2_month"`
	MedianUse            *float64 `json:"median_use"`
	Income               int64    `json:"income_cents"`
	Would                int64    `json:"suggested_income_cents"`
	Change               *float64
}

type calibration struct {
	Items        []calibrated
	Kinds, Sites []calibratedGroup
	Months       float64
	ILAT         *struct {
		From, To string
		Change   float64
	}
}

// Rents prints what rents the use of spaces suggests, in euros per m² and
// month, and the income over the period: by space, kind or site.
func Rents(ctx context.Context, c Client, w io.Writer, q url.Values) error {
	q.Set("limit", "1000")
	var r calibration
	if err := c.get(ctx, CalibrationPath, q, &r); err != nil {
		return err
	}
	var t *table
	groups := map[string][]calibratedGroup{"kind": r.Kinds, "site": r.Sites}[q.Get("by")]
	if groups != nil {
		t = newTable(
			"<"+q.Get("by"),
			"spaces",
			"too little known",
			"median use",
			"mean rent",
			"suggested",
			"income",
			"would be",
			"change",
		)
		for _, g := range groups {
			t.row(g.Key,
				fmt.Sprint(g.Spaces),
				fmt.Sprint(g.Insufficient),
				percent(g.MedianUse),
				decimal(g.MeanRent/100),
				decimal(g.MeanWould/100),
				euros(g.Income),
				euros(g.Would),
				signed(g.Change),
			)
		}
	} else {
		t = newTable(
			"<space",
			"<kind",
			"use",
			"<",
			"known",
			"rent",
			"suggested",
			"change",
			"<bound",
			"median of the kind",
			"income",
			"would be",
		)
		for _, x := range r.Items {
			suggested, would, bound := strings.ReplaceAll(x.Status, "-", " "), "", ""
			if x.Suggested != nil && x.Would != nil {
				suggested, would = euros(*x.Suggested), euros(*x.Would)
			}
			if x.Bound != nil && *x.Bound != "none" {
				bound = strings.ReplaceAll(*x.Bound, "_", " ")
			}
			if x.Revised != nil {
				bound = strings.TrimPrefix(bound+", revised "+*x.Revised, ", ")
			}
			t.row(x.Space,
				x.Kind,
				percent(x.Use),
				x.Measure,
				percent(&x.KnownShare),
				euros(x.Rent),
				suggested,
				signed(x.Change),
				bound,
				decimal(x.Median/100),
				euros(x.Income),
				would,
			)
		}
	}
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintf(w,
		"\nRents in € per m² and month; income in € over the period of %.2f months, if everything were let.",
		r.Months,
	)
	if r.ILAT != nil {
		fmt.Fprintf(w, " ILAT %s to %s: %s.", r.ILAT.From, r.ILAT.To, signed(&r.ILAT.Change))
	}
	_, err := fmt.Fprintln(w)
	return err
}

func decimal(x float64) string { return fmt.Sprintf("%.2f", x) }

// signed writes a fraction as a change in percent.
func signed(x *float64) string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf("%+.1f %%", *x*100)
}

type offered struct {
	Site, Kind  string
	Offered     bool
	Spaces      int
	Open        float64 `json:"open_hours_per_week"`
	Utilisation *float64
}

// Charter prints which spaces of the charter each site offers, the sites side
// by side.
func Charter(ctx context.Context, c Client, w io.Writer) error {
	list, err := List[offered](ctx, c, "/v1/charter", url.Values{})
	if err != nil {
		return err
	}
	var sites, kinds []string
	cells := map[[2]string]offered{}
	for _, o := range list {
		if !slices.Contains(sites, o.Site) {
			sites = append(sites, o.Site)
		}
		if !slices.Contains(kinds, o.Kind) {
			kinds = append(kinds, o.Kind)
		}
		cells[[2]string{o.Kind, o.Site}] = o
	}
	heading := []string{"<charter"}
	for _, site := range sites {
		heading = append(heading, "<"+site)
	}
	t := newTable(heading...)
	for _, k := range kinds {
		row := []string{k}
		for _, site := range sites {
			if o := cells[[2]string{k, site}]; o.Offered {
				row = append(row, fmt.Sprintf("%d, used %s", o.Spaces, strings.TrimSpace(percent(o.Utilisation))))
			} else {
				row = append(row, "missing")
			}
		}
		t.row(row...)
	}
	open := []string{"open per week"}
	for _, site := range sites {
		if len(kinds) > 0 {
			open = append(open, fmt.Sprintf("%.1f h", cells[[2]string{kinds[0], site}].Open))
		}
	}
	t.row(open...)
	return t.write(w)
}

// Cents reads an amount like 11.50 or 11,50.
func Cents(text string) (int64, error) {
	r, ok := new(big.Rat).SetString(strings.Replace(text, ",", ".", 1))
	if ok {
		r.Mul(r, big.NewRat(100, 1))
	}
	if !ok || strings.ContainsAny(text, "/eExX_") || !r.IsInt() || !r.Num().IsInt64() {
		return 0, fmt.Errorf("%q is not an amount in € like 11.50", text)
	}
	return r.Num().Int64(), nil
}

// RentSet is a rent that was set, and the rents that it replaces.
type RentSet struct {
	Cents    int64 `json:"rent_cents_m2_month"`
	From     string
	Before   *int64 `json:"before_cents"`
	Replaced []struct {
		Cents int64 `json:"rent_cents_m2_month"`
		From  *string
	}
}

// Show prints it as sentences.
func (r *RentSet) Show(w io.Writer, space string) {
	before := "nothing"
	if r.Before != nil {
		before = euros(*r.Before) + " €"
	}
	fmt.Fprintf(w,
		"%s costs %s € per m² and month from %s on; on the day before it is %s.\n",
		space,
		euros(r.Cents),
		r.From,
		before,
	)
	for _, x := range r.Replaced {
		if x.From != nil {
			fmt.Fprintf(w, "Replaced: %s € from %s on.\n", euros(x.Cents), *x.From)
		}
	}
}

// SetRent sets a space's rent, in cents per m² and month, from a local day on.
func (c Client) SetRent(ctx context.Context, space string, cents int64, from, reason string) (out RentSet, err error) {
	body := map[string]any{"rent_cents_m2_month": cents, "from": from, "reason": reason}
	return out, c.send(ctx, http.MethodPut, "/v1/spaces/"+url.PathEscape(space)+"/rent", body, &out)
}
