package wire_test

import (
	"testing"

	"github.com/lorntech/totem/internal/wire"
)

// TestEveryWordIsUpOrDown holds the lists and the questions to each other: a new
// word that is in one of them only would be decodable and never subscribed to.
func TestEveryWordIsUpOrDown(t *testing.T) {
	for _, w := range wire.UpWhats() {
		if !wire.IsUp(string(w)) || wire.IsDown(string(w)) {
			t.Errorf("%s is listed as up", w)
		}
		if _, err := wire.ParseUp("totem/v1/metz/d/" + string(w)); err != nil {
			t.Errorf("%s: %v", w, err)
		}
	}
	for _, w := range wire.DownWhats() {
		if wire.IsUp(string(w)) || !wire.IsDown(string(w)) {
			t.Errorf("%s is listed as down", w)
		}
	}
	for _, w := range []string{"", "+", "#", "live", "Badge"} {
		if wire.IsUp(w) || wire.IsDown(w) {
			t.Errorf("%q is a word", w)
		}
	}
}
