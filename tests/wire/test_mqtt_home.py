# SPDX-License-Identifier: Apache-2.0
"""The traffic of a home: a gateway (as Zigbee2MQTT) that announces thousands of entities in
retained messages, a hub (as Home Assistant) that reads them and follows each device, a recorder
with a kept session, birth and will of each, and a broker that is killed in the middle.

A house is the same on a bad day: everybody subscribes to everything, a reader is stuck, and some
hundred devices, each with a retained will, lose the network or the broker and come back at once.
"""

import collections
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


class HomeCase(MqttCase):
    broker_options = {"data": True, "keep_ports": True}

    def publish_all(self, client, messages, qos=1):
        """(topic, payload) pairs, retained, a batch under way at a time."""
        for at in range(0, len(messages), BATCH):
            batch = messages[at:at + BATCH]
            client.send(*(m.publish(topic, payload, qos, pid + 1, retain=True, version=4)
                          for pid, (topic, payload) in enumerate(batch)))
            for pid in range(len(batch)):
                self.assertEqual(client.expect(m.PUBACK).pid, pid + 1)

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


class Home(HomeCase):
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


FLEET = 300
# What the hub asks for: each kind of thing, with and without a group, and devices as a whole.
KINDS = [*COMPONENTS, *"""alarm_control_panel button camera climate cover device_automation
    device_tracker event fan humidifier image lawn_mower lock notify number scene select siren tag
    text update vacuum valve water_heater""".split()]
PART = 500  # filters in one packet, as the hub sends them


