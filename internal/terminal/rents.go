package terminal

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"text/tabwriter"
)

// CalibrationPath is where the API answers with suggested rents.
const CalibrationPath = "/v1/calibration"

type calibrated struct {
	Space, Kind, Status, Measure string
	Use                          *float64
	KnownShare                   float64 `json:"known_share"`
	Rent                         int64   `json:"rent_cents_m2_month"`
	Suggested                    *int64  `json:"suggested_rent_cents_m2_month"`
	Change                       *float64
}

// Rents shows what rents the use of spaces suggests, in euros for a m² and month.
func Rents(ctx context.Context, c Client, w io.Writer, q url.Values) error {
	list, err := List[calibrated](ctx, c, CalibrationPath, q)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "space\tkind\tuse\t\tknown\trent\tsuggested\tchange")
	for _, r := range list {
		suggested, change := "insufficient data", ""
		if r.Suggested != nil && r.Change != nil {
			suggested, change = fmt.Sprintf("%d.%02d", *r.Suggested/100, *r.Suggested%100), fmt.Sprintf("%+.1f %%", *r.Change*100)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d.%02d\t%s\t%s\n", r.Space, r.Kind, percent(r.Use), r.Measure, percent(&r.KnownShare), r.Rent/100, r.Rent%100, suggested, change)
	}
	return t.Flush()
}

type offered struct {
	Site, Kind  string
	Offered     bool
	Spaces      int
	Open        float64 `json:"open_hours_per_week"`
	Utilisation *float64
}

// Charter shows what of the charter each site offers, the sites side by side.
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
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "charter")
	for _, s := range sites {
		fmt.Fprintf(t, "\t%s", s)
	}
	for _, k := range kinds {
		fmt.Fprintf(t, "\n%s", k)
		for _, s := range sites {
			if o := cells[[2]string{k, s}]; o.Offered {
				fmt.Fprintf(t, "\t%d, used %s", o.Spaces, percent(o.Utilisation))
			} else {
				fmt.Fprint(t, "\tmissing")
			}
		}
	}
	fmt.Fprint(t, "\nopen a week")
	for _, s := range sites {
		if len(kinds) > 0 {
			fmt.Fprintf(t, "\t%.1f h", cells[[2]string{kinds[0], s}].Open)
		}
	}
	fmt.Fprintln(t)
	return t.Flush()
}
