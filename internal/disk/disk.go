// Package disk reports how much space is left on a file's disk, and sets the owner of files
// that root has created.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// Adopt gives a file that root has just made to the owner of its folder: a command that
// was run with sudo leaves nothing in a service's folder that the service cannot read.
// What another user made, and what is in a folder of root's, stays as it is.
func Adopt(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	folder, err := owner(filepath.Dir(path))
	if err != nil {
		return err
	}
	if file, err := owner(path); err != nil || file.Uid != 0 || folder.Uid == 0 {
		return err
	}
	err = os.Lchown(path, int(folder.Uid), int(folder.Gid))
	if errors.Is(err, fs.ErrPermission) { // a root that may give nothing away, as in a container
		return nil
	}
	return err
}

func owner(path string) (*syscall.Stat_t, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("%s: its owner is not known", path)
	}
	return s, nil
}
