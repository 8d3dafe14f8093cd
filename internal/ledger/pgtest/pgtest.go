// Package pgtest runs real PostgreSQL servers for tests, where the environment
// asks for it. It is not part of the service.
package pgtest

import (
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the database/sql driver "pgx"

	"github.com/lorntech/totem/internal/freeport"
)

// Variable is the environment variable that makes tests run PostgreSQL too.
const Variable = "TOTEM_TEST_POSTGRES"

// Wanted reports whether the environment asks for tests with PostgreSQL. A test that therefore
// does not run it must say so: see Need.
func Wanted() bool { return os.Getenv(Variable) != "" }

// Need skips a test that cannot do without PostgreSQL, and says so.
func Need(t testing.TB) {
	t.Helper()
	if !Wanted() {
		t.Skipf("not run: it needs PostgreSQL (%s=1, make integration)", Variable)
	}
}

// ServerVariable is the environment variable with the URL of a running server:
// with it, the tests of whole services use a ledger in PostgreSQL (.ci/postgres).
const ServerVariable = "TOTEM_TEST_DATABASE_SERVER"

// Elsewhere returns the URL of a new database on the server of ServerVariable;
// empty where there is none: then services store their ledger in their data folder.
func Elsewhere(t testing.TB) string {
	t.Helper()
	server := os.Getenv(ServerVariable)
	if server == "" {
		return ""
	}
	name := "totem_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := execAt(server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("%s: %v", ServerVariable, err)
	}
	t.Cleanup(func() {
		if err := execAt(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("%s: %v", ServerVariable, err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s: %v", ServerVariable, err)
	}
	u.Path = "/" + name
	return u.String()
}

// Server is a running server. Its port stays the same when it is started again.
type Server struct {
	dir, host, port string
	cmd             *exec.Cmd
	made            atomic.Int64
}

// tool returns the path of a PostgreSQL program: Debian leaves most out of PATH.
func tool(t testing.TB, name string) string {
	t.Helper()
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1]
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is set, but PostgreSQL is not installed: %v", Variable, err)
	}
	return path
}

// command returns a command of PostgreSQL, which refuses to run as root: there
// it runs as the user postgres.
func command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	cmd.Dir = os.TempDir()
	if id, ok := unprivileged(t); ok {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id.uid, Gid: id.gid}}
	}
	return cmd
}

type owner struct{ uid, gid uint32 }

func unprivileged(t testing.TB) (owner, bool) {
	t.Helper()
	if os.Getuid() != 0 {
		return owner{}, false
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return owner{uint32(uid), uint32(gid)}, true
}

// Start makes a server with an empty cluster of databases, and starts it; it is
// killed when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := newServer(t)
	run(t, command(t, "initdb", "-D", s.dir, "-U", "totem", "-A", "trust", "--no-sync", "--no-instructions"))
	s.Begin(t)
	return s
}

// Standby starts a second server that follows this one. Commits of this one wait
// from then on until the standby has them on its disk.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	b := newServer(t)
	run(t, command(t, "pg_basebackup", "-D", b.dir, "-h", s.host, "-p", s.port, "-U", "totem", "-R", "-X", "stream",
		"--no-sync", "-c", "fast"))
	b.Begin(t)
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := s.exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// Promote makes a standby the server that takes commits.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	if err := s.exec("SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
}

// newServer returns a server with an empty folder and a port of its own.
func newServer(t testing.TB) *Server {
	t.Helper()
	// Not t.TempDir: the user postgres may not enter it.
	dir, err := os.MkdirTemp("", "totem-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{dir: dir, host: "127.0.0.1"}
	t.Cleanup(func() {
		s.Kill(syscall.SIGKILL)
		_ = os.RemoveAll(dir)
	})
	if id, ok := unprivileged(t); ok {
		if err := os.Chown(dir, int(id.uid), int(id.gid)); err != nil {
			t.Fatal(err)
		}
	}
	_, s.port, _ = net.SplitHostPort(freeport.Addr(t))
	return s
}

func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out)
	}
}

// Begin starts the server, after Start and Kill again, and waits until it answers.
func (s *Server) Begin(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	t.Cleanup(func() { _ = os.Remove(s.dir + ".log") })
	s.cmd = command(t, "postgres", "-D", s.dir, "-h", s.host, "-p", s.port, "-k", "")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = s.exec("SELECT 1"); err == nil {
			return
		}
	}
	said, _ := os.ReadFile(s.dir + ".log")
	t.Fatalf("PostgreSQL does not answer: %v\n%s", err, said[max(0, len(said)-3000):])
}

// Kill ends the server and all its sessions with a signal.
func (s *Server) Kill(signal syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal)
	_ = s.cmd.Wait()
	s.cmd = nil
}

// URL returns the URL of a database.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://totem@%s/%s?sslmode=disable", s.Addr(), database)
}

// Addr returns host:port.
func (s *Server) Addr() string { return net.JoinHostPort(s.host, s.port) }

// Database returns the URL of a new, empty database.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("totem%d", s.made.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}

// Exec runs a statement in the database of a URL.
func Exec(t testing.TB, url, statement string) {
	t.Helper()
	if err := execAt(url, statement); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) exec(statement string) error { return execAt(s.URL("postgres"), statement) }

func execAt(url, statement string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement)
	return err
}
