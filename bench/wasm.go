package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/strobemq/strobe/bench/floor"
	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/runtime/wasm"
)

// wasmRecords is how many messages one call has.
const wasmRecords = 100

// measureWasm calls the echo function through runtime/wasm and a guest that copies through wazero alone, with wasmRecords messages a call.
func measureWasm(ctx context.Context, b *bench) error {
	path, err := b.buildFunction(ctx, "echo")
	if err != nil {
		return err
	}
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw, err := b.buildRaw(ctx)
	if err != nil {
		return err
	}
	guest, err := floor.NewRawGuest(ctx, raw)
	if err != nil {
		return err
	}
	defer guest.Close()
	const topic = "persistent://public/default/out"
	processor, err := wasm.NewEngine(wasm.EngineOptions{}).New(ctx, module, wasm.Options{Namespace: "public/default", Output: topic, Logs: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return err
	}
	defer processor.Close()
	for _, size := range []int{100, 1024} {
		one := load.Payload(size)
		in := make([]connectors.Record, wasmRecords)
		for i := range in {
			in[i] = connectors.Record{Topic: "persistent://public/default/in", Payload: one, ID: connectors.MessageID{Ledger: 1, Entry: int64(i), Batch: -1, Partition: -1}}
		}
		ours := b.caller(strobe, func() error {
			out, _, err := processor.Process(ctx, in)
			if err == nil && len(out) != wasmRecords {
				err = fmt.Errorf("%d outputs of %d records", len(out), wasmRecords)
			}
			return err
		})
		r, err := b.alternate(ctx, ours, b.callRaw(ctx, guest, size))
		if err != nil {
			return err
		}
		row := r.row(report.Row{What: fmt.Sprintf("WASM calls in messages, %d B, 100 a call", size), Of: "F6", Goal: report.AtLeast(0.8)}, strobe, "F6", "messages")
		b.add(row)
		b.add(r.row(report.Row{What: fmt.Sprintf("WASM time for a message of %d B, 100 a call", size), Unit: report.Nanoseconds, Of: "F6"}, strobe, "F6", "ns"))
		if err := b.profileMiss(ctx, row, "", ours.slice); err != nil {
			return err
		}
	}
	return nil
}

// callRaw is the contender F6 with messages of a size.
func (b *bench) callRaw(ctx context.Context, guest *floor.RawGuest, size int) contender {
	in := make([][]byte, wasmRecords)
	for i := range in {
		in[i] = load.Payload(size)
	}
	return b.caller("F6", func() error {
		out, err := guest.Call(ctx, in)
		if err == nil && len(out) != wasmRecords*(4+size) {
			err = fmt.Errorf("%d bytes of output", len(out))
		}
		return err
	})
}

// caller is a contender that calls do over and over; each call has wasmRecords messages.
func (b *bench) caller(name string, do func() error) contender {
	return contender{name, func(context.Context) (sample, error) {
		calls := 0
		begin := time.Now()
		for d := b.shorter(sliceTime / 3); time.Since(begin) < d; calls += 100 {
			for range 100 {
				if err := do(); err != nil {
					return nil, err
				}
			}
		}
		each := time.Since(begin).Seconds() / float64(calls*wasmRecords)
		return sample{"messages": 1 / each, "ns": each * 1e9}, nil
	}}
}
