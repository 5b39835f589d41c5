#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Puts five jobs into the queue `jobs`, by Kafka. usage: jobs_kafka.py [HOST:PORT]"""

import sys

from kafka import KafkaProducer

server = sys.argv[1] if len(sys.argv) > 1 else "localhost:9092"

producer = KafkaProducer(bootstrap_servers=server, acks="all")
for number in range(5):
    told = producer.send("jobs", b"job %d" % number).get(timeout=10)
    print("queued at offset", told.offset)
producer.close()
