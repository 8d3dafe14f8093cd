package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// printed runs a command and returns its exit code and what it printed.
func printed(t *testing.T, ctx context.Context, args ...string) (code int, text string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, errOut := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	all := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(r)
		all <- string(b)
	}()
	code = run(ctx, args)
	os.Stdout, os.Stderr = out, errOut
	w.Close()
	return code, <-all
}

// startDemo runs the demo until the test ends, and returns the variables that
// it prints for a shell.
func startDemo(t *testing.T, data string) map[string]string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out := os.Stdout
	os.Stdout = w
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{
			"demo", "--days", "1", "--data", data, "--http", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0", "--log-level", "error",
		})
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("the demo ended with %d", code)
		}
	})
	lines := make(chan string, 1000)
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	deadline := time.After(2 * time.Minute)
	for {
		select {
		case line := <-lines:
			if _, set, ok := strings.Cut(line, "export "); ok {
				os.Stdout = out
				vars := map[string]string{}
				for pair := range strings.FieldsSeq(set) {
					name, value, _ := strings.Cut(pair, "=")
					vars[name] = value
				}
				return vars
			}
		case code := <-ended:
			os.Stdout = out
			t.Fatalf("the demo ended with %d before it was ready", code)
		case <-deadline:
			os.Stdout = out
			t.Fatal("the demo is not ready after 2 minutes")
		}
	}
}

