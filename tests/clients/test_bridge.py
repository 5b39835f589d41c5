# SPDX-License-Identifier: Apache-2.0
"""Bridges to another tercetd, to mosquitto, and from mosquitto."""

import os
import socket
import subprocess
import tempfile
import unittest

import mqtt_raw as m
import users
from mqtt_case import Mosquitto, free_port, mosquitto_program
from tercet import SCALE, TOP, Broker, program, wait_for

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
FAST = "restart_timeout = 50ms\nrestart_timeout_max = 100ms\n"
NEVER = 0xffffffff
WINDOW = 200


def bridge(port, *topics, name="up", host="127.0.0.1", more=""):
    return "[bridge %s]\naddress = %s:%d\n%s%s%s\n" % (
        name, host, port, "".join("topic = %s\n" % t for t in topics), FAST, more)


def pump(client, topic, payloads, qos):
    """Publishes all of them, a window at a time, and waits until they are acknowledged."""
    first, last = {1: (m.PUBACK, m.PUBACK), 2: (m.PUBREC, m.PUBCOMP)}[qos]
    for start in range(0, len(payloads), WINDOW):
        part = payloads[start:start + WINDOW]
        client.send(*[m.publish(topic, p, qos, i + 1, version=client.version)
                      for i, p in enumerate(part)])
        left = len(part)
        while left:
            got = client.receive()
            assert got is not None and got.type in (first, last), got
            if got.type == last:
                left -= 1
            else:
                client.send(m.ack(m.PUBREL, got.pid))


class Reader:
    """A subscriber whose session outlives its connections; keeps what came for good."""

    def __init__(self, broker, client_id, *filters, qos=2):
        self.broker, self.id = broker, client_id
        self.got, self.again, self.open = [], 0, {}
        with self.connect() as client:
            client.subscribe(*[(f, qos) for f in filters])

    def connect(self):
        return m.Client(self.broker.address("mqtt")).connect(
            self.id, clean=False, props=[(m.SESSION_EXPIRY, NEVER)])

    def read(self, count, seconds=60):
        """Until `count` messages are there in all, then whatever else comes."""
        with self.connect() as client:
            while len(self.got) < count:
                packet = client.receive(seconds)
                assert packet is not None, "%d of %d came" % (len(self.got), count)
                self.take(client, packet)
            for packet in client.sync():
                self.take(client, packet)
        return self.got

    def take(self, client, packet):
        if packet.type == m.PUBREL:
            client.send(m.ack(m.PUBCOMP, packet.pid))
            self.open.pop(packet.pid, None)
            return
        assert packet.type == m.PUBLISH, packet
        if packet.qos == 2:
            if packet.pid not in self.open:
                self.got.append(packet.payload)
            self.open[packet.pid] = True
            client.send(m.ack(m.PUBREC, packet.pid))
            return
        self.again += packet.dup
        self.got.append(packet.payload)
        if packet.qos == 1:
            client.send(m.ack(m.PUBACK, packet.pid))


def in_order_at_least_once(got):
    """What is left when repetitions are taken out, which come only as a run gone back to."""
    seen, first = set(), []
    for payload in got:
        if payload not in seen:
            seen.add(payload)
            first.append(payload)
    return first


class BridgeCase(unittest.TestCase):

    def start(self, **options):
        broker = Broker(keep_ports=True, **options)
        broker.__enter__()
        self.addCleanup(broker.__exit__, None, None, None)
        return broker

    def mosquitto(self, **options):
        if mosquitto_program() is None:
            self.skipTest("mosquitto is not installed")
        broker = Mosquitto(**options)
        broker.start()
        self.addCleanup(broker.__exit__, None, None, None)
        return broker

    def client(self, broker, client_id="", **options):
        version = options.pop("version", 5)
        client = m.Client(broker.address("mqtt"), version).connect(client_id, **options)
        self.addCleanup(client.close)
        return client

    def up(self, broker, times=1):
        """Waits until the broker's bridge is connected, for the n-th time."""
        wait_for(lambda: broker.log().count("bridge.connected") >= times, 30, "the bridge")

    def subscribed(self, broker, *filters, qos=2, **options):
        client = self.client(broker, **options)
        client.subscribe(*[(f, qos) for f in filters])
        return client

    def arrives(self, client, topic, payload):
        packet = client.expect_publish(topic, payload)
        if packet.qos == 1:
            client.send(m.ack(m.PUBACK, packet.pid))
        elif packet.qos == 2:
            client.send(m.ack(m.PUBREC, packet.pid))
            client.expect(m.PUBREL)
            client.send(m.ack(m.PUBCOMP, packet.pid))
        return packet


