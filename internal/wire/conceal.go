package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
)

// concealed replaces what may have been a card's number in a kept payload.
const concealed = "[masked]"

// maskedDigits is how many digits, decimal or hex, may be a card's number.
const maskedDigits = 7

var (
	keyNames = regexp.MustCompile(`"([A-Za-z_][\w .-]{0,40})"\s*:`)
	// inPlace are keys under which any device may send a card's number.
	inPlace = regexp.MustCompile(`(?i)cred|card|uid|tag|rfid|badge|token|pin|code|qr|number|keypad|wiegand|rdm|hex|fob`)
	// credentialKey are keys of a credential, in payloads of devices that may
	// send one.
	credentialKey = regexp.MustCompile(`(?i)^(cred|card|uid|badge)`)
	// plain are keys whose numbers are not a card's: instants, addresses of
	// radios.
	plain = regexp.MustCompile(`(?i)^(at|time|ts|timestamp|epoch|datetime|received_at|uptime)$|eui$|^mac$`)
)

// Conceal returns what may be kept of a rejected payload, or shown to an
// operator: it masks what may be a card's number. d is the sender; nil: it is
// not in the catalogue. If the sender may send cards and the payload cannot be
// parsed, only its length and its keys are kept.
func Conceal(payload []byte, d *catalogue.Device) []byte {
	mayBadge := d == nil || d.Kind == catalogue.Reader || d.Kind == catalogue.Gateway
	switch {
	case json.Valid(payload) && utf8.Valid(payload):
		return concealJSON(payload, mayBadge)
	case !mayBadge:
		return []byte(concealText(string(payload)))
	}
	var keys []string
	for _, m := range keyNames.FindAllSubmatch(payload, -1) {
		if k := concealText(string(m[1])); !slices.Contains(keys, k) && len(keys) < 50 {
			keys = append(keys, k)
		}
	}
	return fmt.Appendf(nil, "%d bytes; keys: %s", len(payload), strings.Join(keys, ", "))
}

// concealJSON masks what may be a card's number. If the device may send cards,
// it masks every value that is long enough; otherwise only values whose JSON
// key suggests a card.
func concealJSON(payload []byte, mayBadge bool) []byte {
	var out bytes.Buffer
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	stack, from := []place{{}}, 0
	for {
		t, err := dec.Token()
		if err != nil {
			out.Write(payload[from:])
			return out.Bytes()
		}
		end := int(dec.InputOffset())
		top := &stack[len(stack)-1]
		raw := payload[from:end]
		from = end
		switch v := t.(type) {
		case json.Delim:
			out.Write(raw)
			if v == '{' || v == '[' {
				stack = append(stack, place{object: v == '{', key: v == '{', name: top.name, card: top.isCard(mayBadge)})
				continue
			}
			stack = stack[:len(stack)-1]
			top = &stack[len(stack)-1]
		case string:
			if top.object && top.key {
				top.key, top.name = false, v
				write(&out, raw, v, concealText(v))
				continue
			}
			hidden := v
			if top.isCard(mayBadge) || strings.HasPrefix(v, "qr:") || strings.HasPrefix(v, "dec:") {
				hidden = concealed // whatever its length
			} else if mayBadge && !top.isHarmless(v) || !mayBadge && inPlace.MatchString(top.name) {
				hidden = concealText(v)
			}
			write(&out, raw, v, hidden)
		case json.Number:
			hidden := v.String()
			if top.isCard(mayBadge) ||
				digits(hidden) >= maskedDigits && !plain.MatchString(top.name) && (mayBadge || inPlace.MatchString(top.name)) {
				hidden = concealed
			}
			write(&out, raw, v.String(), hidden)
		default:
			out.Write(raw)
		}
		top.key = top.object
	}
}

// place is a position in a JSON text.
type place struct {
	object, key bool   // in an object; the next string is a key
	name        string // key of the value that follows
	card        bool   // everything within is a card's
}

// isCard reports whether the value that follows is a credential, whatever it
// looks like.
func (p *place) isCard(mayBadge bool) bool {
	return p.card || mayBadge && credentialKey.MatchString(p.name)
}

// isHarmless reports whether a text is certainly not a card's number: a message's
// id, an instant or a radio's address.
func (p *place) isHarmless(v string) bool {
	if p.name == "id" {
		_, err := uuid.Parse(v)
		return err == nil
	}
	if !plain.MatchString(p.name) {
		return false
	}
	_, err := time.Parse(time.RFC3339, v)
	return err == nil || strings.HasSuffix(strings.ToLower(p.name), "eui") || p.name == "mac"
}

// write copies raw, a JSON value and the punctuation before it. A value that was
// changed is written as a JSON string instead, after the same punctuation.
func write(out *bytes.Buffer, raw []byte, was, now string) {
	if was == now {
		out.Write(raw)
		return
	}
	out.Write(raw[:bytes.IndexFunc(raw, func(r rune) bool { return r == '"' || r == '-' || unicode.IsDigit(r) })])
	quoted, _ := json.Marshal(now) // a string can always be encoded
	out.Write(quoted)
}

// concealText masks sequences of digits or hex as long as a card's number,
// ignoring separators.
func concealText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		j, n, end := i, 0, i
		for ; j < len(s); j++ {
			if isHex(s[j]) {
				n, end = n+1, j+1
			} else if n == 0 || !strings.ContainsRune(" :-._/", rune(s[j])) {
				break
			}
		}
		switch {
		case n >= maskedDigits:
			b.WriteString(concealed)
			i = end
		case n > 0:
			b.WriteString(s[i:end])
			i = end
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func digits(s string) (n int) {
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}
