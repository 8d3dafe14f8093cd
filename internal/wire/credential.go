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

// maxCredential is the longest UID in bytes; tokens of passes may be longer.
const (
	maxCredential = 32
	maxToken      = 256
)

// Credential is what was badged: a UID's bytes in order, or a token's.
type Credential struct {
	QR    bool
	Bytes []byte
}

// ParseCredential reads the spellings of contract §2: hex with separators,
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
		b, err := parseDecimal(dec)
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
		return Credential{}, errors.New("is neither hex, nor dec: and a number, nor qr: and a token")
	}
	return Credential{Bytes: b}, nil
}

// parseDecimal reads a UID written as the little-endian integer of its bytes,
// padded to 4, 7 or 10 bytes.
func parseDecimal(s string) ([]byte, error) {
	if s == "" || len(s) > 25 || strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		return nil, errors.New("after dec: must stand digits")
	}
	if s[0] == '0' && len(s) > 1 {
		return nil, errors.New("after dec: must stand a number without leading zeros")
	}
	n, _ := new(big.Int).SetString(s, 10)
	for _, size := range []int{4, 7, 10} {
		if n.BitLen() <= 8*size {
			b := n.FillBytes(make([]byte, size))
			slices.Reverse(b)
			return b, nil
		}
	}
	return nil, errors.New("after dec: stands more than a UID of 10 bytes")
}

// String writes the credential as a badge message does: upper-case hex, or qr: and the token.
func (c Credential) String() string {
	if c.QR {
		return "qr:" + string(c.Bytes)
	}
	return strings.ToUpper(hex.EncodeToString(c.Bytes))
}

// HashCredential is HMAC-SHA-256 over the credential's bytes.
func HashCredential(key []byte, c Credential) [32]byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(c.Bytes)
	return [32]byte(mac.Sum(nil))
}
