#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes jobs from the queue `jobs`, until none came for three seconds.

usage: worker_amqp.py [HOST [PORT]]"""

import sys

import pika

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 5672

connection = pika.BlockingConnection(pika.ConnectionParameters(host, port))
channel = connection.channel()
channel.queue_declare("jobs", durable=True)
channel.basic_qos(prefetch_count=1)
for method, properties, body in channel.consume("jobs", inactivity_timeout=3):
    if method is None:
        break
    print("doing", body.decode())
    channel.basic_ack(method.delivery_tag)
channel.cancel()
connection.close()