class House(HomeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.announced = {config_topic(device, entity): config(device, entity).encode()
                         for device in range(DEVICES) for entity in range(ENTITIES)}
        cls.states = {state_topic(device): b'{"linkquality":%d}' % device
                      for device in range(DEVICES)}
        cls.present = {topic + "/availability": b'{"state":"online"}' for topic in cls.states}
        cls.about = {"zigbee2mqtt/bridge/devices": json.dumps(
            [{"ieee_address": "0x%016x" % device, "definition": "x" * 2000}
             for device in range(DEVICES)]).encode()}
        cls.is_told = False

    def setUp(self):
        self.gateway = self.client("zigbee2mqtt", 4)
        self.publish_all(self.gateway, list(self.states.items()))
        if not self.is_told:
            for kept in (self.announced, self.present, self.about):
                self.publish_all(self.gateway, list(kept.items()))
            type(self).is_told = True

    def drain(self, client, count):
        """That many PUBLISH, of which none may be there twice: topic: payload."""
        return {topic: payload for topic, (payload, _) in self.take(client, count).items()}

    def subscribe(self, client, filters):
        """In packets of PART; what comes between is given, as topic: payload."""
        between = {}
        for pid, at in enumerate(range(0, len(filters), PART)):
            part = filters[at:at + PART]
            client.send(m.subscribe(pid + 1, [(one, 0) for one in part], version=4))
            while True:
                got = client.receive(SECONDS)
                if got.type == m.SUBACK:
                    self.assertEqual((got.pid, got.codes), (pid + 1, [0] * len(part)))
                    break
                self.assertNotIn(got.topic, between)
                between[got.topic] = got.payload
        return between

    def complete(self, client, found, wanted):
        while len(found) < len(wanted):
            found.update(self.drain(client, 1))
        self.assertEqual(found, wanted)

    def test_a_hub_that_asks_again_is_told_again(self):
        hub = self.client("hub", 4)
        discovery = ["homeassistant/%s/%s" % (kind, tail) for kind in KINDS
                     for tail in ("+/config", "+/+/config")] + ["homeassistant/device/+/config"]
        each = [*self.states, *self.present, "zigbee2mqtt/bridge/devices"]
        wanted = {**self.announced, **self.states, **self.present, **self.about}
        for _ in range(2):
            found = self.subscribe(hub, discovery)
            found.update(self.subscribe(hub, each))
            self.complete(hub, found, wanted)
        hub.nothing()

    def test_a_gateway_that_subscribes_to_everything_hears_itself_until_it_has_enough(self):
        gateway = self.client("gateway", 4)
        found = self.subscribe(gateway, ["zigbee2mqtt/#"])
        self.complete(gateway, found, {**self.states, **self.present, **self.about})
        gateway.send(*(m.publish(topic, b"again", 0, retain=True, version=4)
                       for topic in self.states))
        self.assertEqual(self.drain(gateway, DEVICES), {topic: b"again" for topic in self.states})
        gateway.send(m.subscribe(3, [("homeassistant/#", 0)], version=4),
                     m.unsubscribe(4, ["homeassistant/#"], version=4))
        known = dict.fromkeys(self.announced)
        got = gateway.receive(SECONDS)
        while got.type != m.UNSUBACK:
            if got.type == m.PUBLISH:
                self.assertIn(got.topic, known)
                del known[got.topic]
            got = gateway.receive(SECONDS)
        gateway.nothing()

    def test_a_hub_that_is_stuck_while_it_is_told_misses_nothing_that_is_kept(self):
        hub = self.client("hub", 4)
        over = ("homeassistant/#", "homeassistant/+/#", "homeassistant/+/+/+/config")
        hub.send(m.subscribe(1, [(one, 0) for one in (*over, "zigbee2mqtt/#")], version=4))
        for word in ("first", "second"):  # what is told meanwhile goes by, or is seen as new
            self.publish_all(self.gateway, [(topic, word) for topic in self.states])
        wanted = {**dict.fromkeys(self.announced, len(over)),
                  **dict.fromkeys([*self.present, *self.about], 1)}
        found = collections.Counter()
        while found.total() < sum(wanted.values()):
            got = hub.receive(SECONDS)
            self.assertIsNotNone(got, "%d of %d came" % (found.total(), sum(wanted.values())))
            if got.type == m.PUBLISH and got.topic not in self.states:
                found[got.topic] += 1
        self.assertEqual(found, wanted)
        late = self.client("late", 4)
        late.subscribe("zigbee2mqtt/+")
        self.assertEqual(self.drain(late, DEVICES), dict.fromkeys(self.states, b"second"))

    def fleet(self):
        """All devices connect at once, and say that they are there; each has a will."""
        fleet = []
        for number in range(FLEET):
            one = self.open(4)
            one.send(m.connect("tasmota-%d" % number, 4, will={
                "topic": "tele/%d/LWT" % number, "payload": "Offline", "qos": 1, "retain": True}))
            fleet.append(one)
        for number, one in enumerate(fleet):
            self.assertEqual(one.expect(m.CONNACK).reason, 0)
            one.send(m.publish("tele/%d/LWT" % number, "Online", 1, 1, retain=True, version=4),
                     m.subscribe(2, [("cmnd/%d/+" % number, 0), ("cmnd/all/+", 0)], version=4))
        for one in fleet:
            self.assertEqual({one.receive().type, one.receive().type}, {m.PUBACK, m.SUBACK})
        return fleet

    @staticmethod
    def all_say(word):
        return {"tele/%d/LWT" % number: word for number in range(FLEET)}

    def test_a_fleet_that_loses_the_network_is_away_and_then_there_again(self):
        hub = self.client("hub", 4)
        fleet = self.fleet()
        hub.subscribe("tele/+/LWT")
        self.assertEqual(self.drain(hub, FLEET), self.all_say(b"Online"))
        for one in fleet:
            one.close()
        self.assertEqual(self.drain(hub, FLEET), self.all_say(b"Offline"))
        fleet = self.fleet()
        self.assertEqual(self.drain(hub, FLEET), self.all_say(b"Online"))
        hub.publish("cmnd/all/Power", "ON")
        for one in fleet:
            one.take("cmnd/all/Power", "ON")
        hub.nothing()

    def test_after_a_kill_nobody_is_away_who_is_there(self):
        self.fleet()
        self.broker.kill()
        self.broker.start()
        fleet = self.fleet()
        hub = self.client("hub", 4)
        hub.subscribe("tele/+/LWT")
        self.assertEqual(self.drain(hub, FLEET), self.all_say(b"Online"))
        hub.nothing()
        for one in fleet:  # and by now, too
            one.sync()
        late = self.client("late", 4)
        found = self.subscribe(late, ["tele/+/LWT", "homeassistant/#"])
        self.complete(late, found, {**self.all_say(b"Online"), **self.announced})


if __name__ == "__main__":
    unittest.main()
