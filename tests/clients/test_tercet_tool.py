# SPDX-License-Identifier: Apache-2.0
"""The tool `tercet`: what it publishes arrives, and what it cannot do it refuses."""

import json
import os
import re
import subprocess
import unittest

import against
from tercet import SCALE, TOP, program, wait_for

PROTOCOLS = ("mqtt", "amqp", "kafka")
PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")


class ToolCase(against.ClientCase):
    """Tests that run the tool. It ends by itself: each run has a time limit."""

    protocol = "mqtt"

    def tool(self, *words, stdin=b"", status=0):
        """Runs it to its end; gives what it printed."""
        done = subprocess.run([program("tercet"), *map(str, words)], input=stdin, check=False,
                              timeout=60 * SCALE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        self.said = done.stderr.decode()
        return done.stdout

    def url(self, protocol=None):
        protocol = protocol or self.protocol
        return "%s://%s" % (protocol, self.broker.server(protocol))


class MqttTest(ToolCase):
    protocol = "mqtt"

    def listen(self, topic, *words):
        """A `tercet sub` that is subscribed, seen by a first message that it prints."""
        sub = self.start_program(program("tercet"), "sub", self.url(), topic, "--timeout", 30,
                                 "--format", "%t|%k|%v|%h|%q|%r\\n", *words)
        os.set_blocking(sub.stdout.fileno(), False)
        probe = topic.replace("+", "probe").replace("#", "probe")

        def is_heard():
            self.tool("pub", self.url(), probe, "probe", "--qos", 0)
            return sub.stdout.read() is not None

        wait_for(is_heard, 20, "the subscription")
        os.set_blocking(sub.stdout.fileno(), True)
        return sub

    def lines_of(self, sub, count):
        got = []
        while len(got) < count:
            line = sub.stdout.readline().decode()
            if not line:
                self.fail("it ended: %s" % sub.stderr.read())
            if "|probe|" not in line:
                got.append(line.rstrip("\n"))
        return got

    def test_a_message_arrives_with_its_properties(self):
        name = self.name()
        sub = self.listen(name + "/+")
        self.tool("pub", self.url(), name + "/a", "hello", "--header", "k=v", "--header", "k=w=x")
        self.assertEqual(self.lines_of(sub, 1), [name + "/a||hello|k=v,k=w=x|1|0"])

    def test_every_qos_is_what_was_asked(self):
        name = self.name()
        sub = self.listen(name, "--qos", 2)
        for qos in (0, 1, 2):
            self.tool("pub", self.url(), name, "q", "--qos", qos)
        self.assertEqual([line.split("|")[4] for line in self.lines_of(sub, 3)], ["0", "1", "2"])

    def test_lines_arrive_in_order(self):
        name = self.name()
        sub = self.listen(name)
        lines = [b"line %d" % i for i in range(2000)]
        self.tool("pub", self.url(), name, "--lines", stdin=b"\n".join(lines) + b"\n")
        self.assertEqual(self.lines_of(sub, 2000), ["%s||%s||1|0" % (name, line.decode())
                                                    for line in lines])

    def test_a_retained_message_is_there_later(self):
        name = self.name()
        self.tool("pub", self.url(), name, "kept", "--retain")
        out = self.tool("sub", self.url(), name, "-n", 1, "--timeout", 20, "--format", "%v %r\\n")
        self.assertEqual(out, b"kept 1\n")

    def test_json_shows_bytes_that_are_no_text(self):
        name = self.name()
        self.tool("pub", self.url(), name, "--retain", stdin=b"\xff\x00\n")
        out = self.tool("sub", self.url(), name, "-n", 1, "--timeout", 20, "--format", "json")
        told = json.loads(out)
        self.assertEqual((told["topic"], told["value"], told["retained"]),
                         (name, {"hex": "ff000a"}, True))

    def test_time_without_a_message_is_a_failure(self):
        self.tool("sub", self.url(), self.name(), "-n", 1, "--timeout", 1, status=1)
        self.assertIn("0 of 1 messages", self.said)
        self.assertEqual(self.tool("sub", self.url(), self.name(), "--timeout", 1), b"")

    def test_it_ends_when_who_reads_goes(self):
        name = self.name()
        self.tool("pub", self.url(), name, "kept", "--retain")
        with subprocess.Popen([program("tercet"), "sub", self.url(), name],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            try:
                self.assertEqual(process.stdout.readline(), b"kept\n")
                process.stdout.close()
                self.assertEqual(process.wait(20 * SCALE), 0)
                self.assertEqual(process.stderr.read(), b"")
            finally:
                process.kill()

    def test_what_cannot_be_printed_ends_it(self):
        name = self.name()
        self.tool("pub", self.url(), name, "kept", "--retain")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([program("tercet"), "sub", self.url(), name], check=False,
                                  stdout=full, stderr=subprocess.PIPE, timeout=20 * SCALE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)

    def test_a_bad_filter_is_told(self):
        self.tool("sub", self.url(), "a/#/b", "--timeout", 5, status=1)
        self.assertIn("a/#/b", self.said)


class AmqpTest(ToolCase):
    protocol = "amqp"

    def test_a_queue_is_declared_filled_and_emptied(self):
        name = self.name("orders")
        self.tool("pub", self.url(), name, "lost", status=1)
        self.assertIn("no queue takes it", self.said)
        self.assertEqual(self.tool("sub", self.url(), name, "--timeout", 1), b"")
        self.tool("pub", self.url(), name, "--lines", "--header", "k=v", stdin=b"one\ntwo\n")
        out = self.tool("sub", self.url(), name, "-n", 2, "--timeout", 20,
                        "--format", "%t %v %h\\n")
        self.assertEqual(out.decode(), "%s one k=v\n%s two k=v\n" % (name, name))
        self.assertEqual(self.tool("sub", self.url(), name, "--timeout", 1), b"")

    def test_what_was_not_printed_stays(self):
        name = self.name("orders")
        self.tool("sub", self.url(), name, "--timeout", 1)
        self.tool("pub", self.url(), name, "--lines", stdin=b"1\n2\n3\n")
        self.assertEqual(self.tool("sub", self.url(), name, "-n", 1, "--timeout", 20), b"1\n")
        self.assertEqual(self.tool("sub", self.url(), name, "-n", 2, "--timeout", 20), b"2\n3\n")

    def test_many_lines_are_all_confirmed_and_arrive_in_order(self):
        name = self.name("orders")
        self.tool("sub", self.url(), name, "--timeout", 1)
        lines = b"".join(b"line %d\n" % i for i in range(3000))
        self.tool("pub", self.url(), name, "--lines", stdin=lines)
        self.assertEqual(self.tool("sub", self.url(), name, "-n", 3000, "--timeout", 30), lines)

    def test_a_missing_exchange_is_told(self):
        self.tool("pub", self.url(), "k", "x", "--exchange", self.name("x"), status=1)
        self.assertIn("404", self.said)

    def test_a_missing_vhost_is_told(self):
        self.tool("pub", self.url() + "/nowhere", "k", "x", status=1)
        self.assertTrue(self.said)


class KafkaTest(ToolCase):
    protocol = "kafka"

    def test_key_headers_and_offsets_come_back(self):
        name = self.name()
        self.tool("pub", self.url(), name, "--lines", "--key", "k", "--header", "h=v",
                  stdin=b"one\ntwo\n")
        out = self.tool("sub", self.url(), name, "--from", "beginning", "-n", 2, "--timeout", 30,
                        "--format", "%t %p %o %k %v %h\\n")
        self.assertEqual(out.decode(), "%s 0 0 k one h=v\n%s 0 1 k two h=v\n" % (name, name))

    def test_a_group_goes_on_where_it_stopped(self):
        name, group = self.name(), self.name("g")
        self.tool("pub", self.url(), name, "--lines", stdin=b"1\n2\n3\n")
        words = ("sub", self.url(), name, "--group", group, "--from", "beginning", "--timeout", 40)
        self.assertEqual(self.tool(*words, "-n", 1), b"1\n")
        self.assertEqual(self.tool(*words, "-n", 2), b"2\n3\n")

    def test_no_key_is_null_and_an_empty_key_is_empty(self):
        name = self.name()
        self.tool("pub", self.url(), name, "x")
        self.tool("pub", self.url(), name, "y", "--key", "")
        out = self.tool("sub", self.url(), name, "--from", "beginning", "-n", 2, "--timeout", 30,
                        "--format", "json")
        self.assertEqual([json.loads(line)["key"] for line in out.splitlines()], [None, ""])


class AcrossTest(ToolCase):
    protocol = "mqtt"

    def test_one_name_in_three_spellings(self):
        name = self.name()
        self.tool("pub", self.url("mqtt"), name + "/eu/new", "by mqtt")
        self.tool("pub", self.url("kafka"), name, "by kafka", "--key", "eu/new")
        self.tool("pub", self.url("amqp"), name + ".eu.new", "by amqp", "--exchange", "amq.topic")
        out = self.tool("sub", self.url("kafka"), name, "--from", "beginning", "-n", 3,
                        "--timeout", 30, "--format", "%k %v\\n")
        self.assertEqual(sorted(out.decode().splitlines()),
                         ["eu/new by amqp", "eu/new by kafka", "eu/new by mqtt"])


class TlsTest(ToolCase):
    """Over TLS, with a certificate that only --ca makes trusted."""

    broker_options = {"config": "".join(
        "[listener %ss]\nprotocol = %s\naddress = 127.0.0.1\nport = 0\ntls = yes\n"
        "certificate = %s\nkey = %s\n" % (protocol, protocol, PEM, PEM)
        for protocol in PROTOCOLS)}

    @classmethod
    def setUpClass(cls):
        if against.AGAINST:
            raise unittest.SkipTest("only against our own broker")
        super().setUpClass()

    def url(self, protocol=None):
        return "%ss://localhost:%d" % (protocol, self.broker.port(protocol, tls=True))

    def test_each_protocol_publishes_and_the_log_is_read(self):
        ca = ("--ca", PEM)
        self.tool("pub", self.url("mqtt"), "tls/a", "by mqtt", *ca)
        self.tool("pub", self.url("amqp"), "tls.a", "by amqp", "--exchange", "amq.topic", *ca)
        self.tool("pub", self.url("kafka"), "tls", "by kafka", "--key", "a", *ca)
        out = self.tool("sub", self.url("kafka"), "tls", "--from", "beginning", "-n", 3,
                        "--timeout", 30, "--format", "%k %v\\n", *ca)
        self.assertEqual(sorted(out.decode().splitlines()),
                         ["a by amqp", "a by kafka", "a by mqtt"])

    def test_a_stranger_is_not_trusted(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                self.tool("pub", self.url(protocol), "tls", "x", "--timeout", 5, status=1)
                self.assertTrue(self.said)


class UsageTest(unittest.TestCase):
    def tool(self, *words):
        done = subprocess.run([program("tercet"), *words], check=False, timeout=20 * SCALE,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8")
        return done.returncode, done.stdout, done.stderr

    def test_help_and_version(self):
        status, out, said = self.tool("--help")
        self.assertEqual((status, said), (0, ""))
        self.assertIn("tercet pub URL TOPIC", out)
        status, out, said = self.tool("--version")
        self.assertEqual((status, said), (0, ""))
        self.assertRegex(out, r"^tercet \d+\.\d+\.\d+\n$")

    def test_each_command_tells_of_itself(self):
        commands = sorted(set(re.findall(r"(?<=tercet |AME\] \| )[a-z]+(?= )",
                                         self.tool("--help")[1].split("\n\n")[0])) - {"tercet"})
        self.assertEqual(len(commands), 18)
        for command in [*commands, "unban"]:
            with self.subTest(command=command):
                status, out, said = self.tool(command, "--help")
                self.assertEqual((status, said), (0, ""))
                self.assertRegex(out, r"\Ausage: tercet (%s|bans \[--json\] \| unban) " % command)
                self.assertIn("--data DIR" if command not in ("pub", "sub") else "--ca FILE", out)
                self.assertEqual(self.tool("help", command), (0, out, ""))

    def test_a_mistyped_command_is_told_with_the_one_it_is_like(self):
        status, out, said = self.tool("stats", "--json")
        self.assertEqual((status, out), (2, ""))
        self.assertEqual(said.splitlines()[0],
                         'tercet: no command "stats"; did you mean status?')
        self.assertNotIn("mean", self.tool("quite-another")[2])

    def test_what_cannot_be_printed_is_a_failure(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            for words in (("--help",), ("--version",), ("status", "--help")):
                done = subprocess.run([program("tercet"), *words], check=False, stdout=full,
                                      stderr=subprocess.PIPE, timeout=20 * SCALE)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"No space left", done.stderr)

    def test_every_option_of_the_help_is_in_the_manual(self):
        with open(os.path.join(TOP, "man", "tercet.1"), encoding="utf-8") as file:
            manual = file.read().replace("\\-", "-")
        options = set(re.findall(r"--[a-z][a-z-]*", self.tool("--help")[1]))
        self.assertGreater(len(options), 10)
        for option in options:
            self.assertIn(option, manual)

    def test_what_means_nothing_is_refused(self):
        for words, why in (
                (("pub",), "wants a URL and a topic"),
                (("dub", "mqtt://localhost", "t"), "no command"),
                (("pub", "http://localhost", "t", "x"), "scheme"),
                (("pub", "localhost", "t", "x"), "not of the form"),
                (("pub", "mqtt://localhost", "t", "x", "--key", "k"), "means nothing to mqtt"),
                (("pub", "kafka://localhost", "t", "x", "--qos", "1"), "means nothing to kafka"),
                (("pub", "amqp://localhost", "t", "x", "--retain"), "means nothing to amqp"),
                (("pub", "mqtt://localhost", "t", "x", "-n", "1"), "means nothing to pub"),
                (("sub", "mqtt://localhost", "t", "--retain"), "means nothing to sub"),
                (("sub", "mqtt://localhost", "t", "x"), "wants a URL and a topic"),
                (("pub", "mqtt://localhost", "t", "x", "--lines"), "either a message or --lines"),
                (("pub", "mqtt://localhost", "t", "x", "--qos", "3"), "--qos wants a number"),
                (("pub", "mqtt://localhost", "t", "x", "--header", "k"), "--header wants"),
                (("sub", "kafka://localhost", "t", "--from", "now"), "--from wants"),
                (("pub", "mqtt://localhost", "t", "x", "--no-such"), "no-such")):
            with self.subTest(words=words):
                status, out, said = self.tool(*words)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(why, said)

    def test_nobody_there_is_told(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                status, out, said = self.tool("pub", protocol + "://127.0.0.1:1", "t", "x",
                                              "--timeout", "3")
                self.assertEqual((status, out), (1, ""))
                self.assertIn("127.0.0.1", said)


if __name__ == "__main__":
    unittest.main()
