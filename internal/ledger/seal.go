package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/webhooks"
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

// webhookTerms is the body of an act on a webhook. Of its address, which may be
// secret in part, it has the host.
type webhookTerms struct {
	Host   string             `json:"host"`
	Topics []webhooks.Topic   `json:"topics"`
	Sites  []catalogue.SiteID `json:"sites"`
	Off    bool               `json:"off"`
	Seal   string             `json:"seal"`
}

// WebhookAct returns the body of the act that records a webhook in its present state.
func WebhookAct(w *webhooks.Webhook) []byte {
	var host string
	if u, err := url.Parse(w.URL); err == nil {
		host = u.Host
	}
	until := int64(0)
	if w.FormerUntil != nil {
		until = ms(*w.FormerUntil)
	}
	b, _ := json.Marshal(webhookTerms{ // it can always be encoded
		host, w.Topics, append([]catalogue.SiteID{}, w.Sites...), w.Off,
		Seal([]byte(w.URL), []byte(w.Queue), w.Nonce, w.Former, strconv.AppendInt(nil, until, 10)),
	})
	return b
}
