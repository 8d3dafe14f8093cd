package apptest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
)

// Client asks the API of a running service.
type Client struct {
	t     *testing.T
	Base  string
	Token string
}

// ClientOf returns a client with the admin token of a service.
func ClientOf(t *testing.T, a *app.App) Client {
	return Client{t, "http://" + a.HTTP.String(), a.Admin}
}

// ClientAt returns a client of an address and a token.
func ClientAt(t *testing.T, base, token string) Client { return Client{t, base, token} }

// For returns the same client for another test.
func (c Client) For(t *testing.T) Client {
	c.t = t
	return c
}

// WithToken returns a client that asks with another token.
func (c Client) WithToken(token string) Client {
	c.Token = token
	return c
}

// Ask returns the status and the answer, decoded where it is JSON.
func (c Client) Ask(method, path, body string) (int, map[string]any) {
	c.t.Helper()
	status, data := c.Raw(method, path, body)
	var answer map[string]any
	if bytes.HasPrefix(data, []byte("{")) {
		if err := json.Unmarshal(data, &answer); err != nil {
			c.t.Errorf("%s %s: %q is no JSON object: %v", method, path, data, err)
		}
	}
	return status, answer
}

// Raw returns the status and the answer as it is.
func (c Client) Raw(method, path, body string) (int, []byte) {
	c.t.Helper()
	status, _, data := c.In(method, path, body, "")
	return status, data
}

// In asks for an answer of a type, and returns its headers too.
func (c Client) In(method, path, body, accept string) (int, http.Header, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.Base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	req.Header.Set("Content-Type", "application/json")
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if t := res.Header.Get("Content-Type"); strings.Contains(t, "json") && len(data) > 0 && !json.Valid(data) {
		c.t.Errorf("%s %s: %q is called %s", method, path, data, t)
	}
	if res.StatusCode >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
		c.t.Errorf("%s %s: %d is a %s", method, path, res.StatusCode, res.Header.Get("Content-Type"))
	}
	return res.StatusCode, res.Header, data
}

// Must ends the test unless the request succeeds.
func (c Client) Must(method, path, body string) map[string]any {
	c.t.Helper()
	status, answer := c.Ask(method, path, body)
	if status >= 300 {
		c.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

// As makes a token of a role and a client that has it.
func (c Client) As(role, extra string) Client {
	c.t.Helper()
	answer := c.Must("PUT", "/v1/tokens/t-"+role, `{"role":"`+role+`"`+extra+`}`)
	c.Token = answer["token"].(string)
	return c
}

// Terms are what every plan says in numbers.
const Terms = `"included_minutes":0,"hourly_rate_cents":1,"rounding_minutes":0,"grace_minutes":0,"daily_cap_minutes":0,"vat_pct":20`

// Follow reads the stream until an event that has an id fits. It returns that
// id and how many events of spaces other than the coworking came before it.
func (c Client) Follow(t *testing.T, lastID string, fits func(space string, count any) bool) (id string, others int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Base+"/v1/availability/stream?site=metz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	time.AfterFunc(10*time.Second, func() { res.Body.Close() })
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			id = v
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var s map[string]any
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				t.Fatal(err)
			}
			if id != "" && fits(fmt.Sprint(s["space"]), s["count"]) {
				return id, others
			}
			if s["space"] != "metz-coworking" {
				others++
			}
		}
	}
	t.Fatal("the stream ended without it")
	return "", 0
}
