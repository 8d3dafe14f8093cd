package main

import "os"

// printer is the standard output of commands. It remembers the first write that failed,
// on a full disk for example, so that the command fails in the end.
type printer struct{ err error }

func (p *printer) Write(b []byte) (int, error) {
	n, err := os.Stdout.Write(b)
	if err != nil && p.err == nil {
		p.err = err
	}
	return n, err
}
