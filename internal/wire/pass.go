package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// MostPassSpaces is how many spaces a signed pass may name: with more, its
// token would be too long for a QR code that is read at arm's length.
const MostPassSpaces = 8

const (
	passHead  = 8 + 4 + 4 // id, from, to
	spaceHash = 4
)

// PassID identifies a signed pass in its token and in allowlists.
type PassID [8]byte

// SpaceHash is the beginning of the SHA-256 of a space's id.
type SpaceHash [spaceHash]byte

// HashSpace returns the hash by which tokens and allowlists name a space.
func HashSpace(id catalogue.SpaceID) SpaceHash {
	sum := sha256.Sum256([]byte(id))
	return SpaceHash(sum[:spaceHash])
}

// Pass is what a signed visitor's pass says (rules 4.11): whoever shows its
// token may go to the spaces in [From, To). A reader that cannot ask, and whose
// list does not know the token yet, can check it.
type Pass struct {
	ID       PassID
	From, To time.Time // whole minutes
	Spaces   []SpaceHash
}

// Opens reports whether the pass opens, at an instant, a door that leads to
// some spaces.
func (p *Pass) Opens(to []SpaceHash, at time.Time) bool {
	if at.Before(p.From) || !at.Before(p.To) {
		return false
	}
	return slices.ContainsFunc(p.Spaces, func(s SpaceHash) bool { return slices.Contains(to, s) })
}

// Claims returns the signed part of a token: the id, From and To in minutes
// since 1970, the spaces; big-endian. From is rounded up and To down, so that a
// token never opens for longer than its pass.
func (p *Pass) Claims() []byte {
	b := append([]byte(nil), p.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32((p.From.Unix()+59)/60))
	b = binary.BigEndian.AppendUint32(b, uint32(p.To.Unix()/60))
	for _, s := range p.Spaces {
		b = append(b, s[:]...)
	}
	return b
}

// ParsePass reads the signed part of a token.
func ParsePass(claims []byte) (p Pass, err error) {
	n := len(claims) - passHead
	if n < spaceHash || n%spaceHash != 0 || n/spaceHash > MostPassSpaces {
		return p, fmt.Errorf("has %d bytes: a pass has %d, and 4 for each of 1 to %d spaces",
			len(claims), passHead, MostPassSpaces)
	}
	minutes := func(b []byte) time.Time { return time.Unix(int64(binary.BigEndian.Uint32(b))*60, 0).UTC() }
	p.ID, p.From, p.To = PassID(claims[:8]), minutes(claims[8:]), minutes(claims[12:])
	for at := passHead; at < len(claims); at += spaceHash {
		p.Spaces = append(p.Spaces, SpaceHash(claims[at:at+spaceHash]))
	}
	return p, nil
}

// strict64 refuses a text whose last character has bits that say nothing: one
// token has one spelling.
var strict64 = base64.RawURLEncoding.Strict()

// passMessage is what a site signs of a pass.
func passMessage(claims []byte) []byte { return append([]byte("totem/v1|pass|"), claims...) }

// SignPass returns the token of a pass: its claims and the site's Ed25519
// signature over "totem/v1|pass|" and them, in unpadded base64url; 107 to 150
// characters.
func SignPass(key ed25519.PrivateKey, p Pass) string {
	claims := p.Claims()
	return strict64.EncodeToString(append(claims, ed25519.Sign(key, passMessage(claims))...))
}

// ErrNoPass is returned for tokens that are not signed passes.
var ErrNoPass = errors.New("is not a signed pass")

// VerifyPass reads a token; ErrNoPass where it is not one, [ErrSignature] where
// the key's site has not signed it.
func VerifyPass(key ed25519.PublicKey, token string) (Pass, error) {
	b, err := strict64.DecodeString(token)
	if err != nil || strings.ContainsAny(token, "\r\n") || // which the decoder skips
		len(b) < ed25519.SignatureSize || len(key) != ed25519.PublicKeySize {
		return Pass{}, ErrNoPass
	}
	claims, signature := b[:len(b)-ed25519.SignatureSize], b[len(b)-ed25519.SignatureSize:]
	p, err := ParsePass(claims)
	if err != nil {
		return Pass{}, ErrNoPass
	}
	if !ed25519.Verify(key, passMessage(claims), signature) {
		return Pass{}, ErrSignature
	}
	return p, nil
}
