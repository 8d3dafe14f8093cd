// Package influxtest runs a real InfluxDB 1.8 for tests, where the environment
// asks for it. It is not part of the service.
package influxtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	influxdb2 "github.com/influxdata/influxdb-client-go/v2"

	"github.com/lorntech/totem/internal/freeport"
)

// Variable is the environment variable that makes tests run InfluxDB too.
const Variable = "TOTEM_TEST_INFLUX"

// These name an InfluxDB 2.x that runs elsewhere instead: its address, a token that may
// make buckets, and its organisation. The tests that stop the server, or speak 1.8's
// language to it, are not run then, and say so.
const (
	outsideURL   = "TOTEM_TEST_INFLUX_URL"
	outsideToken = "TOTEM_TEST_INFLUX_TOKEN" //nolint:gosec // a variable's name
	outsideOrg   = "TOTEM_TEST_INFLUX_ORG"
)

// Bucket is the database and retention policy that every server has.
const Bucket = "totem/autogen"

// Wanted reports whether the environment asks for tests with InfluxDB. A test that therefore
// does not run it must say so: see Need.
func Wanted() bool { return os.Getenv(Variable) != "" || os.Getenv(outsideURL) != "" }

// Need skips a test that nobody asked to run with InfluxDB.
func Need(t testing.TB) {
	t.Helper()
	if !Wanted() {
		t.Skip("not run: needs InfluxDB; set " + Variable + "=1 (.ci/run and make integration do)")
	}
}

// Server is an InfluxDB with an empty bucket. One that this package has started can be
// stopped and started again with its data.
type Server struct {
	URL, Token, Org, Bucket string
	dir                     string
	cmd                     *exec.Cmd // nil: it runs elsewhere
}

// configFile is influxd's, with the backup address, three folders and the HTTP
// address to fill in.
const configFile = `reporting-disabled = true
bind-address = %q
[meta]
dir = %q
[data]
dir = %q
wal-dir = %q
[http]
bind-address = %q
flux-enabled = true
log-enabled = false
[logging]
level = "error"
`

// Start starts an InfluxDB; it is killed when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	if os.Getenv(outsideURL) != "" {
		return outside(t)
	}
	s := &Server{dir: t.TempDir(), Bucket: Bucket}
	free := freeport.Addrs(t, 2)
	addr, back := free[0], free[1]
	s.URL = "http://" + addr
	config := fmt.Sprintf(
		configFile,
		back,
		filepath.Join(s.dir, "meta"),
		filepath.Join(s.dir, "data"),
		filepath.Join(s.dir, "wal"),
		addr,
	)
	if err := os.WriteFile(filepath.Join(s.dir, "influxdb.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	t.Cleanup(func() { s.end(syscall.SIGKILL) })
	s.Do(t, "CREATE DATABASE totem")
	return s
}

// outside returns a server that runs elsewhere, with a bucket that is deleted when the
// test ends.
func outside(t testing.TB) *Server {
	t.Helper()
	s := &Server{URL: os.Getenv(outsideURL), Token: os.Getenv(outsideToken), Org: os.Getenv(outsideOrg),
		Bucket: "totem-test-" + uuid.NewString()}
	client := influxdb2.NewClient(s.URL, s.Token)
	org, err := client.OrganizationsAPI().FindOrganizationByName(t.Context(), s.Org)
	if err != nil {
		t.Fatalf("%s, %s, %s: %v", outsideURL, outsideToken, outsideOrg, err)
	}
	bucket, err := client.BucketsAPI().CreateBucketWithName(t.Context(), org, s.Bucket)
	if err != nil {
		t.Fatalf("make a bucket: %v", err)
	}
	t.Cleanup(func() {
		if err := client.BucketsAPI().DeleteBucket(context.Background(), bucket); err != nil {
			t.Errorf("delete the bucket: %v", err)
		}
		client.Close()
	})
	return s
}

// mine skips a test that needs a server of its own.
func (s *Server) mine(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		t.Skip("not run: this test stops the server or needs InfluxDB 1.8, but " + outsideURL + " names another")
	}
}

// Do runs a statement of InfluxQL.
func (s *Server) Do(t testing.TB, statement string) {
	t.Helper()
	s.mine(t)
	resp, err := http.PostForm(s.URL+"/query", url.Values{"q": {statement}})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(answer), `"error"`) {
		t.Fatalf("%s: %s %s %v", statement, resp.Status, answer, err)
	}
}

// startsWithin is how long influxd may take to answer, on a machine that does much else.
const startsWithin = 2 * time.Minute

// Restart starts it, again after a Stop, and waits until it answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	path, err := exec.LookPath("influxd")
	if err != nil {
		t.Fatalf(
			"%s is set, but there is no influxd: go install github.com/influxdata/influxdb/cmd/influxd@v1.8.3: %v",
			Variable,
			err,
		)
	}
	s.cmd = exec.Command(path, "run", "-config", filepath.Join(s.dir, "influxdb.conf"))
	var said strings.Builder
	s.cmd.Stderr = &said
	s.cmd.Env = append(os.Environ(), "HOME="+s.dir)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < startsWithin; time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get(s.URL + "/ping"); err == nil {
			_ = resp.Body.Close()
			return
		}
	}
	t.Fatalf("influxd did not start:\n%s", said.String())
}

// Stop ends it: SIGTERM lets it save its data, SIGKILL does not.
func (s *Server) Stop(t testing.TB, signal syscall.Signal) {
	t.Helper()
	s.mine(t)
	s.end(signal)
}

func (s *Server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal)
	_ = s.cmd.Wait()
}
