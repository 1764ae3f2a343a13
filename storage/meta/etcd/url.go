package etcd

import (
	"net"
	"net/url"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

const (
	// maxURL and maxEndpoints bound what ParseURL takes.
	maxURL       = 8 << 10
	maxEndpoints = 64
	defaultPort  = "2379"
)

// IsURL tells whether a metadata URL names etcd.
func IsURL(s string) bool {
	s = strings.TrimPrefix(s, bookkeeperScheme)
	return strings.HasPrefix(s, "etcd:") || strings.HasPrefix(s, "etcds:")
}

// bookkeeperScheme stands before the metadata URL in the configuration of Apache's bookies.
const bookkeeperScheme = "metadata-store:"

// ParseURL reads a metadata URL into Endpoints and Prefix:
//
//	etcd://host:port,host:port/prefix    etcds:// for TLS; port 2379 and prefix may be missing
//	etcd:http://host:port,https://…      as Apache Pulsar writes it: a URL each, no prefix
//
// Either may begin with metadata-store:. Users and passwords are refused: they do not belong where URLs are printed.
func ParseURL(s string) (Options, error) {
	if len(s) > maxURL {
		return Options{}, fault.EtcdAddress.New("%d bytes long", len(s))
	}
	rest := strings.TrimPrefix(s, bookkeeperScheme)
	var o Options
	var list string
	switch {
	case strings.HasPrefix(rest, "etcd://"), strings.HasPrefix(rest, "etcds://"):
		scheme, after, _ := strings.Cut(rest, "://")
		var path string
		list, path, _ = strings.Cut(after, "/")
		if path = strings.TrimSuffix(path, "/"); path != "" {
			o.Prefix = "/" + path
			if err := meta.CheckKey(o.Prefix); err != nil || strings.ContainsAny(path, "?#") {
				return Options{}, fault.EtcdAddress.New("prefix %q", o.Prefix)
			}
		}
		scheme = map[string]string{"etcd": "http://", "etcds": "https://"}[scheme]
		hosts := strings.Split(list, ",")
		for i, host := range hosts {
			hosts[i] = scheme + host
		}
		list = strings.Join(hosts, ",")
	case strings.HasPrefix(rest, "etcd:"):
		list = strings.TrimPrefix(rest, "etcd:")
	default:
		return Options{}, fault.EtcdAddress.New("it begins with none of etcd:, etcd:// and etcds://")
	}
	for one := range strings.SplitSeq(list, ",") {
		endpoint, err := parseEndpoint(one)
		if err != nil {
			return Options{}, err
		}
		if o.Endpoints = append(o.Endpoints, endpoint); len(o.Endpoints) > maxEndpoints {
			return Options{}, fault.EtcdAddress.New("more than %d members", maxEndpoints)
		}
	}
	return o, nil
}

func parseEndpoint(s string) (string, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// The parser's error repeats its input, which may hold a password.
		return "", fault.EtcdAddress.New("an address is no URL")
	case u.User != nil:
		return "", fault.EtcdAddress.New("%s: a user in the address", u.Host)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return "", fault.EtcdAddress.New("host %q: not http://host:port or https://host:port", u.Host)
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port), nil
}