// TestEveryCommandOnALivingService runs the commands of the README and the docs
// against a demo, as a person would after the export that it prints.
func TestEveryCommandOnALivingService(t *testing.T) {
	if raceEnabled {
		t.Skip("not run under the race detector, where it takes minutes: .ci/run runs it without")
	}
	data := t.TempDir()
	for name, value := range startDemo(t, data) {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if text != "" {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return name
	}
	ctx := t.Context()
	if code, text := printed(t, ctx, "catalogue", "show"); code != 0 || !strings.Contains(text, "metz-coworking") {
		t.Errorf("catalogue show: %d %.200s", code, text)
	} else {
		file("catalogue.yaml", text)
	}
	plans := file("plans.csv", "name,includes,hourly_rate,vat\nBench,coworking,3.00,20\n")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"nonsense", 2, "unexpected argument nonsense"},
		{"version", 0, "totem"},
		{"health", 0, `"ok":true`},
		{"availability --site metz", 0, "metz-coworking"},
		{"availability --site atlantis", 1, "no such site"},
		{"reads --days 2 --site metz", 0, "direction"},
		{"reads --from yesterday", 2, "--from"},
		{"access check metz-entrance --uid 00", 0, "unknown-credential"},
		{"access explain metz-entrance --uid 00", 0, "Refused"},
		{"access explain metz-entrance --uid 00 --json", 0, `"tried"`},
		{"access check nowhere --uid 00", 1, "door"},
		{"access check metz-entrance", 2, "--badge"},
		{"access read nothing", 1, ""},
		{"doors --site metz", 0, "metz-entrance"},
		{"doors unlock metz-entrance --reason test", 0, "is sent"},
		{"doors unlock metz-entrance", 2, "--reason"},
		{"doors unlock nowhere --reason test", 1, "404"},
		{"lockdown on nancy --reason drill", 0, "nancy is in lockdown since"},
		{"lockdown status nancy", 0, "lockdown"},
		{"lockdown off nancy", 0, "nancy is not in lockdown"},
		{"lockdown status atlantis", 1, "404"},
		{"rollcall metz-blida", 0, "people by their badges"},
		{"alarms --all --csv", 0, "since,kind"},
		{"alarms ack nothing", 1, "404"},
		{"rejects --json", 0, "["},
		{"devices --site metz", 0, "metz-entrance-in"},
		{"devices unknown", 0, ""},
		{"devices secret metz-entrance-in", 0, `"password"`},
		{"devices secret nothing", 1, "404"},
		{"tenants put forge --set name=Forge --set site=metz --set kind=company", 0, `"Forge"`},
		{"tenants put forge --set name=Forge-2", 0, `"company"`},
		{"tenants put forge --set nome=Forge", 1, "nome"},
		{"tenants put forge", 2, "--set"},
		{"tenants put forge --set name", 2, "name=Forge"},
		{"tenants show forge", 0, "Forge-2"},
		{"members put eva --set tenant=forge --set name=Eva --set email=eva@example.org --set roles=[] --set staff_sites=[]", 0, `"eva"`},
		{"members put eva --set staff_sites=metz,nancy", 0, `"nancy"`},
		{"badges put eva-card --set member=eva --set kind=card --set status=active --set uid=45678901", 0, `"eva-card"`},
		{"badges put eva-card --set valid_to=2030-01-01T00:00:00Z", 0, "2030"},
		{"badges put eva-card --set valid_to=", 0, `"valid_to": null`},
		{"badges delete eva-card", 0, "is deleted"},
		{"members put eva --set name=1664", 0, `"1664"`},
		{"members put eva --file " + file("null.json", "null\n"), 2, "not a JSON object"},
		{"reads --follow --site metz", 2, "--follow"},
		{"token create never --role display --expires=-1h", 1, "--expires"},
		{"tenants delete forge", 1, "409"},
		{"members delete eva", 0, "is deleted"},
		{"tenants delete forge", 0, "is deleted"},
		{"tenants show forge", 1, "404"},
		{"badges", 0, "member"},
		{"leases --csv", 0, "id,tenant"},
		{"plans --json", 0, `"hourly_rate_cents"`},
		{"schedules", 0, "windows"},
		{"passes", 0, "host"},
		{"events", 0, "title"},
		{"tokens", 0, "demo-billing"},
		{"tokens revoke demo-display", 0, "is revoked"},
		{"tokens revoke nothing", 1, "404"},
		{"doctor --http 127.0.0.1:1", 0, "nothing answers at http://127.0.0.1:1"},
		{"init --yes " + file("new", ""), 0, "catalogue.yaml"},
		{"completion bash", 0, "complete -o default -F _totem totem"},
		{"completion zsh", 0, "bashcompinit"},
		{"completion fish", 0, "complete -c totem"},
		{"completion cmd", 2, "bash"},
		{"manual", 0, ".SS totem lockdown on"},
		{"usage --by kind", 0, "coworking"},
		{"usage --by kind --csv --locale fr", 0, ";"},
		{"usage --from yesterday", 2, "--from"},
		{"occupancy metz-coworking", 0, "coworking"},
		{"hours", 0, "tenant"},
		{"hours --by day --csv", 0, ","},
		{"hours --month never", 1, "month"},
		{"visits", 0, "visit"},
		{"visits correct nobody --from 2026-11-20 --to 2026-11-21 --reason test", 1, ""},
		{"visits undo nobody", 1, ""},
		{"events attendance nothing", 1, "404"},
		{"statements", 2, "expected one of"},
		{"statements list", 0, "statement"},
		{"statements show nothing", 1, ""},
		{"statements issue 2020-01", 0, ""},
		{"statements accounting --month 2020-01", 0, ""},
		{"rents", 0, ""},
		{"rents list", 0, ""},
		{"rents set metz-bureau-101 11.50 --reason test", 0, "metz-bureau-101"},
		{"rents set metz-bureau-101 eleven --reason test", 1, "eleven"},
		{"rents set metz-bureau-101 11.50 --from soon --reason test", 2, "--from"},
		{"pass create guest --host nobody --name Guest --space metz-coworking", 1, "host"},
		{"pass create guest --host nobody --name Guest --space metz-coworking --to soon", 2, "--to"},
		{"pass delete guest", 1, "404"},
		{"charter", 0, "charter"},
		{"import " + plans + " --dry-run", 0, ""},
		{"export " + file("all.zip", ""), 0, ""},
		{"catalogue check " + file("catalogue.yaml", ""), 0, "LORnTECH is valid"},
		{"catalogue check " + plans, 1, "plans.csv:1"},
		{"catalogue apply " + file("catalogue.yaml", "") + " --dry-run", 0, ""},
		{"catalogue history", 0, "beginning"},
		{"broker export --dir " + file("broker", ""), 1, "--yes"},
		{"broker export --yes --dir " + file("broker", "") + " --new-secrets " + file("secrets.csv", ""), 0, ""},
		{"token create bench --role display", 0, ""},
		{"token create bench --role display", 1, "--replace"},
		{"token create bench --role display --replace", 0, ""},
		{"token create bench3 --role tenant --tenant nobody", 1, "there is no tenant"},
		{"token create bench3 --role manager --sites atlantis", 1, "no site"},
		{"token create Bench --role display", 1, "id"},
		{"token create bench2 --role king", 2, "--role"},
		{"series check", 1, "TOTEM_INFLUX_URL"},
		{"audit verify", 0, "The chain is intact"},
	} {
		code, text := printed(t, ctx, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("totem %s: %d, want %d with %q:\n%.600s", c.args, code, c.code, c.says, text)
		}
	}
	t.Run("backup and restore", func(t *testing.T) {
		code, recipient := printed(t, ctx, "backup", "key", file("backup.key", ""))
		if code != 0 || !strings.HasPrefix(recipient, "age1") {
			t.Fatalf("backup key: %d %s", code, recipient)
		}
		to := file("restored", "")
		for _, c := range []struct {
			args string
			code int
			says string
		}{
			{"backup " + file("totem.backup", ""), 2, "--recipient"},
			{"backup " + file("totem.backup", "") + " --recipient age1nobody", 2, "is not a recipient"},
			{"backup " + file("totem.backup", "") + " --recipient " + strings.TrimSpace(recipient), 0, "of its audit chain"},
			{"backup " + file("totem.backup", "") + " --recipient " + strings.TrimSpace(recipient), 1, "exists already"},
			{"restore " + file("totem.backup", "") + " --data " + to, 2, "--identity"},
			{"restore " + file("totem.backup", "") + " --data " + data + " --identity " + file("backup.key", ""), 1, "holds a ledger already"},
			{"restore " + file("totem.backup", "") + " --data " + to + " --identity " + file("backup.key", ""), 0, "all verified"},
			{"audit verify --data " + to, 0, "The chain is intact"},
		} {
			if code, text := printed(t, ctx, strings.Fields(c.args)...); code != c.code || !strings.Contains(text, c.says) {
				t.Errorf("totem %s: %d, want %d with %q:\n%.600s", c.args, code, c.code, c.says, text)
			}
		}
	})
}

