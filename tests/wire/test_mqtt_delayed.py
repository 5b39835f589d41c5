# SPDX-License-Identifier: Apache-2.0
"""$delayed/SECONDS/TOPIC: what is published there comes later, once, whatever happens meanwhile."""

import os
import tempfile
import time
import unittest

import mqtt_raw as m
from admin_raw import ask, counter
from mqtt_case import MqttCase
from tercet import Broker, wait_for
from users import pbkdf2

CONFIG = "delayed_max = 5\ndelayed_max_delay = 1h\n"


class Delayed(MqttCase):

    def test_delayed_comes_after_its_seconds_and_not_before(self):
        topic = self.name("t")
        receiver = self.subscriber((topic, 2))
        sender = self.client()
        for qos in (0, 1, 2):
            before = time.monotonic()
            answer = sender.publish("$delayed/1/" + topic, "x%d" % qos, qos)
            if qos > 0:
                self.assertEqual(answer.reason, 0)
            found = receiver.expect_publish(topic, "x%d" % qos)
            self.assertGreaterEqual(time.monotonic() - before, 0.99)
            self.assertEqual(found.qos, qos)
            if found.qos == 1:
                receiver.send(m.ack(m.PUBACK, found.pid))
            elif found.qos == 2:
                receiver.send(m.ack(m.PUBREC, found.pid))
                receiver.expect(m.PUBREL)
                receiver.send(m.ack(m.PUBCOMP, found.pid))

    def test_delayed_by_nothing_comes_at_once(self):
        topic = self.name("t")
        receiver = self.subscriber(topic)
        self.client().publish("$delayed/0/" + topic, "x", 1)
        receiver.expect_publish(topic, "x")

    def test_delayed_keeps_order_properties_and_the_retain_flag(self):
        topic = self.name("t")
        receiver = self.subscriber((topic, 1))
        sender = self.client()
        for i in range(20):
            sender.send(m.publish("$delayed/1/" + topic, "%d" % i, 1, i + 1, retain=i == 19,
                                  props=[(m.USER, ("n", str(i))), (m.CONTENT_TYPE, "text/x"),
                                         (m.EXPIRY, 100)]))
        for i in range(20):
            found = receiver.expect_publish(topic, "%d" % i)
            self.assertEqual(found.prop(m.USER), ("n", str(i)))
            self.assertEqual(found.prop(m.CONTENT_TYPE), "text/x")
            self.assertLessEqual(found.prop(m.EXPIRY), 99)  # it counts from the publish
            receiver.send(m.ack(m.PUBACK, found.pid))
        late = self.subscriber(topic)
        self.assertTrue(late.expect_publish(topic, "19").retain)

    def test_delayed_longer_than_the_expiry_never_comes(self):
        topic = self.name("t")
        receiver = self.subscriber(topic)
        sender = self.client()
        sender.publish("$delayed/1/" + topic, "over", 1, props=[(m.EXPIRY, 1)])
        sender.publish("$delayed/2/" + topic, "last", 1)
        receiver.expect_publish(topic, "last")

    def test_delayed_topics_that_are_none(self):
        client = self.client()
        for topic in ("$delayed", "$delayed/", "$delayed/5", "$delayed/5/", "$delayed/x/t",
                      "$delayed/-1/t", "$delayed/1.5/t", "$delayed//t", "$delayed/ 5/t",
                      "$delayed/99999999999999999999999/t"):
            self.assertEqual(client.publish(topic, "x", 1).reason, 0x90, topic)
        for topic in ("$delayed/5/$SYS/x", "$delayed/5/$delayed/5/x", "$delayed/0/$share/g/x"):
            self.assertEqual(client.publish(topic, "x", 1).reason, 0x87, topic)
        old = self.client(version=4)
        old.send(m.publish("$delayed/x/t", "x", 1, 1, version=4))
        self.assert_ends(old)

    def test_delayed_by_a_topic_alias(self):
        topic = self.name("t")
        receiver = self.subscriber(topic)
        sender = self.client()
        sender.publish("$delayed/1/" + topic, "a", 0, props=[(m.ALIAS, 1)])
        sender.publish("", "b", 0, props=[(m.ALIAS, 1)])
        receiver.expect_publish(topic, "a")
        receiver.expect_publish(topic, "b")

    def test_delayed_is_no_topic_for_a_will(self):
        client = self.open()
        client.connect(self.name("c"), expect=0x90,
                       will={"topic": "$delayed/5/t", "payload": b"x"})


class Limits(MqttCase):
    broker_options = {"config": CONFIG}

    def test_delayed_messages_are_limited_in_number_and_time(self):
        sender = self.client()
        self.assertEqual(sender.publish("$delayed/3601/t", "x", 1).reason, 0x90)
        for _ in range(5):
            self.assertEqual(sender.publish("$delayed/3600/t", "x", 1).reason, 0)
        self.assertEqual(sender.publish("$delayed/3600/t", "x", 1).reason, 0x97)
        self.assertIn(sender.publish("t", "x", 1).reason, (0, 0x10))


class Rights(unittest.TestCase):

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as file:
            file.write(text)

    def test_the_rules_that_hold_when_it_is_due_are_asked(self):
        with tempfile.TemporaryDirectory() as self.dir:
            self.write("users", "".join("%s:%s\n" % (name, pbkdf2(name))
                                        for name in ("alice", "bob")))
            self.write("rules", "pattern readwrite #\n")
            config = "password_file = %s/users\nacl_file = %s/rules\n" % (self.dir, self.dir)
            with Broker(data=True, config=config) as broker:
                began = time.monotonic()
                m.Client(broker.address("mqtt")).connect("x", user="bob", password="bob").close()
                delay = 2 + int(20 * (time.monotonic() - began))  # four are to be in time
                for name in ("alice", "bob", "alice", "bob"):
                    sender = m.Client(broker.address("mqtt")).connect(name, user=name,
                                                                      password=name)
                    self.assertEqual(sender.publish("$delayed/%d/t/%s" % (delay, name),
                                                    "x", 1).reason, 0)
                    sender.close()
                self.assertEqual(counter(broker, "core_delayed"), 4)
                broker.kill()
                self.write("rules", "pattern readwrite #\nuser alice\ntopic deny t/#\n")
                broker.start()
                wait_for(lambda: counter(broker, "core_delayed") == 0, 10)
                self.assertEqual(counter(broker, "core_delayed_dropped_total"), 2)
                self.assertEqual(ask(broker, "GET", "/api/streams?name=t")[1]["streams"][0]
                                 ["partitions"][0]["end"], 2)


class Restart(unittest.TestCase):

    def test_delayed_messages_survive_kills_and_come_once(self):
        with Broker(data=True) as broker:
            sender = m.Client(broker.address("mqtt")).connect("s")
            self.addCleanup(sender.close)
            total = 300
            for i in range(total):
                sender.send(m.publish("$delayed/%d/t/%d" % (1 + i % 3, i), "%d" % i, 1, i + 1))
            for i in range(total):
                self.assertEqual(sender.expect(m.PUBACK).reason, 0)
            for _ in range(5):
                waited = counter(broker, "core_delayed")
                wait_for(lambda: counter(broker, "core_delayed") < max(waited, 1), 10)
                broker.kill()
                broker.start()
            wait_for(lambda: counter(broker, "core_delayed") == 0, 20)
            self.assertEqual(counter(broker, "core_delayed_dropped_total"), 0)
            # each address once in the log, and all of them
            self.assertEqual(ask(broker, "GET", "/api/streams?name=t")[1]["streams"][0]
                             ["partitions"][0]["end"], total)


if __name__ == "__main__":
    unittest.main()
