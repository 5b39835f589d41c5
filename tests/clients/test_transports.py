# SPDX-License-Identifier: Apache-2.0
"""Real MQTT clients over WebSocket, with TLS and without, over a Unix socket, and on one listener
that takes all of them."""

import os
import subprocess
import tempfile
import threading
import unittest

from tercet import SCALE, TOP, BrokerCase, need_module, need_program

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
TLS = "certificate = %s\nkey = %s\n" % (PEM, PEM)
SECONDS = 20 * SCALE
CONFIG = """
[listener ws]
protocol = mqtt
address = 127.0.0.1
port = 0
websocket = yes

[listener wss]
protocol = mqtt
address = 127.0.0.1
port = 0
websocket = yes
tls = yes
%s
[listener all]
protocol = mqtt
address = 127.0.0.1
port = 0
detect = yes
%s
""" % (TLS, TLS)


class PahoOverWebSocket(BrokerCase):

    broker_options = {"config": CONFIG}

    def setUp(self):
        super().setUp()
        self.mqtt = need_module("paho.mqtt.client")

    def exchange(self, name, tls=False, path="/mqtt", transport="websockets", version=4):
        """Messages of all sizes and QoS, there and back."""
        bodies = [os.urandom(size) for size in (0, 1, 100, 126, 5000, 65536, 700000)]
        got, subscribed, done = [], threading.Event(), threading.Event()

        def on_message(_client, _data, message):
            got.append(message.payload)
            if len(got) == len(bodies):
                done.set()

        topic = "ws/paho/%s/%s" % (name, self.id())
        client = self.mqtt.Client(topic, protocol=version, transport=transport)
        if transport == "websockets":
            client.ws_set_options(path=path)
        if tls:
            client.tls_set(ca_certs=PEM)
        client.on_connect = lambda c, *_: c.subscribe(topic, 2)
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = on_message
        client.connect("localhost", self.broker.listener_named(name)["port"])
        client.loop_start()
        try:
            self.assertTrue(subscribed.wait(SECONDS))
            for i, body in enumerate(bodies):
                client.publish(topic, body, i % 3).wait_for_publish()
            self.assertTrue(done.wait(SECONDS), "%d of %d came" % (len(got), len(bodies)))
        finally:
            client.disconnect()
            client.loop_stop()
        self.assertEqual(sorted(got, key=len), bodies)

    def test_plain_and_both_paths(self):
        self.exchange("ws")
        self.exchange("ws", path="/ws", version=5)

    def test_secure(self):
        self.exchange("wss", tls=True)

    def test_one_listener_for_all(self):
        self.exchange("all")
        self.exchange("all", tls=True)
        self.exchange("all", transport="tcp")
        self.exchange("all", tls=True, transport="tcp")

    def test_a_path_that_is_none_is_refused(self):
        client = self.mqtt.Client("lost", transport="websockets")
        client.ws_set_options(path="/nowhere")
        with self.assertRaises(self.mqtt.WebsocketConnectionError):
            client.connect("localhost", self.broker.listener_named("ws")["port"])


class MosquittoOverUnixSocket(BrokerCase):

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="tercet-unix-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.path = os.path.join(cls.directory.name, "mqtt.sock")
        cls.broker_options = {"config": "[listener u]\nprotocol = mqtt\naddress = unix:%s\n"
                                        "detect = yes\n" % cls.path}
        super().setUpClass()

    @need_program("mosquitto_pub")
    def test_pub_and_sub(self):
        def run(*words):
            return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS,
                                  check=True).stdout

        run("mosquitto_pub", "--unix", self.path, "-t", "unix/x", "-m", "over a file", "-r",
            "-q", "1")
        self.assertEqual(run("mosquitto_sub", "--unix", self.path, "-t", "unix/#", "-C", "1",
                             "-q", "1"), "over a file\n")


if __name__ == "__main__":
    unittest.main()
