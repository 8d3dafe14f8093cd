package wire

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/catalogue"
)

var (
	aReader = &catalogue.Device{ID: "r", Kind: catalogue.Reader}
	aCount  = &catalogue.Device{ID: "c", Kind: catalogue.PeopleCounter}
)

func TestNoCardIsKeptOfWhatIsRejected(t *testing.T) {
	for _, x := range []struct {
		sender        *catalogue.Device
		payload, want string
	}{
		{aReader, `{"id":"0199c7e0-0000-7000-8000-000000000001","at":"2026-11-26T10:00:00Z","credential":"04A1B2C3"}`,
			`{"id":"0199c7e0-0000-7000-8000-000000000001","at":"2026-11-26T10:00:00Z","credential":"[masked]"}`},
		{aReader, `{"id":"04A1B2C3","time":"04:A1:B2:C3"}`, `{"id":"[masked]","time":"[masked]"}`},
		{aReader, `{ "card" : 1234567890 , "n":3, "x":[ "04-A1-B2-C3",{"y":"short"}]}`, `{ "card" : "[masked]" , "n":3, "x":[ "[masked]",{"y":"short"}]}`},
		{nil, `{"04A1B2C3":true,"devEUI":"24e124710b423456","temperature":21.5}`, `{"[masked]":true,"devEUI":"24e124710b423456","temperature":21.5}`},
		{nil, `"04 a1 b2 c3 d4 e5 f6"`, `"[masked]"`},
		{nil, `1234567890`, `"[masked]"`},
		{aReader, `{"credential":[4,161,178,195],"n":4}`, `{"credential":["[masked]","[masked]","[masked]","[masked]"],"n":4}`},
		{aReader, `{"credential":{"hex":"04A1","lo":"B2C3"}}`, `{"credential":{"hex":"[masked]","lo":"[masked]"}}`},
		{nil, `{"creds":["04","A1"]}`, `{"creds":["[masked]","[masked]"]}`},
		{aReader, `{"credential":"qr:not-hex-at-all","x":"qr:neither this"}`, `{"credential":"[masked]","x":"[masked]"}`},
		{aReader, `{"credential":"0412"}`, `{"credential":"[masked]"}`},
		{aReader, `{"id":"x","credential":"04A1B2C3"`, `33 bytes; keys: id, credential`},
		{nil, "04A1B2C3\n", `9 bytes; keys: `},
		{nil, "\xff\x04\xa1", `3 bytes; keys: `},
		{aReader, `{"credential":"\u0030\u0034A1B2C3"}`, `{"credential":"[masked]"}`},
		{aCount, `{"at":"x","count":12345678}`, `{"at":"x","count":12345678}`},
		{aCount, `{"uid":"04A1B2C3"}`, `{"uid":"[masked]"}`},
		{aCount, `count 12345678`, `count [masked]`},
	} {
		if got := string(Conceal([]byte(x.payload), x.sender)); got != x.want {
			t.Errorf("%s: %s, want %s", x.payload, got, x.want)
		}
	}
}

func FuzzConceal(f *testing.F) {
	f.Add([]byte(`{"credential":"04A1B2C3","x":[1,{"y":null}]}`))
	f.Add([]byte(`{"a":"04A1B2C3`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := Conceal(payload, nil)
		if json.Valid(payload) != json.Valid(got) && json.Valid(payload) &&
			strings.ToValidUTF8(string(payload), "") == string(payload) {
			t.Errorf("%s became %s, which is no JSON", payload, got)
		}
		// A card in its place, whatever stands around it, is never in what is kept.
		for _, around := range [][]byte{append(append([]byte(`{"credential":"04A1B2C3","x":`), payload...), '}'), append([]byte(`{"credential":"04A1B2C3"`), payload...)} {
			if kept := string(Conceal(around, nil)); strings.Contains(kept, "04A1B2C3") {
				t.Errorf("%s keeps %s", around, kept)
			}
		}
	})
}
