package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"time"
)

// OccupancyQuery holds the parameters of totem occupancy.
type OccupancyQuery struct {
	Space, Every string
	From, To     time.Time
}

// Values returns the query's parameters.
func (q OccupancyQuery) Values() url.Values {
	v := between(q.From, q.To)
	v.Set("space", q.Space)
	v.Set("every", q.Every)
	return v
}

// OccupancyPath is the API's path of occupancy.
const OccupancyPath = "/v1/occupancy"

type bucket struct {
	From, To time.Time
	Person   float64 `json:"person_seconds"`
	Occupied float64 `json:"occupied_seconds"`
	Known    float64 `json:"known_seconds"`
	Peak     *int
}

// Occupancy draws a space's series: how many people were there on average and
// at most, in the known part of each bucket.
func Occupancy(ctx context.Context, c Client, w io.Writer, q OccupancyQuery) error {
	list, err := List[bucket](ctx, c, OccupancyPath, q.Values())
	if err != nil {
		return err
	}
	most := 1.0
	for _, b := range list {
		if b.Peak != nil {
			most = max(most, float64(*b.Peak))
		}
	}
	zone := q.From.Location()
	fmt.Fprintf(w, "%s, people; a full bar is %.0f\n\n", q.Space, most)
	fmt.Fprintf(w, "%-20s  %-*s  %6s  %4s  %5s\n", "from", barWidth, "", "mean", "peak", "known")
	for _, b := range list {
		mean, part, peak := "?", (*float64)(nil), "?"
		if b.Known > 0 {
			m := b.Person / b.Known
			mean, part, peak = fmt.Sprintf("%.1f", m), &[]float64{m / most}[0], fmt.Sprint(*b.Peak)
		}
		known := b.Known / b.To.Sub(b.From).Seconds()
		from := b.From.In(zone).Format("Mon 2 Jan 15:04 MST")
		fmt.Fprintf(w, "%-20s  %s  %6s  %4s  %s\n", from, bar(part), mean, peak, percent(&known))
	}
	return nil
}
