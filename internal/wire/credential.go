package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"strings"
)

const (
	// maxCredential is how many bytes a badge may have; no UID has more than
	// maxUID.
	maxCredential = 32
	maxUID        = 10
	// minToken is the shortest QR token: a shorter one might be a card's UID,
	// and is unknown.
	minToken = 16
	maxToken = 256
)

// Credential is what was badged: the bytes of a UID in order, or those of a
// token.
type Credential struct {
	QR    bool
	Bytes []byte
}

// ParseCredential parses the spellings of rules 2.5: hex with separators,
// "dec:" and a little-endian integer, "qr:" and a token. Its errors never
// repeat the value.
func ParseCredential(s string) (Credential, error) {
	if token, ok := strings.CutPrefix(s, "qr:"); ok {
		if token == "" || len(token) > maxToken {
			return Credential{}, errors.New("the token after qr: is empty or too long")
		}
		return Credential{QR: true, Bytes: []byte(token)}, nil
	}
	if dec, ok := strings.CutPrefix(s, "dec:"); ok {
		b, err := ParseDecimalUID(dec)
		return Credential{Bytes: b}, err
	}
	digits := strings.Map(func(r rune) rune {
		if r == ':' || r == '-' || r == ' ' {
			return -1
		}
		return r
	}, s)
	if digits == "" || len(digits)%2 != 0 || len(digits) > 2*maxCredential {
		return Credential{}, errors.New("is not hex of even length, at most 32 bytes")
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return Credential{}, errors.New(`must be hex digits, or "dec:" followed by a number, or "qr:" followed by a token`)
	}
	return Credential{Bytes: b}, nil
}

// cardDigits is how many digits are printed on a card, with leading zeros.
const cardDigits = 10

// ParseDecimalUID parses a UID written as the little-endian integer of its bytes,
// padded to 4, 7 or 10 bytes.
func ParseDecimalUID(s string) ([]byte, error) {
	if s == "" || len(s) > 25 || strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		return nil, errors.New("dec: must be followed by digits")
	}
	if s[0] == '0' && len(s) > 1 && len(s) != cardDigits {
		return nil, errors.New(
			"dec: must be followed by a number without leading zeros, or by the ten digits printed on a card",
		)
	}
	n, _ := new(big.Int).SetString(s, 10)
	for _, size := range []int{4, 7, 10} {
		if n.BitLen() <= 8*size {
			b := n.FillBytes(make([]byte, size))
			slices.Reverse(b)
			return b, nil
		}
	}
	return nil, errors.New("the number after dec: is larger than a UID of 10 bytes")
}

// String writes the credential as a badge message does: upper-case hex, or qr:
// and the token.
func (c Credential) String() string {
	if c.QR {
		return "qr:" + string(c.Bytes)
	}
	return strings.ToUpper(hex.EncodeToString(c.Bytes))
}

// Sound reports whether a credential can belong to anybody: a UID of at most 10
// bytes, or a QR token of at least 16. Others are accepted in messages, and are
// unknown.
func (c Credential) Sound() bool {
	if c.QR {
		return len(c.Bytes) >= minToken
	}
	return len(c.Bytes) <= maxUID
}

// CheckEntry returns why a credential cannot be given to a member; nil where it
// can.
func (c Credential) CheckEntry() error {
	switch {
	case c.Sound():
		return nil
	case c.QR:
		return errors.New("the token after qr: is shorter than 16 characters")
	}
	return errors.New("is longer than 10 bytes, and no card has such a UID")
}

// HashCredential returns HMAC-SHA-256 over the credential's bytes. A credential
// that cannot belong to anybody is hashed differently, so that no UID is ever
// taken for a token.
func HashCredential(key []byte, c Credential) [32]byte {
	mac := hmac.New(sha256.New, key)
	if !c.Sound() {
		mac.Write([]byte("nobody's|"))
	}
	mac.Write(c.Bytes)
	return [32]byte(mac.Sum(nil))
}
