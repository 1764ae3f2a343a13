package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/topicio"
)

// maxLine is the longest line that produce reads from standard input.
const maxLine = 5 << 20

func (a *app) produceCommand() *cobra.Command {
	var messages []string
	var key, file string
	var props map[string]string
	c := &cobra.Command{Use: "produce TOPIC", GroupID: "messages", Short: "Publish messages: from -m, a file, or the lines of standard input", Args: args(1, "one topic"),
		Long: "Publishes each -m as a message, or a whole file, or each line of standard input. Returns when all are durable.",
		Example: "  strobe produce orders -m '{\"id\": 1}' -k customer-7\n" +
			"  seq 1000 | strobe produce numbers",
		RunE: func(c *cobra.Command, p []string) error {
			t, err := a.topic(p[0])
			if err != nil {
				return err
			}
			base := connectors.Record{Topic: t.String(), Key: []byte(key), HasKey: c.Flags().Changed("key")}
			for _, k := range sortedKeys(props) {
				base.Properties = append(base.Properties, connectors.Property{Key: k, Value: props[k]})
			}
			n, err := a.produce(c.Context(), base, messages, file)
			if err != nil {
				return err
			}
			return a.done("published %d messages to %s", n, t)
		}}
	a.inNamespace(c)
	c.Flags().StringArrayVarP(&messages, "message", "m", nil, "a message; may be given several times")
	c.Flags().StringVar(&file, "file", "", "a file whose bytes are one message")
	c.Flags().StringVarP(&key, "key", "k", "", "key of the messages")
	c.Flags().StringToStringVarP(&props, "property", "p", nil, "properties of the messages, key=value")
	return c
}

func (a *app) produce(ctx context.Context, base connectors.Record, messages []string, file string) (int, error) {
	client := topicio.NewClient(a.broker)
	defer client.Close()
	sink := topicio.NewSink(topicio.SinkOptions{Client: client})
	if err := sink.Connect(ctx); err != nil {
		if ctx.Err() != nil {
			return 0, fault.CLIUnanswered.New("connecting to %s", a.broker)
		}
		return 0, fault.CLIUnreachable.New("%s: %w", a.broker, err)
	}
	defer sink.Close()
	n := 0
	write := func(batch []connectors.Record) error {
		err := sink.Write(ctx, batch)
		if err != nil && ctx.Err() != nil {
			return fault.CLIUnanswered.New("%d messages were acknowledged, %d more were not", n, len(batch))
		}
		var some *connectors.BatchError
		if errors.As(err, &some) {
			for _, e := range some.Failed {
				return e
			}
		}
		if err == nil {
			n += len(batch)
		}
		return err
	}
	record := func(payload []byte) connectors.Record {
		r := base
		r.Payload = payload
		return r
	}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return 0, fault.CLIFile.New("%w", err)
		}
		err = write([]connectors.Record{record(data)})
		return n, err
	}
	if len(messages) > 0 {
		var batch []connectors.Record
		for _, m := range messages {
			batch = append(batch, record([]byte(m)))
		}
		err := write(batch)
		return n, err
	}
	return a.produceLines(record, write, &n)
}

// produceLines publishes the lines of standard input, in batches of what has arrived.
func (a *app) produceLines(record func([]byte) connectors.Record, write func([]connectors.Record) error, n *int) (int, error) {
	in := bufio.NewReaderSize(a.In, 64<<10)
	var batch []connectors.Record
	size := 0
	for {
		line, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return *n, err
		}
		end := errors.Is(err, io.EOF)
		if len(line) > 0 || !end {
			batch = append(batch, record(line))
			size += len(line)
		}
		if len(batch) > 0 && (end || in.Buffered() == 0 || len(batch) >= 1000 || size > 1<<20) {
			if err := write(batch); err != nil {
				return *n, err
			}
			batch, size = batch[:0], 0
		}
		if end {
			return *n, nil
		}
	}
}

func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fault.CLIUsage.New("a line of more than %d bytes", maxLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		return line, err
	}
}

