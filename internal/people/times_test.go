package people_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/people"
)

func network(t testing.TB) *catalogue.Network {
	t.Helper()
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func large(t testing.TB, times int) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := people.WriteCatalogue(&text, people.Times(network(t), times)); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func TestALargeNetworkIsAValidCatalogue(t *testing.T) {
	once := network(t)
	n, err := catalogues.Parse("large.yaml", large(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Sites) != 3*len(once.Sites) || len(n.Spaces) != 3*len(once.Spaces) || len(n.Devices) != 3*len(once.Devices) {
		t.Errorf("%d sites, %d spaces, %d devices", len(n.Sites), len(n.Spaces), len(n.Devices))
	}
	if d := n.Device("metz-3-entrance-in"); d == nil || d.Site != "metz-3" || d.Door != "metz-3-entrance" {
		t.Errorf("%+v", d)
	}
	if !bytes.Equal(mustParse(t, large(t, 1)).Canonical(), withoutPlans(once).Canonical()) {
		t.Error("once is another network")
	}
}

func mustParse(t testing.TB, text []byte) *catalogue.Network {
	t.Helper()
	n, err := catalogue.Parse("large.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func withoutPlans(n *catalogue.Network) *catalogue.Network {
	out := *n
	out.Buildings = append([]catalogue.Building(nil), n.Buildings...)
	for i := range out.Buildings {
		out.Buildings[i].Plan = ""
	}
	return &out
}

// BenchmarkCatalogue reads a catalogue, and one that is a hundred times as large: the
// time for a byte must not grow.
func BenchmarkCatalogue(b *testing.B) {
	for name, text := range map[string][]byte{"once": large(b, 1), "hundredfold": large(b, 100)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			source := strings.Clone(string(text))
			for b.Loop() {
				if _, err := catalogue.Parse("large.yaml", []byte(source)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
