// Package relay passes HTTP requests to whichever machine serves, so that browsers and
// other clients need one address and do not see a takeover (docs/scaling.md):
//
//	r := relay.New(directory, key, log)
//	go r.Run(ctx)
//	http.Serve(listener, r)
//
// The machine that serves has written its address into the database. While no machine
// serves, requests wait. A request that the former machine has not answered is sent again
// if it only reads, and fails otherwise. A relay decides nothing and stores nothing.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how often the database is asked who serves.
	lookEvery = 250 * time.Millisecond
	// lookTime is how long the database may take to answer.
	lookTime = 2 * time.Second
	// patience is how long a request waits for a machine that serves: longer than a
	// takeover takes.
	patience = 20 * time.Second
	// againAfter is the time between two attempts for one request.
	againAfter = 100 * time.Millisecond
	// slowClient is how long a client may take to read what is written at once: one that
	// does not read would hold its connection for ever.
	slowClient = 30 * time.Second
	// connectTime is how long a machine may take to accept a connection.
	connectTime = 2 * time.Second
)

// errMoved is the cause of what ends because another machine serves.
var errMoved = errors.New("another machine serves")

// Directory tells who serves.
type Directory interface {
	// Serving returns the base URL of the machine that serves, or served last; "":
	// none ever did.
	Serving(ctx context.Context) (string, error)
}

// Relay is the handler of all requests.
type Relay struct {
	directory Directory
	key       []byte // signs for whom a request is passed on
	log       *slog.Logger
	proxy     *httputil.ReverseProxy
	transport *http.Transport

	streams    context.Context // ends the event streams
	endStreams context.CancelFunc

	mu      sync.Mutex
	server  *server
	changed chan struct{} // closed and replaced when server changes
	said    string        // what was logged last of requests that failed
}

// server is one machine, for as long as it serves.
type server struct {
	raw string // as the directory names it
	url *url.URL
	ctx context.Context // ends when another one serves
	end context.CancelCauseFunc
}

// New returns a relay that knows no machine yet.
func New(d Directory, key []byte, log *slog.Logger) *Relay {
	dialer := net.Dialer{Timeout: connectTime}
	r := &Relay{
		directory: d, key: key, log: log, changed: make(chan struct{}),
		transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true,
		},
	}
	r.streams, r.endStreams = context.WithCancel(context.Background())
	r.proxy = &httputil.ReverseProxy{
		Rewrite:       r.rewrite,
		Transport:     http.RoundTripper(r),
		FlushInterval: -1, // event streams are passed on as they come
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler:  r.refuse,
	}
	return r
}

// Run follows who serves until ctx ends.
func (r *Relay) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	fault := ""
	for {
		err := r.look(ctx)
		if said := fmt.Sprint(err); err != nil && said != fault && ctx.Err() == nil {
			r.log.Warn("cannot read from the database who serves; requests go to the last known machine", "error", err)
			fault = said
		} else if err == nil {
			fault = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Relay) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	raw, err := r.directory.Serving(ctx)
	if err != nil || raw == "" {
		return err
	}
	r.mu.Lock()
	same := r.server != nil && r.server.raw == raw
	r.mu.Unlock()
	if same {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return fmt.Errorf("the address of the machine that serves cannot be used: %q", raw)
	}
	r.log.Info("requests go to the machine that serves", "at", u.Host)
	r.set(&server{raw: raw, url: u})
	return nil
}

// set makes another machine the one that serves; nil: none.
func (r *Relay) set(s *server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		r.server.end(errMoved)
		r.transport.CloseIdleConnections()
	}
	if r.server = s; s != nil {
		s.ctx, s.end = context.WithCancelCause(context.Background())
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// EndStreams ends event streams, whose clients come again, so that everything else can
// be answered before the relay ends.
func (r *Relay) EndStreams() { r.endStreams() }

// Close ends everything that is under way.
func (r *Relay) Close() { r.set(nil) }

// current returns the machine that serves, and what is closed when another one does.
func (r *Relay) current() (*server, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server, r.changed
}

// ServeHTTP passes a request on.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/healthz" { // this process lives; /readyz tells of the service
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{\"ok\":true}\n")
		return
	}
	if Client(r.key, req.Header.Get(Header), time.Now()) != "" { // another relay, or this one, sends it
		w.WriteHeader(http.StatusLoopDetected)
		return
	}
	r.proxy.ServeHTTP(patient{w, http.NewResponseController(w)}, req)
}

// patient writes to a client that reads.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(slowClient)) // net/http can always set it
	return p.ResponseWriter.Write(b)
}

