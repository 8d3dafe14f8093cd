package cli_test

import (
	"bytes"
	"image/png"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/cli"
)

func TestAQRCodeIsBlackOnWhiteWithItsQuietZone(t *testing.T) {
	var out bytes.Buffer
	if err := cli.WriteQR(&out, strings.Repeat("aZ09-_", 25)); err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	dark := func(x, y int) bool { r, _, _, _ := picture.At(x, y).RGBA(); return r < 1<<15 }
	size := picture.Bounds().Dx()
	for i := range size {
		if dark(i, 0) || dark(0, i) || dark(i, 31) || dark(31, i) {
			t.Fatalf("dark in the quiet zone at %d", i)
		}
	}
	if !dark(32, 32) || !dark(size-33, 32) || !dark(32, size-33) {
		t.Error("a corner that readers look for is not there")
	}
	if err := cli.WriteQR(&out, strings.Repeat("x", 5000)); err == nil {
		t.Error("a text that no QR code holds")
	}
}
