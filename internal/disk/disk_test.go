package disk_test

import (
	"path/filepath"
	"strings"
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
