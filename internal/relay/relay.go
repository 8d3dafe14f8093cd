// Package relay passes HTTP requests to whichever machine serves, so that browsers and
// other clients need one address and do not see a takeover (docs/scaling.md):
//
//	r := relay.New(directory, key, log)
//	go r.Run(ctx)
//	http.Serve(listener, r)
//
// The machine that serves has written its address into the database. While nobody
// serves, requests wait; what the former machine was answering is asked again where
// that is harmless, and ended otherwise. It decides nothing and keeps nothing.
package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
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
	// mostBody is how much of a request's body is kept, to send it again.
	mostBody = 16 << 20
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

	mu      sync.Mutex
	server  *server
	changed chan struct{} // closed and replaced when server changes
}

// server is one machine, for as long as it serves.
type server struct {
	url *url.URL
	ctx context.Context // ends when another one serves
	end context.CancelCauseFunc
}

// New returns a relay that knows no machine yet.
func New(d Directory, key []byte, log *slog.Logger) *Relay {
	dialer := net.Dialer{Timeout: connectTime}
	r := &Relay{
		directory: d, key: key, log: log, changed: make(chan struct{}),
		transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute},
	}
	r.proxy = &httputil.ReverseProxy{
		Rewrite:       r.rewrite,
		Transport:     http.RoundTripper(r),
		FlushInterval: -1, // event streams are passed on as they come
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			refuse(w, why(err))
		},
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
			r.log.Warn("the database does not say who serves; the machine known last goes on", "error", err)
			fault = said
		} else if err == nil {
			fault = ""
		}
		select {
		case <-ctx.Done():
			r.set(nil)
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
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return fmt.Errorf("the address of the machine that serves cannot be used: %q", raw)
	}
	r.mu.Lock()
	same := r.server != nil && *r.server.url == *u
	r.mu.Unlock()
	if !same {
		r.log.Info("requests go to the machine that serves", "at", raw)
		r.set(u)
	}
	return nil
}

// set makes another machine the one that serves; nil: none.
func (r *Relay) set(u *url.URL) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		r.server.end(errMoved)
	}
	r.server = nil
	if u != nil {
		ctx, end := context.WithCancelCause(context.Background())
		r.server = &server{u, ctx, end}
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

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
	r.proxy.ServeHTTP(w, req)
}

func (r *Relay) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", "totem" // RoundTrip finds the machine
	p.Out.Host = p.In.Host
	client, _, _ := net.SplitHostPort(p.In.RemoteAddr)
	secure := p.In.TLS != nil || p.In.Header.Get("X-Forwarded-Proto") == "https"
	if secure {
		p.Out.Header.Set("X-Forwarded-Proto", "https")
	}
	p.Out.Header.Set(Header, Sign(r.key, client, time.Now()))
}

// RoundTrip sends a request to the machine that serves, and again to the next one where
// that is harmless: nothing of it was received, or it only reads.
func (r *Relay) RoundTrip(req *http.Request) (*http.Response, error) {
	body, whole, err := keep(req)
	if err != nil {
		return nil, err
	}
	give := time.NewTimer(patience)
	defer give.Stop()
	err = errNobody
	for {
		s, changed := r.current()
		if s != nil {
			var resp *http.Response
			resp, err = r.once(req, s, body)
			if err == nil || !again(req, err, whole) {
				return resp, err
			}
		}
		wait := time.NewTimer(againAfter)
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-give.C:
			return nil, err
		case <-changed:
		case <-wait.C:
		}
		wait.Stop()
	}
}

var errNobody = errors.New("no machine serves")

// once sends a request to one machine. It ends when another machine serves.
func (r *Relay) once(req *http.Request, s *server, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := context.AfterFunc(s.ctx, func() { cancel(errMoved) })
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host = s.url.Scheme, s.url.Host
	if body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := r.transport.RoundTrip(out)
	if err != nil {
		stop()
		cancel(nil)
		if moved := context.Cause(ctx); errors.Is(moved, errMoved) {
			err = errMoved
		}
		return nil, err
	}
	resp.Body = &ending{resp.Body, func() { stop(); cancel(nil) }}
	return resp, nil
}

// ending frees what a response holds when its body is closed.
type ending struct {
	io.ReadCloser
	free func()
}

func (e *ending) Close() error {
	defer e.free()
	return e.ReadCloser.Close()
}

// keep reads the body of a request, so that it can be sent again. A larger one than
// mostBody is passed on as it comes, once: whole is false.
func keep(req *http.Request) (body []byte, whole bool, err error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, true, nil
	}
	start, err := io.ReadAll(io.LimitReader(req.Body, mostBody+1))
	if err != nil {
		return nil, false, err
	}
	if len(start) <= mostBody {
		return start, true, nil
	}
	rest := req.Body
	req.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), rest}
	return nil, false, nil
}

// again reports whether a request that failed may be sent again.
func again(req *http.Request, err error, whole bool) bool {
	if req.Context().Err() != nil || !whole {
		return false
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return true // nobody has received it
	}
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}

func why(err error) string {
	switch {
	case errors.Is(err, errNobody):
		return "no machine serves at the moment: try again"
	case errors.Is(err, errMoved):
		return "another machine serves now: see whether the request was done, and send it again"
	}
	return "the machine that serves did not answer: see whether the request was done, and send it again"
}

// refuse answers with a problem (RFC 9457).
func refuse(w http.ResponseWriter, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprintf(w, `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":%q}`+"\n", detail)
}
