package app

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

// gate passes messages to the house in force. While one house is replaced by
// another they wait, unacknowledged.
type gate struct {
	mu    sync.RWMutex
	house *house
}

func (g *gate) through(f func(*house)) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	f(g.house)
}

func (g *gate) pass(h *house) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.house = h
}

// front answers HTTP requests with the house in force. While one house is
// replaced by another, requests wait; streams end, and their clients resume
// them.
type front struct {
	mu     sync.Mutex
	now    *facade
	paused chan struct{} // closed when requests may continue; nil: they need not wait
}

// facade is the HTTP handler of one house, with the requests that it is
// answering.
type facade struct {
	handler http.Handler
	ctx     context.Context // ends with the house
	cancel  context.CancelFunc
	streams context.Context // ends streams, before the house does
	end     context.CancelFunc
	busy    sync.WaitGroup // requests that end by themselves, unlike streams
}

// drainTime is how long requests may take to end before the house that answers them is closed.
const drainTime = 5 * time.Second

// endless reports whether a request need not end before the house is replaced: a stream does not end by itself, and a
// request to /v1/catalogue may be the one that replaces the house.
func endless(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/stream") || strings.HasSuffix(r.URL.Path, "/watch") ||
		r.URL.Path == "/v1/catalogue"
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	for f.paused != nil {
		paused := f.paused
		f.mu.Unlock()
		select {
		case <-paused:
		case <-r.Context().Done():
			return
		}
		f.mu.Lock()
	}
	face := f.now
	if !endless(r) {
		face.busy.Add(1)
		defer face.busy.Done()
	}
	f.mu.Unlock()
	ctx := r.Context()
	if r.URL.Path != "/v1/catalogue" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		during := face.ctx
		if endless(r) {
			during = face.streams
		}
		defer context.AfterFunc(during, cancel)()
	}
	face.handler.ServeHTTP(w, r.WithContext(ctx))
}

// pause makes new requests wait, and returns when those in progress have ended
// or their time is over.
func (f *front) pause() {
	f.mu.Lock()
	face := f.now
	f.paused = make(chan struct{})
	f.mu.Unlock()
	ended := make(chan struct{})
	go func() { face.busy.Wait(); close(ended) }()
	wait := func() {
		select {
		case <-ended:
		case <-time.After(drainTime):
		}
	}
	wait()
	face.cancel()
	wait() // for requests that end because their contexts have ended
}

// open lets a handler answer requests, and lets those that wait continue.
func (f *front) open(ctx context.Context, handler http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	face := &facade{handler: handler}
	face.ctx, face.cancel = context.WithCancel(ctx)
	face.streams, face.end = context.WithCancel(face.ctx)
	f.now = face
	if f.paused != nil {
		close(f.paused)
		f.paused = nil
	}
}

func (f *front) endStreams() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil {
		f.now.end()
	}
}
