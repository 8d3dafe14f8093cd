package billing

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Visits loads the visits to billable spaces that overlap the days [from, to],
// as measured or as corrected. A visit that goes on counts to now.
func (b Bills) Visits(ctx context.Context, from, to catalogue.Day, f ledger.VisitFilter) ([]tariff.Visit, error) {
	list, _, err := b.visits(ctx, from, to, f)
	return list, err
}

// visits also returns, for each visit that goes on, when it will end unless a read
// says otherwise.
func (b Bills) visits(
	ctx context.Context,
	from, to catalogue.Day,
	f ledger.VisitFilter,
) ([]tariff.Visit, map[uuid.UUID]time.Time, error) {
	zone, now := b.zone(from), b.now()
	f.From, f.To, f.Corrected = zone.Start(from), zone.Start(to+1), true
	f.Spaces = b.billable()
	list, err := b.Ledger.Visits(ctx, f)
	if err == nil && !b.known.IsZero() {
		list, err = b.correctedAsKnown(ctx, list, f)
	}
	if err != nil {
		return nil, nil, err
	}
	out, ends := make([]tariff.Visit, 0, len(list)), map[uuid.UUID]time.Time{}
	for _, v := range list {
		x := tariff.Visit{
			ID:     v.ID,
			Member: v.Member,
			Tenant: v.Tenant,
			Space:  v.Space,
			From:   v.From,
			To:     v.To,
			Ended:  v.Ended,
		}
		if x.To.After(now) {
			ends[v.ID] = v.To
			x.To, x.Ended = now, visit.Open
		}
		if c := v.Correction; c != nil {
			x.Corrected = &catalogue.Interval{From: c.From, To: c.To}
		}
		out = append(out, x)
	}
	return out, ends, nil
}

func (b Bills) now() time.Time { return b.Now().UTC().Truncate(time.Millisecond) }

// basis returns a hash of what a month's hours depend on besides visits,
// leases and plans: parts of the catalogue, and the version of the arithmetic. Hours stored with
// another basis are computed again.
func (b Bills) basis(m tariff.Month) int64 {
	h := fnv.New64a()
	first, last := m.Days()
	last++ // visits of its last night may end in the next month
	said := ""
	for _, p := range catalogue.Pieces(b.history(), b.zone(first).Start(first), b.zone(first).Start(last)) {
		var text strings.Builder
		fmt.Fprint(&text, tariff.Arithmetic, p.Network.Zone.Location())
		for _, sp := range p.Network.Spaces {
			fmt.Fprintf(&text, " %s %s %s %s", sp.ID, sp.Site, sp.Kind, sp.Parent)
		}
		if text.String() == said { // a catalogue that changed nothing relevant
			continue
		}
		if said != "" {
			fmt.Fprint(h, p.From.UnixMilli())
		}
		said = text.String()
		fmt.Fprint(h, said)
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1)
}

// Hours returns everybody's days of a month; tenant may be empty. They are
// summed from stored days: only what changed since is computed from visits
// again.
func (b Bills) Hours(
	ctx context.Context,
	m tariff.Month,
	tenant tenancy.TenantID,
) (map[tariff.Person][]tariff.Day, error) {
	if !b.known.IsZero() {
		return b.hoursAsKnown(ctx, m, tenant)
	}
	now, basis := b.now(), b.basis(m)
	out := map[tariff.Person][]tariff.Day{}
	stale, open := map[tariff.Person]*ledger.MonthHours{}, map[tariff.Person]catalogue.Day{}
	var reader tariff.DayReader
	err := b.Ledger.Hours(ctx, m.Index(), tenant, func(r *ledger.MonthHours) error {
		who := tariff.Person{Tenant: r.Tenant, Member: r.Member}
		if r.Marked != r.Made || r.Basis != basis || !r.Due.IsZero() && !r.Due.After(now) {
			row := *r
			row.Basis, row.Body = basis, nil
			stale[who] = &row
			return nil
		}
		if r.Open != 0 {
			open[who] = r.Open
		}
		days, err := reader.Read(nil, r.Body)
		if err != nil {
			return fmt.Errorf("read the stored hours of %s: %w", m, err)
		}
		if len(days) > 0 {
			out[who] = days
		}
		return nil
	})
	if err != nil || len(stale)+len(open) == 0 {
		return out, err
	}
	made, err := b.remake(ctx, m, stale, open)
	for who, days := range made {
		if len(days) > 0 {
			out[who] = append(out[who], days...)
		}
	}
	return out, err
}

