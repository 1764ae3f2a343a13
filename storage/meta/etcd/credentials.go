package etcd

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
)

// secret resolves a reference; name says what for.
func (o Options) secret(name, reference string) (string, error) {
	if o.Secret == nil {
		return "", fault.EtcdCredentials.New("%s: nothing here resolves references", name)
	}
	value, err := o.Secret(reference)
	if err != nil {
		return "", fault.EtcdCredentials.New("%s: %w", name, err)
	}
	return value, nil
}

// tlsConfig is nil when no endpoint is https.
func (o Options) tlsConfig() (*tls.Config, error) {
	var secure, plain int
	for _, e := range o.Endpoints {
		if strings.HasPrefix(e, "https://") {
			secure++
		} else {
			plain++
		}
	}
	switch {
	case secure > 0 && plain > 0:
		return nil, fault.EtcdAddress.New("http and https mixed")
	case plain > 0 && o.TLS != (TLS{}):
		return nil, fault.EtcdAddress.New("there are TLS settings, but the addresses are plain")
	case plain > 0:
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.TLS.ServerName}
	if o.TLS.CA != "" {
		pem, err := os.ReadFile(o.TLS.CA)
		if err != nil {
			return nil, fault.EtcdCredentials.New("authority: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.EtcdCredentials.New("authority: %s holds no PEM certificate", o.TLS.CA)
		}
	}
	if o.TLS.Certificate != "" {
		if _, err := o.certificate(); err != nil {
			return nil, err // now, not at some reconnection
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return o.certificate() }
	}
	return c, nil
}

func (o Options) certificate() (*tls.Certificate, error) {
	pem, err := os.ReadFile(o.TLS.Certificate)
	if err != nil {
		return nil, fault.EtcdCredentials.New("certificate: %w", err)
	}
	key, err := o.secret("key", o.TLS.Key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(pem, []byte(key))
	if err != nil {
		return nil, fault.EtcdCredentials.New("certificate: %w", err)
	}
	return &pair, nil
}