class Crossing(BridgeCase):
    """What goes over a bridge, and under which names."""

    def cross(self, far, version):
        near = self.start(config=bridge(
            far.address("mqtt")[1], "a/# out 1 l/ r/", 'b/+ in 2 in/ ""', "c both 2 l/ r/",
            '"" both 0 here there',
            more="version = %s\n" % version))
        self.up(near)
        at_far = self.subscribed(far, "r/#", "there", version=4)
        at_near = self.subscribed(near, "in/#", "l/c", "here", version=4)
        wait_for(lambda: self.asked(far, near, at_far, at_near), 20, "the subscription")
        self.client(near, version=4).publish("l/a/x/y", b"1", 1)
        self.arrives(at_far, "r/a/x/y", b"1")
        self.client(near, version=4).publish("l/c", b"2", 2)
        self.arrives(at_far, "r/c", b"2")
        self.arrives(at_near, "l/c", b"2")
        self.client(far, version=4).publish("r/c", b"3", 2)
        self.arrives(at_near, "l/c", b"3")
        self.arrives(at_far, "r/c", b"3")
        self.client(near, version=4).publish("here", b"4")
        self.arrives(at_far, "there", b"4")
        self.arrives(at_near, "here", b"4")
        self.client(near, version=4).publish("in/b/2", b"not out", 1)
        self.arrives(at_near, "in/b/2", b"not out")
        at_far.nothing()
        at_near.nothing()
        near.stop()  # the next one has the same name there

    def asked(self, far, near, at_far, at_near):
        """What is published there comes here: the bridge's SUBSCRIBE was handled."""
        self.client(far, version=4).publish("b/1", b"x", 0)
        found = at_near.receive(0.3)
        return found is not None and found.topic == "in/b/1"

    def test_between_two_of_ours_in_each_version(self):
        far = self.start()
        for version in ("3.1", "3.1.1", "5"):
            with self.subTest(version=version):
                self.cross(far, version)

    def test_with_mosquitto_in_each_version(self):
        far = self.mosquitto()
        for version in ("3.1.1", "5"):
            with self.subTest(version=version):
                self.cross(far, version)

    def test_properties_and_retain_flags_cross_in_version_5(self):
        far = self.start()
        near = self.start(config=bridge(far.port("mqtt"), "p/# both 1"))
        self.up(near)
        at_far = self.subscribed(far, "p/#")
        props = [(m.CONTENT_TYPE, "text/plain"), (m.RESPONSE_TOPIC, "answers"),
                 (m.CORRELATION, b"\0\1"), (m.USER, ("colour", "red"))]
        self.client(near).publish("p/1", b"x", 1, retain=True, props=props)
        packet = self.arrives(at_far, "p/1", b"x")
        for prop, value in props:
            self.assertIn((prop, value), packet.props)
        self.assertEqual([name for name, _ in packet.all(m.USER)], ["colour", "tercet-via"])
        late = self.subscribed(far, "p/#")
        self.assertTrue(self.arrives(late, "p/1", b"x").retain)

    def test_what_was_retained_before_goes_over_at_the_first_connection(self):
        near = self.start(data=True)
        self.client(near).publish("kept/1", b"value", 1, retain=True)
        near.stop()
        far = self.start()
        near.config = bridge(far.port("mqtt"), "kept/# out 1")
        near.start()
        self.up(near)
        at_far = self.client(far)
        wait_for(lambda: at_far.subscribe(("kept/#", 1)) and at_far.receive(0.3), 20, "retained")

    def test_state_is_told_at_both_sides(self):
        far = self.start()
        topic = "$SYS/broker/connection/me.up/state"
        at_far = self.subscribed(far, topic)
        near = self.start(config=bridge(far.port("mqtt"), "x", more="remote_clientid = me.up\n"))
        self.arrives(at_far, topic, b"1")
        at_near = self.client(near)
        wait_for(lambda: near.log().count("bridge.connected"), 20)
        at_near.subscribe(topic)
        self.assertEqual(at_near.expect(m.PUBLISH).payload, b"1")
        far.kill()
        self.arrives(at_near, topic, b"0")
        far.start()
        self.arrives(at_near, topic, b"1")
        at_far = self.subscribed(far, topic)
        wait_for(lambda: (at_far.receive(1) or at_far.connack).__dict__.get("payload") == b"1", 20)
        near.stop()
        self.arrives(at_far, topic, b"0")


