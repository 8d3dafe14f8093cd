package main

import "os"

// printer is the standard output of commands. It remembers the first write that failed,
// on a full disk for example, so that the command fails in the end.
type printer struct {
	to  *os.File
	err error
}

// Fd is that of the standard output: tables fit the width of its terminal.
func (p *printer) Fd() uintptr { return p.to.Fd() }

func (p *printer) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	if err != nil && p.err == nil {
		p.err = err
	}
	return n, err
}
