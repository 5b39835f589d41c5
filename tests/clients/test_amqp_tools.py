# SPDX-License-Identifier: Apache-2.0
"""The programs amqp-declare-queue, amqp-publish, amqp-get, amqp-consume and amqp-delete-queue."""

import unittest

from against import ClientCase
from tercet import need_program


@need_program("amqp-publish")
class AmqpTools(ClientCase):
    protocol = "amqp"

    def tool(self, name, *arguments, **options):
        return self.run_program("amqp-" + name, "--server", self.host, "--port", self.port,
                                *arguments, **options)

    def queue(self, *arguments):
        name = self.name("q")
        self.assertEqual(self.tool("declare-queue", "-q", name, *arguments).strip().decode(), name)
        self.addCleanup(self.tool, "delete-queue", "-q", name, status=None)
        return name

    def test_publish_and_get(self):
        queue = self.queue()
        for number in range(5):
            self.tool("publish", "-r", queue, "-b", "message %d" % number)
        self.assertEqual([self.tool("get", "-q", queue) for _ in range(5)],
                         [b"message %d" % number for number in range(5)])
        self.tool("get", "-q", queue, status=2)  # empty

    def test_consume_with_a_program_for_each_message(self):
        queue = self.queue("-d")
        for number in range(5):
            self.tool("publish", "-r", queue, "-p", "-b", "message %d\n" % number)
        out = self.tool("consume", "-q", queue, "-c", 5, "-p", 2, "cat")
        self.assertEqual(out.splitlines(), [b"message %d" % number for number in range(5)])
        self.assertEqual(self.tool("delete-queue", "-q", queue).strip(), b"0")

    def test_a_message_whose_program_failed_is_not_lost(self):
        queue = self.queue("-d")
        self.tool("publish", "-r", queue, "-b", "again\n")
        self.tool("consume", "-q", queue, "-c", 1, "false", status=None)
        self.assertEqual(self.tool("consume", "-q", queue, "-c", 1, "cat"), b"again\n")

    def test_an_own_queue_bound_to_an_exchange(self):
        topic = self.name("logs")
        queue = self.name("q")
        process = self.start_program("amqp-consume", "--server", self.host, "--port", self.port,
                                     "-e", "amq.topic", "-r", topic + ".#", "-q", queue, "-x",
                                     "-c", 2, "cat")
        # What is published before the consumer's queue is bound is dropped: publish until it ends.
        while process.poll() is None:
            self.tool("publish", "-e", "amq.topic", "-r", topic + ".error", "-b", "x\n")
        self.assertEqual(self.finish(process), b"x\nx\n")

    def test_a_body_from_a_file(self):
        queue = self.queue()
        body = bytes(range(256)) * 8192
        self.tool("publish", "-r", queue, data=body)
        self.assertEqual(self.tool("get", "-q", queue), body)

    def test_lines_become_messages(self):
        queue = self.queue()
        self.tool("publish", "-r", queue, "-l", data=b"one\ntwo\nthree\n")
        out = self.tool("consume", "-q", queue, "-c", 3, "cat")
        self.assertEqual(out.split(), [b"one", b"two", b"three"])


if __name__ == "__main__":
    unittest.main()
