// Package disk tells how much room is left where a file is.
package disk

import (
	"fmt"
	"syscall"
)

// Room returns the bytes that this process may still write where path is, and the
// size of that file system.
func Room(path string) (free, size uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, fmt.Errorf("how much room is left at %s: %w", path, err)
	}
	block := uint64(s.Bsize) //nolint:unconvert,gosec // signed on Linux, unsigned elsewhere; never negative
	return s.Bavail * block, s.Blocks * block, nil
}
