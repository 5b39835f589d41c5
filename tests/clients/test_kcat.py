# SPDX-License-Identifier: Apache-2.0
"""The program kcat."""

import json
import unittest

from against import ClientCase
from tercet import need_program


@need_program("kcat")
class Kcat(ClientCase):
    protocol = "kafka"

    def kcat(self, *arguments, **options):
        return self.run_program("kcat", "-b", self.broker.server("kafka"), "-q", *arguments,
                                **options)

    def test_lines_in_and_lines_out(self):
        topic = self.name("orders")
        self.kcat("-P", "-t", topic, data=b"".join(b"line %d\n" % n for n in range(500)))
        out = self.kcat("-C", "-t", topic, "-o", "beginning", "-e")
        self.assertEqual(out.splitlines(), [b"line %d" % n for n in range(500)])

    def test_keys_headers_and_offsets(self):
        topic = self.name()
        self.kcat("-P", "-t", topic, "-K", ":", "-H", "colour=red", "-H", "size=5",
                  data=b"a:1\nb:2\n")
        out = self.kcat("-C", "-t", topic, "-e", "-f", "%o %k %s %h\n")
        self.assertEqual(out.splitlines(), [b"0 a 1 colour=red,size=5", b"1 b 2 colour=red,size=5"])

    def test_every_compression(self):
        for kind in ("gzip", "snappy", "lz4", "zstd"):
            with self.subTest(compression=kind):
                topic = self.name()
                data = b"".join(b"value %d\n" % n for n in range(300))
                self.kcat("-P", "-t", topic, "-z", kind, data=data)
                self.assertEqual(self.kcat("-C", "-t", topic, "-e"), data)

    def test_metadata(self):
        topic = self.name()
        self.kcat("-P", "-t", topic, data=b"x\n")
        told = json.loads(self.kcat("-L", "-J", "-t", topic))
        self.assertEqual([one["topic"] for one in told["topics"]], [topic])
        self.assertEqual(told["brokers"][0]["name"], self.broker.server("kafka"))

    def test_a_group(self):
        topic, group = self.name(), self.name("group")
        self.kcat("-P", "-t", topic, data=b"one\ntwo\n")
        out = self.kcat("-G", group, "-e", "-X", "auto.offset.reset=earliest", topic)
        self.assertEqual(out.splitlines(), [b"one", b"two"])
        self.kcat("-P", "-t", topic, data=b"three\n")
        out = self.kcat("-G", group, "-e", "-X", "auto.offset.reset=earliest", topic)
        self.assertEqual(out.splitlines(), [b"three"])

    def test_the_last_messages(self):
        topic = self.name()
        self.kcat("-P", "-t", topic, data=b"1\n2\n3\n4\n5\n")
        self.assertEqual(self.kcat("-C", "-t", topic, "-o", "-2", "-e"), b"4\n5\n")
        self.assertEqual(self.kcat("-C", "-t", topic, "-o", "1", "-c", "1"), b"2\n")

    def test_offsets_by_time(self):
        topic = self.name()
        self.kcat("-P", "-t", topic, data=b"1\n2\n")
        out = self.kcat("-Q", "-t", topic + ":0:1")
        self.assertEqual(out.split()[-1], b"0")

    def test_null_and_empty_values(self):
        topic = self.name()
        self.kcat("-P", "-t", topic, "-K", ":", "-Z", data=b"null:\nfull:x\n")
        out = self.kcat("-C", "-t", topic, "-e", "-Z", "-f", "%k %s %S\n")
        self.assertEqual(out.splitlines(), [b"null NULL -1", b"full x 1"])


if __name__ == "__main__":
    unittest.main()
