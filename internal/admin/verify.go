package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/presence"
	"github.com/lorntech/totem/internal/settings"
	"github.com/lorntech/totem/internal/visit"
)

const (
	// sampled is how many people's visits a verification computes again.
	sampled = 20
	// sampledDays is how far back it looks, in days: less than reads are kept.
	sampledDays = 60
)

// VerifyAudit verifies a data folder, whose service may be running: the chain,
// the records that decide, and the visits of some people. It draws its progress on bar, where
// that is a terminal.
func VerifyAudit(ctx context.Context, cfg settings.Config, bar io.Writer) (a ledger.Audit, err error) {
	l, err := ledger.OpenExisting(ctx, cfg.Ledger())
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	h, err := catalogues.HistoryOf(ctx, cfg, l)
	if err != nil {
		return a, err
	}
	p := progress.New(bar, 1000, "verifying the audit chain")
	defer p.Finish()
	return verify(ctx, h, l, func(done, all int64) { p.Set(int(1000 * done / max(all, 1))) })
}

// Verify verifies the chain, and computes the visits of a sample of people again.
func Verify(ctx context.Context, history catalogue.History, l *ledger.Ledger) (ledger.Audit, error) {
	return verify(ctx, history, l, nil)
}

func verify(
	ctx context.Context,
	history catalogue.History,
	l *ledger.Ledger,
	progress func(done, all int64),
) (ledger.Audit, error) {
	a, err := l.Verify(ctx, progress)
	if err != nil || !a.OK {
		return a, err
	}
	if former := (*history.Last()).FormerNames(); len(former) > 0 {
		what, err := l.KeptUnder(ctx, former)
		if err != nil || what != "" {
			a.OK, a.BrokenAt, a.Why = err != nil, a.Entries, "there are "+what+", a name that a space no longer has"
			return a, err
		}
	}
	since, err := l.VisitsSince(ctx)
	if err != nil {
		return a, err
	}
	if days := time.Now().AddDate(0, 0, -sampledDays); since.Before(days) {
		since = days
	}
	places := visit.NewPlaces(history)
	// Visits that began before since may have been computed with another catalogue.
	people, err := l.SampleMoves(ctx, since.Add(2*visit.Longest), sampled)
	if err != nil {
		return a, err
	}
	for _, t := range people {
		why := ""
		for range 3 { // a read may arrive between the two queries
			if why, err = differs(ctx, l, places, t); err != nil {
				return a, err
			}
			if why == "" {
				break
			}
			if err := sleep(ctx, time.Second); err != nil {
				return a, err
			}
		}
		if why != "" {
			a.OK, a.BrokenAt, a.Why = false, a.Entries, why
			return a, nil
		}
	}
	return a, nil
}

// differs computes visits around a person's reads again, and returns where the
// stored ones differ; empty: nowhere, or they are still to be computed.
func differs(ctx context.Context, l *ledger.Ledger, places *visit.Places, t ledger.Touched) (string, error) {
	made, err := presence.Compute(ctx, l, places, t)
	if err != nil {
		return "", err
	}
	kept, err := l.Visits(ctx,
		ledger.VisitFilter{Member: t.Subject.Member, From: made.From.Add(-visit.Longest), To: made.To.Add(time.Millisecond)},
	)
	if err != nil {
		return "", err
	}
	byID := map[[16]byte]ledger.Visit{}
	for _, v := range kept {
		if !v.From.Before(made.From) && !v.From.After(made.To) {
			byID[v.ID] = v
		}
	}
	waiting, err := l.IsWaiting(ctx, t.Subject, presence.Cursor)
	if err != nil || waiting {
		return "", err
	}
	for _, v := range made.Visits {
		k, ok := byID[v.ID]
		if !ok || !k.From.Equal(v.From) || !k.To.Equal(v.To) || k.Ended != v.Ended {
			return fmt.Sprintf("visit %s to %s does not follow from its reads", v.ID, v.Space), nil
		}
		delete(byID, v.ID)
	}
	for id, v := range byID {
		return fmt.Sprintf("visit %x to %s has no reads", id, v.Space), nil
	}
	return "", nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