class Waiting(BridgeCase):
    """The link is down, or goes down, or one of the brokers dies."""

    MANY = 3000

    def payloads(self, count):
        return [b"%d" % n for n in range(count)]

    def test_what_was_published_before_the_first_connection_comes_in_order(self):
        for qos in (1, 2):
            with self.subTest(qos=qos):
                far = self.start(data=True)
                reader = Reader(far, "reader", "q/#", qos=qos)
                far.stop()
                near = self.start(data=True,
                                  config=bridge(far.port("mqtt"), "q/# out %d" % qos))
                pump(self.client(near), "q/1", self.payloads(self.MANY), qos)
                near.kill()  # what waits is in the log
                near.start()
                far.start()
                got = reader.read(self.MANY)
                self.assertEqual(got, self.payloads(self.MANY))
                self.assertEqual(reader.again, 0)

    def kills(self, qos, times, whose):
        """Publishes all the while, and kills one of the two again and again."""
        far = self.start(data=True)
        reader = Reader(far, "reader", "k/#", qos=qos)
        near = self.start(data=True, config=bridge(far.port("mqtt"), "k/# out %d" % qos))
        self.up(near)
        victim = {"far": far, "near": near}[whose]
        sent = []
        for n in range(times):
            part = [b"%d" % i for i in range(len(sent), len(sent) + 100)]
            pump(self.client(near), "k/1", part, qos)
            sent += part
            victim.kill()
            victim.start()
        got = reader.read(len(sent))
        return sent, reader, got

    def test_the_far_broker_is_killed_at_qos_1(self):
        sent, reader, got = self.kills(1, 5, "far")
        wait_for(lambda: set(reader.got) >= set(sent) or reader.read(len(reader.got) + 1, 5), 60)
        self.assertEqual(in_order_at_least_once(reader.got), sent)

    def test_the_far_broker_is_killed_twenty_times_at_qos_2(self):
        sent, _, got = self.kills(2, 20, "far")
        self.assertEqual(got, sent)

    def test_our_broker_is_killed_at_qos_2(self):
        sent, _, got = self.kills(2, 5, "near")
        self.assertEqual(got, sent)

    def test_what_is_published_there_meanwhile_comes_when_we_are_back(self):
        far = self.start(data=True)
        near = self.start(data=True, config=bridge(far.port("mqtt"), "i/# in 2"))
        self.up(near)
        reader = Reader(near, "reader", "i/#")
        wait_for(lambda: self.subscription_is_there(far, near, reader), 20)
        for n in range(4):
            near.kill() if n % 2 else near.stop()
            pump(self.client(far), "i/1", [b"%d.%d" % (n, i) for i in range(200)], 2)
            near.start()
        want = [b"%d.%d" % (n, i) for n in range(4) for i in range(200)]
        reader.got.clear()
        self.assertEqual(reader.read(len(want)), want)

    def subscription_is_there(self, far, near, reader):
        self.client(far).publish("i/probe", b"probe", 2)
        with reader.connect() as client:
            packet = client.receive(0.5)
            if packet is None:
                return False
            reader.take(client, packet)
            reader.take(client, client.expect(m.PUBREL))
            return True

    def test_what_waits_for_a_bridge_that_is_taken_out_is_forgotten(self):
        far = self.start()
        near = self.start(data=True, config=bridge(free_port(), "f/# out 1"))
        pump(self.client(near), "f/1", [b"old"], 1)
        near.stop()
        near.config = ""
        near.start()
        self.assertIn('bridge.forgotten session="local.', near.log())
        near.stop()
        at_far = self.subscribed(far, "f/#")
        near.config = bridge(far.port("mqtt"), "f/# out 1")
        near.start()
        self.up(near)
        pump(self.client(near), "f/1", [b"new"], 1)
        self.arrives(at_far, "f/1", b"new")

    def test_a_clean_bridge_passes_over_what_it_missed(self):
        far = self.start(data=True)
        near = self.start(data=True, config=bridge(far.port("mqtt"), "c/# out 1",
                                                   more="cleansession = yes\n"))
        self.up(near)
        far.stop()
        wait_for(lambda: "bridge.disconnected" in near.log(), 20)
        pump(self.client(near), "c/1", [b"missed"], 1)
        far.start()
        self.up(near, 2)
        at_far = self.subscribed(far, "c/#")
        pump(self.client(near), "c/1", [b"seen"], 1)
        self.arrives(at_far, "c/1", b"seen")


