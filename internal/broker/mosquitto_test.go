package broker

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// withMosquitto is the environment variable with which the tests run a real Mosquitto as well.
const withMosquitto = "TOTEM_TEST_MOSQUITTO"

func TestMosquittoHalfRunsWhereItIsAskedFor(t *testing.T) {
	if os.Getenv(withMosquitto) == "" {
		t.Logf("not run: the tests with a real Mosquitto; set %s=1", withMosquitto)
	}
}

// mosquitto is a Mosquitto that can be stopped and started again with what it has saved.
type mosquitto struct {
	dir, addr string
	cmd       *exec.Cmd
}

func startMosquitto(t testing.TB, settings ...string) *mosquitto {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mosquitto{dir: t.TempDir(), addr: l.Addr().String()}
	_ = l.Close()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(m.addr)
	config := append([]string{"listener " + port + " 127.0.0.1", "allow_anonymous true", "user " + me.Username,
		"persistence true", "persistence_location " + m.dir + "/", "max_queued_messages 100000", "max_inflight_messages 1000"}, settings...)
	if err := os.WriteFile(filepath.Join(m.dir, "mosquitto.conf"), []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	t.Cleanup(func() { m.stop(syscall.SIGKILL) })
	return m
}

// start waits until it listens.
func (m *mosquitto) start(t testing.TB) {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		if path = "/usr/sbin/mosquitto"; !exists(path) {
			t.Fatalf("%s is set and there is no mosquitto: %v", withMosquitto, err)
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
	running, output := make(chan bool, 1), make(chan string, 1)
	go func() {
		var seen strings.Builder
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if strings.HasSuffix(lines.Text(), " running") {
				running <- true
			}
			if seen.Len() < 4000 {
				fmt.Fprintln(&seen, lines.Text())
			}
		}
		output <- seen.String()
	}()
	select {
	case <-running:
	case said := <-output:
		t.Fatalf("mosquitto did not start:\n%s", said)
	case <-time.After(10 * time.Second):
		t.Fatal("mosquitto did not start")
	}
}

// stop ends it: SIGTERM lets it save what it holds, SIGKILL does not.
func (m *mosquitto) stop(signal syscall.Signal) {
	_ = m.cmd.Process.Signal(signal)
	_ = m.cmd.Wait()
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// line is a TCP line to a broker that can be cut and mended.
type line struct {
	net.Listener
	to   string
	cuts chan chan struct{}
}

// newLine listens on a port of its own and forwards to the address.
func newLine(t testing.TB, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &line{Listener: l, to: to, cuts: make(chan chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	go ln.serve()
	return ln
}

func (l *line) serve() {
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	var open []net.Conn
	for {
		select {
		case c, ok := <-accepted:
			if !ok {
				return
			}
			far, err := net.Dial("tcp", l.to)
			if err != nil {
				_ = c.Close()
				continue
			}
			open = append(open, c, far)
			go forward(c, far)
			go forward(far, c)
		case done := <-l.cuts:
			for _, c := range open {
				_ = c.Close()
			}
			open = nil
			close(done)
		}
	}
}

func forward(from, to net.Conn) {
	_, _ = bufio.NewReader(from).WriteTo(to)
	_ = to.Close()
}

// cut ends every connection.
func (l *line) cut() {
	done := make(chan struct{})
	l.cuts <- done
	<-done
}
