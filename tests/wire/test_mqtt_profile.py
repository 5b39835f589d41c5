# SPDX-License-Identifier: Apache-2.0
"""What the operator may choose where MQTT leaves a choice: the profile, and single options."""

import re
import socket
import unittest

import mqtt_raw as m
from mqtt_case import PEER, MqttCase
from tercet import read_exactly


@unittest.skipIf(PEER, "options of tercet's own")
class Mosquitto(MqttCase):

    broker_options = {"config": "mqtt_profile = mosquitto\n"}

    def connack(self, packet):
        with socket.create_connection(self.address, 10) as sock:
            sock.sendall(packet)
            head = read_exactly(sock, 2)
            return head + read_exactly(sock, head[1])

    def test_connack_has_mosquittos_bytes(self):
        self.assertEqual(self.connack(m.connect(self.name("id"))).hex(),
                         "200e00000b22000a27001e8480210014")

    def test_an_assigned_identifier_stands_where_mosquitto_has_it(self):
        told = self.connack(m.connect(""))
        self.assertEqual(told[:8].hex(), "203a000037" "22000a")
        self.assertEqual(told[8:11].hex(), "120029")
        self.assertRegex(told[11:52].decode(), re.compile(
            "^auto-[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$"))
        self.assertEqual(told[52:].hex(), "27001e8480210014")

    def test_one_more_than_the_receive_maximum_is_0x93(self):
        client = self.client()
        for pid in range(1, 21):
            client.send(m.publish("profile/t", b"x", 2, pid))
            client.expect(m.PUBREC)
        client.send(m.publish("profile/t", b"x", 2, 21))
        self.assertEqual(client.ended(), 0x93)

    def test_a_packet_over_two_million_bytes_is_0x95(self):
        client = self.client()
        client.send(b"\x30\x81\x89\x7a")  # 2,000,001 follow
        self.assertEqual(client.ended(), 0x95)


@unittest.skipIf(PEER, "options of tercet's own")
class OwnNumbers(MqttCase):

    broker_options = {"config": "mqtt_profile = mosquitto\nmqtt_receive_maximum = 7\n"
                                "mqtt_max_packet = 1m\nmqtt_topic_alias_maximum = 2\n"
                                "mqtt_id_prefix = dev_\n"}

    def test_what_the_operator_says_comes_before_the_profile(self):
        told = self.client("").connack
        self.assertEqual((told.prop(m.RECEIVE_MAX), told.prop(m.PACKET_MAX),
                          told.prop(m.ALIAS_MAX)), (7, 1 << 20, 2))
        self.assertTrue(told.prop(m.ASSIGNED_ID).startswith("dev_"))

    def test_an_alias_over_the_operators_is_0x94(self):
        client = self.client()
        client.send(m.publish("profile/a", b"x", props=[(m.ALIAS, 2)]))
        client.sync()
        client.send(m.publish("profile/a", b"x", props=[(m.ALIAS, 3)]))
        self.assertEqual(client.ended(), 0x94)


@unittest.skipIf(PEER, "options of tercet's own")
class Less(MqttCase):
    """A broker that offers less than MQTT has."""

    broker_options = {"config": "mqtt_maximum_qos = 1\nmqtt_retain = no\nmqtt_assign_id = no\n"
                                "mqtt_topic_alias_maximum = 0\nmqtt_max_payload = 1k\n"}

    def refused(self, version=5, **options):
        client = self.open(version)
        client.send(m.connect(version=version, **options))
        return client.expect(m.CONNACK).reason

    def test_mqtt5_3_2_2_9_maximum_qos_is_told_and_granted(self):
        client = self.client()
        self.assertEqual(client.connack.prop(m.MAX_QOS), 1)
        self.assertEqual(client.subscribe(("less/a", 2), ("less/b", 0)), [1, 0])

    def test_mqtt5_3_2_2_11_a_higher_qos_is_0x9b(self):
        client = self.client()
        client.send(m.publish("less/t", b"x", 2, 1))
        self.assertEqual(client.ended(), 0x9b)

    def test_mqtt5_3_2_2_12_a_will_of_a_higher_qos_is_0x9b(self):
        self.assertEqual(self.refused(client_id=self.name("w"), will={"topic": "t", "qos": 2}),
                         0x9b)

    def test_mqtt5_3_2_2_13_no_retained_messages(self):
        client = self.client()
        self.assertEqual(client.connack.prop(m.RETAIN_AVAILABLE), 0)
        client.send(m.publish("less/t", b"x", retain=True))
        self.assertEqual(client.ended(), 0x9a)
        self.assertEqual(self.refused(client_id=self.name("w"),
                                      will={"topic": "t", "retain": True}), 0x9a)

    def test_mqtt311_a_retained_message_ends_the_connection(self):
        client = self.client(version=4)
        client.send(m.publish("less/t", b"x", retain=True, version=4))
        client.ended()

    def test_nobody_is_given_an_identifier(self):
        self.assertEqual(self.refused(client_id=""), 0x85)
        self.assertEqual(self.refused(version=4, client_id=""), 2)

    def test_without_aliases_none_is_offered_nor_taken(self):
        client = self.client()
        self.assertIsNone(client.connack.prop(m.ALIAS_MAX))
        client.send(m.publish("less/t", b"x", props=[(m.ALIAS, 1)]))
        self.assertEqual(client.ended(), 0x94)

    def test_a_large_payload_is_refused_and_the_connection_goes_on(self):
        topic = self.name("less")
        for version, reasons in ((5, (0x83, 0)), (4, (None, None))):
            heard = self.subscriber((topic, 1), version=version)
            client = self.client(version=version)
            told = (client.publish(topic, b"x" * 1025, 1).reason,
                    client.publish(topic, b"y" * 1024, 1).reason)
            self.assertIn(told, (reasons, (0, 0)) if version < 5 else (reasons,))
            self.assertEqual(heard.expect(m.PUBLISH).payload, b"y" * 1024)


if __name__ == "__main__":
    unittest.main()
