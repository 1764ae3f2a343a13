package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

const (
	connectTimeout = 10 * time.Second
	// A peer that vanished without a word is noticed after about 15 + 4 × 5 seconds.
	keepAliveIdle, keepAliveInterval, keepAliveCount = 15 * time.Second, 5 * time.Second, 4
)

// session are settings every connection has, whatever role and database say: columns come as text, so their form must not depend on
// them, and names in statements must mean the system's functions.
var session = map[string]string{
	"client_encoding": "UTF8", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "TimeZone": "UTC", "bytea_output": "hex",
	"extra_float_digits": "1", "standard_conforming_strings": "on", "search_path": "pg_catalog",
}

// dial logs in. With replication the connection can also be turned into a stream; a connection's reader is then in stream (see
// framer). Errors are faults with a class.
func dial(ctx context.Context, s server, secret func(string) (string, error), replication bool) (*pgconn.PgConn, *framer, error) {
	c, err := s.connConfig(secret)
	if err != nil {
		return nil, nil, err
	}
	var f *framer
	if replication {
		c.RuntimeParams["replication"] = "database"
		c.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
			f = newFramer(conn)
			return f, nil
		}
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, nil, s.connectError(err)
	}
	return conn, f, nil
}

// connConfig makes pgconn's configuration. ParseConfig mixes in the process's environment and home directory; every key that could come
// from there is given or overwritten, because they are the worker's and not the source's.
func (s server) connConfig(secret func(string) (string, error)) (*pgconn.Config, error) {
	quote := func(v string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
	}
	c, err := pgconn.ParseConfig("host=" + quote(s.hosts) + " port=" + strconv.Itoa(int(s.port)) + " database=" + quote(s.database) + " user=" + quote(s.user) +
		" sslmode=" + s.tlsMode + " password=x passfile='' sslrootcert='' sslcert='' sslkey='' sslpassword='' target_session_attrs=any")
	if err != nil {
		return nil, connectors.As(connectors.BadConfig, fault.PostgresSetting.New("%s: %w", s, err))
	}
	c.Password = ""
	if s.password != "" {
		if c.Password, err = resolve(secret, "password", s.password); err != nil {
			return nil, err
		}
	}
	if err := s.setTLS(c, secret); err != nil {
		return nil, err
	}
	if strings.Contains(s.hosts, ",") {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.RuntimeParams = map[string]string{"application_name": s.applicationName}
	for name, value := range session {
		c.RuntimeParams[name] = value
	}
	c.ConnectTimeout = connectTimeout
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}}
	c.DialFunc = dialer.DialContext
	return c, nil
}

// setTLS puts authorities and client certificate into every way that c may try.
func (s server) setTLS(c *pgconn.Config, secret func(string) (string, error)) error {
	configs := []*tls.Config{c.TLSConfig}
	for _, f := range c.Fallbacks {
		configs = append(configs, f.TLSConfig)
	}
	var roots *x509.CertPool
	var certs []tls.Certificate
	if s.rootCert != "" {
		pem, err := resolve(secret, "tls.rootCert", s.rootCert)
		if err != nil {
			return err
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(pem)) {
			return connectors.As(connectors.BadConfig, fault.PostgresTLS.New("tls.rootCert: %s holds no certificate", s.rootCert))
		}
	}
	if s.cert != "" {
		cert, err := resolve(secret, "tls.cert", s.cert)
		if err != nil {
			return err
		}
		key, err := resolve(secret, "tls.key", s.key)
		if err != nil {
			return err
		}
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			return connectors.As(connectors.BadConfig, fault.PostgresTLS.New("tls.cert and tls.key: %w", err))
		}
		certs = []tls.Certificate{pair}
	}
	for _, config := range configs {
		if config != nil {
			config.RootCAs, config.Certificates = roots, certs
		}
	}
	return nil
}

// resolve reads a secret; the value is in no error.
func resolve(secret func(string) (string, error), key, ref string) (string, error) {
	if secret == nil {
		return "", connectors.As(connectors.BadConfig, fault.PostgresSecret.New("%s: %s: no secrets here", key, ref))
	}
	value, err := secret(ref)
	if err != nil {
		return "", connectors.As(connectors.BadConfig, fault.PostgresSecret.New("%s: %s: %w", key, ref, err))
	}
	if value == "" {
		return "", connectors.As(connectors.BadConfig, fault.PostgresSecret.New("%s: %s is empty", key, ref))
	}
	return value, nil
}

// connectError tells why a login failed.
func (s server) connectError(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return s.serverError(pg)
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	refused := s.tlsMode != "prefer" && strings.Contains(err.Error(), "server refused TLS")
	if refused || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) {
		return connectors.As(connectors.BadConfig, fault.PostgresTLS.New("%s: %w", s, reason(err)))
	}
	return connectors.As(connectors.Retry, fault.PostgresUnreachable.New("%s: %w", s, reason(err)))
}

// reason is the innermost of a connection error: what pgconn puts around it repeats the address for every attempt.
func reason(err error) error {
	for {
		var next error
		switch e := err.(type) {
		case *net.OpError:
			return err
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		case interface{ Unwrap() []error }:
			if list := e.Unwrap(); len(list) > 0 {
				next = list[len(list)-1]
			}
		}
		if next == nil {
			return err
		}
		err = next
	}
}

// serverError gives what Postgres answered its fault and class.
func (s server) serverError(pg *pgconn.PgError) error {
	said := fmt.Sprintf("%s: %s (SQLSTATE %s)", s, pg.Message, pg.Code)
	switch pg.Code {
	case "28P01", "28000":
		return connectors.As(connectors.NoPermission, fault.PostgresLogin.New("%s", said))
	case "3D000":
		return connectors.As(connectors.BadConfig, fault.PostgresDatabase.New("%s", said))
	case "42501":
		return connectors.As(connectors.NoPermission, fault.PostgresReplicationRight.New("%s", said).WithFix(
			"ALTER ROLE %[1]s REPLICATION;\n-- on Amazon RDS and Aurora: GRANT rds_replication TO %[1]s;", identifier(s.user)))
	case "57P01", "57P02", "57P03":
		return connectors.As(connectors.Retry, fault.PostgresUnreachable.New("%s", said))
	case "53300", "53400":
		return connectors.As(connectors.Retry, fault.PostgresNoFreeSlot.New("%s", said))
	}
	return connectors.As(connectors.Retry, fault.PostgresServer.New("%s", said))
}

// asError classifies any error of a statement or the stream.
func (s server) asError(err error) error {
	if err == nil {
		return nil
	}
	var done *connectors.Error
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &done):
		return err
	case errors.As(err, &pg):
		return s.serverError(pg)
	}
	return connectors.As(connectors.Retry, fault.PostgresUnreachable.New("%s: %w", s, reason(err)))
}

// query runs one statement by the simple protocol, the only one a replication connection speaks, and returns its rows; nil is NULL.
func query(ctx context.Context, conn *pgconn.PgConn, sql string) ([][]*string, error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]*string
	for _, result := range results {
		if result.Err != nil {
			return nil, result.Err
		}
		for _, row := range result.Rows {
			texts := make([]*string, len(row))
			for i, value := range row {
				if value != nil {
					text := string(value)
					texts[i] = &text
				}
			}
			rows = append(rows, texts)
		}
	}
	return rows, nil
}
