package meta

import (
	"errors"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// EncodeName encodes a name as one segment of a key, as Java's URLEncoder does: letters, digits and . - * _ stay, a space becomes +,
// every other byte of the UTF-8 form %XX (interop §7.1). Topics and subscriptions are named so in keys. url.QueryEscape differs
// for * and ~.
func EncodeName(name string) string {
	plain := true
	for i := 0; i < len(name) && plain; i++ {
		plain = unreserved(name[i])
	}
	if plain {
		return name
	}
	var b strings.Builder
	b.Grow(len(name) + 16)
	for i := range len(name) {
		switch c := name[i]; {
		case unreserved(c):
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '*' || c == '_'
}

var errEscape = errors.New("broken escape in an encoded name")

// DecodeName is the inverse of EncodeName.
func DecodeName(segment string) (string, error) {
	if !strings.ContainsAny(segment, "%+") {
		return segment, nil
	}
	var b strings.Builder
	b.Grow(len(segment))
	for i := 0; i < len(segment); i++ {
		switch segment[i] {
		case '+':
			b.WriteByte(' ')
		case '%':
			if i+2 >= len(segment) {
				return "", errEscape
			}
			hi, lo := unhex(segment[i+1]), unhex(segment[i+2])
			if hi < 0 || lo < 0 {
				return "", errEscape
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			b.WriteByte(segment[i])
		}
	}
	return b.String(), nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