func TestAServiceThatIsNotThereIsAnError(t *testing.T) {
	t.Setenv("TOTEM_URL", "http://127.0.0.1:9")
	t.Setenv("TOTEM_TOKEN", "nobody")
	for _, args := range [][]string{{"health"}, {"usage"}, {"devices", "watch"}} {
		if code, text := printed(
			t,
			t.Context(),
			args...); code != 1 ||
			!strings.Contains(text, "totem: no service answers") && !strings.Contains(text, "totem: Get") {
			t.Errorf("%v: %d %.200s", args, code, text)
		}
	}
}

func TestKeysAndSeriesOfADataFolder(t *testing.T) {
	data := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{
			"serve", "--data", data, "--http", addr, "--mqtt-listen", "127.0.0.1:0", "--log-level", "error",
		})
	}()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + addr + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(end) {
			t.Fatal("not ready within a minute")
		}
	}
	stop()
	if code := <-ended; code != 0 {
		t.Fatalf("serve ended with %d", code)
	}
	for _, c := range []struct{ args, says string }{
		{"keys rotate-list --data " + data, ""},
		{"keys rotate metz --data " + data, ""},
		{"series rebuild --data " + data + " --from 2026-11-01 --to 2026-11-02", ""},
		{"audit verify --data " + data, ""},
	} {
		if code, text := printed(t, t.Context(), strings.Fields(c.args)...); code > 1 || !strings.Contains(text, c.says) {
			t.Errorf("totem %s: %d\n%.400s", c.args, code, text)
		}
	}
}

// A completed line keeps to its command after a flag with a value, written either way, and
// after an argument.
func TestCompletionGoesOnAfterValues(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("not run: bash is not installed")
	}
	_, script := printed(t, t.Context(), "completion", "bash")
	for words, want := range map[string]string{
		"totem memb":                   "members",
		"totem --log-level debug memb": "members",
		"totem members --url = http : //127.0.0.1 : 1 l": "list",
		"totem members show ines --to":                   "--token",
		"totem usage --by s":                             "",
	} {
		ask := script + "COMP_WORDS=(" + words + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _totem; echo \"${COMPREPLY[*]}\""
		got, err := exec.CommandContext(t.Context(), bash, "-c", ask).Output()
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s: %q, want %q (%v)", words, got, want, err)
		}
	}
}

func TestAFullDiskFailsACommand(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("not run: this system has no /dev/full")
	}
	defer full.Close()
	out := os.Stdout
	defer func() { os.Stdout = out }()
	os.Stdout = full
	for _, command := range []string{"version", "manual", "completion fish", "catalogue check ../../internal/catalogue/lorntech.yaml"} {
		if code := run(t.Context(), strings.Fields(command)); code != 1 {
			t.Errorf("totem %s on a full disk ends with %d", command, code)
		}
	}
}

