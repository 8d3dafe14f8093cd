package catalogues_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/catalogues"
)

func TestACatalogueIsLoadedFromItsFileOrBuiltIn(t *testing.T) {
	n, err := catalogues.Load("")
	if err != nil || n.Site("metz") == nil {
		t.Errorf("the built-in one: %v", err)
	}
	if _, err := catalogues.Load(filepath.Join(t.TempDir(), "nothing.yaml")); err == nil ||
		!strings.Contains(err.Error(), "nothing.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(file, []byte("network: A\nsites: 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := catalogues.Load(file); err == nil || !strings.Contains(err.Error(), "broken.yaml:2: sites") {
		t.Errorf("a broken one: %v", err)
	}
}

// TestAdaptersFaultsAreToldAtOnceWithTheirLines: what only an adapter understands is told
// as everything else in the file.
func TestAdaptersFaultsAreToldAtOnceWithTheirLines(t *testing.T) {
	text := `network: Test
timezone: Europe/Paris
sites:
  - {id: metz, name: Metz, city: Metz, holidays: fr}
buildings:
  - {id: blida, site: metz, name: Blida}
spaces:
  - {id: hall, building: blida, floor: 0, name: Hall, kind: common, capacity: 6, area_m2: 18}
devices:
  - {id: lora, site: metz, kind: desk, space: hall, adapter: chirpstack-v4, address: "24e1"}
  - {id: zig, site: metz, kind: desk, space: hall, adapter: zigbee2mqtt, address: zigbee2mqtt/a, settings: {of_delay: "5", card: roman}}
`
	_, err := catalogues.Parse("test.yaml", []byte(text))
	want := `test.yaml:10: devices[0].address: must be the DevEUI: 16 hex digits
test.yaml:11: devices[1].settings.card: must be hex, little or big
test.yaml:11: devices[1].settings.of_delay: the adapter zigbee2mqtt has no such setting; did you mean "off_delay"?`
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
