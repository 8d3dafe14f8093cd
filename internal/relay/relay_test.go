package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// directory is where a test says who serves.
type directory struct{ at atomic.Pointer[string] }

func (d *directory) Serving(context.Context) (string, error) {
	if p := d.at.Load(); p != nil {
		return *p, nil
	}
	return "", nil
}

func (d *directory) set(url string) { d.at.Store(&url) }

func start(t *testing.T) (*directory, *httptest.Server) {
	t.Helper()
	d := &directory{}
	r := New(d, []byte("key"), slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan bool)
	go func() { r.Run(ctx); close(done) }()
	front := httptest.NewServer(r)
	t.Cleanup(func() { front.Close(); stop(); <-done })
	return d, front
}

func machine(t *testing.T, name string) *httptest.Server {
	t.Helper()
	m := httptest.NewServer(Behind([]byte("key"), time.Now, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/stream" {
			fmt.Fprintf(w, "data: %s\n\n", name)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		client, _, _ := strings.Cut(r.RemoteAddr, ":")
		fmt.Fprintf(w, "%s %s %s %s %s %s", name, r.Method, r.Host, client, body, r.Header.Get(Header))
	})))
	t.Cleanup(m.Close)
	return m
}

func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "totem.example"
	req.Header.Set(Header, "1 6.6.6.6 forged")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func TestRequestsFollowTheMachineThatServes(t *testing.T) {
	d, front := start(t)
	first, second := machine(t, "first"), machine(t, "second")
	go func() { time.Sleep(500 * time.Millisecond); d.set(first.URL) }()
	if status, got := ask(
		t,
		"PUT",
		front.URL+"/x",
		"body",
	); status != 200 ||
		got != "first PUT totem.example 127.0.0.1 body " {
		t.Errorf("while nobody served it waits: %d %q", status, got)
	}
	stream, err := http.Get(front.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewReader(stream.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "data: first\n" {
		t.Errorf("a stream: %q %v", line, err)
	}
	hung := make(chan string, 2)
	for _, method := range []string{"GET", "POST"} {
		go func() {
			status, answer := ask(t, method, front.URL+"/hang", "")
			hung <- fmt.Sprint(method, " ", status, " ", answer)
		}()
	}
	time.Sleep(300 * time.Millisecond)
	second.Config.Handler = http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "second ", r.Method) },
	)
	d.set(second.URL)
	if _, err := io.ReadAll(lines); err == nil {
		t.Error("the stream of the former machine ends well: its client would not come again")
	}
	for range 2 {
		got := <-hung
		again := got == "GET 200 second GET"
		told := strings.HasPrefix(got, "POST 502") && strings.Contains(got, "check if the request took effect")
		if !again && !told {
			t.Errorf("under way: %s", got)
		}
	}
	second.Close() // it dies: nothing is received, and all of it can be sent again
	go func() { time.Sleep(500 * time.Millisecond); d.set(first.URL) }()
	if status, got := ask(
		t,
		"POST",
		front.URL+"/x",
		"again",
	); status != 200 || !strings.HasPrefix(got, "first POST") ||
		!strings.Contains(got, "again") {
		t.Errorf("after a death: %d %q", status, got)
	}
}

func TestARelayDoesNotAskItself(t *testing.T) {
	d, front := start(t)
	d.set(front.URL)
	if status, _ := ask(t, "GET", front.URL+"/x", ""); status != http.StatusLoopDetected {
		t.Errorf("it asks itself: %d", status)
	}
}

func TestAReadIsAskedTwiceAtMost(t *testing.T) {
	d, front := start(t)
	var asked atomic.Int32
	m := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		panic(http.ErrAbortHandler) // the question kills it
	}))
	t.Cleanup(m.Close)
	d.set(m.URL)
	if status, _ := ask(t, "GET", front.URL+"/x", ""); status != http.StatusBadGateway || asked.Load() != 2 {
		t.Errorf("%d after %d times", status, asked.Load())
	}
	asked.Store(0)
	if status, _ := ask(
		t,
		"GET",
		front.URL+"/v1/session/callback?code=x",
		"",
	); status != http.StatusBadGateway ||
		asked.Load() != 1 {
		t.Errorf("a code that works once: %d after %d times", status, asked.Load())
	}
	if status, _ := ask(t, "POST", front.URL+"/x", "body"); status != http.StatusBadGateway || asked.Load() != 2 {
		t.Errorf("a change: %d after %d times", status, asked.Load())
	}
}

func TestALargeBodyIsPassedOnAsItComes(t *testing.T) {
	d, front := start(t)
	m := machine(t, "first")
	go func() { time.Sleep(400 * time.Millisecond); d.set(m.URL) }()
	body := strings.Repeat("x", 20<<20)
	if status, got := ask(t, "PUT", front.URL+"/x", body); status != 200 || !strings.Contains(got, body) {
		t.Errorf("%d, %d bytes", status, len(got))
	}
}

func TestOnlyARelaysWordIsBelieved(t *testing.T) {
	now := time.Now()
	key := []byte("key")
	for value, want := range map[string]string{
		Sign(key, "10.1.2.3", now):                     "10.1.2.3",
		Sign(key, "fd00::1", now):                      "fd00::1",
		Sign([]byte("other"), "10.1.2.3", now):         "",
		Sign(key, "10.1.2.3", now.Add(-6*time.Minute)): "",
		Sign(key, "10.1.2.3", now.Add(6*time.Minute)):  "",
		"":  "",
		"x": "",
		strings.Replace(Sign(key, "1.1.1.1", now), "1.1.1.1", "2.2.2.2", 1): "",
	} {
		if got := Client(key, value, now); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func FuzzClient(f *testing.F) {
	key, now := []byte("key"), time.Unix(1_800_000_000, 0)
	good := Sign(key, "10.1.2.3", now)
	f.Add(good)
	f.Add("1  ")
	f.Fuzz(func(t *testing.T, value string) {
		if got := Client(key, value, now); got != "" && value != good {
			t.Errorf("%q is believed", value)
		}
	})
}
