# SPDX-License-Identifier: Apache-2.0
"""Shared subscriptions: each message to one member of each group (MQTT 5 4.8.2)."""

import random
import unittest

import mqtt_raw as m
from mqtt_case import PEER, Mosquitto, MqttCase, mosquitto_program
from tercet import Broker

KEEP = {"clean": False, "props": [(m.SESSION_EXPIRY, 3600)]}
AS_PUBLISHED = 8


def acknowledge(client, found):
    if found.qos:
        client.send(m.ack(m.PUBACK if found.qos == 1 else m.PUBREC, found.pid))


class SharedCase(MqttCase):

    def group(self, topic=None):
        """A topic, and a filter that shares it in a group of its own."""
        topic = topic or self.name("t")
        return topic, "$share/%s/%s" % (self.name("g"), topic)

    def drain(self, client):
        """What came, acknowledged to the end."""
        seen = []
        while True:
            came = client.sync()
            if not came:
                return seen
            for found in came:
                if found.type == m.PUBLISH:
                    seen.append(found)
                    acknowledge(client, found)
                elif found.type == m.PUBREL:
                    client.send(m.ack(m.PUBCOMP, found.pid))

    def leave(self, client):
        client.send(m.disconnect())
        client.ended()


class Shared(SharedCase):

    broker_options = {"config": "share_grace = 1h\n"}

    def test_mqtt5_4_8_2_each_message_goes_to_one_member_of_each_group(self):
        topic, one = self.group()
        _, other = self.group(topic)
        members = [self.subscriber((one, 1)) for _ in range(3)]
        others = [self.subscriber((other, 2), version=4) for _ in range(2)]
        plain = self.subscriber(topic)
        sender = self.client()
        wanted = [b"%d" % i for i in range(60)]
        for body in wanted:
            sender.publish(topic, body, 1)
        for crowd in (members, others, [plain]):
            shares = [[found.payload for found in self.drain(client)] for client in crowd]
            self.assertEqual(sorted(sum(shares, [])), sorted(wanted))
            self.assertTrue(all(shares))

    def test_mqtt5_4_8_2_3_each_member_has_its_own_qos(self):
        topic, shared = self.group()
        members = [self.subscriber((shared, qos)) for qos in (0, 1, 2)]
        sender = self.client()
        for i in range(9):
            sender.publish(topic, b"%d" % i, 2)
        for qos, member in enumerate(members):
            seen = self.drain(member)
            self.assertEqual({found.qos for found in seen}, {qos})

    def test_mqtt5_4_8_2_options_and_identifiers_are_the_members(self):
        topic, shared = self.group()
        member = self.client()
        member.subscribe((shared, 1), props=[(m.SUB_ID, 5)])
        member.subscribe((topic, 1), props=[(m.SUB_ID, 6)])
        sender = self.client()
        sender.publish(topic, b"1", 1, retain=True)
        ids = sorted(found.all(m.SUB_ID) for found in self.drain(member))
        self.assertEqual(ids, [[5], [6]])  # the shared one and the plain one both
        member.subscribe((shared, 0 | AS_PUBLISHED), props=[(m.SUB_ID, 7)])
        member.send(m.unsubscribe(2, [topic]))
        self.assertEqual(member.expect(m.UNSUBACK).codes, [0])
        sender.publish(topic, b"2", 1, retain=True)
        seen, = self.drain(member)
        self.assertEqual((seen.all(m.SUB_ID), seen.qos, seen.retain), ([7], 0, True))
        sender.publish(topic, b"", retain=True)

    def test_mqtt5_4_8_2_no_retained_messages_come_with_it(self):
        topic, shared = self.group()
        sender = self.client()
        sender.publish(topic, b"kept", 1, retain=True)
        for version in (4, 5):
            self.subscriber((shared, 1), version=version).nothing()
        sender.publish(topic, b"", retain=True)

    def test_mqtt5_4_8_2_unsubscribing_leaves_the_group(self):
        topic, shared = self.group()
        stays, leaves = self.subscriber((shared, 1)), self.subscriber((shared, 1))
        leaves.send(m.unsubscribe(9, [shared, shared, topic]))
        self.assertEqual(leaves.expect(m.UNSUBACK).codes, [0, 0x11, 0x11])
        sender = self.client()
        for i in range(6):
            sender.publish(topic, b"%d" % i, 1)
        self.assertEqual([found.payload for found in self.drain(stays)],
                         [b"%d" % i for i in range(6)])
        leaves.nothing()

    @unittest.skipIf(PEER, "assigned when it is published, there")
    def test_who_does_not_acknowledge_gets_no_more_than_it_can_take(self):
        topic, shared = self.group()
        slow = self.subscriber((shared, 1), props=[(m.RECEIVE_MAX, 1)])
        quick = self.subscriber((shared, 1))
        sender = self.client()
        for i in range(20):
            sender.publish(topic, b"%d" % i, 1)
        held = slow.expect_publish(topic)
        seen = [found.payload for found in self.drain(quick)]
        self.assertEqual(sorted(seen + [held.payload]), sorted(b"%d" % i for i in range(20)))
        slow.nothing()

    def test_mqtt5_4_8_2_4_a_member_that_comes_back_gets_its_own_again(self):
        topic, shared = self.group()
        for version in (4, 5):
            name = self.name("id")
            keep = KEEP if version == 5 else {"clean": False}
            member = self.subscriber((shared, 2), version=version, client_id=name, **keep)
            sender = self.client()
            for qos in (1, 2, 2):
                sender.publish(topic, b"%d" % qos, qos)
            first = [member.expect_publish(topic) for _ in range(3)]
            member.send(m.ack(m.PUBREC, first[2].pid))
            member.expect(m.PUBREL)
            member.close()
            other = self.subscriber((shared, 2))
            self.assertEqual(other.sync(), [])
            member = self.client(name, version, **keep)
            self.assertTrue(member.connack.present)
            self.assertEqual(member.expect(m.PUBREL).pid, first[2].pid)
            again = [member.expect_publish(topic) for _ in range(2)]
            self.assertEqual([(p.pid, p.dup, p.qos) for p in again],
                             [(p.pid, True, p.qos) for p in first[:2]])
            other.nothing()
            other.close()
            self.leave(member)
            self.leave(self.client(name, version))  # ends the session

    @unittest.skipIf(PEER, "lost with the member, there")
    def test_mqtt5_4_8_2_5_what_an_ended_member_had_goes_to_another_but_not_qos_2(self):
        topic, shared = self.group()
        member = self.subscriber((shared, 2))
        other = self.client()
        sender = self.client()
        for i, qos in enumerate((1, 1, 2, 1)):
            sender.publish(topic, b"%d" % i, qos)
        seen = [member.expect_publish(topic) for _ in range(4)]
        member.send(m.ack(m.PUBACK, seen[1].pid))
        member.sync()
        other.subscribe((shared, 2))
        other.nothing()
        member.close()
        again = [other.take(topic) for _ in range(2)]
        self.assertEqual([(p.payload, p.dup) for p in again], [(b"0", False), (b"3", False)])
        other.nothing()

    def test_mqtt5_4_8_2_6_a_members_refusal_is_final(self):
        topic, shared = self.group()
        members = [self.subscriber((shared, 2)) for _ in range(2)]
        sender = self.client()
        for i in range(2):
            sender.publish(topic, b"a%d" % i, 1)
            sender.publish(topic, b"b%d" % i, 2)
        for member in members:
            for found in member.sync():
                member.send(m.ack(m.PUBACK if found.qos == 1 else m.PUBREC, found.pid, 0x83))
            member.sync()
        members[0].close()
        members[1].nothing()

    @unittest.skipIf(PEER, "lost with the member, there")
    def test_nothing_is_lost_or_doubled_while_members_come_and_go(self):
        rng = random.Random(4)
        topic, shared = self.group()
        members = {self.subscriber((shared, 1)): [] for _ in range(4)}
        sender = self.client()
        done, sent = [], 0
        while sent < 6000:
            batch = [m.publish(topic, b"%d" % i, 1, 1 + i % 1000) for i in range(sent, sent + 200)]
            sender.send(*batch)
            sent += 200
            for _ in range(200):
                sender.expect(m.PUBACK)
            for member, held in members.items():
                self.work(rng, member, held, done)
            if rng.random() < 0.5:
                gone = rng.choice(list(members))
                members[self.subscriber((shared, 1))] = []
                del members[gone]
                gone.close()
        while len(done) < sent:
            before = len(done)
            for member, held in members.items():
                self.work(rng, member, held, done, False)
            self.assertGreater(len(done), before - 1)
        self.assertEqual(sorted(done), sorted(b"%d" % i for i in range(sent)))
        for member in members:
            member.nothing()

    def work(self, rng, member, held, done, keeps_some=True):
        """Acknowledges what came, but for some of it, which it still has when it goes."""
        held.extend(member.sync())
        for found in list(held):
            if keeps_some and rng.random() < 0.2:
                continue
            member.send(m.ack(m.PUBACK, found.pid))
            held.remove(found)
            done.append(found.payload)
        held.extend(member.sync())


