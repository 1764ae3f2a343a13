package bkwire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// textField is one field of a message in protobuf's text format: a scalar as its text, or a message.
type textField struct {
	name   string
	value  string
	msg    []textField // for a message
	isMsg  bool
	quoted bool
}

// maxTextDepth is how deep messages may nest; BookKeeper's nest twice.
const maxTextDepth = 8

var errText = errors.New("not a protobuf text message")

// parseText reads the subset of the text format that BookKeeper's files use: scalars, strings with escapes (adjacent ones
// joined), nested messages in braces or angle brackets, comments, and separators. A repeated field is given more than once.
func parseText(s string) ([]textField, error) {
	p := textParser{rest: s}
	fields := p.message("", maxTextDepth)
	if p.err != nil {
		return nil, p.err
	}
	return fields, nil
}

// textParser has a sticky error.
type textParser struct {
	rest string
	err  error
}

func (p *textParser) fail(why string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s, %d bytes before its end", errText, why, len(p.rest))
	}
}

func (p *textParser) space() {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\r\n")
		if !strings.HasPrefix(p.rest, "#") {
			return
		}
		_, p.rest, _ = strings.Cut(p.rest, "\n")
	}
}

func (p *textParser) take(c string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, c)
	if ok {
		p.rest = rest
	}
	return ok
}

// message reads fields up to end; with an empty end, up to the end of the text.
func (p *textParser) message(end string, depth int) []textField {
	var fields []textField
	if depth == 0 {
		p.fail("messages nest too deeply")
	}
	for p.err == nil {
		p.space()
		if end == "" && p.rest == "" || end != "" && p.take(end) {
			return fields
		}
		f := textField{name: p.word()}
		if f.name == "" {
			p.fail("a field name is missing")
			break
		}
		colon := p.take(":")
		switch {
		case p.take("{"):
			f.isMsg, f.msg = true, p.message("}", depth-1)
		case p.take("<"):
			f.isMsg, f.msg = true, p.message(">", depth-1)
		case !colon:
			p.fail("a colon is missing")
		case strings.HasPrefix(p.rest, `"`), strings.HasPrefix(p.rest, `'`):
			f.quoted = true
			for p.err == nil && (strings.HasPrefix(p.rest, `"`) || strings.HasPrefix(p.rest, `'`)) {
				f.value += p.quoted()
				p.space()
			}
		default:
			if f.value = p.word(); f.value == "" {
				p.fail("a value is missing")
			}
		}
		if !p.take(",") {
			p.take(";")
		}
		fields = append(fields, f)
	}
	return nil
}

// word is an identifier or a number.
func (p *textParser) word() string {
	p.space()
	n := strings.IndexFunc(p.rest, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' && c != '+' && c != '.'
	})
	if n < 0 {
		n = len(p.rest)
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

var textEscapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v', '\\': '\\', '\'': '\'', '"': '"', '?': '?'}

// quoted is one string literal; p.rest begins with its quote.
func (p *textParser) quoted() string {
	quote := p.rest[0]
	p.rest = p.rest[1:]
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == quote:
			p.rest = p.rest[i+1:]
			return b.String()
		case c == '\n':
			p.fail("a string does not end on its line")
			return ""
		case c != '\\':
			b.WriteByte(c)
		default:
			n := 0
			if i+1 < len(p.rest) {
				n = textEscape(p.rest[i+1:], &b)
			}
			if n == 0 {
				p.fail("an escape is wrong")
				return ""
			}
			i += n
		}
	}
	p.fail("a string does not end")
	return ""
}

// textEscape writes what the escape at the start of s (behind its backslash) stands for and returns its length; 0 when it
// is none.
func textEscape(s string, b *strings.Builder) int {
	if c, ok := textEscapes[s[0]]; ok {
		b.WriteByte(c)
		return 1
	}
	digits, start, base := "01234567", 0, 8
	if s[0] == 'x' || s[0] == 'X' {
		digits, start, base = "0123456789abcdefABCDEF", 1, 16
	}
	end := start
	for end < len(s) && end < 3 && strings.IndexByte(digits, s[end]) >= 0 {
		end++
	}
	v, err := strconv.ParseUint(s[start:end], base, 8)
	if err != nil {
		return 0
	}
	b.WriteByte(byte(v))
	return end
}

// appendTextString appends `name: "value"` and a line end.
func appendTextString(dst []byte, indent, name, value string) []byte {
	dst = append(append(append(dst, indent...), name...), ": \""...)
	for _, c := range []byte(value) {
		switch {
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c >= 0x7f:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, "\"\n"...)
}

func appendTextInt(dst []byte, indent, name string, v int64) []byte {
	dst = append(append(append(dst, indent...), name...), ": "...)
	return append(strconv.AppendInt(dst, v, 10), '\n')
}
