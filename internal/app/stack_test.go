package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPartsAreClosedOnceInReverseOrder(t *testing.T) {
	var s stack
	var closed []string
	for _, name := range []string{"ledger", "broker", "listener"} {
		s.add(name, func(context.Context) error {
			closed = append(closed, name)
			if name == "broker" {
				return errors.New("it is stuck")
			}
			return nil
		})
	}
	if err := s.close(t.Context()); err == nil || err.Error() != "broker: it is stuck" {
		t.Errorf("closing: %v", err)
	}
	if err := s.close(t.Context()); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if want := []string{"listener", "broker", "ledger"}; !slices.Equal(closed, want) {
		t.Errorf("closed %v, want %v", closed, want)
	}
}

// TestAPartThatDoesNotEndHoldsUpNobody has one goroutine ignore its context: the
// others are closed all the same, and the error names it.
func TestAPartThatDoesNotEndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stack
		ledger := false
		s.add("ledger", func(ctx context.Context) error { ledger = ctx.Err() == nil; return nil })
		release := make(chan struct{})
		s.run(t.Context(), "series", func(context.Context) { <-release })
		s.run(t.Context(), "visits", func(ctx context.Context) { <-ctx.Done() })
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		began := time.Now()
		err := s.close(ctx)
		if err == nil || !strings.HasPrefix(err.Error(), "series: ") || strings.Contains(err.Error(), "visits") {
			t.Errorf("closing: %v", err)
		}
		if took := time.Since(began); took > 17*time.Second || !ledger {
			t.Errorf("it took %s, and the ledger was closed: %t", took, ledger)
		}
		close(release)
	})
}