@unittest.skipIf(PEER, "an option of tercet's own")
class Grace(SharedCase):

    broker_options = {"config": "share_grace = 300ms\n"}

    def test_after_the_grace_others_get_what_the_absent_member_had(self):
        topic, shared = self.group()
        name = self.name("id")
        member = self.subscriber((shared, 2), client_id=name, **KEEP)
        sender = self.client()
        for i, qos in enumerate((1, 2, 1)):
            sender.publish(topic, b"%d" % i, qos)
        first = [member.expect_publish(topic) for _ in range(3)]
        member.close()
        other = self.subscriber((shared, 2))
        again = [other.take(topic) for _ in range(2)]
        self.assertEqual([(p.payload, p.dup) for p in again], [(b"0", False), (b"2", False)])
        member = self.client(name, **KEEP)
        found = member.take(topic, b"1")  # 4.8.2-5: it stays with the member
        self.assertEqual((found.pid, found.dup), (first[1].pid, True))
        member.nothing()


@unittest.skipIf(PEER, "what is kept is compared elsewhere")
class Restart(unittest.TestCase):

    def setUp(self):
        self.broker = Broker(data=True, config="share_grace = 1h\n")
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def client(self, name, **options):
        client = m.Client(self.broker.address("mqtt"))
        self.addCleanup(client.close)
        return client.connect(name, **options)

    def test_a_group_whose_members_are_away_keeps_its_place(self):
        for how in ("kill", "stop"):
            with self.subTest(how=how):
                topic, names = "kept/" + how, ["one" + how, "two" + how]
                shared = "$share/g/" + topic
                for name in names:
                    member = self.client(name, **KEEP)
                    member.subscribe((shared, 2))
                    member.send(m.disconnect())
                    member.ended()
                sender = self.client("s")
                for i in range(300):
                    sender.publish(topic, b"%d" % i, 1 + i % 2)
                getattr(self.broker, how)()
                self.broker.start()
                members = [self.client(name, **KEEP) for name in names]
                self.assertTrue(all(member.connack.present for member in members))
                seen, released = [], 0
                while len(seen) < 300 or released < 150:
                    for member in members:
                        for found in member.sync():
                            if found.type == m.PUBLISH:
                                seen.append(found.payload)
                                acknowledge(member, found)
                            else:
                                member.send(m.ack(m.PUBCOMP, found.pid))
                                released += 1
                self.assertEqual(sorted(seen), sorted(b"%d" % i for i in range(300)))
                for member in members:
                    member.nothing()


