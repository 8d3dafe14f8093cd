// Package mosquittotest runs a real Mosquitto for tests, where the environment
// asks for it. It is not part of the service.
package mosquittotest

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/freeport"
)

// Variable is the environment variable that makes tests run Mosquitto too.
const Variable = "TOTEM_TEST_MOSQUITTO"

// Wanted reports whether Mosquitto is asked for; a test that does not run it says so.
func Wanted() bool { return os.Getenv(Variable) != "" }

// Server is a Mosquitto that can be stopped and started again with what it has
// saved.
type Server struct {
	Addr string
	dir  string
	cmd  *exec.Cmd
	mu   sync.Mutex
	last []string // the last lines of its log
}

// lastLines is how many lines of the log are kept for a test that fails.
const lastLines = 20_000

func (m *Server) note(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.last) == lastLines {
		m.last = append(m.last[:0], m.last[lastLines/2:]...)
	}
	m.last = append(m.last, line)
}

// Log returns the last lines of its log.
func (m *Server) Log() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.last)
}

// Start starts a Mosquitto with additional settings; it is killed when the test
// ends.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	m := &Server{dir: t.TempDir(), Addr: freeport.Addr(t)}
	config := append([]string{
		strings.TrimSpace(Listener(t, m.Addr)),
		"allow_anonymous true",
		"persistence true",
		"persistence_location " + m.dir + "/",
		"max_queued_messages 100000",
		"max_inflight_messages 1000",
	}, settings...)
	m.begin(t, strings.Join(config, "\n")+"\n")
	return m
}

// Listener returns the settings that let Mosquitto listen at addr, and run as the user who
// runs the tests.
func Listener(t testing.TB, addr string) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return "listener " + port + " " + host + "\nuser " + me.Username + "\n"
}

// StartConfig starts a Mosquitto with a complete configuration, which listens
// at addr.
func StartConfig(t testing.TB, addr, config string) *Server {
	t.Helper()
	m := &Server{dir: t.TempDir(), Addr: addr}
	m.begin(t, config)
	return m
}

func (m *Server) begin(t testing.TB, config string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "mosquitto.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Restart(t)
	t.Cleanup(func() { m.Stop(syscall.SIGKILL) })
}

// Restart starts it, again after a Stop, and waits until it listens.
func (m *Server) Restart(t testing.TB) {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%s is set, but there is no mosquitto: %v", Variable, err)
		}
	}
	m.cmd = exec.Command(path, "-v", "-c", filepath.Join(m.dir, "mosquitto.conf"))
	log, err := m.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running, ended := make(chan bool, 1), make(chan bool)
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if strings.HasSuffix(lines.Text(), " running") {
				running <- true
			}
			m.note(lines.Text())
		}
	}()
	select {
	case <-running:
	case <-ended:
		t.Fatalf("mosquitto did not start:\n%s", strings.Join(m.Log(), "\n"))
	case <-time.After(10 * time.Second):
		t.Fatal("mosquitto did not start")
	}
}

// Stop ends it: SIGTERM lets it save its state, SIGKILL does not.
func (m *Server) Stop(signal syscall.Signal) {
	_ = m.cmd.Process.Signal(signal)
	_ = m.cmd.Wait()
}
