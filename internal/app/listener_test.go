package app

import (
	"strings"
	"testing"
	"time"
)

// TestTheServiceEndsWithItsListener closes the HTTP listener behind the service's
// back: a service without an API must not go on as if it had one.
func TestTheServiceEndsWithItsListener(t *testing.T) {
	a, err := Start(t.Context(), testConfig(t), Options{Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Wait(t.Context()) }()
	if err := a.listener.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "http server has ended") {
			t.Errorf("the service ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the service goes on without its API")
		stopApp(t, a)
	}
}
