# SPDX-License-Identifier: Apache-2.0
"""One test for each way in which brokers of MQTT were brought down or made to leak, by clients that
mean it. What each is about stands in its name; the broker must serve others all the while."""

import socket
import struct
import threading
import time

import mqtt_raw as m
from mqtt_case import MqttCase
from tercet import SCALE, is_closed_by_peer, wait_for

MIB = 1 << 20


class Hostile(MqttCase):

    def setUp(self):
        self.witness = self.client()

    def tearDown(self):
        self.assertIsNotNone(self.broker.pid)
        self.witness.sync()

    def raw(self, *data):
        sock = socket.create_connection(self.address, timeout=10 * SCALE)
        self.addCleanup(sock.close)
        for part in data:
            sock.sendall(part)
        return sock

    def assert_ended(self, *data, version=5):
        """What a connected client sends so ends its connection."""
        client = self.client(version=version)
        client.send(*data)
        self.assert_ends(client)

    # ---- memory by declared lengths, before a login and after ----

    def test_a_declared_length_of_a_first_packet_takes_no_memory(self):
        before = self.broker.rss()
        for kind in range(16):
            for _ in range(5):
                sock = self.raw(bytes([kind << 4]) + m.varint(100 * MIB) + b"x" * 100)
                self.assertTrue(is_closed_by_peer(sock), kind)
        held = [self.raw(b"\x10" + m.varint(60000) + b"\0\4MQTT\5") for _ in range(300)]
        self.witness.sync()
        self.assertLess(self.broker.rss() - before, 20 * MIB)
        for sock in held:
            sock.close()

    def test_a_declared_length_of_a_clients_packet_takes_no_memory(self):
        before = self.broker.rss()
        clients = [self.client() for _ in range(100)]
        for client in clients:
            client.send(b"\x30" + m.varint(100 * MIB) + m.string("t") + b"\0" + b"x" * 100)
        self.witness.sync()
        self.assertLess(self.broker.rss() - before, 20 * MIB)

    # ---- lengths inside that go beyond what is there ----

    def test_lengths_inside_a_packet_never_reach_beyond_it(self):
        for body in (b"\xff\xff" + b"t", b"\0\1", b"\0\1t\xff\xff\xff\x7f", b"\0\1t\x05\x0b",
                     b"\0\1t\x03\x26\xff\xff", b"\0\1t\x80\x80\x80\x80\x01", b"\0\1t\x7f", b""):
            self.assert_ended(m.packet(0x30, body))
        for body in (b"\0", b"\0\1", b"\0\1\0", b"\0\1\0\xff\xff", b"\0\1\0\0\1a",
                     b"\0\1\x02\x0b\x80\0\1a\0"):
            self.assert_ended(m.packet(0x82, body))
        self.assert_ended(b"\x30\xff\xff\xff\xff\x01")  # a length of five bytes
        for kind in (m.PUBACK, m.PUBREC, m.PUBREL, m.PUBCOMP, m.UNSUBSCRIBE):
            self.assert_ended(bytes([kind << 4 | (2 if kind in (m.PUBREL, m.UNSUBSCRIBE) else 0), 1,
                                     0]))

    def test_a_connect_cut_anywhere_is_no_login(self):
        whole = m.connect("cut", will={"topic": "w", "payload": b"p", "props": [(m.WILL_DELAY, 1)]},
                          user=b"u", password=b"p", props=[(m.SESSION_EXPIRY, 1)])
        body = whole[2:]
        for n in range(len(body)):
            self.assertTrue(is_closed_by_peer(self.raw(m.packet(0x10, body[:n]))), n)

    # ---- packets that are well-formed and wrong ----

    def test_packets_that_only_a_server_sends(self):
        for version in (3, 4, 5):
            for first in (0x00, 0x20, 0x90, 0xb0, 0xd0):
                for body in (b"", b"\0\0", b"\0\1\0", b"\0\1\0\0"):
                    self.assert_ended(m.packet(first, body), version=version)

    def test_topics_of_length_zero_and_of_the_brokers_own(self):
        self.assert_ended(m.publish("", b"x"))
        self.assert_ended(m.publish("", b"x", version=4), version=4)
        client = self.client()
        for topic in ("$", "$SYS", "$SYS/x", "$share", "$share/", "$share/g/x", "$queue/", "$/x"):
            self.assertIn(client.publish(topic, b"x", 1).reason, (0, 0x10, 0x87), topic)
        for name in ("$", "$share", "$share/", "$share/g", "$share/g/", "$share//x", "$queue/"):
            self.assertIn(self.client().subscribe(name)[0], (0, 0x8f), name)

    # ---- what a client can do again and again ----

    def cycle(self, i):
        client = self.open()
        client.send(m.connect("cycle-%d" % (i % 50), clean=i % 2 == 0,
                              props=[(m.SESSION_EXPIRY, 1)],
                              will={"topic": "w/%d" % i, "payload": b"x" * 200,
                                    "props": [(m.USER, ("a", "b"))]}),
                    m.subscribe(1, [("c/%d/#" % i, 2), ("$share/g/c/%d" % i, 1)]),
                    m.publish("c/%d" % i, b"x" * 500, 2, 5),
                    m.publish("c/%d" % i, b"x" * 500, 2, 5, dup=True),
                    m.publish("c/%d" % i, b"x" * 500, 1, 6), m.unsubscribe(2, ["c/%d/#" % i]))
        if i % 3 == 0:  # a will that is none
            self.raw(m.connect("bad", will={"topic": "w", "props": [(m.ALIAS, 1)]})).close()
        client.expect(m.CONNACK)
        client.close()

    def test_thousands_of_cycles_leave_no_memory_behind(self):
        for i in range(400):
            self.cycle(i)
        self.witness.sync()
        before = self.broker.rss()
        for i in range(1200):
            self.cycle(i)
        self.witness.sync()
        # what the streams keep is counted by the log's memory, which ephemeral brokers have
        self.assertLess(self.broker.rss() - before, 24 * MIB)

    def test_the_same_identifier_again_and_again_while_messages_come(self):
        stop = threading.Event()
        troubles = []

        def take_over(seed):
            n = 0
            while not stop.is_set():
                client = m.Client(self.address)
                try:
                    n += 1
                    client.send(m.connect("one", clean=(n + seed) % 3 == 0,
                                          props=[(m.SESSION_EXPIRY, 60)]),
                                m.subscribe(1, [("fan/#", n % 3)]),
                                m.unsubscribe(2, ["fan/#"] if n % 2 else ["fan/1"]))
                    client.receive(0.02)
                except (OSError, EOFError):
                    pass
                except AssertionError as error:
                    troubles.append(error)
                finally:
                    client.close()

        threads = [threading.Thread(target=take_over, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 2
        sent = 0
        while time.monotonic() < until:
            for qos in (0, 1, 2):
                self.witness.publish("fan/%d" % (sent % 3), b"x" * 100, qos)
            sent += 1
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(troubles, [])
        self.assertGreater(sent, 10)

    # ---- processor time ----

    def seconds_for(self, client, *data):
        before = self.broker.cpu()
        client.send(*data)
        try:
            client.sync()
        except (EOFError, OSError):
            pass
        self.witness.sync()
        return self.broker.cpu() - before

    def test_property_levels_and_filters_cost_what_their_bytes_cost(self):
        many = b"\x26\0\1a\0\1b" * 400000  # 2.8 MB of user properties: more than may be
        body = m.string("t") + m.varint(len(many)) + many
        self.assertLess(self.seconds_for(self.client(), m.packet(0x30, body)), 1 * SCALE)
        few = [(m.USER, ("a", "b"))] * 1000
        client = self.client()
        self.assertLess(self.seconds_for(client, *[m.publish("t", b"", props=few)] * 100),
                        2 * SCALE)
        deep = "/".join("x" * 200)
        self.assertEqual(client.subscribe(deep), [0])
        self.assertEqual(self.witness.publish(deep, b"x", 1).reason, 0)
        client.expect_publish(deep)
        self.assert_ended(m.publish("/" * 60000, b"x"))
        self.assert_ended(m.subscribe(1, [("+/" * 30000 + "#", 0)]))
        client = self.client()
        filters = b"".join(m.string("f/%d/+" % i) + b"\0" for i in range(20000))
        self.assertLess(self.seconds_for(client, m.packet(0x82, b"\0\1\0" + filters)), 4 * SCALE)
        hashes = b"".join(m.string("+/" * 100 + "%d" % i) + b"\0" for i in range(2000))
        client = self.client()
        self.assertLess(self.seconds_for(client, m.packet(0x82, b"\0\1\0" + hashes)), 4 * SCALE)
        self.assertLess(self.seconds_for(self.client(), *[m.publish("/" * 101, b"x")] * 200),
                        4 * SCALE)

    # ---- who holds a place and says nothing ----

    def test_a_flood_of_connections_leaves_others_their_share_and_goes_away(self):
        before = self.broker.open_files()
        flood = [self.raw(m.connect("flood-%d" % i)[:-1]) for i in range(400)]  # all but a byte
        start = time.monotonic()
        for _ in range(20):
            self.client().sync()
        self.assertLess(time.monotonic() - start, 5 * SCALE)
        for sock in flood:
            sock.close()
        wait_for(lambda: self.broker.open_files() < before + 60, 10)

    def test_who_reads_nothing_is_no_burden(self):
        reader = self.client()
        reader.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.subscribe("burden/#")
        before = self.broker.rss()
        for _ in range(40):
            self.witness.send(m.publish("burden/x", b"x" * MIB))
        self.witness.sync()
        # the log of a broker in memory holds them too
        self.assertLess(self.broker.rss() - before, 120 * MIB)

    def test_a_client_that_resets_in_the_middle_of_everything(self):
        for i in range(200):
            sock = self.raw(m.connect("reset-%d" % i), m.subscribe(1, [("r/#", 1)]),
                            m.publish("r/x", b"x" * 5000, 1, 2), b"\x32\xff\x7f")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        self.witness.sync()
