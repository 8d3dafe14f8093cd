package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
)

type correctionIn struct {
	VisitPath
	Body struct {
		From   catalogue.Instant `json:"from" format:"date-time" required:"true"`
		To     catalogue.Instant `json:"to" format:"date-time" required:"true"`
		Reason string            `json:"reason" minLength:"1" maxLength:"500" required:"true"`
	}
}

// longestCorrected limits a corrected visit: no visit lasts a day, and a typing
// error would be billed.
const longestCorrected = 24 * time.Hour

func (s *server) correct(ctx context.Context, in *correctionIn) (*one[visitView], error) {
	v, err := s.visit(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	from, to := milli(in.Body.From), milli(in.Body.To)
	switch {
	case to.Before(from):
		return nil, invalid("body", "to", "is before from")
	case to.Sub(from) > longestCorrected:
		return nil, invalid("body", "to", "is more than a day after from")
	case from.Before(v.From.Add(-longestCorrected)) || to.After(v.To.Add(longestCorrected)):
		return nil, invalid("body", "from", "differs by more than a day from what was measured")
	case to.After(s.cfg.Now().Add(longestCorrected)):
		return nil, invalid("body", "to", "lies in the future")
	case strings.TrimSpace(in.Body.Reason) == "":
		return nil, invalid("body", "reason", "is empty")
	}
	before, errBefore := s.hoursAround(ctx, v)
	now := s.cfg.Now().UTC()
	v.Correction = &ledger.Correction{
		From:   from,
		To:     to,
		Reason: in.Body.Reason,
		Author: callerOf(ctx).id,
		At:     now.Truncate(time.Millisecond),
	}
	err = s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.PutCorrection(v.ID, *v.Correction); err != nil {
			return err
		}
		body := mustJSON(showVisit(v, now).Correction)
		return tx.AddAct(
			&ingest.Act{At: now, Actor: v.Correction.Author, Action: "put", Target: ledger.CorrectionTarget(v.ID), Body: body},
		)
	})
	if err != nil {
		return nil, s.fail(err)
	}
	out := showVisit(v, now)
	after, errAfter := s.hoursAround(ctx, v)
	if errBefore == nil && errAfter == nil { // else the correction stands, without a warning
		out.Warnings = s.unchanged(v, before, after)
	}
	return &one[visitView]{out}, nil
}

// dayHours is what a correction may change of a day.
type dayHours struct {
	corrected, unleased int64  // seconds
	billed              string // the minutes of each lease
}

// hoursAround returns a member's days of the months that a correction of the visit may
// touch.
func (s *server) hoursAround(ctx context.Context, v ledger.Visit) (map[catalogue.Day]dayHours, error) {
	zone := s.cfg.Network.Zone
	index := func(t time.Time) int {
		year, month, _ := zone.At(t).Day.Civil()
		return tariff.Month{Year: year, Month: month}.Index()
	}
	days := map[catalogue.Day]dayHours{}
	last := index(v.To.Add(longestCorrected))
	for i := index(v.From.Add(-longestCorrected)); i <= last; i++ {
		hours, err := s.cfg.Bills.Hours(ctx, tariff.MonthAt(i), v.Tenant)
		if err != nil {
			return nil, err
		}
		for _, d := range hours[tariff.Person{Tenant: v.Tenant, Member: v.Member}] {
			var billed []string
			for _, l := range d.Leases {
				if l.Minutes > 0 {
					billed = append(billed, fmt.Sprintf("%s %d", l.Lease, l.Minutes))
				}
			}
			slices.Sort(billed)
			if x := (dayHours{d.Corrected, d.Unleased, strings.Join(billed, " ")}); x != (dayHours{}) {
				days[d.Day] = x
			}
		}
	}
	return days, nil
}

// unchanged says why a correction changes nothing of what is billed; nothing where it
// does.
func (s *server) unchanged(v ledger.Visit, before, after map[catalogue.Day]dayHours) []string {
	coworking := catalogue.At(s.cfg.Series.History, v.From).Coworking(v.Space)
	switch {
	case coworking == "":
		return []string{
			"it changes no hours: only visits to a coworking space are billed, and " + string(v.Space) + " is none",
		}
	case coworking != v.Space:
		return []string{"it changes no hours: a visit to " + string(v.Space) + " counts as its coworking's, " +
			string(coworking) + ": correct that one"}
	case maps.Equal(before, after):
		return []string{"it changes no hours"}
	case maps.EqualFunc(before, after, func(a, b dayHours) bool { return a.billed == b.billed }):
		if !maps.EqualFunc(before, after, func(a, b dayHours) bool { return a.unleased == b.unleased }) {
			return []string{"it changes no billable minutes: no lease with a plan for this space covers that time"}
		}
		return []string{"it changes no billable minutes: rounding, grace or the day's cap of the plan make up for it"}
	}
	return nil
}
