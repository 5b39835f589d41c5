# SPDX-License-Identifier: Apache-2.0
"""The traffic of a home: a gateway (as Zigbee2MQTT) that announces thousands of entities in
retained messages, a hub (as Home Assistant) that reads them and follows each device, a recorder
with a kept session, birth and will of each, and a broker that is killed in the middle."""

import json
import unittest

import mqtt_raw as m
from mqtt_case import MqttCase

DEVICES = 500
ENTITIES = 20
BATCH = 500
CONFIGS = DEVICES * ENTITIES
COMPONENTS = ("sensor", "switch", "light", "binary_sensor")
SECONDS = 60


def config_topic(device, entity):
    return "homeassistant/%s/0x%016x/%d/config" % (COMPONENTS[entity % 4], device, entity)


def config(device, entity):
    return json.dumps({"unique_id": "0x%016x_%d" % (device, entity),
                       "state_topic": state_topic(device), "value_template": "{{ value_json.%d }}"
                       % entity, "availability": [{"topic": "zigbee2mqtt/bridge/state"}]})


def state_topic(device):
    return "zigbee2mqtt/device %d" % device


class Home(MqttCase):
    broker_options = {"data": True, "keep_ports": True}

    def publish_all(self, client, messages, qos=1):
        """(topic, payload) pairs, retained, a batch under way at a time."""
        for at in range(0, len(messages), BATCH):
            batch = messages[at:at + BATCH]
            client.send(*(m.publish(topic, payload, qos, pid + 1, retain=True, version=4)
                          for pid, (topic, payload) in enumerate(batch)))
            for pid in range(len(batch)):
                self.assertEqual(client.expect(m.PUBACK).pid, pid + 1)

    def gateway(self):
        """Connects as the gateway does; its will says that it is gone."""
        client = self.client("zigbee2mqtt", 4, keep_alive=60, will={
            "topic": "zigbee2mqtt/bridge/state", "payload": '{"state":"offline"}', "qos": 1,
            "retain": True})
        client.publish("zigbee2mqtt/bridge/state", '{"state":"online"}', 1, retain=True)
        self.assertEqual(client.subscribe("zigbee2mqtt/+/set", "zigbee2mqtt/+/+/set",
                                          "zigbee2mqtt/bridge/request/#", "homeassistant/status"),
                         [0, 0, 0, 0])
        return client

    def hub(self):
        """Connects as the hub does: birth, discovery, and a subscription for each device."""
        client = self.client("hub", 4, keep_alive=60, will={
            "topic": "homeassistant/status", "payload": "offline", "retain": True})
        client.send(m.subscribe(1, [("homeassistant/+/+/config", 0),
                                    ("homeassistant/+/+/+/config", 0)], version=4))
        self.assertEqual(client.expect(m.SUBACK).codes, [0, 0])
        return client

    def discover(self, client):
        """All that is announced: each entity once, with the retain flag."""
        found = {}
        while len(found) < CONFIGS:
            got = client.receive(SECONDS)
            self.assertIsNotNone(got, "%d of %d came" % (len(found), CONFIGS))
            self.assertTrue(got.retain, got.topic)
            self.assertNotIn(got.topic, found)
            found[got.topic] = got.payload
        return found

    def follow(self, client):
        filters = [(state_topic(device), 0) for device in range(DEVICES)]
        client.send(m.subscribe(2, filters + [("zigbee2mqtt/bridge/state", 0)], version=4))
        self.assertEqual(client.expect(m.SUBACK).codes, [0] * (DEVICES + 1))
        return self.take(client, DEVICES + 1)

    def take(self, client, count):
        """That many messages, as topic: (payload, retain); none comes twice."""
        found = {}
        for _ in range(count):
            got = client.receive(SECONDS)
            if got is not None and got.type == m.SUBACK:  # of a kept session it waits for the disk
                got = client.receive(SECONDS)
            self.assertIsNotNone(got, "%d of %d came" % (len(found), count))
            if got.qos == 1:
                client.send(m.ack(m.PUBACK, got.pid))
            self.assertNotIn(got.topic, found)
            found[got.topic] = (got.payload, got.retain)
        return found

    def states(self, word):
        return [(state_topic(device), '{"state":"%s"}' % word) for device in range(DEVICES)]

    @staticmethod
    def seen(messages, retain):
        return {topic: (payload.encode(), retain) for topic, payload in messages}

    def test_a_home_is_as_it_was_after_the_broker_was_killed(self):
        announced = [(config_topic(device, entity), config(device, entity))
                     for device in range(DEVICES) for entity in range(ENTITIES)]
        wanted = {topic: payload.encode() for topic, payload in announced}
        online = {"zigbee2mqtt/bridge/state": (b'{"state":"online"}', True)}

        gateway = self.gateway()
        self.publish_all(gateway, announced)
        self.publish_all(gateway, self.states("ON"))
        recorder = self.client("recorder", 4, clean=False)
        self.assertEqual(recorder.connack.present, False)
        recorder.send(m.subscribe(1, [("zigbee2mqtt/+", 1), ("homeassistant/#", 0)], version=4))
        self.take(recorder, DEVICES + CONFIGS)
        hub = self.hub()
        self.assertEqual(self.discover(hub), wanted)
        self.assertEqual(self.follow(hub), {**self.seen(self.states("ON"), True), **online})

        # the hub says that it is there, and the gateway tells all states again
        hub.publish("homeassistant/status", "online", 1, retain=True)
        self.assertEqual(gateway.take("homeassistant/status", "online").retain, False)
        self.publish_all(gateway, self.states("OFF"))
        self.assertEqual(self.take(hub, DEVICES), self.seen(self.states("OFF"), False))
        hub.publish("zigbee2mqtt/device 7/set", '{"state":"ON"}', 1)
        gateway.take("zigbee2mqtt/device 7/set", '{"state":"ON"}')

        # what the recorder was not there for, and the kill between
        self.assertEqual(self.take(recorder, DEVICES + 1), {
            **self.seen(self.states("OFF"), False), "homeassistant/status": (b"online", False)})
        recorder.sync()
        recorder.send(m.disconnect())
        recorder.ended()
        missed = self.states("missed")
        self.publish_all(gateway, missed)
        self.broker.kill()
        self.broker.start()

        gateway = self.gateway()
        self.assertTrue(gateway.take("homeassistant/status", "online").retain)
        recorder = self.client("recorder", 4, clean=False)
        self.assertTrue(recorder.connack.present)
        late = self.take(recorder, DEVICES)
        self.assertEqual(late, self.seen(missed, False))
        hub = self.hub()
        self.assertEqual(self.discover(hub), wanted)
        self.assertEqual(self.follow(hub), {**self.seen(missed, True), **online})
        hub.nothing()

        # an entity is taken away, a device goes, the gateway crashes: everybody hears of it once
        gateway.publish(config_topic(3, 5), b"", 1, retain=True)
        self.assertEqual(self.take(hub, 1), {config_topic(3, 5): (b"", False)})
        gateway.close()
        self.assertEqual(self.take(hub, 1), {
            "zigbee2mqtt/bridge/state": (b'{"state":"offline"}', False)})
        hub.send(m.disconnect())
        hub.ended()
        late = self.client("late", 4)
        late.subscribe("homeassistant/+/+/+/config", "zigbee2mqtt/bridge/state",
                       "homeassistant/status")
        found = self.take(late, CONFIGS + 1)
        self.assertNotIn(config_topic(3, 5), found)
        self.assertEqual(found["zigbee2mqtt/bridge/state"], (b'{"state":"offline"}', True))
        self.assertEqual(found["homeassistant/status"], (b"online", True))
        late.nothing()


if __name__ == "__main__":
    unittest.main()
