#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the devices' readings from the start as a Kafka topic. usage: log_kafka.py [HOST:PORT]"""

import sys

from kafka import KafkaConsumer

server = sys.argv[1] if len(sys.argv) > 1 else "localhost:9092"

consumer = KafkaConsumer("devices", bootstrap_servers=server, auto_offset_reset="earliest",
                         consumer_timeout_ms=3000)
for record in consumer:
    key = record.key.decode() if record.key is not None else "-"
    print("offset %d key %s value %s" % (record.offset, key, record.value.decode()))
consumer.close()
