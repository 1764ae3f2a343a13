"""A smoke test of the stock Python client (the wheel of the C++ client): python smoke.py pulsar://host:port"""

import sys

import pulsar

url = sys.argv[1]
client = pulsar.Client(url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))


def check(what, ok):
    if not ok:
        sys.exit("python: " + what)


for name, compression in [("none", pulsar.CompressionType.NONE), ("lz4", pulsar.CompressionType.LZ4),
                          ("zlib", pulsar.CompressionType.ZLib), ("zstd", pulsar.CompressionType.ZSTD),
                          ("snappy", pulsar.CompressionType.SNAPPY)]:
    topic = "python-" + name
    for kind in [pulsar.ConsumerType.Exclusive, pulsar.ConsumerType.Shared, pulsar.ConsumerType.Failover, pulsar.ConsumerType.KeyShared]:
        consumer = client.subscribe(topic, "sub-%s" % kind, consumer_type=kind)
        producer = client.create_producer(topic, compression_type=compression, batching_enabled=kind != pulsar.ConsumerType.KeyShared)
        for i in range(50):
            producer.send_async(("message %d" % i).encode(), lambda result, _: check("send: %s" % result, result == pulsar.Result.Ok),
                                partition_key="key-%d" % (i % 5), properties={"i": str(i)})
        producer.flush()
        seen = []
        for _ in range(50):
            message = consumer.receive(5000)
            seen.append(message.data())
            check("properties", message.properties()["i"] == message.data().decode().split()[1])
            consumer.acknowledge(message)
        check("%s %s: order or content" % (topic, kind), sorted(seen) == sorted(("message %d" % i).encode() for i in range(50)))
        producer.close()
        consumer.close()

reader = client.create_reader("python-none", pulsar.MessageId.earliest)
count = 0
while reader.has_message_available():
    reader.read_next(5000)
    count += 1
check("reader found %d messages instead of 200" % count, count == 200)

consumer = client.subscribe("python-nack", "sub", consumer_type=pulsar.ConsumerType.Shared, negative_ack_redelivery_delay_ms=100)
producer = client.create_producer("python-nack")
producer.send(b"again")
message = consumer.receive(5000)
consumer.negative_acknowledge(message)
message = consumer.receive(5000)
check("redelivery count", message.redelivery_count() == 1)
consumer.acknowledge(message)
consumer.seek(pulsar.MessageId.earliest)
check("seek", consumer.receive(5000).data() == b"again")
client.close()
print("python: pulsar-client", pulsar.__version__, "passes")