class Circles(BridgeCase):

    def test_two_brokers_that_bridge_each_other_do_not_storm(self):
        one = self.start(data=True)
        two = self.start(data=True, config=bridge(one.port("mqtt"), "s/# both 1"))
        one.stop()
        one.config = bridge(two.port("mqtt"), "s/# both 1")
        one.start()
        self.up(one)
        self.up(two)
        at_one, at_two = self.subscribed(one, "s/#"), self.subscribed(two, "s/#")
        self.client(one).publish("s/1", b"from one", 1)
        self.client(two).publish("s/2", b"from two", 1)
        for client in (at_one, at_two):
            seen = set()
            while seen != {b"from one", b"from two"}:
                packet = client.expect(m.PUBLISH)
                client.send(m.ack(m.PUBACK, packet.pid))
                seen.add(packet.payload)
        # each has two ways, which both may bring it
        extra = [self.left(client) for client in (at_one, at_two)]
        self.assertLessEqual(max(extra), 2)

    def both_ways(self, one, at_one, two, at_two):
        """What is published at either comes to both, and then there is silence."""
        self.client(one, version=4).publish("s/1", b"from one", 1)
        self.client(two, version=4).publish("s/2", b"from two", 1)
        for client in (at_one, at_two):
            seen = set()
            while seen != {b"from one", b"from two"}:
                seen.add(client.expect(m.PUBLISH).payload)
        # each bridge brings it to the other broker, and one of them back to its own: of the five
        # that the first gets at most, two have come
        self.assertLessEqual(max(self.left(client) for client in (at_one, at_two)), 3)

    def test_before_version_5_two_bridges_do_not_storm_when_one_does_not_relay(self):
        one = self.start(data=True)
        two = self.start(data=True, config=bridge(one.port("mqtt"), "s/# both 1",
                                                  more="version = 3.1.1\n"))
        one.stop()
        one.config = bridge(two.port("mqtt"), "s/# both 1",
                            more="version = 3.1.1\nrelay = no\n")
        one.start()
        self.up(one)
        self.up(two)
        self.both_ways(one, self.subscribed(one, "s/#", qos=0, version=4),
                       two, self.subscribed(two, "s/#", qos=0, version=4))

    def test_mosquitto_and_we_bridge_each_other_and_do_not_storm(self):
        ours = self.start(data=True)
        theirs = self.mosquitto(more=(
            "connection back\naddress 127.0.0.1:%d\nbridge_protocol_version mqttv311\n"
            "restart_timeout 1\ntopic s/# both 1\n" % ours.port("mqtt")))
        ours.stop()
        ours.config = bridge(theirs.address("mqtt")[1], "s/# both 1",
                             more="version = 3.1.1\nrelay = no\n")
        ours.start()
        self.up(ours)
        states = self.subscribed(ours, "$SYS/broker/connection/+/state", qos=0)
        wait_for(lambda: self.is_back(states), 30, "their bridge")
        self.both_ways(ours, self.subscribed(ours, "s/#", qos=0, version=4),
                       theirs, self.subscribed(theirs, "s/#", qos=0, version=4))

    @staticmethod
    def is_back(states):
        found = states.receive(0.3)
        return found is not None and ".back/" in found.topic and found.payload == b"1"

    def left(self, client):
        """How many more messages come until it is quiet."""
        count = 0
        while count < 1000 and client.receive(0.5) is not None:
            count += 1
        return count

    def test_what_came_retained_over_a_bridge_does_not_go_back_over_it(self):
        far = self.start()
        near = self.start(data=True, config=bridge(far.port("mqtt"), "r/# both 1"))
        self.up(near)
        at_near = self.subscribed(near, "r/#")
        wait_for(lambda: self.client(far).publish("r/1", b"old", 1, retain=True)
                 and at_near.receive(0.3), 20)
        far.stop()
        wait_for(lambda: "bridge.disconnected" in near.log(), 20)
        far.start()  # empty: it was in memory
        at_far = self.subscribed(far, "r/#")
        self.up(near, 2)
        self.client(near).publish("r/2", b"new", 1)
        while True:
            packet = at_far.expect(m.PUBLISH)
            at_far.send(m.ack(m.PUBACK, packet.pid))
            self.assertNotEqual(packet.topic, "r/1")
            if packet.topic == "r/2":
                break


