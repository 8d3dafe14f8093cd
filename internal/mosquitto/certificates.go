package mosquitto

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// certificateLife is the longest validity that clients accept.
	certificateLife = 825 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is replaced.
	renewBefore = 60 * 24 * time.Hour
)

// Pair is a certificate and its key, in PEM.
type Pair struct{ Cert, Key []byte }

// NewAuthority creates a private certificate authority, which signs the
// broker's certificate and, where devices use them, theirs.
func NewAuthority(now time.Time) (Pair, error) {
	t := template("Totem's MQTT authority", now, authorityLife)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	t.MaxPathLenZero = true
	return sign(t, nil)
}

// NewServer creates the broker's certificate for the names and addresses under
// which it is reached.
func NewServer(ca Pair, hosts []string, now time.Time) (Pair, error) {
	t := template(hosts[0], now, certificateLife)
	t.ExtKeyUsage, t.KeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, x509.KeyUsageDigitalSignature
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return sign(t, &ca)
}

// NewClient creates a device's certificate: its common name is its username.
func NewClient(ca Pair, device string, now time.Time) (Pair, error) {
	t := template(device, now, certificateLife)
	t.ExtKeyUsage, t.KeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, x509.KeyUsageDigitalSignature
	return sign(t, &ca)
}

// Serves reports whether a server's certificate is still valid for the hosts.
func Serves(cert []byte, hosts []string, now time.Time) bool {
	c := parsed(cert)
	if c == nil || now.After(c.NotAfter.Add(-renewBefore)) {
		return false
	}
	for _, h := range hosts {
		if c.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

// Signed reports whether a certificate is signed by an authority's.
func Signed(cert, authority []byte) bool {
	c, a := parsed(cert), parsed(authority)
	return c != nil && a != nil && c.CheckSignatureFrom(a) == nil
}

// Hosts returns the names and addresses that a certificate is for.
func Hosts(cert []byte) (hosts []string) {
	c := parsed(cert)
	if c == nil {
		return nil
	}
	hosts = append(hosts, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return hosts
}

// parsed returns a certificate; nil where it is none.
func parsed(cert []byte) *x509.Certificate {
	block, _ := pem.Decode(cert)
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}

func template(name string, now time.Time, life time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system's randomness does not fail
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(life),
	}
}

// sign creates a key and its certificate, signed by ca or by itself.
func sign(t *x509.Certificate, ca *Pair) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	parent, signer := t, key
	if ca != nil {
		if parent, signer, err = ca.parse(); err != nil {
			return Pair{}, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	}, err
}

func (p Pair) parse() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	c, k := first(p.Cert), first(p.Key)
	if c == nil || k == nil {
		return nil, nil, errors.New("the authority's files do not contain PEM")
	}
	cert, err := x509.ParseCertificate(c.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(k.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority's key: %w", err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("the authority's key is not an ECDSA key")
	}
	return cert, ec, nil
}

func first(data []byte) *pem.Block {
	b, _ := pem.Decode(data)
	return b
}
