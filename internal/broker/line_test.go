package broker

import (
	"bufio"
	"net"
	"testing"
)

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