class Addresses(BridgeCase):

    def test_another_address_serves_until_the_primary_is_back(self):
        primary, second = self.start(data=True), self.start()
        primary.stop()
        near = self.start(config="[bridge up]\naddress = 127.0.0.1:%d 127.0.0.1:%d\n"
                                 "topic = a out 1\n%s" % (primary.port("mqtt"),
                                                          second.port("mqtt"), FAST))
        at_second = self.subscribed(second, "a")
        self.client(near).publish("a", b"1", 1)
        self.arrives(at_second, "a", b"1")
        primary.start()
        wait_for(lambda: "bridge.back_to_primary" in near.log(), 30)
        self.up(near, 2)
        at_primary = self.subscribed(primary, "a")
        self.client(near).publish("a", b"2", 1)
        self.arrives(at_primary, "a", b"2")

    def test_a_lazy_bridge_connects_for_enough_and_leaves(self):
        far = self.start()
        near = self.start(config=bridge(far.port("mqtt"), "z out 1", more="start = lazy\n"
                                        "threshold = 3\nidle_timeout = 1s\n"))
        at_far = self.subscribed(far, "z")
        client = self.client(near)
        pump(client, "z", [b"0", b"1"], 1)
        self.assertIsNone(at_far.receive(1.2))
        pump(client, "z", [b"2"], 1)
        for n in range(3):
            self.arrives(at_far, "z", b"%d" % n)
        wait_for(lambda: "bridge.disconnected" in near.log(), 20)

    def test_tls_with_the_name_looked_at(self):
        far = self.start(config="[listener s]\nprotocol = mqtt\naddress = 127.0.0.1\nport = 0\n"
                                "tls = yes\ncertificate = %s\nkey = %s\n" % (PEM, PEM))
        port = far.port("mqtt", tls=True)
        more = "tls = yes\nca_file = %s\n" % PEM
        wrong = self.start(config=bridge(port, "a out 1", host="127.1", more=more))
        near = self.start(config=bridge(port, "a out 1", host="localhost", more=more))
        self.up(near)
        wait_for(lambda: "what=tls" in wrong.log(), 20)
        self.assertNotIn("bridge.connected", wrong.log())

    def test_a_connection_of_a_mosquitto_configuration_is_a_bridge(self):
        far = self.start()
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "mosquitto.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write("user root\nallow_anonymous true\nconnection bm\n"
                           "address 127.0.0.1:%d\ntopic x/# both 2 l/ r/\n"
                           "bridge_protocol_version mqttv50\nrestart_timeout 1 2\n"
                           % far.port("mqtt"))
            near = self.start(args=["--mosquitto-conf", path])
        self.up(near)
        at_far = self.subscribed(far, "r/#")
        self.client(near).publish("l/x/1", b"out", 2)
        self.arrives(at_far, "r/x/1", b"out")

    def test_it_has_the_rights_of_its_user_here_or_all(self):
        far = self.start()
        with tempfile.TemporaryDirectory() as place:
            with open(os.path.join(place, "users"), "w", encoding="utf-8") as file:
                file.write("alice:%s\n" % users.pbkdf2("secret"))
            with open(os.path.join(place, "rules"), "w", encoding="utf-8") as file:
                file.write("user alice\ntopic readwrite may/#\n")
            head = "password_file = %s/users\nacl_file = %s/rules\n" % (place, place)
            for user in ("alice", None):
                more = "remote_clientid = %s\n" % user
                more += "local_username = %s\n" % user if user else ""
                near = self.start(config=head + bridge(
                    far.port("mqtt"), "may/# in 1", "no/# in 1", more=more))
                self.up(near)
                reader = self.subscribed(near, "may/#", client_id="r", user="alice",
                                         password="secret")
                sender = self.client(far)
                wait_for(lambda: sender.publish("may/0", b"x", 1) and reader.receive(0.3), 20)
                sender.publish("no/1", b"x", 1)
                sender.publish("may/1", b"x", 1)
                while reader.expect_publish().topic != "may/1":
                    pass
                self.assertEqual(near.log().count("mqtt.publish_refused"), 1 if user else 0)
                near.stop()

    def test_a_bridge_that_makes_no_sense_is_told_and_nothing_starts(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("[bridge b]\naddress = x:0\ntopic = a sideways\nlocal_clientid = x\n"
                       "[bridge c]\naddress = x\ntopic = a\nlocal_clientid = x\n")
            file.flush()
            out = subprocess.run([program(), "--test-config", "--config", file.name],
                                 capture_output=True, timeout=20 * SCALE, check=False)
        self.assertNotEqual(out.returncode, 0)
        self.assertIn(b"bridge b: address 1", out.stderr)
        self.assertIn(b"bridge b: topic 1", out.stderr)
        self.assertIn(b"bridge c: local_clientid", out.stderr)


class FromMosquitto(BridgeCase):
    """mosquitto is the one that connects."""

    def test_mosquitto_bridges_to_us_in_each_version(self):
        if mosquitto_program() is None:
            self.skipTest("mosquitto is not installed")
        ours = self.start()
        for version in ("mqttv31", "mqttv311", "mqttv50"):
            with self.subTest(version=version), tempfile.TemporaryDirectory() as place:
                port = free_port()
                path = os.path.join(place, "conf")
                with open(path, "w", encoding="utf-8") as file:
                    file.write("listener %d 127.0.0.1\nallow_anonymous true\nconnection %s\n"
                               "address 127.0.0.1:%d\nbridge_protocol_version %s\n"
                               "restart_timeout 1\ntopic m/# both 2 %s/ ours/\n"
                               % (port, version, ours.port("mqtt"), version, version))
                with subprocess.Popen([mosquitto_program(), "-c", path],
                                      stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL) as process:
                    try:
                        self.exchange(ours, port, version)
                    finally:
                        process.kill()

    def exchange(self, ours, port, version):
        theirs = wait_for(lambda: self.try_connect(port), 20, "mosquitto")
        here = self.subscribed(ours, "ours/#")
        theirs.subscribe(("%s/#" % version, 2))
        sender = self.client(ours)
        wait_for(lambda: sender.publish("ours/m/probe", b"p", 0) or theirs.receive(0.3), 20)
        while theirs.receive(0.3):
            pass
        while here.receive(0.3):
            pass
        sender.publish("ours/m/1", b"from us", 2)
        self.arrives(theirs, "%s/m/1" % version, b"from us")
        self.arrives(here, "ours/m/1", b"from us")
        with m.Client(("127.0.0.1", port), 4).connect("sender") as client:
            client.publish("%s/m/2" % version, b"from them", 2)
        self.arrives(theirs, "%s/m/2" % version, b"from them")
        self.arrives(here, "ours/m/2", b"from them")
        here.nothing()
        theirs.close()

    def try_connect(self, port):
        try:
            return m.Client(("127.0.0.1", port), 4).connect("theirs")
        except OSError:
            return None


if __name__ == "__main__":
    unittest.main()