class Side:
    """One broker with the same members; gives what each group got, whoever got it."""

    GROUPS = {"one": ("d/+", "d/a/#"), "two": ("d/#",), "three": ("d/b", "#")}

    def __init__(self, broker, version):
        self.members = []
        for group, filters in self.GROUPS.items():
            for text in filters:
                for _ in range(2):
                    client = m.Client(broker.address("mqtt"), version)
                    client.connect("%s-%d" % (group, len(self.members)))
                    client.subscribe(("$share/%s/%s" % (group, text), 2))
                    self.members.append(((group, text), client))
        self.sender = m.Client(broker.address("mqtt"), version).connect("sender")

    def step(self, topic, body, qos, retain):
        self.sender.publish(topic, body, qos, retain=retain)
        self.sender.sync()
        seen = {}
        for key, client in self.members:
            while True:
                came = client.sync()
                if not came:
                    break
                for found in came:
                    if found.type == m.PUBLISH:
                        seen.setdefault(key, []).append((found.topic, found.payload, found.qos,
                                                         found.retain))
                        acknowledge(client, found)
                    else:
                        client.send(m.ack(m.PUBCOMP, found.pid))
        return seen

    def close(self):
        for _, client in self.members:
            client.close()
        self.sender.close()


@unittest.skipUnless(mosquitto_program(), "mosquitto is not installed")
class Differential(unittest.TestCase):

    def test_each_group_gets_the_same_as_in_mosquitto(self):
        rng = random.Random(7)
        topics = ["d", "d/a", "d/b", "d/a/c", "e", "d/", "d/a/$x", "$d/a"]
        with Broker() as ours, Mosquitto() as theirs:
            for version in (4, 5):
                sides = [Side(broker, version) for broker in (ours, theirs)]
                for number in range(60):
                    step = (rng.choice(topics), b"%d" % number, rng.randint(0, 2),
                            False)  # it sends retained ones to new members
                    self.assertEqual(sides[0].step(*step), sides[1].step(*step), step)
                for side in sides:
                    side.close()


if __name__ == "__main__":
    unittest.main()