// Unwrap lets the response be flushed.
func (p patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (r *Relay) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", "totem" // RoundTrip finds the machine
	p.Out.Host = p.In.Host
	client, _, _ := net.SplitHostPort(p.In.RemoteAddr)
	secure := p.In.TLS != nil || p.In.Header.Get("X-Forwarded-Proto") == "https"
	if secure {
		p.Out.Header.Set("X-Forwarded-Proto", "https")
	}
	p.Out.Header.Set(Header, Sign(r.key, client, time.Now()))
	// With the first two net/http would send a request twice by itself; the server of the
	// relay has already answered the third.
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "Expect"} {
		p.Out.Header.Del(name)
	}
}

// failure is why a request was not answered.
type failure struct {
	err  error
	sent bool // it may have been done
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

var errNobody = errors.New("no machine serves")

// RoundTrip sends a request to the machine that serves. If it could not be sent, RoundTrip tries
// again for as long as patience. A request that was sent but not answered is sent again, once,
// if it only reads, to the machine that serves by then.
func (r *Relay) RoundTrip(req *http.Request) (*http.Response, error) {
	failed := &failure{err: errNobody}
	var give <-chan time.Time
	for reads := 0; ; {
		s, changed := r.current()
		if s != nil {
			resp, f := r.once(req, s)
			if f == nil {
				return resp, nil
			}
			failed = f
			if f.sent {
				if reads++; reads > 1 || !onlyReads(req) {
					return nil, f
				}
			}
		}
		if give == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			give = timer.C
		}
		wait := time.NewTimer(againAfter)
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-give:
			return nil, failed
		case <-changed:
		case <-wait.C:
		}
		wait.Stop()
	}
}

// onlyReads reports whether a request may be sent twice. The request with which a browser
// returns from the provider of accounts may not: it contains a code that is valid only once.
func onlyReads(req *http.Request) bool {
	return (req.Method == http.MethodGet || req.Method == http.MethodHead) &&
		(req.Body == nil || req.Body == http.NoBody) &&
		!strings.HasPrefix(req.URL.Path, "/v1/session")
}

// once sends a request to one machine. It ends when another machine serves.
func (r *Relay) once(req *http.Request, s *server) (*http.Response, *failure) {
	var sent atomic.Bool
	ctx, cancel := context.WithCancelCause(httptrace.WithClientTrace(req.Context(),
		&httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}))
	stop := context.AfterFunc(s.ctx, func() { cancel(errMoved) })
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host = s.url.Scheme, s.url.Host
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = io.NopCloser(req.Body) // a connection that is refused would close it
	}
	resp, err := r.transport.RoundTrip(out)
	if err != nil {
		stop()
		cancel(nil)
		if errors.Is(context.Cause(ctx), errMoved) {
			err = errMoved
		}
		return nil, &failure{err, sent.Load()}
	}
	free := func() { stop(); cancel(nil) }
	if resp.Header.Get(MovedHeader) != "" && (req.Body == nil || req.Body == http.NoBody) { // a body cannot be sent again
		_ = resp.Body.Close()
		free()
		return nil, &failure{errNobody, false}
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		ended := context.AfterFunc(r.streams, func() { cancel(errMoved) })
		free = func() { ended(); stop(); cancel(nil) }
	}
	resp.Body = &ending{resp.Body, free}
	return resp, nil
}

// ending frees what a response holds when its body is closed.
type ending struct {
	io.ReadCloser
	free func()
}

// Close closes the body.
func (e *ending) Close() error {
	defer e.free()
	return e.ReadCloser.Close()
}

// refuse answers a request that no machine has answered, with a problem (RFC 9457).
func (r *Relay) refuse(w http.ResponseWriter, req *http.Request, err error) {
	r.logOnce(err)
	if req.Header.Get("Accept") == "text/event-stream" {
		panic(http.ErrAbortHandler) // browsers come again after a cut, not after a status
	}
	status, detail := http.StatusBadGateway, "the machine that serves did not answer: check if the request took effect"
	if f, ok := errors.AsType[*failure](err); ok && !f.sent {
		status, detail = http.StatusServiceUnavailable, "no machine serves at the moment, and nothing was done: try again"
		w.Header().Set("Retry-After", "1")
	} else if errors.Is(err, errMoved) {
		detail = "another machine serves now: check if the request took effect"
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(
		w,
		`{"type":"about:blank","title":%q,"status":%d,"detail":%q}`+"\n",
		http.StatusText(status),
		status,
		detail,
	)
}

// logOnce logs why requests fail, once for each reason in a row.
func (r *Relay) logOnce(err error) {
	if errors.Is(err, context.Canceled) { // the client has gone
		return
	}
	r.mu.Lock()
	known := r.said == err.Error()
	r.said = err.Error()
	r.mu.Unlock()
	if !known {
		r.log.Warn("a request was not answered", "error", err)
	}
}
