# SPDX-License-Identifier: Apache-2.0
"""What the broker tells of itself under $SYS, as mosquitto does."""

import re
import unittest

import mqtt_raw as m
from mqtt_case import PEER, MqttCase, Mosquitto, mosquitto_program
from tercet import Broker, wait_for

ROOT = "$SYS/broker/"
FORMS = ((re.compile(r"\$SYS/broker/load/"), re.compile(rb"\d+\.\d\d\Z")),
         (re.compile(r"\$SYS/broker/uptime\Z"), re.compile(rb"\d+ seconds\Z")),
         (re.compile(r"\$SYS/broker/version\Z"), re.compile(rb"\w+ version \S+\Z")),
         (re.compile(r"\$SYS/"), re.compile(rb"\d+\Z")))
# what depends on traffic of the clients alone, whoever watches
RECEIVED = ("publish/bytes/received", "clients/connected",
            "clients/active", "clients/total", "clients/disconnected", "clients/inactive",
            "clients/maximum", "subscriptions/count", "publish/messages/dropped")


class Told:
    """One client that keeps the last value of each topic."""

    def __init__(self, address, filters=("$SYS/#",)):
        self.client = m.Client(address, 4)
        self.client.connect("watch", keep_alive=600)
        self.values = {}
        self.retained = set()
        self.client.subscribe(*[(f, 0) for f in filters])

    def look(self):
        for found in self.client.sync():
            if found.type == m.PUBLISH:
                self.values[found.topic] = found.payload
                if found.retain:
                    self.retained.add(found.topic)
        return self.values

    def number(self, name):
        return int(self.look().get(ROOT + name, b"-1"))

    def close(self):
        self.client.send(m.disconnect())
        self.client.close()


def fast_mosquitto():
    return Mosquitto(more="sys_interval 1\n")


def fast_tercet():
    return Broker(config="sys_interval = 1s\n")


class Traffic:
    """The same for both: 3 clients, one of them gone with a session that stays."""

    def __init__(self, address):
        self.clients = []
        for i in range(3):
            client = m.Client(address, 4)
            client.connect("traffic-%d" % i, clean=i != 2, keep_alive=600)
            self.clients.append(client)
        self.clients[1].subscribe(("t/#", 1), ("u", 0))
        self.clients[2].subscribe(("t/1", 1))
        self.clients[2].send(m.disconnect())
        self.clients[2].ended()
        for i in range(10):
            self.clients[0].publish("t/%d" % (i % 3), b"x" * i, i % 3)
        self.clients[0].publish("kept", b"kept", 1, retain=True)
        self.clients[0].sync()
        seen = 0
        while seen < 10:
            found = self.clients[1].receive()
            if found.type == m.PUBLISH:
                seen += 1
                if found.qos == 1:
                    self.clients[1].send(m.ack(m.PUBACK, found.pid))
        self.clients[1].sync()

    def close(self):
        for client in self.clients:
            client.close()


@unittest.skipUnless(mosquitto_program(), "mosquitto is not installed")
class Both(unittest.TestCase):

    def values(self, make):
        with make() as broker:
            told = Told(broker.address("mqtt"))
            self.addCleanup(told.close)
            wait_for(lambda: told.number("clients/connected") == 1, 20)
            names = set(told.look())
            retained = told.number("retained messages/count")
            traffic = Traffic(broker.address("mqtt"))
            self.addCleanup(traffic.close)
            wait_for(lambda: (told.number("publish/bytes/received"),
                              told.number("clients/connected"),
                              told.number("retained messages/count") > retained) == (49, 3, True),
                     20)
            values = told.look()
            found = {n: told.number(n) for n in RECEIVED}
            counts = told.number("publish/messages/received"), told.number("publish/bytes/sent")
            forms = [(t, v) for t, v in values.items()
                     if not next(form for place, form in FORMS if place.match(t)).match(v)]
            return names | set(values), found, counts, forms, told.retained

    def test_names_forms_and_values_are_mosquittos(self):
        theirs, their_values, _, _, their_retained = self.values(fast_mosquitto)
        ours, our_values, counts, forms, our_retained = self.values(fast_tercet)
        self.assertEqual(theirs - ours, set())
        self.assertEqual(our_values, their_values)
        self.assertEqual(forms, [])
        self.assertEqual(counts[0], 11)  # mosquitto 2.0 leaves those of QoS 0 out
        self.assertGreater(counts[1], 49)
        self.assertEqual(their_retained - our_retained, set())


@unittest.skipIf(PEER, "options of tercet's own")
class Own(MqttCase):

    broker_options = {"config": "sys_interval = 1s\nretained_max = 2\n"}

    def test_only_who_asks_for_them_is_told(self):
        client = self.subscriber(("#", 0), ("+/broker/uptime", 0))
        told = Told(self.address)
        self.addCleanup(told.close)
        before = told.look()[ROOT + "uptime"]
        wait_for(lambda: told.look()[ROOT + "uptime"] != before)
        self.assertEqual([p for p in client.sync() if p.topic.startswith("$")], [])

    def test_they_do_not_count_as_retained_messages(self):
        client = self.client()
        for i, reason in enumerate((0, 0, 0x97)):
            told = client.publish("sys-kept/%d" % i, b"x", 1, retain=True).reason
            self.assertEqual(told & 0x80, reason & 0x80)
        told = Told(self.address)
        self.addCleanup(told.close)
        wait_for(lambda: told.number("retained messages/count") == 2)
        for i in range(2):
            client.publish("sys-kept/%d" % i, b"", 1, retain=True)

    def test_clients_may_not_publish_there(self):
        told = Told(self.address)
        self.addCleanup(told.close)
        client = self.client()
        self.assertEqual(client.publish(ROOT + "version", b"mine", 1, retain=True).reason, 0x87)
        self.assertNotEqual(told.look()[ROOT + "version"], b"mine")

    def test_a_group_is_told_too(self):
        client = self.subscriber(("$share/g/$SYS/broker/uptime", 0))
        self.assertEqual(client.expect(m.PUBLISH).topic, ROOT + "uptime")


@unittest.skipIf(PEER, "options of tercet's own")
class Nothing(unittest.TestCase):

    def test_nothing_of_it_is_on_the_disk(self):
        with Broker(data=True, config="sys_interval = 1s\n") as broker:
            told = Told(broker.address("mqtt"))
            self.assertIn(ROOT + "version", told.look())
            told.close()
            broker.stop()
            broker.config = "sys_interval = 0\n"
            broker.start()
            told = Told(broker.address("mqtt"))
            self.assertEqual(told.look(), {})
            told.close()


if __name__ == "__main__":
    unittest.main()
