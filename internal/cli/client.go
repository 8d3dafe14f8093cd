// Package cli shows the API's answers in a terminal: what was used, how full a
// space was, what arrives on the broker. It asks a running service over HTTP,
// and draws with characters:
//
//	err := client.Usage(ctx, os.Stdout, cli.UsageQuery{By: "site"})
//
// Parsing flags is left to cmd/totem.
package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client sends requests to a service's API.
type Client struct {
	URL       string // URL of the service, as http://127.0.0.1:8080
	Token     string
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// page is one page of a list.
type page[T any] struct {
	Items []T
	Next  *string
}

func (c Client) address(path string) string { return strings.TrimSuffix(c.URL, "/") + path }

func (c Client) do(ctx context.Context, path string, q url.Values, accept string) (*http.Response, error) {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address(path), nil)
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	return c.ask(req)
}

// get decodes a JSON answer.
func (c Client) get(ctx context.Context, path string, q url.Values, into any) error {
	resp, err := c.do(ctx, path, q, "")
	if err != nil {
		return err
	}
	return decode(resp, into)
}

// send sends a JSON body and decodes the answer; into may be nil where the answer has no body.
func (c Client) send(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.address(path), bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.ask(req)
	if err != nil {
		return err
	}
	return decode(resp, into)
}

// upload sends a file and decodes the answer.
func (c Client) upload(ctx context.Context, path string, q url.Values, data []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx,
		http.MethodPost,
		c.address(path)+"?"+q.Encode(),
		bytes.NewReader(data),
	)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := c.ask(req)
	if err != nil {
		return err
	}
	return decode(resp, into)
}

func decode(resp *http.Response, into any) error {
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", resp.Request.URL.Path, err)
	}
	return nil
}

// stay keeps a client from following redirects, which turn a POST into a GET.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// hidden is a URL without the password that it may hold.
func hidden(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "--url"
	}
	return u.Redacted()
}

func (c Client) ask(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+c.Token)
	resp, err := (&http.Client{Transport: c.Transport, CheckRedirect: stay}).Do(req)
	if err == nil && resp.StatusCode/100 == 3 {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s is not the service's address, which is %s: give it by --url (TOTEM_URL)",
			hidden(c.URL), hidden(resp.Header.Get("Location")))
	}
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return nil, fmt.Errorf("%s: %w: give the file of its authority by --ca (TOTEM_CA)", hidden(c.URL), err)
		}
		return nil, fmt.Errorf("no service answers at %s (see --url; is totem serve or totem demo running?): %w",
			hidden(c.URL), err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	p := &Refused{Status: resp.Status}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(p) // the answer is shown whatever it contains
	// Often it is another service than was meant.
	if resp.StatusCode == http.StatusUnauthorized {
		return nil, fmt.Errorf("the service at %s answers %w (see --url, --token, --data)", hidden(c.URL), p)
	}
	return nil, p
}

// CallError is a command that was called wrongly: nothing was asked or done.
type CallError struct{ says string }

// Wrong returns a CallError with a text that names the flag.
func Wrong(format string, args ...any) error { return &CallError{fmt.Sprintf(format, args...)} }

// Error returns what is wrong with the call.
func (e *CallError) Error() string { return e.says }

// Refused is a service's answer where it does not do what was asked.
type Refused struct {
	Status string `json:"-"`
	Detail string
	Errors []struct{ Field, Location, Message string }
}

// Error returns the refusal on one line.
func (r *Refused) Error() string {
	var msg strings.Builder
	msg.WriteString(r.Status + ": " + r.Detail)
	for _, e := range r.Errors {
		fmt.Fprintf(&msg, "; %s %s", e.Field, e.Message)
	}
	return msg.String()
}

// List fetches all pages of a list.
func List[T any](ctx context.Context, c Client, path string, q url.Values) ([]T, error) {
	var all []T
	q.Set("limit", "1000")
	for {
		var p page[T]
		if err := c.get(ctx, path, q, &p); err != nil {
			return nil, err
		}
		if all = append(all, p.Items...); p.Next == nil {
			return all, nil
		}
		q.Set("cursor", *p.Next)
	}
}

// Copy copies an answer of a media type as the API writes it.
func (c Client) Copy(ctx context.Context, w io.Writer, path string, q url.Values, accept string) error {
	resp, err := c.do(ctx, path, q, accept)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}

// stream calls yield with each event of a stream of server-sent events, until
// it ends.
func stream[T any](ctx context.Context, c Client, path string, q url.Values, yield func(T) error) error {
	resp, err := c.do(ctx, path, q, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	beat := false
	for lines.Scan() {
		if event, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			beat = event == "beat" // says only that the stream lives
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || beat {
			continue
		}
		var v T
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		if err := yield(v); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStreamEnded, cmp.Or(lines.Err(), io.EOF))
}

// ErrStreamEnded is returned when a stream ends before its ctx does.
var ErrStreamEnded = errors.New("the stream has ended: the service stopped, or the token ended")

func between(from, to time.Time) url.Values {
	return url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}
}
