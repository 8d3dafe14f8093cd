package catalogues_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
)

// A data folder that was made before terms and catalogues were dated, by the
// program of commit 9130afe (testdata/before-dated-truth.txt says what it answered
// before it was stopped): it opens, answers the same, and nothing issued moves.
func TestAFolderOfBeforeDatedTruthOpensAsItWas(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.DatabaseURL = ""
	unpack(t, filepath.Join("testdata", "before-dated-truth.tar.gz"), cfg.Data)
	now := time.Date(2026, 11, 26, 23, 55, 0, 0, time.UTC) // on the day on which it was made
	open := func() apptest.Client {
		a, err := app.Start(
			t.Context(),
			cfg,
			app.Options{Log: apptest.Discard(), Anonymous: true, Now: func() time.Time { return now }},
		)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { apptest.Stop(t, a) })
		if v := apptest.ClientOf(t, a).Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
			t.Errorf("verify: %v", v)
		}
		return apptest.ClientOf(t, a)
	}
	c := open()
	text, err := os.ReadFile(filepath.Join("testdata", "before-dated-truth.txt"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	asked := 0
	for i, line := range lines {
		method, rest, ok := strings.Cut(line, " ")
		if !ok || method != "GET" && method != "POST" {
			continue
		}
		asked++
		path, body, _ := strings.Cut(rest, " ")
		status, answer := c.Raw(method, path, body)
		if status != 200 {
			t.Errorf("%s: %d %s", line, status, answer)
			continue
		}
		var was, is any
		if err := errors.Join(json.Unmarshal([]byte(lines[i+1]), &was), json.Unmarshal(answer, &is)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(was, common(was, is)); d != "" {
			t.Errorf("%s (-was +is)\n%s", line, d)
		}
	}
	if asked != 8 {
		t.Errorf("%d questions were asked", asked)
	}
	// The catalogue that it has holds from the beginning.
	list := c.Must("GET", "/v1/catalogue/versions", "")["items"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["since"] != nil {
		t.Errorf("catalogues: %v", list)
	}
	if v := c.Must("GET", "/v1/leases/l/versions", "")["items"].([]any); len(v) == 0 ||
		v[0].(map[string]any)["effective_from"] != "beginning" {
		t.Errorf("versions: %v", v)
	}
}

// common returns a JSON value without what the other has not: answers may have grown.
func common(was, is any) any {
	switch is := is.(type) {
	case map[string]any:
		was, ok := was.(map[string]any)
		if !ok {
			return is
		}
		out := map[string]any{}
		for key, v := range is {
			if old, there := was[key]; there {
				out[key] = common(old, v)
			}
		}
		return out
	case []any:
		was, ok := was.([]any)
		if !ok || len(was) != len(is) {
			return is
		}
		out := make([]any, len(is))
		for i := range is {
			out[i] = common(was[i], is[i])
		}
		return out
	}
	return is
}

func unpack(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