// remake computes and stores the days of the people whose stored days are stale. For
// those whose visit still goes on it computes the days from its first one, and
// stores nothing.
func (b Bills) remake(
	ctx context.Context,
	m tariff.Month,
	stale map[tariff.Person]*ledger.MonthHours,
	open map[tariff.Person]catalogue.Day,
) (map[tariff.Person][]tariff.Day, error) {
	terms, err := b.Tariff(ctx)
	if err != nil {
		return nil, err
	}
	out := map[tariff.Person][]tariff.Day{}
	first, last := m.Days()
	if len(open) > 0 {
		earliest := last
		for _, since := range open {
			earliest = min(earliest, max(first, since))
		}
		visits, _, err := byPerson(ctx, b, earliest, last, open)
		if err != nil {
			return nil, err
		}
		for who, since := range open {
			out[who] = terms.Days(b.zone(first), max(first, since), last, visits[who])
		}
	}
	visits, ends, err := byPerson(ctx, b, first, last, stale)
	if err != nil {
		return nil, err
	}
	rows := make([]*ledger.MonthHours, 0, len(stale))
	for who, row := range stale {
		out[who] = terms.Days(b.zone(first), first, last, visits[who])
		b.fill(row, out[who], visits[who], ends)
		rows = append(rows, row)
	}
	// Where they cannot be stored, as on a full disk, they are computed again
	// when next asked for.
	_ = b.keep(ctx, rows)
	return out, nil
}

// byPerson loads the visits of the people in a map.
func byPerson[T any](
	ctx context.Context,
	b Bills,
	from, to catalogue.Day,
	of map[tariff.Person]T,
) (map[tariff.Person][]tariff.Visit, map[uuid.UUID]time.Time, error) {
	members := []tenancy.MemberID{}
	for who := range of {
		members = append(members, who.Member)
	}
	out := map[tariff.Person][]tariff.Visit{}
	list, ends, err := b.visits(ctx, from, to, ledger.VisitFilter{Members: members})
	for _, v := range list {
		who := tariff.Person{Tenant: v.Tenant, Member: v.Member}
		out[who] = append(out[who], v)
	}
	return out, ends, err
}

// fill stores in a row the days before the first visit that goes on.
func (b Bills) fill(row *ledger.MonthHours, days []tariff.Day, visits []tariff.Visit, ends map[uuid.UUID]time.Time) {
	row.Open, row.Due = 0, time.Time{}
	for _, v := range visits {
		end, going := ends[v.ID]
		if !going {
			continue
		}
		if day := catalogue.At(b.history(), v.From).Zone.At(v.From).Day; row.Open == 0 || day < row.Open {
			row.Open = day
		}
		if row.Due.IsZero() || end.Before(row.Due) {
			row.Due = end
		}
	}
	closed := days
	for i, d := range days {
		if row.Open != 0 && d.Day >= row.Open {
			closed = days[:i]
			break
		}
	}
	row.Body = tariff.AppendDays([]byte{}, closed)
}

// keepStep limits the rows of one commit: doors share the ledger.
const keepStep = 200

func (b Bills) keep(ctx context.Context, rows []*ledger.MonthHours) error {
	for len(rows) > 0 {
		n := min(keepStep, len(rows))
		err := b.Ledger.Write(ctx, func(tx *ledger.Tx) error {
			for _, r := range rows[:n] {
				r.Made = r.Marked
				if err := tx.PutHours(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// MakeHours computes what changed, before anybody asks.
func (b Bills) MakeHours(ctx context.Context) error {
	months, err := b.Ledger.HoursToMake(ctx, b.now())
	for _, i := range months {
		if err == nil {
			_, err = b.Hours(ctx, tariff.MonthAt(i), "")
		}
	}
	return err
}
