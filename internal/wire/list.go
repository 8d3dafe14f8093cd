package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// The forms of an allowlist. Form 1 writes each badge with its rights; form 2
// writes each set of rights once and packs the badges: a thousand of them take
// a third of 64 KiB. A reader's status reports whether it understands form 2
// (lists: 2).
const (
	ListForm1 = 1
	ListForm2 = 2
)

// List is what a reader decides by when no decision arrives in time.
type List struct {
	Version   int64
	Device    catalogue.DeviceID
	Door      catalogue.DoorID
	Direction catalogue.Direction
	IssuedAt  time.Time
	ExpiresAt time.Time
	Keys      []SiteKey // keys that will sign next; none while no key is being replaced
	Entries   []ListEntry
	// Opens lists the spaces to which the door leads, for signed passes that the
	// list does not know yet; Refused the passes that are known and no longer
	// open it (rules 4.11).
	Opens   []SpaceHash
	Refused []PassID

	packed []byte // of form 2, as parsed: Entries is empty then
	sets   [][]ListRight
}

// SiteKey is a site's public key, unpadded base64url, by its id.
type SiteKey struct {
	ID  string `json:"id"`
	Key string `json:"key"`
}

// ListEntry is what one credential may do at the reader's door. Hash is
// HashCredential under the reader's list key.
type ListEntry struct {
	Hash   [32]byte
	Rights []ListRight
}

