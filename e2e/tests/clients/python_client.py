"""Produces 500 records and consumes 1,000 in a group with kafka-python; prints what it saw."""

import sys

from kafka import KafkaConsumer, KafkaProducer

bootstrap, topic = sys.argv[1:3]

producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, compression_type="gzip")
sent = [producer.send(topic, key=b"k%d" % (n % 7), value=b"python %d" % n) for n in range(500)]
producer.flush(timeout=30)
for future in sent:
    future.get(timeout=30)

consumer = KafkaConsumer(
    topic,
    bootstrap_servers=bootstrap,
    group_id="python",
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    consumer_timeout_ms=20000,
)
seen = set()
for record in consumer:
    seen.add((record.partition, record.offset))
    if len(seen) == 1000:
        break
consumer.commit()
for partition in consumer.assignment():
    assert consumer.committed(partition) == consumer.position(partition), partition
consumer.close()
print("consumed", len(seen))
