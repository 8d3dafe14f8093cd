package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// commitUntilDone commits a batch, again and again while the ledger cannot (a
// full disk, for example): nothing is acknowledged in the meantime, and nothing
// is lost. A message that cannot be stored is set aside (see isolate.go), so
// that the others do not wait for it.
func (p *Pipeline) commitUntilDone(ctx context.Context, batch []*item) {
	wait := 50 * time.Millisecond
	for attempt := 1; len(batch) > 0; attempt++ {
		err := p.commit(ctx, batch)
		if errors.Is(err, ErrUnstorable) {
			batch, err = p.isolate(ctx, batch)
		}
		if err == nil {
			p.stuck.Store(false)
			if attempt > 1 {
				p.cfg.Log.Info("ledger commits again", "attempts", attempt, "messages", len(batch))
			}
			p.judge(ctx, batch)
			return
		}
		if ctx.Err() != nil {
			return
		}
		p.stuck.Store(true)
		p.cfg.Metrics.CommitFailed()
		if attempt == 1 || wait >= 5*time.Second {
			p.cfg.Log.Error("ledger cannot commit; messages wait unacknowledged", "error", err, "messages", len(batch))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// commit runs one batch through one durable commit, then sends the answers.
func (p *Pipeline) commit(ctx context.Context, batch []*item) error {
	began := time.Now()
	b := &work{p: p, ctx: ctx}
	var ready *prepared
	err := p.cfg.Store.Commit(ctx, holdsDoor(batch), func(tx Tx) error {
		// The rights are read while nobody else writes: a decision stands in
		// the chain after every act that it depends on.
		b.tx, b.rights = tx, p.cfg.Rights()
		ids := make([]uuid.UUID, 0, len(batch))
		for _, it := range batch {
			if it.msg != nil {
				ids = append(ids, it.msg.ID)
			}
		}
		if err := tx.Expect(ids); err != nil {
			return err
		}
		for _, it := range batch {
			if err := b.guarded(it); err != nil {
				return err
			}
		}
		ready = p.prepare(b.answers)
		return nil
	})
	if err != nil {
		p.where.forget(b.moved)
		return err
	}
	p.cfg.Metrics.Committed(len(batch), time.Since(began))
	for _, it := range batch {
		p.clock.saw(it.received)
	}
	b.report(p.cfg.Metrics)
	p.watch.committed(batch)
	for _, it := range batch { // before the answers, so that a client that has seen one finds the enrolment up to date
		if it.read != nil && !it.repeated {
			p.cfg.Enrolments.noteBadge(it.read, it.msg.Badge.Credential)
		}
	}
	if waiting, _ := p.queue.len(); len(batch) <= answerHere && waiting == 0 && p.answering.Load() == 0 {
		p.send(ready) // nobody waits for the next commit: answering here saves a change of goroutine
	} else {
		p.answering.Add(1)
		p.answers <- ready
	}
	if p.cfg.OnCommit != nil {
		p.cfg.OnCommit(b.done)
	}
	return nil
}