// consumed is a message as consume prints it with -o json.
type consumed struct {
	ID         string            `json:"id"`
	Topic      string            `json:"topic"`
	Key        string            `json:"key,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	Published  time.Time         `json:"published"`
	EventTime  *time.Time        `json:"eventTime,omitempty"`
	Redelivery int32             `json:"redelivery,omitempty"`
	Null       bool              `json:"null,omitempty"`
	Text       string            `json:"text,omitempty"`
	Bytes      []byte            `json:"bytes,omitempty"`
}

func (a *app) consumeCommand() *cobra.Command {
	var subscription string
	var count int
	var earliest, keys bool
	var timeout time.Duration
	c := &cobra.Command{Use: "consume TOPIC", GroupID: "messages", Short: "Print messages as they come, and acknowledge them", Args: args(1, "one topic"),
		Long:    "Prints the messages of a subscription, one a line, and acknowledges each once it is printed. Ends with Ctrl-C, after -n messages, or after\n--timeout without a new one.",
		Example: "  strobe consume orders --earliest\n  strobe consume orders -s audit -n 10 -o json",
		RunE: func(c *cobra.Command, p []string) error {
			t, err := a.topic(p[0])
			if err != nil {
				return err
			}
			return a.consume(c.Context(), t, topicio.Subscription{Name: subscription, Earliest: earliest, Consumer: "strobe-cli"}, count, timeout, keys)
		}}
	a.inNamespace(c)
	c.Flags().StringVarP(&subscription, "subscription", "s", "strobe-cli", "name of the subscription")
	c.Flags().IntVarP(&count, "number", "n", 0, "end after so many messages; 0: go on")
	c.Flags().BoolVar(&earliest, "earliest", false, "begin a new subscription with the first message there is")
	c.Flags().BoolVar(&keys, "keys", false, "print the key before each message")
	c.Flags().DurationVar(&timeout, "timeout", 0, "end after this time without a message; 0: never")
	return c
}

func (a *app) consume(ctx context.Context, t topicName, s topicio.Subscription, count int, timeout time.Duration, keys bool) error {
	client := topicio.NewClient(a.broker)
	defer client.Close()
	src := topicio.NewSource(topicio.SourceOptions{Client: client, Topics: []string{t.String()}, Subscription: s})
	if err := src.Connect(ctx); err != nil {
		if connectors.ClassOf(err) == connectors.Retry {
			return fault.CLIUnreachable.New("%s: %w", a.broker, err)
		}
		return err
	}
	defer src.Close()
	out := bufio.NewWriter(a.Out)
	for n := 0; count == 0 || n < count; {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if timeout > 0 {
			wait, cancel = context.WithTimeout(ctx, timeout)
		}
		b, err := src.Read(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil // Ctrl-C
		case errors.Is(err, context.DeadlineExceeded):
			return fault.CLITimeout.New("no message for %s; %d were printed", timeout, n).WithFix("Publish something, or wait longer.")
		case err != nil:
			return err
		}
		take := len(b.Records)
		if count > 0 {
			take = min(take, count-n)
		}
		var done []int
		for i := range b.Records[:take] {
			if err := a.printMessage(out, &b.Records[i], keys); err != nil {
				return err
			}
			done = append(done, i)
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if err := b.Ack(ctx, done); err != nil {
			return err
		}
		n += take
	}
	return nil
}

func (a *app) printMessage(w io.Writer, r *connectors.Record, keys bool) error {
	if a.output == "table" {
		if keys {
			fmt.Fprintf(w, "%s\t", r.Key)
		}
		_, err := fmt.Fprintf(w, "%s\n", r.Payload)
		return err
	}
	id := fmt.Sprintf("%d:%d", r.ID.Ledger, r.ID.Entry)
	if r.ID.Batch >= 0 {
		id += ":" + strconv.Itoa(int(r.ID.Batch))
	}
	m := consumed{ID: id, Topic: r.Topic, Key: string(r.Key), Published: time.UnixMilli(r.PublishTime).UTC(), Redelivery: r.Redelivery, Null: r.Null}
	if r.EventTime != 0 {
		at := time.UnixMilli(r.EventTime).UTC()
		m.EventTime = &at
	}
	for _, p := range r.Properties {
		if m.Properties == nil {
			m.Properties = map[string]string{}
		}
		m.Properties[p.Key] = p.Value
	}
	if utf8.Valid(r.Payload) {
		m.Text = string(r.Payload)
	} else {
		m.Bytes = r.Payload
	}
	if a.output == "yaml" {
		fmt.Fprintln(w, "---")
		return writeYAML(w, m)
	}
	return json.NewEncoder(w).Encode(m)
}
