// Package freeport finds addresses for the servers that tests start as processes of
// their own, which cannot listen on port 0 and tell.
package freeport

import (
	"net"
	"testing"
)

// Addr returns an address on loopback that nobody listens on.
func Addr(t testing.TB) string {
	t.Helper()
	return Addrs(t, 1)[0]
}

// Addrs returns n different addresses on loopback that nobody listens on.
func Addrs(t testing.TB, n int) (list []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // not before all are chosen: the next could be the same
		list = append(list, l.Addr().String())
	}
	return list
}
