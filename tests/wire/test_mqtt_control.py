# SPDX-License-Identifier: Apache-2.0
"""What an operator holds MQTT clients to: rates, paced connections, bans, being sent away."""

import subprocess
import time
import unittest

import mqtt_raw as m
from admin_raw import ask, counter
from tercet import SCALE, Broker, need_module, program, wait_for

LISTENERS = """
[listener plain]
protocol = mqtt
port = 0

[listener clients]
protocol = mqtt
port = 0
client_message_rate = 20

[listener bytes]
protocol = mqtt
port = 0
client_byte_rate = 20k

[listener together]
protocol = mqtt
port = 0
message_rate = 20

[listener strict]
protocol = mqtt
port = 0
client_message_rate = 5
rate_action = disconnect

[listener paced]
protocol = mqtt
port = 0
accept_rate = 10
"""


def tool(*words, status=0):
    done = subprocess.run([program("tercet"), *words], check=False, timeout=60 * SCALE,
                          capture_output=True, encoding="utf-8")
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


class Control(unittest.TestCase):
    """One durable broker with a listener for each kind of limit."""

    config = LISTENERS

    def setUp(self):
        self.broker = Broker(data=True, config=self.config)
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def open(self, listener="plain", version=5):
        client = m.Client(self.broker.address_of(listener), version)
        self.addCleanup(client.close)
        return client

    def client(self, name, listener="plain", version=5, **options):
        return self.open(listener, version).connect(name, **options)

    def tool(self, *words, status=0):
        return tool(*words, "--data", self.broker.data, status=status)


class Rates(Control):

    def seconds_for(self, clients, each, payload=b"x"):
        """How long it takes until the last of what all publish is acknowledged."""
        before = time.monotonic()
        for client in clients:
            for i in range(each):
                client.send(m.publish("t", payload, 1, i + 1))
        for client in clients:
            for _ in range(each):
                client.expect(m.PUBACK)
        return time.monotonic() - before

    def test_a_client_over_its_message_rate_waits_and_others_do_not(self):
        slow = self.client("slow", "clients")
        for i in range(60):  # 20 at once, the others in two seconds
            slow.send(m.publish("t", b"x", 1, i + 1))
        self.assertLess(self.seconds_for([self.client("other", "clients")], 20), 10 * SCALE)
        before = time.monotonic()
        for _ in range(60):
            slow.expect(m.PUBACK)
        self.assertGreater(time.monotonic() - before, 0.5)
        self.assertGreater(counter(self.broker, "mqtt_rate_pauses_total"), 0)

    def test_a_paused_client_is_not_taken_for_dead(self):
        client = self.client("c", "clients", keep_alive=1)
        self.assertGreater(self.seconds_for([client], 80), 2.5)
        client.sync()

    def test_bytes_have_a_rate(self):
        client = self.client("c", "bytes")
        self.assertGreater(self.seconds_for([client], 6, b"x" * 10240), 1.5)

    def test_a_listeners_clients_share_its_rate(self):
        clients = [self.client("c%d" % i, "together") for i in range(3)]
        self.assertGreater(self.seconds_for(clients, 20), 1.5)

    def test_where_the_policy_is_to_disconnect_0x96_says_so(self):
        client = self.client("c", "strict")
        for i in range(50):
            client.send(m.publish("t", b"x", 0))
        self.assertEqual(client.ended(), 0x96)
        old = self.client("old", "strict", version=4)
        for i in range(50):
            old.send(m.publish("t", b"x", 0, version=4))
        old.ended()
        self.assertIn("mqtt.ended", self.broker.log())

    def test_without_limits_there_are_none(self):
        self.assertLess(self.seconds_for([self.client("c")], 1000), 10 * SCALE)
        self.assertEqual(counter(self.broker, "mqtt_rate_pauses_total"), 0)


class Pacing(Control):

    def test_a_storm_of_connections_waits_and_nobody_is_refused(self):
        before = time.monotonic()
        clients = [self.open("paced") for _ in range(35)]
        for i, client in enumerate(clients):
            client.send(m.connect("c%d" % i))
        # others are served meanwhile
        self.assertLess(self.client("other").publish("t", b"x", 1).size, 100)
        for client in clients:
            self.assertEqual(client.expect(m.CONNACK).reason, 0)
        self.assertGreater(time.monotonic() - before, 1.5)  # ten at once, ten a second
        self.assertEqual(counter(self.broker, "net_refused_total"), 0)
        self.assertGreater(counter(self.broker, "net_accept_pauses_total"), 0)


