package postgres

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

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/connectortest"
	"github.com/strobemq/strobe/internal/fault"
)

// selfSigned makes a certificate for 127.0.0.1 and its key, as PEM.
func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "postgres"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestTLS(t *testing.T) {
	server := mortal.get(t)
	cert, key := selfSigned(t)
	dir := t.TempDir()
	for name, data := range map[string][]byte{"cert": cert, "key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		server.Set("ssl_"+name+"_file", filepath.Join(dir, name))
	}
	server.Set("ssl", "on")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Set("ssl", "off")
		if err := server.Restart(); err != nil {
			t.Error(err)
		}
	})
	d := newDatabase(t, server)
	d.exec(outboxTable)
	env := d.env(&connectortest.Store{})
	stranger, _ := selfSigned(t)
	env.Secret = func(ref string) (string, error) {
		switch ref {
		case "file:/ca":
			return string(cert), nil
		case "file:/stranger":
			return string(stranger), nil
		case "file:/garbage":
			return "garbage", nil
		}
		return server.Password, nil
	}
	tls := func(settings map[string]any) map[string]any { return d.config(map[string]any{"tls": settings}) }

	wants(t, connectAs(t, tls(map[string]any{"mode": "verify-full"}), env), fault.PostgresTLS, connectors.BadConfig, "tls.rootCert")
	wants(t, connectAs(t, tls(map[string]any{"mode": "verify-ca", "rootCert": "file:/stranger"}), env), fault.PostgresTLS, connectors.BadConfig, "tls.rootCert")
	wants(t, connectAs(t, tls(map[string]any{"mode": "verify-full", "rootCert": "file:/garbage"}), env), fault.PostgresTLS, connectors.BadConfig, "")
	other := tls(map[string]any{"mode": "verify-full", "rootCert": "file:/ca"})
	other["host"] = "localhost" // not in the certificate
	wants(t, connectAs(t, other, env), fault.PostgresTLS, connectors.BadConfig, "")

	for _, settings := range []map[string]any{{"mode": "require"}, {"mode": "verify-ca", "rootCert": "file:/ca"}, {"mode": "verify-full", "rootCert": "file:/ca"}} {
		s := d.sourceWith(env, map[string]any{"tls": settings})
		if err := s.Connect(t.Context()); err != nil {
			t.Fatalf("%v: %v", settings, err)
		}
		d.exec(insert("a"))
		if g := read(t, s, 1)[0]; g.key != "a" {
			t.Errorf("%v: %+v", settings, g)
		}
		if n := d.ask("select count(*)::text from pg_stat_ssl join pg_replication_slots on active_pid = pid where ssl and slot_name = " + literal("strobe_"+d.name)); n != "1" {
			t.Errorf("%v: the connection is not encrypted", settings)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFailoverSlot(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	d.start(&connectortest.Store{}, map[string]any{"failover": true})
	if f := d.ask("select failover::text from pg_replication_slots where slot_name = " + literal("strobe_"+d.name)); f != "true" {
		t.Errorf("failover is %s", f)
	}
}
