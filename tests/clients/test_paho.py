# SPDX-License-Identifier: Apache-2.0
"""Ordinary programs with Python's paho-mqtt."""

import json
import queue
import time
import unittest

from against import ClientCase
from tercet import SCALE, need_module

mqtt = need_module("paho.mqtt.client")
publish = need_module("paho.mqtt.publish")
subscribe = need_module("paho.mqtt.subscribe")
properties_of = need_module("paho.mqtt.properties")
packets = need_module("paho.mqtt.packettypes")


def properties(packet, **values):
    made = properties_of.Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class PahoCase(ClientCase):
    protocol = "mqtt"

    def client(self, client_id="", connect=True, **options):
        """A connected client that puts what it gets into `got`; it is stopped with the test."""
        if options.get("protocol") != mqtt.MQTTv5:
            options.setdefault("clean_session", True)
        client = mqtt.Client(client_id, **options)
        client.got = queue.Queue()
        client.events = queue.Queue()
        client.on_message = lambda c, u, message: client.got.put(message)
        client.on_connect = lambda c, u, flags, rc, *more: client.events.put(("connect", flags, rc))
        client.on_disconnect = lambda c, u, rc, *more: client.events.put(("disconnect", rc))
        client.on_subscribe = lambda c, u, mid, codes, *more: client.events.put(
            ("subscribe", [getattr(code, "value", code) for code in codes]))
        client.on_unsubscribe = lambda c, u, mid, *more: client.events.put(("unsubscribe",))
        if connect:
            self.connect(client)
        return client

    def connect(self, client, **options):
        client.connect(self.host, self.port, **options)
        client.loop_start()
        self.addCleanup(self.stop, client)
        event = self.event(client, "connect")
        self.assertEqual(int(getattr(event[2], "value", event[2])), 0)
        return event[1]

    @staticmethod
    def stop(client):
        client.disconnect()
        client.loop_stop()

    def event(self, client, word):
        while True:
            event = client.events.get(timeout=10 * SCALE)
            if event[0] == word:
                return event

    def subscribe(self, client, *arguments, **options):
        result, _ = client.subscribe(*arguments, **options)
        self.assertEqual(result, mqtt.MQTT_ERR_SUCCESS)
        return self.event(client, "subscribe")[1]

    def publish(self, client, *arguments, **options):
        info = client.publish(*arguments, **options)
        info.wait_for_publish(10 * SCALE)
        self.assertTrue(info.is_published())

    def get(self, client, seconds=10):
        return client.got.get(timeout=seconds * SCALE)

    def expect_none(self, client, witness):
        """Nothing more came before a message that is sent now to `witness`."""
        self.publish(client, witness, b"witness", qos=1)
        message = self.get(client)
        self.assertEqual((message.topic, message.payload), (witness, b"witness"))


class OrdinaryPrograms(PahoCase):
    def test_json_on_devices_temperature(self):
        base = self.name("devices")
        subscriber = mqtt.Client()
        got = queue.Queue()
        subscriber.on_message = lambda client, userdata, message: got.put(message)
        subscriber.on_connect = lambda client, userdata, flags, rc: client.subscribe(
            base + "/temperature")
        ready = queue.Queue()
        subscriber.on_subscribe = lambda *arguments: ready.put(True)
        subscriber.connect(self.host, self.port)
        subscriber.loop_start()
        self.addCleanup(self.stop, subscriber)
        ready.get(timeout=10 * SCALE)
        publisher = mqtt.Client()
        publisher.connect(self.host, self.port)
        publisher.loop_start()
        self.addCleanup(self.stop, publisher)
        reading = {"device": "kitchen", "celsius": 21.5}
        publisher.publish(base + "/temperature", json.dumps(reading)).wait_for_publish(10 * SCALE)
        message = got.get(timeout=10 * SCALE)
        self.assertEqual(message.topic, base + "/temperature")
        self.assertEqual(json.loads(message.payload), reading)
        self.assertEqual((message.qos, message.retain), (0, False))

    def test_single_calls_of_the_helper_modules(self):
        topic = self.name() + "/one"
        publish.single(topic, b"kept", qos=1, retain=True, hostname=self.host, port=self.port)
        message = subscribe.simple(topic, qos=1, hostname=self.host, port=self.port)
        self.assertEqual((message.payload, message.retain), (b"kept", True))

    def test_several_messages_in_one_go(self):
        topic = self.name()
        client = self.client()
        self.subscribe(client, topic + "/#", 1)
        publish.multiple([(topic + "/a", b"1", 0, False), (topic + "/b", b"2", 1, False),
                          {"topic": topic + "/c", "payload": b"3", "qos": 2}],
                         hostname=self.host, port=self.port)
        self.assertEqual([self.get(client).payload for _ in range(3)], [b"1", b"2", b"3"])


