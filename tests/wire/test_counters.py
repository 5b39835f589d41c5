# SPDX-License-Identifier: Apache-2.0
"""Counters that no other test looks at: each tells what its sentence says."""

import os
import struct
import tempfile
import unittest

import amqp_raw as amqp
import mqtt_raw as m
import users
import ws_raw
from admin_raw import ask, counter
from tercet import Broker, BrokerCase, is_closed_by_peer, wait_for

CONFIG = """
delayed_max = 1
mqtt_max_payload = 64k

[listener web]
protocol = mqtt
port = 0
websocket = yes
"""
RULES = "user reader\ntopic read open/#\ntopic write open/#\nuser writer\ntopic readwrite #\n"
ACL_DENIED = 0x87


class Counters(BrokerCase):
    broker_options = {"data": True, "config": CONFIG}

    def mqtt(self, name="", **options):
        client = m.Client(self.broker.address("mqtt"))
        self.addCleanup(client.close)
        return client.connect(name, **options)

    def amqp(self):
        client = amqp.Client(self.broker)
        self.addCleanup(client.close)
        return client

    def rises(self, name, by=1):
        """A context in which this counter rises by so much or more."""
        return Rise(self.broker, name, by)

    def test_what_goes_through_mqtt(self):
        with self.rises("mqtt_connects_total", 2), self.rises("mqtt_packets_in_total", 10), \
                self.rises("mqtt_packets_out_total", 10), self.rises("mqtt_publish_in_total", 3), \
                self.rises("mqtt_publish_out_total", 3), \
                self.rises("mqtt_publish_bytes_in_total", 3000), \
                self.rises("mqtt_publish_bytes_out_total", 3000), \
                self.rises("core_published_total", 3), self.rises("core_delivered_total", 3), \
                self.rises("net_bytes_in_total", 3000), self.rises("net_bytes_out_total", 3000), \
                self.rises("net_turns_total", 5), self.rises("core_streams"), \
                self.rises("mqtt_connected", 2):
            receiver, sender = self.mqtt(), self.mqtt()
            receiver.subscribe(("through", 1))
            for _ in range(3):
                sender.publish("through", bytes(1000), 1)
                receiver.take("through")
            receiver.sync()

    def test_clients_of_mqtt_that_break_its_rules(self):
        for name, packets in (
                ("mqtt_malformed_total", m.packet(0x36, b"\0\1t\0\1")),
                ("mqtt_protocol_errors_total", m.connect("again")),
                ("mqtt_oversized_total", m.publish("t", bytes(70000), 1, 1))):
            with self.subTest(name=name), self.rises(name):
                client = self.mqtt()
                client.send(packets)

    def test_a_refused_connect(self):
        with self.rises("mqtt_refused_total"), m.Client(self.broker.address("mqtt"), 4) as client:
            client.send(m.connect("", 4, clean=False))
            self.assertEqual(client.expect(m.CONNACK).reason, 2)

    def test_shared_subscriptions_and_sessions(self):
        with self.rises("core_shared_subscriptions"):
            member = self.mqtt()
            member.subscribe("$share/g/shared")
        with self.rises("core_sessions_expired_total"):
            client = self.mqtt("short", clean=False, props=[(m.SESSION_EXPIRY, 1)])
            client.send(m.disconnect())
            client.ended()

    def test_what_is_delayed_beyond_the_limit(self):
        client = self.mqtt()
        client.publish("$delayed/3000/t", b"x", 1)
        with self.rises("core_delayed_refused_total"):
            client.publish("$delayed/3000/t", b"x", 1)

    def test_queues(self):
        c = self.amqp()
        c.call("queue.declare", queue="small", arguments={
            "x-max-length": 1, "x-overflow": "reject-publish"})
        c.call("queue.declare", queue="brief", arguments={"x-message-ttl": 1})
        with self.rises("core_queue_refused_total", 2):
            for _ in range(3):
                c.publish(b"x", "small")
            c.sync()
        with self.rises("core_queue_expired_total"):
            c.publish(b"x", "brief")
        c.call("queue.declare", queue="plain")
        with self.rises("core_queue_expired_total", 3):  # by a time of their own
            for _ in range(3):
                c.publish(b"x", "plain", expiration="0")
            self.assertIsNone(c.get("plain"))
        with self.rises("core_unrouted_total"):
            c.publish(b"x", "nowhere", "amq.direct")
            c.sync()
        with self.rises("core_redelivered_total"):
            c.get("small", no_ack=False)
            c.send("basic.nack", delivery_tag=0, multiple=True, requeue=True)
            c.get("small")

    def test_amqp(self):
        with self.rises("amqp_frames_in_total", 5), self.rises("amqp_frames_out_total", 5), \
                self.rises("amqp_channel_errors_total"):
            c = self.amqp()
            c.refused("queue.declare", queue="missing", passive=True)
        with self.rises("amqp_connection_errors_total"):
            c.publish(b"x", "small", immediate=True)
            self.assertEqual(c.refusal()[0], 540)

    def test_kafka(self):
        with self.rises("kafka_malformed_total"), self.broker.connect("kafka") as sock:
            sock.sendall(struct.pack(">ihhih", 10, 3, 0, 1, 0))  # Metadata without its body
            self.assertTrue(is_closed_by_peer(sock))

    def test_doors_and_web(self):
        with self.rises("admin_requests_total"), self.rises("admin_refused_total"):
            self.assertEqual(ask(self.broker, "GET", "/api/no-such")[0], 404)
        with self.rises("net_websockets_total"):
            ws_raw.connect(self.broker.address_of("web")).close()
        self.assertGreater(counter(self.broker, "store_free_bytes"), 0)


class Rise:
    def __init__(self, broker, name, by):
        self.broker, self.name, self.by = broker, name, by

    def __enter__(self):
        self.before = counter(self.broker, self.name)

    def __exit__(self, kind, value, trace):
        if kind is None:
            wait_for(lambda: counter(self.broker, self.name) >= self.before + self.by,
                     what="%s to rise by %d" % (self.name, self.by))


class Users(unittest.TestCase):
    def test_logins_and_rules(self):
        with tempfile.TemporaryDirectory() as folder:
            names = {"passwords": "".join("%s:%s\n" % (name, users.sha512(name))
                                          for name in ("reader", "writer")), "rules": RULES}
            for name, text in names.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(text)
            os.chmod(os.path.join(folder, "passwords"), 0o600)
            config = "password_file = %s/passwords\nacl_file = %s/rules\n" % (folder, folder)
            with Broker(data=True, config=config) as broker:
                def login(name, password, expect=0):
                    client = m.Client(broker.address("mqtt"))
                    self.addCleanup(client.close)
                    return client.connect(expect=expect, user=name, password=password)
                with Rise(broker, "core_logins_total", 2), \
                        Rise(broker, "core_passwords_checked_total", 2):
                    reader, writer = login("reader", "reader"), login("writer", "writer")
                with Rise(broker, "core_logins_refused_total", 1):
                    login("reader", "wrong", 0x86)
                with Rise(broker, "core_denied_total", 1):
                    self.assertEqual(reader.publish("shut/x", b"x", 1).reason, ACL_DENIED)
                reader.subscribe("#")
                with Rise(broker, "core_deliveries_denied_total", 1):
                    writer.publish("shut/x", b"x", 1)
                os.truncate(os.path.join(folder, "passwords"), 0)
                with Rise(broker, "core_revoked_total", 2):
                    broker.process.send_signal(1)
                    reader.ended()


if __name__ == "__main__":
    unittest.main()
