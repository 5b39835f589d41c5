# SPDX-License-Identifier: Apache-2.0
"""Two tests with the broker of conftest.py. Run: pytest examples/testing"""

import pika
from kafka import KafkaProducer

from conftest import broker


def take(address, queue):
    """The first message of a queue."""
    host, port = address
    with pika.BlockingConnection(pika.ConnectionParameters(host, port)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        for method, _, body in channel.consume(queue, inactivity_timeout=10):
            assert method is not None, "nothing came"
            channel.basic_ack(method.delivery_tag)
            return body


def test_a_job_from_kafka_reaches_a_worker(tercet):
    producer = KafkaProducer(bootstrap_servers="%s:%d" % tercet["kafka"], acks="all")
    producer.send("jobs", b"one").get(timeout=10)
    producer.close()
    assert take(tercet["amqp"], "jobs") == b"one"


def test_brokers_are_apart(tercet):
    with broker() as other:
        assert set(other.values()).isdisjoint(tercet.values())
