package app

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stack closes what was opened, last in, first out. Each part has a name, so that
// one that does not end in time can be reported; closing a stack again does
// nothing.
type stack []part

type part struct {
	name  string
	close func(context.Context) error
}

// add adds a part. close must return soon after its context ends.
func (s *stack) add(name string, close func(context.Context) error) {
	*s = append(*s, part{name, close})
}

// run starts a goroutine that is ended, and waited for, when the stack is closed.
func (s *stack) run(ctx context.Context, name string, f func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	s.add(name, func(closing context.Context) error {
		cancel()
		select {
		case <-ended:
			return nil
		case <-closing.Done():
			return closing.Err()
		}
	})
}

// lastChance is how long a part may take to close once the time for closing the whole stack is over. It may be short:
// what must survive has been committed already.
const lastChance = time.Second

// close closes every part, also after one has failed. Where ctx ends, the parts
// that are left have a moment each.
func (s *stack) close(ctx context.Context) error {
	var errs []error
	for len(*s) > 0 {
		p := (*s)[len(*s)-1]
		*s = (*s)[:len(*s)-1]
		if err := p.closeWithin(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	return errors.Join(errs...)
}

func (p part) closeWithin(ctx context.Context) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastChance)
		defer cancel()
	}
	return p.close(ctx)
}
