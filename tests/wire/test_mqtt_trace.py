# SPDX-License-Identifier: Apache-2.0
"""Traces: an operator sees the packets of a client, an address or a topic, in words."""

import subprocess
import unittest

import mqtt_raw as m
from admin_raw import ask, counter
from tercet import Broker, program, wait_for


class Trace(unittest.TestCase):

    def setUp(self):
        self.broker = Broker(data=True)
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))
        self.seen = ""
        self.skipped = 0

    def open(self, version=5):
        client = m.Client(self.broker.address("mqtt"), version)
        self.addCleanup(client.close)
        return client

    def client(self, name, version=5, **options):
        return self.open(version).connect(name, **options)

    def begin(self, query):
        status, told = ask(self.broker, "POST", "/api/trace?" + query)
        self.assertEqual(status, 200, told)
        return told["number"]

    def look(self, number):
        status, told = ask(self.broker, "POST", "/api/trace?number=%d" % number)
        self.assertEqual(status, 200)
        self.seen += told["lines"]
        self.skipped += told["skipped"]
        return self.seen

    def packets(self, number):
        """Direction and words of each packet, without time and connection."""
        return [line.split(" client=", 1)[-1].split(" ", 1)[-1]
                for line in self.look(number).splitlines()]

    def test_a_clients_packets_are_shown_both_ways_with_payloads_cut(self):
        number = self.begin("what=looked-at&bytes=4")
        other = self.client("other")
        self.open().connect("looked-at", user=b"me", password=b"secret", expect=0x86)
        client = self.client("looked-at", will={"topic": "w", "payload": b"bye"})
        client.subscribe(("a/#", 1))
        other.publish("a/b", b"longer than that", 1)
        found = client.expect_publish()
        client.send(m.ack(m.PUBACK, found.pid))
        client.publish("c", b"x\x00y", 2, props=[(m.USER, ("k", "v"))])
        client.sync()
        client.send(m.unsubscribe(3, ["a/#"]))
        client.expect(m.UNSUBACK)
        client.send(m.disconnect())
        client.ended()
        shown = self.packets(number)
        self.assertNotIn("secret", self.seen)
        for wanted in ('< CONNECT version=5 clean=1 keep_alive=60 client="looked-at" user="me"',
                       "> CONNACK reason=0x86 present=0",
                       '< CONNECT version=5 clean=1 keep_alive=60 client="looked-at" will="w"',
                       "> CONNACK reason=0x00 present=0",
                       '< SUBSCRIBE id=1 filter="a/#" qos=1',
                       "> SUBACK id=1 reasons=0x01",
                       '> PUBLISH qos=1 id=%d topic="a/b" bytes=16 payload="long"...' % found.pid,
                       "< PUBACK id=%d" % found.pid,
                       '< PUBLISH qos=2 id=77 topic="c" user_properties=1 bytes=3 '
                       'payload="x\\x00y"',
                       "> PUBREC id=77", "< PUBREL id=77", "> PUBCOMP id=77",
                       "< PINGREQ", "> PINGRESP",
                       '< UNSUBSCRIBE id=3 filter="a/#"', "> UNSUBACK id=3 reasons=0x00",
                       "< DISCONNECT reason=0x00"):
            self.assertTrue(any(wanted in line for line in shown), (wanted, shown))
        self.assertFalse(any("other" in line for line in shown))
        self.assertEqual(counter(self.broker, "mqtt_traced_total"), len(shown))

    def test_what_a_delivery_carries_is_shown(self):
        number, topic = self.begin("what=taker"), "a/topic/of/some/length"
        taker = self.client("taker", props=[(m.ALIAS_MAX, 5)])
        taker.subscribe(("a/#", 1), props=[(m.SUB_ID, 7)])
        taker.subscribe((topic, 1), props=[(m.SUB_ID, 9)])
        sender = self.client("sender")
        for payload in (b"one", b"two"):
            sender.publish(topic, payload, 0, props=[
                (m.EXPIRY, 500), (m.CONTENT_TYPE, "text/plain"), (m.USER, ("k", "v")),
                (m.CORRELATION, b"\x01c")])
            taker.receive()
        shown = self.packets(number)
        wanted = ('> PUBLISH qos=0 topic="%s" message_expiry=500 alias=1 subscriptions=7,9 '
                  'content_type="text/plain" correlation="\\x01c" user_properties=1 bytes=3 '
                  'payload="%s"')
        for payload in ("one", "two"):  # the second without its topic, which the alias stands for
            self.assertIn(wanted % (topic, payload), shown)
        self.assertTrue(any(" subscription=7 filter=" in line for line in shown), shown)

    def test_a_topic_filter_shows_what_is_published_below_it(self):
        number = self.begin("what=a/%2B/c")
        receiver = self.client("receiver")
        receiver.subscribe("#")
        sender = self.client("sender", version=4)
        for topic in ("a/b/c", "a/b", "a/x/c"):
            sender.publish(topic, b"p", 1)
            receiver.expect_publish(topic)
        shown = [line.split(" ", 2)[-1] for line in self.look(number).splitlines()]
        self.assertEqual([line.split(" bytes")[0] for line in shown], [
            'client="sender" < PUBLISH qos=1 id=77 topic="a/b/c"',
            'client="receiver" > PUBLISH qos=0 topic="a/b/c"',
            'client="sender" < PUBLISH qos=1 id=77 topic="a/x/c"',
            'client="receiver" > PUBLISH qos=0 topic="a/x/c"'])

    def test_an_address_shows_all_its_clients(self):
        number = self.begin("what=127.0.0.1")
        for version in (3, 4, 5):
            self.client("c%d" % version, version=version).sync()
        shown = self.packets(number)
        self.assertEqual(sum("PINGREQ" in line for line in shown), 3)
        self.assertEqual(sum("CONNACK" in line for line in shown), 3)

    def test_what_does_not_parse_is_shown_as_such(self):
        number = self.begin("what=bad")
        client = self.client("bad")
        client.send(m.packet(0x82, b"\x00"))
        client.ended()
        shown = self.packets(number)
        self.assertIn("< SUBSCRIBE malformed bytes=1", shown)
        self.assertTrue(any(line.startswith("> DISCONNECT reason=0x8") for line in shown), shown)

    def test_a_flood_is_counted_and_not_kept(self):
        number = self.begin("what=flood&per_s=10")
        client = self.client("flood")
        for _ in range(5000):
            client.send(m.publish("t", b"x" * 100))
        client.sync()
        self.look(number)
        self.assertLess(len(self.seen.splitlines()), 200)
        self.assertGreater(self.skipped, 4000)
        self.assertEqual(counter(self.broker, "mqtt_trace_skipped_total"), self.skipped)

    def test_traces_end_and_are_few(self):
        numbers = [self.begin("what=x") for _ in range(8)]
        self.assertEqual(ask(self.broker, "POST", "/api/trace?what=x")[0], 400)
        status, _ = ask(self.broker, "POST", "/api/trace?number=%d&end=1" % numbers[0])
        self.assertEqual(status, 200)
        self.assertEqual(ask(self.broker, "POST", "/api/trace?number=%d" % numbers[0])[0], 404)
        self.begin("what=x")
        for query in ("", "what=", "what=x&bytes=0", "what=x&per_s=x", "number=x"):
            self.assertEqual(ask(self.broker, "POST", "/api/trace?" + query)[0], 400, query)
        # who does not ask any more is forgotten
        self.client("x").sync()
        wait_for(lambda: ask(self.broker, "POST", "/api/trace?what=more")[0] == 200, 40, poll=0.5)

    def test_the_tool_prints_what_comes(self):
        tool = subprocess.Popen([program("tercet"), "trace", "c", "--data", self.broker.data],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        self.addCleanup(tool.stdout.close)
        self.addCleanup(tool.stderr.close)
        self.addCleanup(tool.wait)
        self.addCleanup(tool.kill)
        self.assertEqual(tool.stderr.readline(), "tracing c\n")
        self.client("c").sync()
        self.assertIn("< CONNECT version=5", tool.stdout.readline())
        self.assertIn("> CONNACK", tool.stdout.readline())
        self.assertIn("< PINGREQ", tool.stdout.readline())


if __name__ == "__main__":
    unittest.main()
