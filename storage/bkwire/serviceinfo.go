package bkwire

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
)

const (
	maxServiceInfo = 64 << 10
	maxEndpoints   = 64
)

// Endpoint is one address at which a bookie serves a protocol.
type Endpoint struct {
	ID         string
	Port       int
	Host       string
	Protocol   string
	Auth       []string
	Extensions []string
}

// ServiceInfo is the value of a bookie's registration (interop §4.6). Empty bytes stand for a bookie whose id is its
// host:port.
type ServiceInfo struct {
	Endpoints  []Endpoint
	Properties map[string]string
}

// Field numbers of BookieServiceInfoFormat.
const (
	fieldEndpoints  = 6
	fieldProperties = 7
)

// Append appends the info in protobuf's binary format.
func (s *ServiceInfo) Append(dst []byte) []byte {
	for _, e := range s.Endpoints {
		b := appendBytes(nil, 1, []byte(e.ID))
		b = appendVarint(b, 2, int64(e.Port))
		b = appendBytes(b, 3, []byte(e.Host))
		b = appendBytes(b, 4, []byte(e.Protocol))
		for _, a := range e.Auth {
			b = appendBytes(b, 5, []byte(a))
		}
		for _, x := range e.Extensions {
			b = appendBytes(b, 6, []byte(x))
		}
		dst = appendBytes(dst, fieldEndpoints, b)
	}
	keys := make([]string, 0, len(s.Properties))
	for k := range s.Properties {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	for _, k := range keys {
		b := appendBytes(nil, 1, []byte(k))
		dst = appendBytes(dst, fieldProperties, appendBytes(b, 2, []byte(s.Properties[k])))
	}
	return dst
}

// DecodeServiceInfo reads a registration's value.
func DecodeServiceInfo(data []byte) (ServiceInfo, error) {
	var s ServiceInfo
	if len(data) > maxServiceInfo {
		return s, fmt.Errorf("service info of %d bytes", len(data))
	}
	err := eachField(data, func(f field) error {
		switch f.num {
		case fieldEndpoints:
			if len(s.Endpoints) == maxEndpoints {
				return fmt.Errorf("more than %d endpoints", maxEndpoints)
			}
			e, err := decodeEndpoint(f.bytes)
			s.Endpoints = append(s.Endpoints, e)
			return err
		case fieldProperties:
			var kv [2]string
			err := eachField(f.bytes, func(f field) error {
				if f.num == 1 || f.num == 2 {
					kv[f.num-1] = string(f.bytes)
				}
				return nil
			})
			if s.Properties == nil {
				s.Properties = map[string]string{}
			}
			s.Properties[kv[0]] = kv[1]
			return err
		}
		return nil
	})
	if err != nil {
		return ServiceInfo{}, fmt.Errorf("service info: %w", err)
	}
	return s, nil
}

// rpcProtocol is the protocol of the endpoint at which a bookie serves ledgers.
const rpcProtocol = "bookie-rpc"

// RPCEndpoint is the endpoint that a bookie publishes for its ledgers.
func RPCEndpoint(host string, port int) Endpoint {
	return Endpoint{ID: "bookie", Host: host, Port: port, Protocol: rpcProtocol}
}

// RPCAddress is the host:port at which the bookie of that id serves ledgers; false when the info names none. A bookie that
// published nothing, or is not registered now, is tried at its id if that is a host and a port.
func (s *ServiceInfo) RPCAddress(id string) (string, bool) {
	for _, e := range s.Endpoints {
		if e.Protocol == rpcProtocol && e.Host != "" && 0 < e.Port && e.Port <= math.MaxUint16 {
			return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)), true
		}
	}
	if len(s.Endpoints) > 0 || len(s.Properties) > 0 {
		return "", false
	}
	host, port, err := net.SplitHostPort(id)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" {
		return "", false
	}
	return id, true
}

func decodeEndpoint(data []byte) (Endpoint, error) {
	var e Endpoint
	err := eachField(data, func(f field) error {
		switch f.num {
		case 1:
			e.ID = string(f.bytes)
		case 2:
			e.Port = f.small()
		case 3:
			e.Host = string(f.bytes)
		case 4:
			e.Protocol = string(f.bytes)
		case 5:
			e.Auth = append(e.Auth, string(f.bytes))
		case 6:
			e.Extensions = append(e.Extensions, string(f.bytes))
		}
		return nil
	})
	return e, err
}