// ListRight grants with its reason in [From, To), Unix milliseconds.
type ListRight struct {
	Reason string `json:"reason"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
}

const (
	// packedHash is how many bytes of a hash form 2 keeps, packedEntry how many
	// an entry has.
	packedHash  = 16
	packedEntry = packedHash + 2
)

// Rights returns what a credential with a hash may do at the door; nil:
// nothing.
func (l *List) Rights(hash [32]byte) []ListRight {
	if l.packed != nil {
		n := len(l.packed) / packedEntry
		i := sort.Search(n, func(i int) bool {
			return bytes.Compare(l.packed[i*packedEntry:i*packedEntry+packedHash], hash[:packedHash]) >= 0
		})
		if i == n || !bytes.Equal(l.packed[i*packedEntry:i*packedEntry+packedHash], hash[:packedHash]) {
			return nil
		}
		return l.sets[binary.BigEndian.Uint16(l.packed[i*packedEntry+packedHash:])]
	}
	for i := range l.Entries {
		if l.Entries[i].Hash == hash {
			return l.Entries[i].Rights
		}
	}
	return nil
}

// Len returns how many credentials the list has.
func (l *List) Len() int {
	if l.packed != nil {
		return len(l.packed) / packedEntry
	}
	return len(l.Entries)
}

// envelope is an allowlist's payload: the list as text, and its signature.
type envelope struct {
	List      string `json:"list"`
	Signature string `json:"signature"`
}

func (e *envelope) signed(device catalogue.DeviceID) []byte {
	return fmt.Appendf(nil, "totem/v1|allowlist|%s|%s", device, e.List)
}

// listBody is the list as JSON.
type listBody struct {
	Form      int                 `json:"form,omitempty"` // left out in form 1
	Version   int64               `json:"version"`
	Device    catalogue.DeviceID  `json:"device"`
	Door      catalogue.DoorID    `json:"door"`
	Direction catalogue.Direction `json:"direction"`
	IssuedAt  stamp               `json:"issued_at"`
	ExpiresAt stamp               `json:"expires_at"`
	Keys      []SiteKey           `json:"keys,omitempty"`
	Opens     []string            `json:"opens,omitempty"`   // unpadded base64url
	Refused   []string            `json:"refused,omitempty"` // unpadded base64url
	Rights    [][]ListRight       `json:"rights,omitempty"`  // of form 2
	Entries   json.RawMessage     `json:"entries"`
}

// entryBody is an entry of form 1.
type entryBody struct {
	Hash   string      `json:"hash"`
	Rights []ListRight `json:"rights"`
}

// SignList returns the payload of a reader's allowlist in a form. A list with
// more sets of rights than form 2 can number is written in form 1.
func SignList(key ed25519.PrivateKey, device catalogue.DeviceID, l List, form int) ([]byte, error) {
	body := listBody{
		Version:   l.Version,
		Device:    l.Device,
		Door:      l.Door,
		Direction: l.Direction,
		IssuedAt:  stamp{l.IssuedAt},
		ExpiresAt: stamp{l.ExpiresAt},
		Keys:      l.Keys,
		Opens:     writeHashes(l.Opens),
		Refused:   writeHashes(l.Refused),
	}
	var entries any
	if sets, packed, ok := pack(l.Entries); form >= ListForm2 && ok {
		body.Form, body.Rights, entries = ListForm2, sets, b64.EncodeToString(packed)
	} else {
		plain := make([]entryBody, len(l.Entries))
		for i, e := range l.Entries {
			plain[i] = entryBody{base64.RawURLEncoding.EncodeToString(e.Hash[:]), e.Rights}
		}
		entries = plain
	}
	var err error
	if body.Entries, err = json.Marshal(entries); err != nil {
		return nil, err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	e := envelope{List: b64.EncodeToString(text)}
	e.Signature = sign(key, e.signed(device))
	return json.Marshal(e)
}

// pack encodes entries in form 2; ok is false where they have too many
// different sets of rights, or two hashes with the same beginning.
func pack(entries []ListEntry) (sets [][]ListRight, packed []byte, ok bool) {
	numbers := map[string]int{}
	var key []byte
	order := slices.Clone(entries)
	slices.SortFunc(order, func(a, b ListEntry) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	packed = make([]byte, 0, len(order)*packedEntry)
	for i, e := range order {
		if i > 0 && bytes.Equal(order[i-1].Hash[:packedHash], e.Hash[:packedHash]) {
			return nil, nil, false
		}
		key = key[:0]
		for _, r := range e.Rights {
			key = append(append(key, r.Reason...), 0)
			key = binary.BigEndian.AppendUint64(key, uint64(r.From))
			key = binary.BigEndian.AppendUint64(key, uint64(r.To))
		}
		n, known := numbers[string(key)]
		if !known {
			if n = len(sets); n > math.MaxUint16 {
				return nil, nil, false
			}
			numbers[string(key)], sets = n, append(sets, e.Rights)
		}
		packed = binary.BigEndian.AppendUint16(append(packed, e.Hash[:packedHash]...), uint16(n))
	}
	return sets, packed, true
}

// VerifyList parses an allowlist of either form; it returns an error where it
// is not signed for this device.
func VerifyList(key ed25519.PublicKey, device catalogue.DeviceID, payload []byte) (List, error) {
	l, err := verifyList(key, device, payload)
	if err != nil {
		return List{}, fmt.Errorf("read an allowlist: %w", err)
	}
	return l, nil
}

func verifyList(key ed25519.PublicKey, device catalogue.DeviceID, payload []byte) (l List, err error) {
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return l, err
	}
	if !verify(key, e.signed(device), e.Signature) {
		return l, ErrSignature
	}
	text, err := b64.DecodeString(e.List)
	if err != nil {
		return l, err
	}
	var body listBody
	if err := json.Unmarshal(text, &body); err != nil {
		return l, err
	}
	if body.Device != device {
		return l, errors.New("is for another device")
	}
	l = List{
		Version:   body.Version,
		Device:    body.Device,
		Door:      body.Door,
		Direction: body.Direction,
		IssuedAt:  body.IssuedAt.Time,
		ExpiresAt: body.ExpiresAt.Time,
		Keys:      body.Keys,
	}
	if l.Opens, err = readHashes[SpaceHash]("opens", body.Opens); err != nil {
		return l, err
	}
	if l.Refused, err = readHashes[PassID]("refused", body.Refused); err != nil {
		return l, err
	}
	switch body.Form {
	case 0, ListForm1:
		return l, l.readForm1(body.Entries)
	case ListForm2:
		return l, l.readForm2(body)
	}
	return l, fmt.Errorf("is of form %d, which this reader does not understand", body.Form)
}

func (l *List) readForm1(entries json.RawMessage) error {
	var list []entryBody
	if err := json.Unmarshal(entries, &list); err != nil {
		return err
	}
	l.Entries = make([]ListEntry, len(list))
	for i, e := range list {
		hash, err := b64.DecodeString(e.Hash)
		if err != nil || len(hash) != 32 {
			return fmt.Errorf("entries[%d].hash is not 32 bytes in base64url", i)
		}
		l.Entries[i] = ListEntry{[32]byte(hash), e.Rights}
	}
	return nil
}

func (l *List) readForm2(body listBody) error {
	var text string
	if err := json.Unmarshal(body.Entries, &text); err != nil {
		return err
	}
	packed, err := b64.DecodeString(text)
	if err != nil || len(packed)%packedEntry != 0 {
		return errors.New("entries are not hashes and numbers in base64url")
	}
	for i := 0; i < len(packed); i += packedEntry {
		if int(binary.BigEndian.Uint16(packed[i+packedHash:])) >= len(body.Rights) {
			return errors.New("entries name missing rights")
		}
		if i > 0 && bytes.Compare(packed[i-packedEntry:i-2], packed[i:i+packedHash]) >= 0 {
			return errors.New("entries are not sorted by hash, or one occurs twice")
		}
	}
	l.packed, l.sets = packed, body.Rights
	if l.packed == nil {
		l.packed = []byte{}
	}
	return nil
}

// writeHashes writes short hashes in unpadded base64url.
func writeHashes[T SpaceHash | PassID](list []T) []string {
	var out []string
	for _, h := range list {
		switch h := any(h).(type) {
		case SpaceHash:
			out = append(out, b64.EncodeToString(h[:]))
		case PassID:
			out = append(out, b64.EncodeToString(h[:]))
		}
	}
	return out
}

func readHashes[T SpaceHash | PassID](field string, list []string) ([]T, error) {
	var out []T
	for i, text := range list {
		b, err := b64.DecodeString(text)
		var h T
		if err != nil || len(b) != len(h) {
			return nil, fmt.Errorf("%s[%d] is not %d bytes in base64url", field, i, len(h))
		}
		out = append(out, T(b))
	}
	return out, nil
}