class Flapping(Control):
    config = "flap_client_connects = 5\nflap_window = 1h\nflap_ban = 1h\n" + LISTENERS

    def test_an_identifier_that_connects_too_often_is_banned_and_let_in_again(self):
        for _ in range(5):
            self.client("flap").close()
        for _ in range(2):
            self.open().connect("flap", expect=0x8a)
        self.open(version=4).connect("flap", expect=5)
        self.client("other")
        self.assertEqual(counter(self.broker, "mqtt_bans_total"), 1)
        self.assertEqual(counter(self.broker, "mqtt_banned_refused_total"), 3)
        ban, = ask(self.broker, "GET", "/api/bans")[1]["bans"]
        self.assertEqual((ban["kind"], ban["name"]), ("client", "flap"))
        self.assertGreater(ban["left_ms"], 3000000)
        self.assertIn("flap", self.tool("bans"))
        self.tool("unban", "nobody", status=1)
        self.tool("unban", "flap")
        self.assertEqual(self.tool("bans"), "")
        self.client("flap")

    def test_who_cannot_log_in_gets_nobody_banned(self):
        for _ in range(10):
            self.open().connect("victim", user=b"nobody", password=b"x", expect=0x86)
        self.client("victim")
        self.assertEqual(self.tool("bans"), "")


class FlappingAddress(Control):
    config = "flap_address_connects = 5\nflap_window = 1h\nflap_ban = 5s\n" + LISTENERS

    def test_an_address_is_banned_whatever_it_calls_itself_until_the_ban_is_over(self):
        for i in range(5):
            self.client("c%d" % i).close()
        self.open().connect("c5", expect=0x8a)
        self.assertIn("127.0.0.1", self.tool("bans"))

        def is_let_in():
            client = self.open()
            client.send(m.connect("later"))
            return client.expect(m.CONNACK).reason == 0

        wait_for(is_let_in, 20, poll=0.2)


class Draining(Control):

    def test_clients_are_sent_elsewhere_and_sessions_stay(self):
        keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 3600)]}
        kept = self.client("kept", **keep)
        kept.subscribe(("t/#", 1))
        old = self.client("old", version=4)
        self.tool("drain", "--to", "other.example:1883")
        self.assertEqual(self.where(kept), (0x9d, "other.example:1883"))
        old.ended()
        refused = self.open()
        refused.send(m.connect("new"))
        answer = refused.expect(m.CONNACK)
        self.assertEqual((answer.reason, answer.prop(m.SERVER_REFERENCE)),
                         (0x9d, "other.example:1883"))
        refused.ended()
        self.open(version=4).connect("new", expect=3)
        self.assertGreaterEqual(counter(self.broker, "mqtt_drained_total"), 4)
        self.tool("drain", "--to", "other.example:1883", "--for-now")
        refused = self.open()
        refused.send(m.connect("new"))
        self.assertEqual(refused.expect(m.CONNACK).reason, 0x9c)
        self.tool("drain", "--stop")
        kept = self.client("kept", **keep)
        self.assertTrue(kept.connack.present)
        self.client("s").publish("t/x", b"x", 1)
        kept.expect_publish("t/x", b"x")

    def where(self, client):
        found = client.expect(m.DISCONNECT)
        try:
            client.receive()
            self.fail("the connection stays open")
        except EOFError:
            pass
        return found.reason, found.prop(m.SERVER_REFERENCE)

    def test_without_a_place_to_go_nothing_is_named(self):
        client = self.client("c")
        self.tool("drain")
        self.assertEqual(self.where(client), (0x8b, None))
        self.open().connect("new", expect=0x88)

    def test_those_that_are_there_go_one_after_the_other(self):
        clients = [self.client("c%d" % i) for i in range(12)]
        before = time.monotonic()
        self.tool("drain", "--rate", "10")
        for client in clients:
            self.where(client)
        self.assertGreater(time.monotonic() - before, 0.6)

    def test_what_cannot_be_is_refused(self):
        for words in (("--rate", "0"), ("--rate", "x"), ("--to", "x" * 200)):
            self.tool("drain", *words, status=1)
        self.tool("bans", "--to", "x", status=2)
        self.client("c")

    def test_a_paho_client_is_told_where_to_go(self):
        paho = need_module("paho.mqtt.client")
        told = []
        client = paho.Client(client_id="paho", protocol=paho.MQTTv5)
        client.on_disconnect = lambda _client, _data, reason, props=None: told.append(
            (getattr(reason, "value", reason), getattr(props, "ServerReference", None)))
        client.connect(*self.broker.address_of("plain"))
        client.loop_start()
        try:
            wait_for(client.is_connected, 10)
            self.tool("drain", "--to", "elsewhere:1883")
            wait_for(lambda: told, 10)
        finally:
            client.loop_stop()
        self.assertEqual(told[0], (0x9d, "elsewhere:1883"))


if __name__ == "__main__":
    unittest.main()