class Delivery(PahoCase):
    def test_every_qos_arrives_in_order_and_once(self):
        for protocol in (mqtt.MQTTv31, mqtt.MQTTv311, mqtt.MQTTv5):
            for qos in (0, 1, 2):
                with self.subTest(protocol=protocol, qos=qos):
                    topic = self.name()
                    client = self.client(self.name("c"), protocol=protocol)
                    self.assertEqual(self.subscribe(client, topic, qos), [qos])
                    publisher = self.client(self.name("p"), protocol=protocol)
                    for number in range(200):
                        info = publisher.publish(topic, b"%d" % number, qos=qos)
                    info.wait_for_publish(20 * SCALE)
                    got = [self.get(client) for _ in range(200)]
                    self.assertEqual([int(m.payload) for m in got], list(range(200)))
                    self.assertEqual({m.qos for m in got}, {qos})

    def test_the_lower_of_both_qos_counts(self):
        for published in (0, 1, 2):
            for subscribed in (0, 1, 2):
                topic = self.name()
                client = self.client()
                self.subscribe(client, topic, subscribed)
                self.publish(client, topic, b"x", qos=published)
                self.assertEqual(self.get(client).qos, min(published, subscribed))

    def test_filters_choose(self):
        base = self.name()
        topics = ["", "/a", "/a/b", "/a/b/c", "/x/b", "/a/", "//b"]
        expected = {
            "": [""], "/a": ["/a"], "/+": ["/a"], "/#": topics,
            "/a/#": ["/a", "/a/b", "/a/b/c", "/a/"],
            "/+/b": ["/a/b", "/x/b", "//b"], "/+/+": ["/a/b", "/x/b", "/a/", "//b"],
            "/a/+/c": ["/a/b/c"], "/b": [],
        }
        for filter_, wanted in expected.items():
            with self.subTest(filter=filter_):
                client = self.client()
                self.subscribe(client, base + filter_, 1)
                for topic in topics:
                    self.publish(client, base + topic, topic.encode(), qos=1)
                for topic in wanted:
                    self.assertEqual(self.get(client).topic, base + topic)
                self.publish(client, base + "-end", b"", qos=1)
                self.subscribe(client, base + "-end2", 1)
                self.expect_none(client, base + "-end2")
                self.stop(client)

    def test_dots_percents_and_stars_in_topics_stay_as_they_are(self):
        base = self.name()
        client = self.client()
        self.subscribe(client, base + "/#", 1)
        for tail in ("dev.1/temp", "100%/x", "a%2Eb", "a%2Fb/c", "*", ">", "my_topic_x20",
                     "with space", "\u00e9\u4e2d\U0001f600", "$dollar", "a//b", "end/"):
            self.publish(client, base + "/" + tail, tail, qos=1)
            message = self.get(client)
            self.assertEqual((message.topic, message.payload.decode()), (base + "/" + tail, tail))

    def test_empty_and_large_payloads(self):
        client = self.client()
        topic = self.name()
        self.subscribe(client, topic, 1)
        for size in (0, 1, 127, 128, 16383, 16384, 1 << 20, 5 << 20):
            payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            self.publish(client, topic, payload, qos=1)
            self.assertEqual(self.get(client, 30).payload, payload)

    def test_unsubscribed_is_quiet(self):
        client = self.client()
        topic, witness = self.name(), self.name()
        self.subscribe(client, [(topic, 1), (witness, 1)])
        client.unsubscribe(topic)
        self.event(client, "unsubscribe")
        self.publish(client, topic, b"no", qos=1)
        self.expect_none(client, witness)

    def test_a_hundred_subscribers_get_each_message(self):
        topic = self.name()
        clients = [self.client() for _ in range(100)]
        for client in clients:
            self.subscribe(client, topic, 1)
        for number in range(5):
            self.publish(clients[0], topic, b"%d" % number, qos=1)
        for client in clients:
            self.assertEqual([self.get(client).payload for _ in range(5)],
                             [b"0", b"1", b"2", b"3", b"4"])


