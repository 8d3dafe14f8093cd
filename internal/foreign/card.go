package foreign

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// How a reader spells a card is a fact of the reader, and a setting in the
// catalogue: card is hex, or little or big for a decimal number in that byte
// order. Letters and separators make it hex. Digits alone may be two different
// cards: with nothing set they are rejected.
const (
	settingCard = "card"
	cardHex     = "hex"
	cardLittle  = "little" // as dec:
	cardBig     = "big"
)

// CardSpelling is the beginning of the error for a card number that can be read in two ways, as
// hex or as decimal. The pipeline raises an alarm when it sees this error.
const CardSpelling = "card-spelling"

func cardSpellings() []string { return []string{cardHex, cardLittle, cardBig} }

// card reads a card at a key: a text or a number, which is decimal.
func (l loose) card(d *catalogue.Device, key string) *wire.BadgeBody {
	switch v := l.fields[key].(type) {
	case json.Number:
		return l.decimalCard(d, key, v.String())
	case string:
		return l.textCard(d, key, strings.TrimSpace(v))
	case nil:
		l.fail(key, "is missing")
	default:
		l.fail(key, "is neither a text nor a number")
	}
	return nil
}

func (l loose) textCard(d *catalogue.Device, key, uid string) *wire.BadgeBody {
	spelled := strings.HasPrefix(uid, "dec:") || strings.HasPrefix(uid, "qr:")
	if !spelled && uid != "" && strings.Trim(uid, "0123456789") == "" && d.Settings[settingCard] != cardHex {
		return l.decimalCard(d, key, uid)
	}
	c, err := wire.ParseCredential(uid)
	switch {
	case err != nil || c.QR && d.Adapter != catalogue.AdapterJSON:
		l.fail(key, "is ambiguous or not a UID: it must be hex of 4, 7 or 10 bytes, with its leading zeros")
	case !c.QR && len(c.Bytes) != 4 && len(c.Bytes) != 7 && len(c.Bytes) != 10:
		l.fail(key, "is ambiguous: a UID has 4, 7 or 10 bytes; leading zeros may be missing")
	default:
		return &wire.BadgeBody{Credential: c}
	}
	return nil
}

func (l loose) decimalCard(d *catalogue.Device, key, digits string) *wire.BadgeBody {
	order := d.Settings[settingCard]
	if order != cardLittle && order != cardBig {
		l.needs(
			key,
			settingCard,
			CardSpelling+": its digits may be hex or a decimal number; set card in the catalogue to how this reader writes them (hex, little or big)",
		)
		return nil
	}
	trimmed := strings.TrimLeft(digits, "0")
	if trimmed == "" || strings.Trim(trimmed, "0123456789") != "" {
		l.fail(key, "is not a card number")
		return nil
	}
	b, err := wire.ParseDecimalUID(trimmed)
	if err != nil {
		l.fail(key, "is not a card number")
		return nil
	}
	if order == cardBig {
		slices.Reverse(b)
	}
	return &wire.BadgeBody{Credential: wire.Credential{Bytes: b}}
}
