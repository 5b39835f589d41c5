# SPDX-License-Identifier: Apache-2.0
"""What MQTT promised is kept when the broker stops or is killed, and starts again."""

import time
import unittest

import mqtt_raw as m
from tercet import Broker

KEEP = {"clean": False, "props": [(m.SESSION_EXPIRY, 3600)]}
ENDS = ("kill", "stop")


class Restart(unittest.TestCase):

    def setUp(self):
        self.broker = Broker(data=True)
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def client(self, name, version=5, **options):
        client = m.Client(self.broker.address("mqtt"), version)
        self.addCleanup(client.close)
        return client.connect(name, **options)

    def kept(self, name, **options):
        return self.client(name, **{**KEEP, **options})

    def restart(self, how):
        getattr(self.broker, how)()
        self.broker.start()

    def test_mqtt5_4_3_2_4_what_puback_confirmed_survives(self):
        for how in ENDS:
            with self.subTest(how=how):
                topic = "survive/" + how
                receiver = self.kept("r" + how)
                receiver.subscribe((topic, 1))
                receiver.send(m.disconnect())
                receiver.ended()
                sender = self.client("s")
                for i in range(100):
                    sender.publish(topic, b"%d" % i, 1 + i % 2,
                                   props=[(m.USER, ("n", str(i))), (m.EXPIRY, 1000)])
                self.restart(how)
                receiver = self.kept("r" + how)
                self.assertTrue(receiver.connack.present)
                for i in range(100):
                    found = receiver.take(topic, b"%d" % i)
                    self.assertEqual(found.prop(m.USER), ("n", str(i)))
                    self.assertLessEqual(found.prop(m.EXPIRY), 1000)
                receiver.nothing()

    def test_mqtt5_3_1_2_23_subscriptions_survive_with_their_options(self):
        for how in ENDS:
            with self.subTest(how=how):
                topic = "options/" + how
                client = self.kept("o" + how)
                client.subscribe((topic, 1 | 4 | 8), props=[(m.SUB_ID, 7)])
                client.subscribe("gone/" + how)
                client.send(m.unsubscribe(3, ["gone/" + how]))
                client.expect(m.UNSUBACK)
                self.restart(how)
                client = self.kept("o" + how)
                self.assertTrue(client.connack.present)
                other = self.client("x")
                other.publish("gone/" + how, b"x", 1)
                other.publish(topic, b"x", 1, retain=True)
                found = client.take(topic)
                self.assertEqual((found.retain, found.all(m.SUB_ID), found.qos), (True, [7], 1))
                client.publish(topic, b"own", 1)
                client.nothing()

    def test_mqtt5_4_3_3_8_a_qos_2_publish_is_not_taken_twice(self):
        for how in ENDS:
            with self.subTest(how=how):
                topic = "once/" + how
                receiver = self.kept("rr" + how)
                receiver.subscribe((topic, 1))
                sender = self.kept("ss" + how)
                sender.send(m.publish(topic, b"x", 2, 11))
                sender.expect(m.PUBREC)
                self.restart(how)
                sender = self.kept("ss" + how)
                self.assertTrue(sender.connack.present)
                sender.send(m.publish(topic, b"x", 2, 11, dup=True))
                sender.expect(m.PUBREC)
                sender.send(m.ack(m.PUBREL, 11))
                sender.expect(m.PUBCOMP)
                self.restart(how)
                sender = self.kept("ss" + how)
                sender.publish(topic, b"y", 2, 11)  # the id is new again
                receiver = self.kept("rr" + how)
                receiver.take(topic, b"x")
                receiver.take(topic, b"y")
                receiver.nothing()

    def test_mqtt5_4_3_3_qos_2_deliveries_go_on_where_they_were(self):
        for how in ENDS:
            with self.subTest(how=how):
                topic = "out/" + how
                receiver = self.kept("q" + how)
                receiver.subscribe((topic, 2))
                sender = self.client("s")
                sender.publish(topic, b"1", 2, 1)
                sender.publish(topic, b"2", 2, 2)
                first, second = receiver.expect_publish(topic), receiver.expect_publish(topic)
                receiver.send(m.ack(m.PUBREC, second.pid))
                receiver.expect(m.PUBREL)
                self.restart(how)
                receiver = self.kept("q" + how)
                found = [receiver.receive(), receiver.receive()]
                release = next(p for p in found if p.type == m.PUBREL)
                again = next(p for p in found if p.type == m.PUBLISH)
                self.assertEqual(release.pid, second.pid)
                self.assertEqual((again.pid, again.payload, again.dup), (first.pid, b"1", True))
                receiver.send(m.ack(m.PUBCOMP, release.pid), m.ack(m.PUBREC, again.pid))
                self.assertEqual(receiver.expect(m.PUBREL).pid, again.pid)
                receiver.send(m.ack(m.PUBCOMP, again.pid))
                receiver.nothing()

    def test_mqtt5_3_3_1_5_retained_messages_survive(self):
        sender = self.client("s")
        sender.publish("ret/a", b"1", 1, retain=True, props=[(m.CONTENT_TYPE, "x")])
        sender.publish("ret/b", b"2", 1, retain=True)
        sender.publish("/ret", b"slash", 1, retain=True)
        sender.publish("ret/b", b"", 1, retain=True)
        for how in ENDS:
            self.restart(how)
            receiver = self.client("r")
            receiver.subscribe("ret/#", "/ret")
            found = {p.topic: p for p in receiver.sync()}
            self.assertEqual(sorted(found), ["/ret", "ret/a"])
            self.assertEqual(found["ret/a"].prop(m.CONTENT_TYPE), "x")

    def test_mqtt5_4_1_0_2_a_session_expires_while_the_broker_is_down(self):
        options = {"clean": False, "props": [(m.SESSION_EXPIRY, 1)]}
        self.client("e", **options).send(m.disconnect())
        self.kept("k").send(m.disconnect())
        self.broker.stop()
        time.sleep(1.3)
        self.broker.start()
        self.assertFalse(self.client("e", **options).connack.present)
        self.assertTrue(self.kept("k").connack.present)

    def test_mqtt5_a_will_of_a_kept_session_survives_a_kill(self):
        self.kept("w", will={"topic": "last/word", "payload": b"gone", "qos": 1})
        receiver = self.kept("r")
        receiver.subscribe(("last/word", 1))
        self.restart("kill")
        self.kept("r").take("last/word", b"gone")

    def test_mqtt5_3_14_a_stop_says_so(self):
        client = self.client("c")
        self.broker.stop()
        self.assertEqual(client.ended(), 0x8b)
        self.broker.start()


if __name__ == "__main__":
    unittest.main()
