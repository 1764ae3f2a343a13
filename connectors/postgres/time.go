package postgres

import (
	"strconv"
	"time"
)

// parseTime reads a column's text as ms since 1970: integers are that already, timestamps without a zone are UTC. infinity, dates before
// Christ and what is no time are not ok.
func parseTime(text []byte, oid uint32) (ms int64, ok bool) {
	switch oid {
	case oidInt2, oidInt4, oidInt8:
		n, err := strconv.ParseInt(string(text), 10, 64)
		return n, err == nil
	case oidDate, oidTimestamp, oidTimestamptz:
		return parseISO(text)
	}
	return 0, false
}

// parseISO reads 2024-05-06, 2024-05-06 07:08:09, 2024-05-06 07:08:09.123456+00 and zones with minutes and seconds.
func parseISO(text []byte) (int64, bool) {
	p := isoParser{rest: text, ok: true}
	year := p.number(4, 6)
	p.skip('-')
	month := p.number(2, 2)
	p.skip('-')
	day := p.number(2, 2)
	var hour, minute, second, nanos, offset int
	if p.ok && len(p.rest) > 0 {
		p.skip(' ')
		hour = p.number(2, 2)
		p.skip(':')
		minute = p.number(2, 2)
		p.skip(':')
		second = p.number(2, 2)
		nanos = p.fraction()
		offset = p.zone()
	}
	if !p.ok || len(p.rest) > 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60 {
		return 0, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second-offset, nanos, time.UTC).UnixMilli(), true
}

type isoParser struct {
	rest []byte
	ok   bool
}

func (p *isoParser) number(least, most int) int {
	n, digits := 0, 0
	for digits < most && digits < len(p.rest) && '0' <= p.rest[digits] && p.rest[digits] <= '9' {
		n = n*10 + int(p.rest[digits]-'0')
		digits++
	}
	p.ok = p.ok && digits >= least
	p.rest = p.rest[digits:]
	return n
}

func (p *isoParser) at(c byte) bool { return len(p.rest) > 0 && p.rest[0] == c }

func (p *isoParser) skip(c byte) {
	if !p.at(c) {
		p.ok = false
		return
	}
	p.rest = p.rest[1:]
}

// fraction is .123456 in nanoseconds.
func (p *isoParser) fraction() int {
	if !p.at('.') {
		return 0
	}
	p.rest = p.rest[1:]
	before := len(p.rest)
	n := p.number(1, 9)
	for range 9 - (before - len(p.rest)) {
		n *= 10
	}
	return n
}

// zone is +02, -03:30 or +00:19:32 in seconds.
func (p *isoParser) zone() int {
	sign := 0
	switch {
	case p.at('+'):
		sign = 1
	case p.at('-'):
		sign = -1
	default:
		return 0
	}
	p.rest = p.rest[1:]
	seconds := p.number(2, 2) * 3600
	for _, unit := range []int{60, 1} {
		if p.at(':') {
			p.rest = p.rest[1:]
			seconds += p.number(2, 2) * unit
		}
	}
	return sign * seconds
}
