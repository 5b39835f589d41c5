# SPDX-License-Identifier: Apache-2.0
"""The newest MQTT clients of the Python registry, one of them made for microcontrollers.

`./dev interop` fetches them and runs this; a client that could not be fetched is a skip."""

import asyncio
import os
import queue
import socket
import ssl
import time
import unittest
import uuid

from tercet import TOP, BrokerCase, need_module

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
CONFIG = """
[listener any]
protocol = mqtt
address = 127.0.0.1
port = 0
detect = yes
certificate = %s
key = %s
""" % (PEM, PEM)
COUNT = 50
SECONDS = 20


def values():
    return [b"value %d" % i for i in range(COUNT)]


class MqttCase(BrokerCase):
    broker_options = {"data": True, "keep_ports": True, "config": CONFIG}

    def name(self, word="t"):
        return "%s-%s" % (word, uuid.uuid4().hex[:12])


class Paho(MqttCase):
    @classmethod
    def setUpClass(cls):
        need_module("paho.mqtt.enums")
        cls.mqtt = need_module("paho.mqtt.client")
        super().setUpClass()

    def versions(self):
        for version in (self.mqtt.MQTTv311, self.mqtt.MQTTv5):
            with self.subTest(version=version):
                yield version

    def client(self, version, client_id="", kept=False, transport="tcp", tls=False, will=None):
        """Connected; `client.got` and `client.granted` are queues."""
        is_five = version == self.mqtt.MQTTv5
        more = {} if is_five else {"clean_session": not kept}
        client = self.mqtt.Client(self.mqtt.CallbackAPIVersion.VERSION2, client_id,
                                  protocol=version, transport=transport, **more)
        client.got, client.granted, client.there = queue.Queue(), queue.Queue(), queue.Queue()
        client.on_connect = lambda _c, _u, flags, reason, _p: client.there.put((flags, reason))
        client.on_subscribe = lambda _c, _u, _mid, reasons, _p: client.granted.put(reasons)
        client.on_message = lambda _c, _u, message: client.got.put(message)
        if transport == "websockets":
            client.ws_set_options(path="/mqtt")
        if tls:
            client.tls_set(ca_certs=PEM)
        if will:
            client.will_set(*will)
        options = {}
        if is_five:
            properties = self.mqtt.Properties(self.mqtt.PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 600 if kept else 0
            options = {"clean_start": not kept, "properties": properties}
        port = self.broker.port("mqtt")
        if tls or transport == "websockets":
            port = self.broker.listener_named("any")["port"]
        client.connect("localhost", port, **options)
        client.loop_start()
        self.addCleanup(self.end, client)
        flags, reason = client.there.get(timeout=SECONDS)
        self.assertFalse(reason.is_failure)
        client.present = flags.session_present
        return client

    @staticmethod
    def end(client):
        client.disconnect()
        client.loop_stop()

    def subscribe(self, client, topic, qos):
        client.subscribe(topic, qos=qos)
        self.assertEqual([code.value for code in client.granted.get(timeout=SECONDS)], [qos])

    @staticmethod
    def publish(client, topic, payloads, qos, retain=False):
        sent = [client.publish(topic, payload, qos, retain) for payload in payloads]
        for one in sent:
            one.wait_for_publish(SECONDS)

    def take(self, client, count=COUNT):
        return [client.got.get(timeout=SECONDS) for _ in range(count)]

    def test_every_qos_comes_back_in_order(self):
        for version in self.versions():
            client = self.client(version)
            for qos in (0, 1, 2):
                topic = self.name()
                self.subscribe(client, topic, qos)
                self.publish(client, topic, values(), qos)
                self.assertEqual([(m.payload, m.qos, m.retain) for m in self.take(client)],
                                 [(value, qos, False) for value in values()])

    def test_every_transport(self):
        for transport, tls in (("tcp", True), ("websockets", False), ("websockets", True)):
            for version in self.versions():
                topic, client = self.name(), self.client(version, "", False, transport, tls)
                self.subscribe(client, topic, 2)
                self.publish(client, topic, values(), 2)
                self.assertEqual([m.payload for m in self.take(client)], values())

    def test_retained_messages_and_wills(self):
        for version in self.versions():
            topic = self.name()
            lost = self.client(version, will=(topic, b"gone", 1, True))
            self.publish(lost, topic, [b"old", b"here"], 1, True)
            watcher = self.client(version)
            self.subscribe(watcher, topic, 1)
            self.assertEqual([(m.payload, m.retain) for m in self.take(watcher, 1)],
                             [(b"here", True)])
            lost.loop_stop()
            lost.socket().shutdown(socket.SHUT_RDWR)
            self.assertEqual([(m.payload, m.retain) for m in self.take(watcher, 1)],
                             [(b"gone", False)])

    def test_members_share(self):
        for version in self.versions():
            topic = self.name()
            members = [self.client(version) for _ in range(3)]
            for member in members:
                self.subscribe(member, "$share/g/%s/+" % topic, 1)
            self.publish(members[0], topic + "/x", values(), 1)
            got, deadline = [], time.monotonic() + SECONDS
            while len(got) < COUNT and time.monotonic() < deadline:
                for member in members:
                    try:
                        got.append(member.got.get(timeout=0.05).payload)
                    except queue.Empty:
                        pass
            self.assertEqual(sorted(got), sorted(values()))

    def test_a_kept_session_goes_on_after_a_kill_of_the_broker(self):
        for version in self.versions():
            name, topic = self.name("kept"), self.name()
            first = self.client(version, name, kept=True)
            self.subscribe(first, topic, 2)
            self.end(first)
            publisher = self.client(version)
            self.publish(publisher, topic, values(), 2)
            self.end(publisher)
            self.broker.kill()
            self.broker.start()
            again = self.client(version, name, kept=True)
            self.assertTrue(again.present)
            self.assertEqual([(m.payload, m.qos) for m in self.take(again)],
                             [(value, 2) for value in values()])


class Asynchronous(MqttCase):
    def test_gmqtt(self):
        gmqtt = need_module("gmqtt")
        self.assertEqual(asyncio.run(asyncio.wait_for(self.gmqtt_round(gmqtt), SECONDS)), values())

    async def gmqtt_round(self, gmqtt):
        topic, got, granted = self.name(), asyncio.Queue(), asyncio.Event()
        client = gmqtt.Client(self.name("c"))
        client.on_message = lambda _c, _t, payload, _q, _p: got.put_nowait(bytes(payload))
        client.on_subscribe = lambda *_: granted.set()
        host, port = self.broker.address("mqtt")
        await client.connect(host, port)
        client.subscribe(topic, qos=1)
        await granted.wait()
        for value in values():
            client.publish(topic, value, qos=1)
        arrived = [await got.get() for _ in range(COUNT)]
        await client.disconnect()
        return arrived

    def test_aiomqtt(self):
        aiomqtt = need_module("aiomqtt")
        arrived = asyncio.run(asyncio.wait_for(self.aiomqtt_round(aiomqtt), SECONDS))
        self.assertEqual(arrived, values())

    async def aiomqtt_round(self, aiomqtt):
        topic, arrived = self.name(), []
        host, port = self.broker.address("mqtt")
        async with aiomqtt.Client(host, port) as client:
            await client.subscribe(topic, qos=2)
            for value in values():
                await client.publish(topic, value, qos=2)
            async for message in client.messages:
                arrived.append(message.payload)
                if len(arrived) == COUNT:
                    return arrived


class Embedded(MqttCase):
    """MiniMQTT of CircuitPython: one packet at a time, blocking reads, QoS 0 and 1."""

    def test_minimqtt(self):
        minimqtt = need_module("adafruit_minimqtt.adafruit_minimqtt")
        for tls in (False, True):
            with self.subTest(tls=tls):
                self.minimqtt_round(minimqtt, tls)

    def minimqtt_round(self, minimqtt, tls):
        topic, will, got = self.name(), self.name("will"), []
        port = self.broker.listener_named("any")["port"] if tls else self.broker.port("mqtt")
        client = minimqtt.MQTT(broker="localhost", port=port, client_id=self.name("mcu"),
                               is_ssl=tls, keep_alive=30, socket_pool=socket, socket_timeout=0.2,
                               recv_timeout=5, ssl_context=ssl.create_default_context(cafile=PEM))
        client.on_message = lambda _c, name, message: got.append((name, message))
        client.will_set(will, "gone", 1)
        client.connect()
        client.subscribe(topic, 1)
        for value in values():
            client.publish(topic, value.decode(), qos=1)
        deadline = time.monotonic() + SECONDS
        while len(got) < COUNT and time.monotonic() < deadline:
            client.loop(0.3)
        self.assertEqual(got, [(topic, value.decode()) for value in values()])
        client.ping()
        client.unsubscribe(topic)
        client.disconnect()


class Runtime(MqttCase):
    """The C client of the AWS runtime, which device SDKs of several languages bind; MQTT 5."""

    @classmethod
    def setUpClass(cls):
        cls.crt = need_module("awscrt.mqtt5")
        cls.io = need_module("awscrt.io")
        super().setUpClass()

    def client(self, name, kept=False, tls=False, will=None):
        """Connected; `got` has what comes, `present` whether there was a session."""
        crt, made, ended, got = self.crt, queue.Queue(), queue.Queue(), queue.Queue()
        secure = None
        if tls:
            options = self.io.TlsContextOptions()
            with open(PEM, "rb") as file:  # it wants the certificate alone
                options.override_default_trust_store(file.read().split(b"-----BEGIN PRIVATE")[0])
            secure = self.io.ClientTlsContext(options)
        resume = crt.ClientSessionBehaviorType
        client = crt.Client(crt.ClientOptions(
            host_name="localhost", tls_ctx=secure, disable_metrics=True,  # a user who is nobody
            port=self.broker.listener_named("any")["port"] if tls else self.broker.port("mqtt"),
            session_behavior=resume.REJOIN_ALWAYS if kept else resume.CLEAN,
            connect_options=crt.ConnectPacket(
                client_id=name, will=will, keep_alive_interval_sec=30,
                session_expiry_interval_sec=600 if kept else 0),
            on_publish_callback_fn=lambda data: got.put(data.publish_packet),
            on_lifecycle_event_stopped_fn=ended.put,
            on_lifecycle_event_connection_success_fn=made.put))
        client.start()
        client.got, client.ended = got, ended
        client.present = made.get(timeout=SECONDS).connack_packet.session_present
        self.addCleanup(self.end, client)
        return client

    @staticmethod
    def end(client, packet=None):
        if not hasattr(client, "is_over"):
            client.is_over = True
            client.stop(packet)
            client.ended.get(timeout=SECONDS)

    def subscribe(self, client, topic, qos):
        answer = client.subscribe(self.crt.SubscribePacket(
            subscriptions=[self.crt.Subscription(topic_filter=topic, qos=self.crt.QoS(qos))]))
        self.assertEqual([int(code) for code in answer.result(SECONDS).reason_codes], [qos])

    def publish(self, client, topic, payloads, qos, retain=False):
        for one in [client.publish(self.crt.PublishPacket(
                topic=topic, payload=payload, qos=self.crt.QoS(qos), retain=retain))
                    for payload in payloads]:
            one.result(SECONDS)

    def test_both_qos_that_it_has_plain_and_by_tls(self):
        for tls in (False, True):
            client = self.client(self.name("crt"), tls=tls)
            for qos in (0, 1):
                topic = self.name()
                self.subscribe(client, topic, qos)
                self.publish(client, topic, values(), qos)
                got = [client.got.get(timeout=SECONDS) for _ in range(COUNT)]
                self.assertEqual([(one.payload, int(one.qos)) for one in got],
                                 [(value, qos) for value in values()])

    def test_retained_messages_wills_and_a_kept_session(self):
        topic, name = self.name(), self.name("kept")
        first = self.client(name, kept=True)
        self.subscribe(first, topic, 1)
        self.end(first)
        lost = self.client(self.name("lost"), will=self.crt.PublishPacket(
            topic=topic, payload=b"gone", qos=self.crt.QoS.AT_LEAST_ONCE, retain=True))
        self.publish(lost, topic, values(), 1)
        self.end(lost, self.crt.DisconnectPacket(
            reason_code=self.crt.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE))
        watcher = self.client(self.name("watcher"))
        self.subscribe(watcher, topic, 1)
        got = watcher.got.get(timeout=SECONDS)
        self.assertEqual((got.payload, got.retain), (b"gone", True))
        again = self.client(name, kept=True)
        self.assertTrue(again.present)
        self.assertEqual([again.got.get(timeout=SECONDS).payload for _ in range(COUNT + 1)],
                         [*values(), b"gone"])


if __name__ == "__main__":
    unittest.main()
