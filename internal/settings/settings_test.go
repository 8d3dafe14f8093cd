package settings_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/settings"
)

func TestEmptySettingsGetTheirDefaults(t *testing.T) {
	var c settings.Config
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	want := settings.Config{
		Data: "./totem-data", HTTP: "127.0.0.1:8080", MQTTListen: "127.0.0.1:1883", KeepMessages: 400, InfluxBucket: "totem",
		TenantMembers: 2000, TenantCredentials: 5000, TenantPasses: 200, ListMaxBytes: 262144,
	}
	if c != want || c.AdminTokenFile() != "totem-data/admin-token" {
		t.Errorf("%+v", c)
	}
	set := settings.Config{Data: "/d", HTTP: "[::1]:1", KeepMessages: 30, KeepSeries: 30, TenantPasses: 1,
		MQTTURL: "mqtts://u:p@h:8883", InfluxURL: "https://i", InfluxToken: "t", InfluxOrg: "o", InfluxBucket: "b"}
	if err := set.Check(); err != nil {
		t.Fatal(err)
	}
	i := set.Influx()
	if set.Data != "/d" || set.KeepMessages != 30 || set.TenantPasses != 1 || i.URL != "https://i" || i.Token != "t" ||
		i.Org != "o" || i.Bucket != "b" {
		t.Errorf("%+v", set)
	}
}

func TestAWrongSettingIsNamed(t *testing.T) {
	for _, x := range []struct {
		c    settings.Config
		want string
	}{
		{settings.Config{HTTP: "8080"}, `--http (TOTEM_HTTP): "8080" is not an address like 127.0.0.1:8080`},
		{settings.Config{HTTP: "h:port"}, "--http (TOTEM_HTTP)"},
		{settings.Config{MQTTListen: "x"}, "--mqtt-listen (TOTEM_MQTT_LISTEN)"},
		{settings.Config{MQTTURL: "http://h:1"}, "--mqtt-url (TOTEM_MQTT_URL)"},
		{settings.Config{MQTTURL: "mqtt://user:hunter2@"}, "--mqtt-url (TOTEM_MQTT_URL)"},
		{settings.Config{MQTTURL: "mqtt://user:hunter2@h:port"}, "--mqtt-url (TOTEM_MQTT_URL)"},
		{settings.Config{InfluxURL: "influx:8086"}, "--influx-url (TOTEM_INFLUX_URL)"},
		{settings.Config{KeepMessages: 29}, "--keep-messages-days (TOTEM_KEEP_MESSAGES_DAYS): must be 30 or more"},
		{settings.Config{KeepMessages: 100, KeepSeries: 99}, "--keep-series-days (TOTEM_KEEP_SERIES_DAYS)"},
	} {
		err := x.c.Check()
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", x.c, err)
		}
	}
	both := settings.Config{HTTP: "x", MQTTListen: "y"}
	if err := both.Check(); err == nil || !strings.Contains(err.Error(), "--http") ||
		!strings.Contains(err.Error(), "--mqtt-listen") {
		t.Errorf("not all at once: %v", err)
	}
}

func TestEverySettingHasItsVariable(t *testing.T) {
	names := settings.Variables()
	slices.Sort(names)
	for i, name := range names {
		if !strings.HasPrefix(name, "TOTEM_") || i > 0 && name == names[i-1] {
			t.Errorf("variable %q", name)
		}
	}
	if len(names) < 15 {
		t.Errorf("%d variables", len(names))
	}
}
