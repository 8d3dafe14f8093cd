package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Seal returns what an act keeps of hashes: enough to recognise them, not the
// hashes themselves.
func Seal(hashes ...[]byte) string {
	h := sha256.New()
	for _, b := range hashes {
		fmt.Fprintf(h, "%d:", len(b))
		h.Write(b)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15])
}

// tokenTerms is the body of an act on a token.
type tokenTerms struct {
	Role      Role               `json:"role"`
	Sites     []catalogue.SiteID `json:"sites"`
	Tenant    tenancy.TenantID   `json:"tenant"`
	ExpiresAt *time.Time         `json:"expires_at"`
	Seal      string             `json:"seal"`
}

// Terms returns the body of the act that puts the token.
func (t *Token) Terms() []byte {
	sites := t.Sites
	if sites == nil {
		sites = []catalogue.SiteID{}
	}
	b, _ := json.Marshal(tokenTerms{t.Role, sites, t.Tenant, t.ExpiresAt, Seal(t.Hash)}) // it can always be encoded
	return b
}

// SecretAct returns the body of the act that gives a device a secret with these
// hashes.
func SecretAct(hash []byte, mosquitto string) []byte {
	return fmt.Appendf(nil, `{"seal":%q}`, Seal(hash, []byte(mosquitto)))
}
