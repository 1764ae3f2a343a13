package etcd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/etcd"
	"github.com/strobemq/strobe/storage/meta/etcd/etcdtest"
)

// authority signs certificates into dir.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.sign(t, "ca", true)
	return a
}

func (a *authority) path(name, kind string) string { return filepath.Join(a.dir, name+"."+kind) }

// sign makes name.pem and name.key.
func (a *authority) sign(t *testing.T, name string, ca bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: ca,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := c, key
	if !ca {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		a.path(name, "pem"): {Type: "CERTIFICATE", Bytes: der}, a.path(name, "key"): {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c, key
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.sign(t, "server", false)
	a.sign(t, "client", false)
	c, err := etcdtest.Start(etcdtest.Options{Dir: t.TempDir(), Client: "https", Args: []string{
		"--cert-file", a.path("server", "pem"), "--key-file", a.path("server", "key"),
		"--trusted-ca-file", a.path("ca", "pem"), "--client-cert-auth",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := open(t, c, func(o *etcd.Options) {
		o.TLS = etcd.TLS{CA: a.path("ca", "pem"), Certificate: a.path("client", "pem"), Key: "file:" + a.path("client", "key")}
		o.Secret = func(reference string) (string, error) {
			key, err := os.ReadFile(reference[len("file:"):])
			return string(key), err
		}
	})
	if _, err := s.Put(t.Context(), "/k", []byte("v"), meta.Absent); err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]struct {
		tls  etcd.TLS
		want *fault.Fault
	}{
		"no authority":     {etcd.TLS{}, fault.EtcdUnreachable},
		"no certificate":   {etcd.TLS{CA: a.path("ca", "pem")}, fault.EtcdUnreachable},
		"no such file":     {etcd.TLS{CA: a.path("none", "pem")}, fault.EtcdCredentials},
		"not PEM":          {etcd.TLS{CA: os.Args[0]}, fault.EtcdCredentials},
		"nothing resolves": {etcd.TLS{Certificate: a.path("client", "pem"), Key: "env:KEY"}, fault.EtcdCredentials},
	} {
		o := etcd.Options{Endpoints: c.Endpoints(), TLS: refused.tls, Timeout: 500 * time.Millisecond}
		if _, err := etcd.Open(t.Context(), o); !fault.Has(err, refused.want) {
			t.Errorf("%s: %v, want %s", name, err, refused.want.Code)
		}
	}
	if _, err := etcd.Open(t.Context(), etcd.Options{Endpoints: []string{"http://127.0.0.1:1"}, TLS: etcd.TLS{CA: "x"}}); !fault.Has(err, fault.EtcdAddress) {
		t.Errorf("TLS settings for a plain address: %v", err)
	}
}
