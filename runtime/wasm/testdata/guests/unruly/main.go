// Unruly does what each message's payload says: behave, or misbehave in one of many ways.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	strobe "github.com/strobemq/strobe/functions-sdk/golang"
)

func init() {
	strobe.Handle(handle)
}

var (
	calls int
	kept  [][]byte
)

func handle(ctx *strobe.Context, m strobe.Message) error {
	calls++
	verb, rest, _ := strings.Cut(string(m.Payload), " ")
	switch verb {
	case "echo":
		ctx.Emit(m)
	case "upper":
		m.Payload = []byte(strings.ToUpper(rest))
		ctx.Emit(m)
	case "describe":
		m.Payload = fmt.Appendf(nil, "%s %v key=%q props=%v event=%d publish=%d redelivery=%d null=%v",
			m.Topic, m.ID, m.Key, m.Properties, m.EventTime, m.PublishTime, m.Redelivery, m.Null)
		ctx.Emit(m)
	case "twice":
		ctx.Emit(m)
		ctx.EmitTo(rest, m)
	case "calls":
		m.Payload = fmt.Append(nil, calls)
		ctx.Emit(m)
	case "config":
		v, ok := ctx.Config(rest)
		m.Payload = fmt.Appendf(nil, "%q %v", v, ok)
		ctx.Emit(m)
	case "log":
		ctx.Log().Warn(rest)
		ctx.Log().Debug("calls: " + fmt.Sprint(calls))
	case "print":
		fmt.Println(rest)
		fmt.Fprint(os.Stderr, "half a ")
		fmt.Fprintln(os.Stderr, "line")
	case "chatter":
		for i := range 5000 {
			ctx.Log().Info(fmt.Sprint(i))
		}
	case "sleep":
		d, _ := time.ParseDuration(rest)
		time.Sleep(d)
		ctx.Emit(m)
	case "files":
		_, readErr := os.ReadFile("/etc/passwd")
		_, dirErr := os.ReadDir(".")
		m.Payload = fmt.Appendf(nil, "%v %v", readErr != nil, dirErr != nil)
		ctx.Emit(m)
	case "environment":
		m.Payload = fmt.Append(nil, os.Args, os.Environ())
		ctx.Emit(m)
	case "time":
		m.Payload = fmt.Append(nil, time.Now().UnixMilli())
		ctx.Emit(m)
	case "null":
		ctx.Emit(strobe.Message{Key: m.Key, Null: true})

	case "loop":
		for {
			calls++
		}
	case "panic":
		panic(rest)
	case "index":
		return errors.New(string(m.Payload[len(m.Payload)+calls]))
	case "exit":
		os.Exit(7)
	case "allocate":
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			kept = append(kept, b)
		}
	case "recurse":
		deeper(0)
	case "flood":
		for {
			fmt.Println(rest)
		}
	case "long":
		line := strings.Repeat("long ", 1<<18)
		fmt.Println(line)
		fmt.Fprintln(os.Stderr, line)
		ctx.Log().Info(line)
	case "reject":
		ctx.Emit(m) // is not published
		return strobe.Reject(rest)
	case "retry":
		return strobe.Retry(rest)
	case "error":
		return errors.New(rest)
	}
	return nil
}

func deeper(n int) int { return deeper(n+1) + calls }

func main() {}
