package series

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
)

// By is how usage is grouped (rules 10.2).
type By string

// The groups.
const (
	BySpace      By = "space"
	ByKind       By = "kind"
	ByBuilding   By = "building"
	BySite       By = "site"
	ByHourOfWeek By = "hour-of-week"
)

// UsageQuery asks for the use in [From, To), whole minutes, of the spaces that
// Space accepts, as they were at the time.
type UsageQuery struct {
	From, To time.Time
	By       By
	Space    func(*catalogue.Space) bool
	// Counts reports whether a local day counts for a space; nil: every day
	// does.
	Counts func(*catalogue.Space, catalogue.Day) bool
}

// Usage is the use of one group.
type Usage struct {
	Key    string
	Spaces int
	occupancy.Sum
}

// chunkMinutes limits the memory of summed peaks: a group needs 8 bytes a
// minute.
const chunkMinutes = 92 * 24 * 60

// Reader answers from the series in the ledger, by the catalogue of each
// minute.
type Reader struct {
	History catalogue.History
	Ledger  *ledger.Ledger
}

// Usage returns the use of each group. Groups are in the order of the latest catalogue;
// groups that only earlier catalogues have follow. Hours of the week begin with Monday.
func (r Reader) Usage(ctx context.Context, q UsageQuery) ([]Usage, error) {
	u := &usage{Reader: r, UsageQuery: q, index: map[string]int{}, counted: map[counted]bool{}}
	from, to := occupancy.MinuteOf(q.From), occupancy.MinuteOf(q.To)
	pieces := catalogue.Pieces(r.History, q.From, q.To)
	for _, p := range slices.Backward(pieces) {
		u.begin(p.Network)
		// Each minute belongs to the catalogue that held when it began.
		begins, ends := max(from, occupancy.MinuteAfter(p.From)), min(to, occupancy.MinuteAfter(p.To))
		for a := begins; a < ends; a += chunkMinutes {
			if err := u.chunk(ctx, a, min(ends, a+chunkMinutes)); err != nil {
				return nil, err
			}
		}
	}
	return u.groups, nil
}

// usage sums the use of spaces for one question about usage.
type usage struct {
	Reader
	UsageQuery
	network *catalogue.Network // of the piece of time that is being summed
	spaces  []*catalogue.Space // of that piece's network
	groups  []Usage
	index   map[string]int
	counted map[counted]bool
}

// counted is a space that was counted in a group.
type counted struct {
	group int
	space catalogue.SpaceID
}

// begin moves on to the time of one catalogue.
func (u *usage) begin(n *catalogue.Network) {
	u.network, u.spaces = n, nil
	for i := range n.Spaces {
		if sp := &n.Spaces[i]; u.Space(sp) {
			u.spaces = append(u.spaces, sp)
		}
	}
	if u.By == ByHourOfWeek && len(u.spaces) > 0 && len(u.groups) == 0 {
		for h := range 7 * 24 {
			day := catalogue.Weekday((h/24 + 1) % 7)
			u.groups = append(u.groups, Usage{Key: fmt.Sprintf("%s-%02d", day, h%24)})
		}
	}
	for _, sp := range u.spaces {
		if u.By == ByHourOfWeek {
			for h := range u.groups {
				u.count(h, sp)
			}
			continue
		}
		key := u.key(sp)
		i, ok := u.index[key]
		if !ok {
			i = len(u.groups)
			u.index[key] = i
			u.groups = append(u.groups, Usage{Key: key})
		}
		u.count(i, sp)
	}
}

func (u *usage) count(group int, sp *catalogue.Space) {
	if c := (counted{group, sp.ID}); !u.counted[c] {
		u.counted[c] = true
		u.groups[group].Spaces++
	}
}

func (u *usage) key(sp *catalogue.Space) string {
	switch u.By {
	case ByKind:
		return string(sp.Kind)
	case ByBuilding:
		return string(sp.Building)
	case BySite:
		return string(sp.Site)
	case ByHourOfWeek:
		return ""
	}
	return string(sp.ID)
}

// taken is the use of one space: a sum, or one for each hour of the week.
type taken struct {
	sums  []occupancy.Sum
	begin []int64
	runs  [][]occupancy.Run // only where peaks are summed
}

