package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lorntech/totem/internal/disk"
)

func TestRoom(t *testing.T) {
	free, size, err := disk.Room(t.TempDir())
	if err != nil || size == 0 || free > size {
		t.Errorf("%d of %d bytes, %v", free, size, err)
	}
	if _, _, err := disk.Room(
		filepath.Join(t.TempDir(), "nothing"),
	); err == nil ||
		!strings.Contains(err.Error(), "nothing") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestAFileThatRootMadeIsItsFoldersOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not run: only root can give a file away")
	}
	for _, c := range []struct{ folder, file, want int }{{1234, 0, 1234}, {1234, 77, 77}, {0, 0, 0}} {
		dir := filepath.Join(t.TempDir(), "data")
		file := filepath.Join(dir, "keys.json")
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, nil, 0o600),
			os.Chown(dir, c.folder, c.folder), os.Chown(file, c.file, c.file)); err != nil {
			t.Fatal(err)
		}
		if err := disk.Adopt(file); err != nil {
			t.Error(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; int(got) != c.want {
			t.Errorf("%+v: it is %d's", c, got)
		}
	}
}
