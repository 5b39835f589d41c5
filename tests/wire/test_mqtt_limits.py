# SPDX-License-Identifier: Apache-2.0
"""The limits that an operator sets for MQTT, as clients meet them."""

import time
import unittest

import mqtt_raw as m
from mqtt_case import PEER, MqttCase


@unittest.skipIf(PEER, "options of tercet's own")
class Limits(MqttCase):

    broker_options = {"config": "mqtt_max_keep_alive = 1s\nmqtt_max_session_expiry = 1s\n"
                                "mqtt_receive_maximum = 3\nmqtt_max_packet = 2k\n"}

    def test_mqtt5_3_2_2_22_server_keep_alive(self):
        for asked in (0, 60):
            client = self.client(keep_alive=asked)
            self.assertEqual(client.connack.prop(m.SERVER_KEEP_ALIVE), 1)
            start = time.monotonic()
            self.assertIn(client.ended(), (None, 0x8d))
            self.assertGreater(time.monotonic() - start, 1.2)
        self.assertIsNone(self.client(keep_alive=1).connack.prop(m.SERVER_KEEP_ALIVE))

    def test_mqtt311_a_longer_keep_alive_is_cut_in_silence(self):
        client = self.client(version=4, keep_alive=60)
        with self.assertRaises(EOFError):
            client.receive()

    def test_session_expiry_is_cut_and_told(self):
        name = self.name("id")
        for asked in (5, 0xffffffff):
            client = self.client(name, clean=False, props=[(m.SESSION_EXPIRY, asked)])
            self.assertEqual(client.connack.prop(m.SESSION_EXPIRY), 1)
            client.send(m.disconnect(0, [(m.SESSION_EXPIRY, 500)]))
            client.ended()
        self.client(name, version=4, clean=False).send(m.disconnect())
        time.sleep(1.5)
        self.assertFalse(self.client(name, version=4, clean=False).connack.present)

    def test_receive_maximum(self):
        client = self.client()
        self.assertEqual(client.connack.prop(m.RECEIVE_MAX), 3)
        for pid in range(1, 4):
            client.send(m.publish("limits/t", b"x", 2, pid))
            client.expect(m.PUBREC)
        client.send(m.publish("limits/t", b"x", 2, 4))
        self.assertEqual(client.ended(), 0x93)

    def test_packet_size(self):
        client = self.client()
        self.assertEqual(client.connack.prop(m.PACKET_MAX), 2048)
        head = len(m.publish("limits/t", b"")) + 1  # a length of two bytes
        client.publish("limits/t", b"x" * (2048 - head), 0)
        client.sync()
        client.send(m.publish("limits/t", b"x" * (2049 - head)))
        self.assertEqual(client.ended(), 0x95)


if __name__ == "__main__":
    unittest.main()