class Retained(PahoCase):
    def test_last_value_is_given_to_new_subscribers(self):
        base = self.name()
        client = self.client()
        self.publish(client, base + "/a", b"old", qos=1, retain=True)
        self.publish(client, base + "/a", b"new", qos=1, retain=True)
        self.publish(client, base + "/b/c", b"bc", qos=0, retain=True)
        self.publish(client, base + "/d", b"gone", qos=1, retain=True)
        self.publish(client, base + "/d", b"", qos=1, retain=True)
        self.subscribe(client, base + "/#", 1)
        got = {m.topic: (m.payload, m.retain) for m in (self.get(client), self.get(client))}
        self.assertEqual(got, {base + "/a": (b"new", True), base + "/b/c": (b"bc", True)})
        self.expect_none(client, base + "/witness")

    def test_an_established_subscriber_sees_no_retain_flag(self):
        topic = self.name()
        client = self.client()
        self.subscribe(client, topic, 1)
        self.publish(client, topic, b"live", qos=1, retain=True)
        self.assertFalse(self.get(client).retain)
        self.publish(client, topic, b"", qos=1, retain=True)
        self.assertEqual(self.get(client).payload, b"")


class Sessions(PahoCase):
    def test_a_persistent_session_gets_what_it_missed(self):
        name, topic = self.name("s"), self.name()
        first = self.client(name, clean_session=False)
        self.subscribe(first, topic + "/#", 1)
        self.stop(first)
        publisher = self.client()
        for number in range(50):
            self.publish(publisher, topic + "/x", b"%d" % number, qos=1 + number % 2)
        again = self.client(name, connect=False, clean_session=False)
        flags = self.connect(again)
        self.assertEqual(flags["session present"], 1)
        got = [self.get(again) for _ in range(50)]
        self.assertEqual([int(m.payload) for m in got], list(range(50)))
        self.stop(again)
        clean = self.client(name, connect=False, clean_session=True)
        self.assertEqual(self.connect(clean)["session present"], 0)

    def test_the_same_client_id_takes_over(self):
        name = self.name("s")
        first = self.client(name)
        first.reconnect_delay_set(min_delay=60, max_delay=120)
        second = self.client(name)
        self.event(first, "disconnect")
        topic = self.name()
        self.subscribe(second, topic, 0)
        self.publish(second, topic, b"x")
        self.assertEqual(self.get(second).payload, b"x")

    def test_the_will_of_a_lost_connection_is_published(self):
        topic = self.name()
        watcher = self.client()
        self.subscribe(watcher, topic, 1)
        lost = self.client(connect=False)
        lost.will_set(topic, b"gone", qos=1)
        self.connect(lost)
        lost.loop_stop()
        lost._sock_close()  # without DISCONNECT, as a crash does it
        self.assertEqual(self.get(watcher).payload, b"gone")

    def test_an_orderly_end_has_no_will(self):
        topic = self.name()
        watcher = self.client()
        self.subscribe(watcher, topic, 1)
        leaving = self.client(connect=False)
        leaving.will_set(topic, b"gone", qos=1)
        self.connect(leaving)
        self.stop(leaving)
        time.sleep(0.1)
        self.expect_none(watcher, topic)

    def test_keep_alive_holds_a_quiet_connection(self):
        client = self.client(connect=False)
        self.connect(client, keepalive=1)
        topic = self.name()
        self.subscribe(client, topic, 1)
        time.sleep(3)
        self.publish(client, topic, b"alive", qos=1)
        self.assertEqual(self.get(client).payload, b"alive")


