package settings_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/settings"
)

func TestMisspeltVariablesAreNamedWithTheNearestOne(t *testing.T) {
	got := settings.Unknown([]string{
		"TOTEM_HTPP=127.0.0.1:1",
		"TOTEM_HTTP=127.0.0.1:1",
		"TOTEM_INFLUX_URl=x",
		"TOTEM_ZZZZZZZZZZZZZZZZ=1",
		"TOTEM_TEST_INFLUX=1",
		"TOTEM_EMPTY=",
		"HTTP=1",
	}, settings.Variables())
	want := []string{
		`did you mean "TOTEM_HTTP"?`,
		`did you mean "TOTEM_INFLUX_URL"?`,
		"TOTEM_ZZZZZZZZZZZZZZZZ is not a setting",
	}
	if len(got) != len(want) || !slices.EqualFunc(got, want, strings.Contains) {
		t.Errorf("%q", got)
	}
}

func TestLocalURL(t *testing.T) {
	for listen, want := range map[string]string{
		"": "http://127.0.0.1:8080", "0.0.0.0:80": "http://127.0.0.1:80", ":90": "http://127.0.0.1:90",
		"10.0.0.5:80": "http://10.0.0.5:80", "[::]:80": "http://127.0.0.1:80", "[::1]:80": "http://[::1]:80",
	} {
		if got := settings.LocalURL(listen); got != want {
			t.Errorf("%q: %s", listen, got)
		}
	}
}
