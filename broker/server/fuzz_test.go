package server

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// Whatever a client sends, nothing falls over, the connection's end takes everything of it along, and a good client is served.
func FuzzConnection(f *testing.F) {
	file, err := os.Open("../wire/testdata/frames.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	name := aTopic
	begin := wire.AppendCommand(nil, wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: proto.Uint64(1), RequestId: proto.Uint64(1)})
	begin = wire.AppendCommand(begin, wire.TypeSubscribe, &pb.Subscribe{Topic: &name, Subscription: proto.String("s"), SubType: pb.Subscribe_SHARED.Enum(), ConsumerId: proto.Uint64(1), RequestId: proto.Uint64(2)})
	for s := bufio.NewScanner(file); s.Scan(); {
		var g struct{ Dir, Hex string }
		if err := json.Unmarshal(s.Bytes(), &g); err != nil {
			f.Fatal(err)
		}
		if raw, err := hex.DecodeString(g.Hex); err == nil && g.Dir == "client" {
			f.Add(append(begin[:len(begin):len(begin)], raw...))
		}
	}
	f.Add(append(begin[:len(begin):len(begin)], sendFrame(1, 1, []byte("x"))...))
	f.Add([]byte{0x7f, 0, 0, 0, 0, 0, 0, 9, 8, 6, 0x32, 4, 8, 1, 16, 1})
	b := newBroker(f, func(o *Options, _ *topic.Options) { o.MaxMessageSize = 10_000 })
	f.Fuzz(func(t *testing.T, in []byte) {
		near, far := net.Pipe()
		b.server.start(far)
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = io.Copy(io.Discard, near)
		}()
		_, _ = near.Write(wire.AppendCommand(nil, wire.TypeConnect, &pb.Connect{ClientVersion: proto.String("x"), ProtocolVersion: proto.Int32(21)}))
		_, _ = near.Write(in) // fails when the broker has heard enough
		_ = near.Close()
		<-drained
		eventually(t, "the connection is gone", func() bool { return b.server.Stats().Connections == 0 })
		eventually(t, "what it published is answered", func() bool { return b.server.Stats().PublishBytes == 0 })
	})
}
