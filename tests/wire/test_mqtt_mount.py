# SPDX-License-Identifier: Apache-2.0
"""Mount points: clients of a listener see what lies below a topic as if that were all."""

import subprocess
import unittest

import mqtt_raw as m
from mqtt_case import MqttCase
from tercet import SCALE, Broker, program

CONFIG = """
[listener all]
protocol = mqtt
port = 0

[listener site]
protocol = mqtt
port = 0
mount_point = sites/one/
"""


class Mount(MqttCase):
    broker_options = {"config": CONFIG}

    def at(self, listener, client_id=None, version=5, **options):
        client = m.Client(self.broker.address_of(listener), version)
        self.addCleanup(client.close)
        return client.connect(self.name("c") if client_id is None else client_id, **options)

    def listening(self, listener, *filters, **options):
        client = self.at(listener, **options)
        codes = client.subscribe(*filters)
        self.assertTrue(all(code <= 2 for code in codes), codes)
        return client

    def test_mount_point_is_put_before_topics_and_filters_and_taken_off_deliveries(self):
        for version in (4, 5):
            for filters in ("t/+", "#", "+/x"):
                inside = self.listening("site", filters, version=version)
                outside = self.listening("all", "#")
                self.at("site").publish("t/x", b"in", 1)
                inside.expect_publish("t/x", b"in")
                outside.expect_publish("sites/one/t/x", b"in")
                self.at("all").publish("sites/one/t/x", b"out", 1)
                inside.expect_publish("t/x", b"out")
                outside.expect_publish("sites/one/t/x", b"out")
                for topic in ("t/x", "sites/one", "sites/two/t/x", "sites/one2/t/x"):
                    self.at("all").publish(topic, b"no", 1)
                inside.nothing(0.1)
                for client in (inside, outside):
                    client.close()

    def test_mount_point_holds_for_retained_messages_and_wills(self):
        topic = self.name("r")
        client = self.at("site", will={"topic": "will/" + topic, "payload": b"w"})
        client.publish(topic, b"kept", 1, retain=True)
        self.listening("all", "sites/one/" + topic).expect_publish("sites/one/" + topic, b"kept")
        self.assertTrue(self.listening("site", topic).expect_publish(topic, b"kept").retain)
        self.listening("site", "sites/one/" + topic).nothing(0.1)
        self.at("all").publish("sites/one/" + topic, b"", 1, retain=True)
        self.listening("site", topic).nothing(0.1)
        outside = self.listening("all", "sites/one/will/#")
        inside = self.listening("site", "will/#")
        client.close()
        outside.expect_publish("sites/one/will/" + topic, b"w")
        inside.expect_publish("will/" + topic, b"w")

    def test_mount_point_holds_for_shared_subscriptions(self):
        topic = self.name("s")
        one = self.listening("site", "$share/g/" + topic)
        other = self.listening("all", "$share/g/" + topic)
        self.at("site").publish(topic, b"in", 1)
        one.expect_publish(topic, b"in")
        self.at("all").publish(topic, b"out", 1)
        other.expect_publish(topic, b"out")
        one.nothing(0.1)

    def test_mount_point_unsubscribes_what_was_subscribed(self):
        topic = self.name("u")
        client = self.listening("site", topic, "$share/g/" + topic)
        client.send(m.unsubscribe(2, [topic, "$share/g/" + topic, "$queue/q", "other"]))
        self.assertEqual(client.expect(m.UNSUBACK).codes, [0, 0, 0x11, 0x11])
        self.at("site").publish(topic, b"x", 1)
        client.nothing(0.1)

    def test_mount_point_holds_for_response_topics(self):
        topic = self.name("q")
        server = self.listening("all", "sites/one/" + topic)
        inside = self.listening("site", topic)
        asker = self.listening("site", "answers")
        asker.publish(topic, b"?", 1, props=[(m.RESPONSE_TOPIC, "answers")])
        found = server.expect_publish()
        self.assertEqual(found.prop(m.RESPONSE_TOPIC), "sites/one/answers")
        self.assertEqual(inside.expect_publish().prop(m.RESPONSE_TOPIC), "answers")
        self.at("all").publish(found.prop(m.RESPONSE_TOPIC), b"!", 1)
        asker.expect_publish("answers", b"!")

    def test_mount_point_holds_for_aliases_and_delays(self):
        topic = self.name("a")
        outside = self.listening("all", "sites/one/" + topic)
        client = self.at("site")
        client.publish(topic, b"1", 1, props=[(m.ALIAS, 3)])
        client.publish("", b"2", 1, props=[(m.ALIAS, 3)])
        client.publish("$delayed/1/" + topic, b"3", 1)
        for payload in (b"1", b"2", b"3"):
            outside.expect_publish("sites/one/" + topic, payload)
        inside = self.at("site", props=[(m.ALIAS_MAX, 10)])
        inside.subscribe(topic)
        for i in range(5):
            client.publish(topic, b"%d" % i, 1)
        known = {}
        for i in range(5):
            found = inside.expect_publish(payload=b"%d" % i)
            if found.topic:
                known[found.prop(m.ALIAS)] = found.topic
            self.assertEqual(found.topic or known[found.prop(m.ALIAS)], topic)

    def test_mount_point_shows_no_queues(self):
        self.assertEqual(self.at("site").subscribe("$queue/any"), [0x87])

    def test_mount_point_and_topic_together_have_the_limits_of_one(self):
        client = self.at("site")
        for topic in ("x" * 65530, "/".join("x" * 200)):
            self.assertEqual(client.publish(topic, b"", 1).reason, 0x90)
        self.assertIn(client.publish("/".join("x" * 198), b"", 1).reason, (0, 0x10))

    def test_mount_point_is_where_a_resumed_session_goes_on(self):
        keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
        name, topic = self.name("k"), self.name("t")
        kept = self.at("site", name, **keep)
        kept.subscribe((topic, 1))
        kept.close()
        self.at("site").publish(topic, b"x", 1)
        self.at("site", name, **keep).expect_publish(topic, b"x")


class Configuration(unittest.TestCase):

    def test_mount_points_that_are_none_are_refused(self):
        for mount in ("a", "$SYS/", "/", "a/+/", "a/#/", "a/#"):
            text = "[listener x]\nprotocol = mqtt\nport = 0\nmount_point = %s\n" % mount
            with Broker(config=text, start=False) as broker:
                line = broker.command() + ["--test-config"]
                done = subprocess.run([program()] + line[1:], check=False, capture_output=True,
                                      timeout=20 * SCALE, encoding="utf-8")
                self.assertNotEqual(done.returncode, 0, mount)
                self.assertIn("mount_point", done.stderr)


if __name__ == "__main__":
    unittest.main()