// Each wrong setting ends serve with one line that names it and says what it should be,
// without the secrets in it.
func TestAWrongSettingIsOneLine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	text, billing := write("text", "x"), write("billing.yaml", "issuer: {siren: 12}\n")
	nowhere := filepath.Join(dir, "nowhere")
	for _, c := range []struct{ args, says string }{
		{"--http 8080", `--http (TOTEM_HTTP): "8080" is not an address`},
		{"--http localhost:99999", "--http (TOTEM_HTTP)"},
		{"--http 203.0.113.5:8080", "--http (TOTEM_HTTP)"},
		{"--http-tls 127.0.0.1:0", "--http-tls (TOTEM_HTTP_TLS): needs --tls-cert"},
		{"--http-tls x --tls-cert c --tls-key k", "--http-tls (TOTEM_HTTP_TLS)"},
		{"--http-tls 127.0.0.1:0 --tls-cert " + text + " --tls-key " + text, "--tls-cert"},
		{"--http-tls 127.0.0.1:0 --tls-cert " + nowhere + " --tls-key " + text, "--tls-cert"},
		{"--mqtt-tls-listen 127.0.0.1:0", "--mqtt-tls-listen (TOTEM_MQTT_TLS_LISTEN): needs --tls-cert"},
		{"--mqtt-tls-listen 127.0.0.1:0 --tls-cert c --tls-key k --mqtt-url mqtt://h", "cannot be set with --mqtt-url"},
		{"--mqtt-listen x", "--mqtt-listen (TOTEM_MQTT_LISTEN)"},
		{"--mqtt-listen 203.0.113.5:1883", "--mqtt-listen (TOTEM_MQTT_LISTEN)"},
		{"--mqtt-url http://h", "--mqtt-url (TOTEM_MQTT_URL)"},
		{"--mqtt-url mqtt://u:hunter2@h:port", "--mqtt-url (TOTEM_MQTT_URL)"},
		{"--mqtt-url mqtts://u:hunter2@h?ca=" + nowhere, "--mqtt-url (TOTEM_MQTT_URL)"},
		{"--mqtt-url mqtt://u:hunter2@h?clean=1", "--mqtt-url (TOTEM_MQTT_URL)"},
		{"--influx-url influx:8086", "--influx-url (TOTEM_INFLUX_URL)"},
		{"--keep-messages-days 29", "--keep-messages-days (TOTEM_KEEP_MESSAGES_DAYS): must be 30 or more"},
		{"--keep-messages-days many", "--keep-messages-days"},
		{"--keep-series-days 30", "--keep-series-days (TOTEM_KEEP_SERIES_DAYS)"},
		{"--keep-series-days=-1", "--keep-series-days (TOTEM_KEEP_SERIES_DAYS): must not be negative"},
		{"--tenant-members=-5", "--tenant-members (TOTEM_TENANT_MEMBERS): must not be negative"},
		{"--tenant-passes=-5", "--tenant-passes (TOTEM_TENANT_PASSES): must not be negative"},
		{"--list-max-bytes x", "--list-max-bytes"},
		{"--database-url mysql://u:hunter2@h/x", "--database-url (TOTEM_DATABASE_URL)"},
		{"--database-url postgres://u:hunter2@127.0.0.1:1/x", "connection refused"},
		{"--catalogue " + nowhere, "--catalogue (TOTEM_CATALOGUE): open"},
		{"--catalogue " + dir, "--catalogue (TOTEM_CATALOGUE): read"},
		{"--catalogue " + text, "text:1:"},
		{"--catalogue-since soon --catalogue ../../internal/catalogue/lorntech.yaml", "--catalogue-since (TOTEM_CATALOGUE_SINCE)"},
		{"--billing " + nowhere, "--billing (TOTEM_BILLING): open"},
		{"--billing " + billing, "billing.yaml:1: issuer.siren"},
		{"--sign-in " + nowhere, "--sign-in (TOTEM_SIGN_IN): open"},
		{"--keys " + dir, "--keys (TOTEM_KEYS)"},
		{"--keys " + text, "restore it from a backup"},
		{"--data " + text, "--data (TOTEM_DATA): "},
		{"--webhooks-allow 10.0.0", "--webhooks-allow (TOTEM_WEBHOOKS_ALLOW)"},
		{"--advertise foo", "--advertise (TOTEM_ADVERTISE)"},
		{"--debug 0.0.0.0:6060", "--debug (TOTEM_DEBUG)"},
		{"--log-level loud", "--log-level"},
		{"--htp x", "--http"},
	} {
		args := append([]string{
			"serve", "--http", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0", "--log-level", "error",
			"--data", t.TempDir(),
		}, strings.Fields(c.args)...)
		code, text := printed(t, t.Context(), args...)
		text = strings.TrimSuffix(strings.TrimSpace(text), "\nSee totem --help.")
		if code == 0 || !strings.Contains(text, c.says) || strings.Contains(text, "\n") || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %d\n%s", c.args, code, text)
		}
	}
}