class VersionFive(PahoCase):
    def client(self, client_id="", connect=True, **options):
        options["protocol"] = mqtt.MQTTv5
        return super().client(client_id, connect, **options)

    def test_properties_reach_the_subscriber(self):
        client = self.client()
        topic = self.name()
        self.subscribe(client, topic, 1)
        sent = properties(
            packets.PacketTypes.PUBLISH, ContentType="application/json", ResponseTopic="answers/1",
            CorrelationData=b"\x00\xff42", PayloadFormatIndicator=1,
            UserProperty=[("a", "1"), ("b", ""), ("a", "2"), ("", "empty name")])
        self.publish(client, topic, b"{}", qos=1, properties=sent)
        got = self.get(client).properties
        self.assertEqual(got.ContentType, "application/json")
        self.assertEqual(got.ResponseTopic, "answers/1")
        self.assertEqual(got.CorrelationData, b"\x00\xff42")
        self.assertEqual(got.PayloadFormatIndicator, 1)
        self.assertEqual(got.UserProperty,
                         [("a", "1"), ("b", ""), ("a", "2"), ("", "empty name")])

    def test_request_and_response(self):
        requests, answers = self.name("requests"), self.name("answers")
        server, caller = self.client(), self.client()
        self.subscribe(server, requests, 1)
        self.subscribe(caller, answers, 1)
        self.publish(caller, requests, b"6*7", qos=1, properties=properties(
            packets.PacketTypes.PUBLISH, ResponseTopic=answers, CorrelationData=b"c1"))
        request = self.get(server)
        self.publish(server, request.properties.ResponseTopic, b"42", qos=1, properties=properties(
            packets.PacketTypes.PUBLISH, CorrelationData=request.properties.CorrelationData))
        answer = self.get(caller)
        self.assertEqual((answer.payload, answer.properties.CorrelationData), (b"42", b"c1"))

    def test_a_session_lives_as_long_as_it_asked(self):
        name, topic = self.name("s"), self.name()
        first = self.client(name, connect=False)
        self.connect(first, clean_start=True, properties=properties(
            packets.PacketTypes.CONNECT, SessionExpiryInterval=60))
        self.subscribe(first, topic, 1)
        self.stop(first)
        publisher = self.client()
        self.publish(publisher, topic, b"later", qos=1)
        again = self.client(name, connect=False)
        flags = self.connect(again, clean_start=False, properties=properties(
            packets.PacketTypes.CONNECT, SessionExpiryInterval=60))
        self.assertEqual(flags["session present"], 1)
        self.assertEqual(self.get(again).payload, b"later")

    def test_without_an_expiry_the_session_ends_with_the_connection(self):
        name = self.name("s")
        self.stop(self.client(name))
        again = self.client(name, connect=False)
        flags = self.connect(again, clean_start=False)
        self.assertEqual(flags["session present"], 0)

    def test_no_local_and_retain_as_published(self):
        topic = self.name()
        client, other = self.client(), self.client()
        self.subscribe(client, topic, options=mqtt.SubscribeOptions(qos=1, noLocal=True,
                                                                    retainAsPublished=True))
        self.publish(client, topic, b"mine", qos=1)
        self.publish(other, topic, b"theirs", qos=1, retain=True)
        message = self.get(client)
        self.assertEqual((message.payload, message.retain), (b"theirs", True))
        self.publish(other, topic, b"", qos=1, retain=True)

    def test_an_expired_message_is_not_delivered(self):
        name, topic = self.name("s"), self.name()
        lasting = properties(packets.PacketTypes.CONNECT, SessionExpiryInterval=60)
        first = self.client(name, connect=False)
        self.connect(first, clean_start=True, properties=lasting)
        self.subscribe(first, topic, 1)
        self.stop(first)
        publisher = self.client()
        self.publish(publisher, topic, b"short", qos=1, properties=properties(
            packets.PacketTypes.PUBLISH, MessageExpiryInterval=1))
        self.publish(publisher, topic, b"long", qos=1, properties=properties(
            packets.PacketTypes.PUBLISH, MessageExpiryInterval=100))
        time.sleep(2.2)
        again = self.client(name, connect=False)
        self.connect(again, clean_start=False, properties=lasting)
        message = self.get(again)
        self.assertEqual(message.payload, b"long")
        self.assertLessEqual(message.properties.MessageExpiryInterval, 100)
        self.assertGreater(message.properties.MessageExpiryInterval, 90)


if __name__ == "__main__":
    unittest.main()
