package wire

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
)

// FormatTime writes an instant as rules 1.5 says: RFC 3339, UTC, milliseconds.
func FormatTime(t time.Time) string { return t.UTC().Format(catalogue.InstantLayout) }

// ErrSignature is returned where a payload is not signed by the site's key for
// this device.
var ErrSignature = errors.New("the signature is not valid")

// b64 is how keys, signatures and lists are written.
var b64 = base64.RawURLEncoding

// DecisionBody is the answer to a read.
type DecisionBody struct {
	Request   uuid.UUID `json:"request"`
	Granted   bool      `json:"granted"`
	Reason    string    `json:"reason"`
	OpenMS    int       `json:"open_ms"`
	NotAfter  time.Time `json:"not_after"`
	Signature string    `json:"signature"`
}

func (d *DecisionBody) signed(device catalogue.DeviceID) []byte {
	return fmt.Appendf(nil,
		"totem/v1|decision|%s|%s|%t|%s|%d|%s",
		device,
		d.Request,
		d.Granted,
		d.Reason,
		d.OpenMS,
		FormatTime(d.NotAfter),
	)
}

// CommandKind is what a reader is told to do.
type CommandKind string

// The kinds of commands (rules 3.1).
const (
	Unlock   CommandKind = "unlock"
	Lockdown CommandKind = "lockdown"
	Release  CommandKind = "release"
	Sync     CommandKind = "sync"
)

// CommandBody is a command to a reader. Kind is unlock, lockdown, release or
// sync.
type CommandBody struct {
	ID        uuid.UUID   `json:"id"`
	Kind      CommandKind `json:"kind"`
	OpenMS    int         `json:"open_ms"`
	NotAfter  time.Time   `json:"not_after"`
	Signature string      `json:"signature"`
}

func (c *CommandBody) signed(device catalogue.DeviceID) []byte {
	return fmt.Appendf(nil, "totem/v1|command|%s|%s|%s|%d|%s", device, c.ID, c.Kind, c.OpenMS, FormatTime(c.NotAfter))
}

// stamp is an instant that is always written with milliseconds, as rules 1.5 has it.
type stamp struct{ time.Time }

// MarshalJSON always writes milliseconds.
func (s stamp) MarshalJSON() ([]byte, error) { return []byte(`"` + FormatTime(s.Time) + `"`), nil }

// SignDecision returns the payload of a decision for a device.
func SignDecision(key ed25519.PrivateKey, device catalogue.DeviceID, d DecisionBody) ([]byte, error) {
	d.Signature = sign(key, d.signed(device))
	return json.Marshal(struct {
		Request   uuid.UUID `json:"request"`
		Granted   bool      `json:"granted"`
		Reason    string    `json:"reason"`
		OpenMS    int       `json:"open_ms"`
		NotAfter  stamp     `json:"not_after"`
		Signature string    `json:"signature"`
	}{d.Request, d.Granted, d.Reason, d.OpenMS, stamp{d.NotAfter}, d.Signature})
}

// VerifyDecision parses a decision; it returns an error where it is not signed
// for this device.
func VerifyDecision(key ed25519.PublicKey, device catalogue.DeviceID, payload []byte) (DecisionBody, error) {
	var d DecisionBody
	if err := json.Unmarshal(payload, &d); err != nil {
		return DecisionBody{}, fmt.Errorf("read a signed decision: %w", err)
	}
	if !verify(key, d.signed(device), d.Signature) {
		return DecisionBody{}, fmt.Errorf("read a signed decision: %w", ErrSignature)
	}
	return d, nil
}

// SignCommand returns the payload of a command for a device.
func SignCommand(key ed25519.PrivateKey, device catalogue.DeviceID, c CommandBody) ([]byte, error) {
	c.Signature = sign(key, c.signed(device))
	return json.Marshal(struct {
		ID        uuid.UUID   `json:"id"`
		Kind      CommandKind `json:"kind"`
		OpenMS    int         `json:"open_ms"`
		NotAfter  stamp       `json:"not_after"`
		Signature string      `json:"signature"`
	}{c.ID, c.Kind, c.OpenMS, stamp{c.NotAfter}, c.Signature})
}

// VerifyCommand parses a command; it returns an error where it is not signed
// for this device.
func VerifyCommand(key ed25519.PublicKey, device catalogue.DeviceID, payload []byte) (CommandBody, error) {
	var c CommandBody
	if err := json.Unmarshal(payload, &c); err != nil {
		return CommandBody{}, fmt.Errorf("read a signed command: %w", err)
	}
	if !verify(key, c.signed(device), c.Signature) {
		return CommandBody{}, fmt.Errorf("read a signed command: %w", ErrSignature)
	}
	return c, nil
}

func sign(key ed25519.PrivateKey, message []byte) string {
	return b64.EncodeToString(ed25519.Sign(key, message))
}

func verify(key ed25519.PublicKey, message []byte, signature string) bool {
	sig, err := b64.DecodeString(signature)
	return err == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, message, sig)
}
