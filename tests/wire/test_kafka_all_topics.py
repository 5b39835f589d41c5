# SPDX-License-Identifier: Apache-2.0
"""Metadata of all topics: the same as of each by its name, and told in parts when they are many."""

import re
import select
import unittest

from kafka_case import KafkaCase

VERSIONS = range(0, 14)
FEW, MANY, GONE = 200, 12000, 40
A_REQUEST = 2000


class AllTopics(KafkaCase):
    def make(self, prefix, count, partitions=1):
        names = ["%s.%05d" % (prefix, n) for n in range(count)]
        client = self.connect()
        for at in range(0, count, A_REQUEST):
            client.send("create_topics", 4, timeout_ms=10000, topics=[
                {"name": name, "num_partitions": partitions, "replication_factor": 1}
                for name in names[at:at + A_REQUEST]])
            client.receive_frame()
        return names

    def test_they_are_told_as_by_their_names_in_every_version(self):
        names = self.make("few", FEW, 2) + self.make("odd_x2F", 3)
        client = self.connect()
        for version in VERSIONS:
            with self.subTest(version=version):
                more = {"include_topic_authorized_operations": True,
                        "include_cluster_authorized_operations": True}
                every = client.call("metadata", version, topics=[] if version == 0 else None,
                                    **more)
                named = client.call("metadata", version, topics=[{"name": n} for n in names],
                                    **more)
                told = {t["name"]: t for t in every.pop("topics")}
                self.assertEqual([told[t["name"]] for t in named.pop("topics")],
                                 [told[n] for n in names])
                self.assertEqual(every, named)

    def test_of_very_many_others_are_answered_meanwhile(self):
        names = self.make("many", MANY)
        gone = self.make("gone", GONE)
        slow, quick = self.connect(), self.connect()
        slow.send("metadata", 12, topics=None)
        answered = 0
        while not select.select([slow.sock], [], [], 0)[0]:
            quick.call("api_versions", 3)
            if answered < GONE:  # what it may stand at goes away
                quick.call("delete_topics", 1, topic_names=[gone[answered]], timeout_ms=1000)
            answered += 1
        self.assertGreater(answered, 1)
        data = slow.receive_frame()  # taken apart it is elsewhere: here it would take long
        told = re.findall(rb"many\.[0-9]{5}", data)
        self.assertEqual(sorted(told), sorted(name.encode() for name in names))

    def test_who_goes_away_while_it_is_made_is_forgotten(self):
        self.make("more", A_REQUEST)
        for _ in range(10):
            client = self.connect()
            client.send("metadata", 12, topics=None)
            client.close()
        client = self.connect()
        client.send("metadata", 12, topics=None)
        self.assertEqual(len(re.findall(rb"more\.[0-9]{5}", client.receive_frame())), A_REQUEST)


if __name__ == "__main__":
    unittest.main()