// chunk adds the usage of the minutes [from, to), so few that they fit into
// memory.
func (u *usage) chunk(ctx context.Context, from, to int64) error {
	slots := map[catalogue.SiteID][]occupancy.Slot{}
	for _, sp := range u.spaces {
		if slots[sp.Site] == nil {
			cal := u.network.Calendar(u.network.Site(sp.Site))
			slots[sp.Site] = occupancy.Slots(cal, from, to, u.By == ByHourOfWeek, u.Counts != nil)
		}
	}
	all := make([]taken, len(u.spaces))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, runtime.GOMAXPROCS(0)-1)) // one core is left to the doors
	for i, sp := range u.spaces {
		g.Go(func() (err error) {
			all[i], err = u.take(ctx, sp, u.counting(sp, slots[sp.Site]), from, to)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	u.sum(all, from, to)
	if u.By != BySpace {
		u.peaks(all, slots, from, to)
	}
	return nil
}

// counting returns the slots that count for a space.
func (u *usage) counting(sp *catalogue.Space, slots []occupancy.Slot) []occupancy.Slot {
	if u.Counts == nil {
		return slots
	}
	var list []occupancy.Slot
	for _, s := range slots {
		if u.Counts(sp, u.network.Zone.At(occupancy.MinuteTime(s.From)).Day) {
			list = append(list, s)
		}
	}
	return list
}

// take reads the minutes of one space and adds up what of them counts.
func (u *usage) take(ctx context.Context, sp *catalogue.Space, slots []occupancy.Slot, from, to int64) (taken, error) {
	t := taken{sums: make([]occupancy.Sum, 1)}
	of := func(*occupancy.Slot) *occupancy.Sum { return &t.sums[0] }
	if u.By == ByHourOfWeek {
		t.sums = make([]occupancy.Sum, 7*24)
		of = func(s *occupancy.Slot) *occupancy.Sum { return &t.sums[s.Hour] }
	}
	keep := u.By != BySpace // for the peaks
	err := u.Ledger.SeriesRuns(ctx,
		sp.ID,
		from/dayMinutes,
		(to+dayMinutes-1)/dayMinutes,
		keep,
		func(day int64, runs []occupancy.Run) {
			occupancy.Spend(slots, day*dayMinutes, runs, of)
			if keep {
				t.begin, t.runs = append(t.begin, day*dayMinutes), append(t.runs, runs)
			}
		},
	)
	for i := range slots {
		if s := &slots[i]; s.Open {
			of(s).Open += (s.To - s.From) * occupancy.MinuteMS
		}
	}
	for i := range t.sums {
		t.sums[i].CapacityOpen = int64(sp.Capacity) * t.sums[i].KnownOpen
	}
	return t, err
}

const dayMinutes = 24 * 60

func (u *usage) sum(all []taken, _, _ int64) {
	for i, sp := range u.spaces {
		for h, s := range all[i].sums {
			g := h
			if u.By != ByHourOfWeek {
				g = u.index[u.key(sp)]
			}
			if u.By != BySpace {
				s.Peak = 0 // peaks of the group: see peaks
			}
			u.groups[g].Add(s)
		}
	}
}

// peaks sets the peak of each group: it sums the peaks of the group's spaces for each
// minute, and takes the highest sum.
func (u *usage) peaks(all []taken, slots map[catalogue.SiteID][]occupancy.Slot, from, to int64) {
	sums := map[string]*occupancy.Peaks{}
	for i, sp := range u.spaces {
		key := u.key(sp)
		if sums[key] == nil {
			sums[key] = occupancy.NewPeaks(from, to)
		}
		for k, runs := range all[i].runs {
			sums[key].Add(all[i].begin[k], runs)
		}
	}
	if u.By != ByHourOfWeek {
		for key, p := range sums {
			g := &u.groups[u.index[key]]
			p.Each(func(_, _ int64, peak int32) { g.Peak = max(g.Peak, peak) })
		}
		return
	}
	if len(u.spaces) == 0 {
		return
	}
	hours := slots[u.spaces[0].Site] // local hours are the same at every site
	i := 0
	sums[""].Each(func(a, b int64, peak int32) {
		for ; i < len(hours) && hours[i].To <= a; i++ {
		}
		for k := i; k < len(hours) && hours[k].From < b; k++ {
			g := &u.groups[hours[k].Hour]
			g.Peak = max(g.Peak, peak)
		}
	})
}

// Minutes reads a space's minutes [from, to); missing minutes are unknown.
func (r Reader) Minutes(ctx context.Context, space catalogue.SpaceID, from, to int64) ([]occupancy.Run, error) {
	return spaceRuns(ctx, r.Ledger, space, from, to)
}

// Bucket is a stretch of the series, summed.
type Bucket struct {
	From, To time.Time
	Sum      occupancy.Sum
}

// Buckets sums a space's minutes in [from, to), divided at the given ends,
// ascending.
func (r Reader) Buckets(ctx context.Context, space catalogue.SpaceID, from, to int64, ends []int64) ([]Bucket, error) {
	var out []Bucket
	slots := make([]occupancy.Slot, 0, len(ends)+1)
	at := from
	for _, end := range append(slices.Clip(ends), to) {
		if end > at && end <= to {
			slots = append(slots, occupancy.Slot{From: at, To: end, Hour: len(out)})
			out = append(out, Bucket{From: occupancy.MinuteTime(at), To: occupancy.MinuteTime(end)})
			at = end
		}
	}
	err := r.Ledger.SeriesRuns(ctx,
		space,
		from/dayMinutes,
		(to+dayMinutes-1)/dayMinutes,
		false,
		func(day int64, runs []occupancy.Run) {
			occupancy.Spend(slots, day*dayMinutes, runs, func(s *occupancy.Slot) *occupancy.Sum { return &out[s.Hour].Sum })
		},
	)
	return out, err
}
