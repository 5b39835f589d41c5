# SPDX-License-Identifier: Apache-2.0
"""The programs mosquitto_pub and mosquitto_sub."""

import unittest

from against import ClientCase
from tercet import need_program, wait_for


@need_program("mosquitto_pub")
@need_program("mosquitto_sub")
class MosquittoTools(ClientCase):
    protocol = "mqtt"

    def pub(self, *arguments, **options):
        return self.run_program("mosquitto_pub", "-h", self.host, "-p", self.port, *arguments,
                                **options)

    def sub(self, *arguments):
        """Starts mosquitto_sub and returns when its subscription is granted."""
        process = self.start_program("stdbuf", "-oL", "mosquitto_sub", "-h", self.host, "-p",
                                     self.port, "-d", "-W", 20, *arguments)
        self.seen = b""
        while b"Subscribed" not in self.seen:
            line = process.stdout.readline()
            self.assertTrue(line, "mosquitto_sub ended: %r" % self.seen)
            self.seen += line
        return process

    def lines(self, process, prefix=b"got:"):
        """What it printed in our format, when it has ended by itself."""
        return [line[len(prefix):] for line in self.finish(process, seconds=25).splitlines()
                if line.startswith(prefix)]

    def test_publish_and_subscribe_in_every_version_and_qos(self):
        for version in ("mqttv31", "mqttv311", "mqttv5"):
            for qos in (0, 1, 2):
                with self.subTest(version=version, qos=qos):
                    topic = self.name("devices") + "/temperature"
                    sub = self.sub("-V", version, "-t", topic, "-q", qos, "-C", 1, "-F",
                                   "got:%t %q %p")
                    self.pub("-V", version, "-t", topic, "-q", qos, "-m", "21.5")
                    self.assertEqual(self.lines(sub),
                                     [("%s %d 21.5" % (topic, qos)).encode()])

    def test_lines_from_standard_input(self):
        topic = self.name()
        sub = self.sub("-t", topic, "-q", 1, "-C", 500, "-F", "got:%p")
        self.pub("-t", topic, "-q", 1, "-l", data=b"".join(b"%d\n" % n for n in range(500)))
        self.assertEqual(self.lines(sub), [b"%d" % n for n in range(500)])

    def test_retained_value_and_its_removal(self):
        topic = self.name()
        self.pub("-t", topic, "-q", 1, "-r", "-m", "kept")
        sub = self.sub("-t", topic, "-C", 1, "-F", "got:%r %p")
        self.assertEqual(self.lines(sub), [b"1 kept"])
        self.pub("-t", topic, "-q", 1, "-r", "-n")
        sub = self.sub("-t", topic, "-C", 1, "-F", "got:%r %p")
        self.pub("-t", topic, "-q", 1, "-m", "live")
        self.assertEqual(self.lines(sub), [b"0 live"])

    def test_properties_of_version_five(self):
        topic = self.name()
        sub = self.sub("-V", "mqttv5", "-t", topic, "-q", 1, "-C", 1, "-F",
                       "got:%P|%C|%R|%p")
        self.pub("-V", "mqttv5", "-t", topic, "-q", 1, "-m", "x",
                 "-D", "publish", "content-type", "text/plain",
                 "-D", "publish", "response-topic", "answers",
                 "-D", "publish", "user-property", "colour", "red")
        self.assertEqual(self.lines(sub), [b"colour:red|text/plain|answers|x"])

    def test_a_persistent_subscriber_gets_what_it_missed(self):
        topic, name = self.name(), self.name("sub")
        sub = self.sub("-t", topic, "-q", 1, "-i", name, "-c", "-C", 1, "-F", "got:%p")
        self.pub("-t", topic, "-q", 1, "-m", "first")
        self.assertEqual(self.lines(sub), [b"first"])
        for number in range(3):
            self.pub("-t", topic, "-q", 1, "-m", "missed %d" % number)
        out = self.run_program("mosquitto_sub", "-h", self.host, "-p", self.port, "-t", topic, "-q",
                               1, "-i", name, "-c", "-C", 3, "-W", 20)
        self.assertEqual(out.split(b"\n")[:3], [b"missed 0", b"missed 1", b"missed 2"])

    def test_the_will_of_a_killed_subscriber(self):
        topic = self.name()
        watcher = self.sub("-t", topic, "-q", 1, "-C", 1, "-F", "got:%p")
        dying = self.sub("-t", self.name(), "--will-topic", topic, "--will-payload", "gone",
                         "--will-qos", 1)
        dying.kill()
        self.assertEqual(self.lines(watcher), [b"gone"])

    def test_a_file_of_a_megabyte(self):
        topic = self.name()
        sub = self.sub("-t", topic, "-q", 1, "-C", 1, "-F", "got:%l")
        self.pub("-t", topic, "-q", 1, "-s", data=b"\x00\x01" * (1 << 19))
        self.assertEqual(self.lines(sub), [b"1048576"])

    def test_topics_are_left_out_on_request(self):
        base = self.name()
        sub = self.sub("-t", base + "/#", "-T", base + "/no/+", "-q", 1, "-C", 2, "-F", "got:%t")
        for tail in ("/a", "/no/x", "/b"):
            self.pub("-t", base + tail, "-q", 1, "-m", "x")
        self.assertEqual(self.lines(sub), [(base + "/a").encode(), (base + "/b").encode()])

    def test_shared_subscribers_get_each_message_once(self):
        topic, group = self.name(), self.name("g")
        subs = [self.sub("-V", version, "-t", "$share/%s/%s" % (group, topic), "-q", 1, "-C", 5,
                         "-F", "got:%p") for version in ("mqttv311", "mqttv5")]
        self.pub("-t", topic, "-q", 1, "-l", data=b"".join(b"%d\n" % n for n in range(10)))
        got = [self.lines(sub) for sub in subs]
        self.assertEqual(sorted(sum(got, [])), sorted(b"%d" % n for n in range(10)))

    def test_an_endless_subscriber_prints_what_comes(self):
        topic = self.name()
        sub = self.sub("-t", topic, "-q", 2, "-F", "got:%p")
        for number in range(20):
            self.pub("-t", topic, "-q", 2, "-m", str(number))
        got = []
        wait_for(lambda: got.append(sub.stdout.readline()) or
                 sum(line.startswith(b"got:") for line in got) == 20)
        self.assertEqual([line[4:].strip() for line in got if line.startswith(b"got:")],
                         [b"%d" % n for n in range(20)])


if __name__ == "__main__":
    unittest.main()
