package ingest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// A batch must never fail because of one of its messages. When a commit fails
// with ErrUnstorable, each message of the batch is committed alone. One that
// fails alone is set aside as a suspect, unacknowledged, and the rest go on. A
// suspect is tried once more when another message of its kind has been
// committed: only then is it certain that the message is at fault and not the
// ledger, and it becomes a reject with its reason and an alarm.

// isolate commits the messages of a batch one by one. It returns those that
// were committed or, with an error, those that are still to be committed.
func (p *Pipeline) isolate(ctx context.Context, batch []*item) ([]*item, error) {
	var committed []*item
	for i, it := range batch {
		switch err := p.commit(ctx, []*item{it}); {
		case err == nil:
			committed = append(committed, it)
		case errors.Is(err, ErrUnstorable):
			p.cfg.Log.Error("message cannot be stored; it waits unacknowledged", "topic", it.Topic, "error", err)
			p.suspects = append(p.suspects, it)
		default:
			return batch[i:], err
		}
	}
	return committed, nil
}

// judge rejects the suspects that fail again although a message of their kind
// was committed.
func (p *Pipeline) judge(ctx context.Context, committed []*item) {
	if len(p.suspects) == 0 {
		return
	}
	sound := map[bool]bool{}
	for _, it := range committed {
		if it.unfit == "" && it.refused == "" && !it.repeated {
			sound[it.isBadge()] = true
		}
	}
	var waiting []*item
	for _, it := range p.suspects {
		if !sound[it.isBadge()] {
			waiting = append(waiting, it)
			continue
		}
		err := p.commit(ctx, []*item{it})
		if errors.Is(err, ErrUnstorable) {
			it.unfit = rejectUnstorable + ": " + unstorable(err)
			err = p.commit(ctx, []*item{it})
			p.cfg.Log.Error("message rejected: it cannot be stored", "topic", it.Topic, "error", err)
		}
		if err != nil {
			waiting = append(waiting, it)
		}
	}
	p.suspects = waiting
}

// unstorable returns why a message could not be stored, without any of its values.
func unstorable(err error) string {
	if e := (*faultError)(nil); errors.As(err, &e) {
		return "an internal error of the service; see its log"
	}
	return "the ledger refuses it; see the service's log"
}

func (it *item) isBadge() bool { return it.msg != nil && it.msg.Badge != nil }

// faultError is a panic while one message was processed.
type faultError struct{ value any }

func (e *faultError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
func (e *faultError) Unwrap() error { return ErrUnstorable }

// guarded processes one message and turns a panic into its error.
func (b *work) guarded(it *item) (err error) {
	defer func() {
		if r := recover(); r != nil {
			b.p.cfg.Log.Error(
				"fault while a message was processed",
				"topic",
				it.Topic,
				"panic",
				fmt.Sprint(r),
				"stack",
				string(debug.Stack()),
			)
			err = &faultError{r}
		}
	}()
	return b.process(it)
}

// rejectAlarm returns the alarm for a reject that somebody has to look at; due
// is false where it needs none.
func (it *item) rejectAlarm(code string) (a Alarm, due bool) {
	switch code {
	case rejectUnstorable:
		a.Kind, a.Detail = AlarmUnstorable, "a message could not be stored and was rejected"
	case rejectCardSpelling:
		a.Kind, a.Detail = AlarmCardSpelling, "its card numbers may be hexadecimal or decimal: set card in the catalogue"
	default:
		return a, false
	}
	a.Since = it.received
	if it.device != nil {
		a.Site, a.Device, a.Door, a.Space = it.device.Site, it.device.ID, it.device.Door, it.device.Space
	}
	a.ID = fmt.Sprintf("%s-%s", a.Kind, a.Device)
	return a, true
}
