# SPDX-License-Identifier: Apache-2.0
"""Backups under load, what is restored from them, and what verify finds."""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import threading
import unittest

from tercet import SCALE, Broker, need_module, program, wait_for

kafka = need_module("kafka")
paho = need_module("paho.mqtt.client")
pika = need_module("pika")

SECONDS = 60 * SCALE
LARGE = 1000000


def run(*words, stdin=None, env=None):
    """Runs tercet to its end: status, what it printed, what it complained of."""
    done = subprocess.run([program("tercet"), *map(str, words)], input=stdin, check=False,
                          timeout=SECONDS, capture_output=True,
                          env={**os.environ, "TERCETD": program(), **(env or {})})
    return done.returncode, done.stdout, done.stderr.decode()


class Case(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tercet-backup-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def tool(self, *words, status=0, **more):
        got, out, said = run(*words, **more)
        self.assertEqual(got, status, (words, out[-2000:], said))
        return out, said

    def verified(self, path):
        status, out, said = run("verify", path, "--json")
        self.assertIn(status, (0, 1), said)
        told = json.loads(out)
        self.assertEqual(status, 0 if told["sound"] else 1)
        return told

    def assert_sound(self, path):
        told = self.verified(path)
        self.assertTrue(told["sound"], told)
        return told


def produce(broker, topic, values, **config):
    producer = kafka.KafkaProducer(bootstrap_servers=broker.server("kafka"), acks="all", **config)
    sent = [producer.send(topic, value) for value in values]
    for one in sent:
        one.get(SECONDS)
    producer.close()


def read_all(broker, topic):
    """(offset, value) of every record of a topic of one partition."""
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.server("kafka"),
                                   consumer_timeout_ms=int(20000 * SCALE))
    try:
        partition = kafka.TopicPartition(topic, 0)
        end = consumer.end_offsets([partition])[partition]
        start = consumer.beginning_offsets([partition])[partition]
        got = []
        if end > start:
            consumer.assign([partition])
            consumer.seek(partition, start)
            for record in consumer:
                got.append((record.offset, record.value))
                if record.offset == end - 1:
                    break
        return got
    finally:
        consumer.close()


class Writer(threading.Thread):
    """Publishes numbers until told to stop; `acked` is how many were confirmed, in order."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.broker = broker
        self.acked = 0
        self.failure = None
        self.is_over = False

    def run(self):
        try:
            self.work()
        except Exception as failure:  # shown by the test that joins it
            self.failure = failure

    def end(self, case):
        self.is_over = True
        self.join(SECONDS)
        case.assertIsNone(self.failure)
        case.assertFalse(self.is_alive())


class KafkaWriter(Writer):
    topic = "by-kafka"

    def work(self):
        producer = kafka.KafkaProducer(bootstrap_servers=self.broker.server("kafka"), acks="all")
        while not self.is_over:
            sent = [producer.send(self.topic, b"%d" % (self.acked + i)) for i in range(20)]
            for one in sent:
                one.get(SECONDS)
                self.acked += 1
        producer.close()


class AmqpWriter(Writer):
    topic = "by-amqp"

    def work(self):
        host, port = self.broker.address("amqp")
        with pika.BlockingConnection(pika.ConnectionParameters(host, port)) as connection:
            channel = connection.channel()
            channel.queue_declare(self.topic, durable=True)
            channel.confirm_delivery()
            while not self.is_over:
                channel.basic_publish("", self.topic, b"%d" % self.acked,
                                      pika.BasicProperties(delivery_mode=2))
                self.acked += 1


class MqttWriter(Writer):
    topic = "by-mqtt"

    def work(self):
        client = paho.Client()
        host, port = self.broker.address("mqtt")
        client.connect(host, port)
        client.loop_start()
        while not self.is_over:
            client.publish(self.topic, b"%d" % self.acked, qos=1).wait_for_publish(SECONDS)
            self.acked += 1
        client.disconnect()
        client.loop_stop()


class UnderLoad(Case):

    def check_restored(self, path, acked):
        """All that was confirmed before, without a gap, and of the rest a beginning."""
        with Broker(data=path) as b:
            for topic, least in acked.items():
                got = read_all(b, topic)
                self.assertGreaterEqual(len(got), least, topic)
                self.assertEqual(got, [(i, b"%d" % i) for i in range(len(got))])
            host, port = b.address("amqp")
            with pika.BlockingConnection(pika.ConnectionParameters(host, port)) as connection:
                ready = connection.channel().queue_declare(
                    "by-amqp", durable=True).method.message_count
                self.assertEqual(ready, len(read_all(b, "by-amqp")))

    def test_what_was_confirmed_before_is_in_it_and_the_load_goes_on(self):
        with Broker(data=True, config="segment_first = 4m\n") as b:
            writers = [KafkaWriter(b), AmqpWriter(b), MqttWriter(b)]
            for writer in writers:
                writer.start()
            wait_for(lambda: all(w.acked > 20 for w in writers), 30)
            marks = []
            for i in range(3):
                marks.append({w.topic: w.acked for w in writers})
                if i < 2:
                    self.tool("backup", self.path("copy%d" % i), "--data", b.data)
                else:
                    out, _ = self.tool("backup", "-", "--data", b.data)
                wait_for(lambda: all(w.acked > marks[-1][w.topic] + 5 for w in writers), 30)
            for writer in writers:
                writer.end(self)
            self.assertEqual(glob.glob(b.data + "/stream-*") + glob.glob(b.data + "/*.tmp"), [])
            for i in range(2):
                told = self.assert_sound(self.path("copy%d" % i))
                self.assertTrue(told["backup"])
                self.tool("restore", self.path("copy%d" % i), self.path("new%d" % i))
                self.check_restored(self.path("new%d" % i), marks[i])
            self.tool("restore", "-", self.path("new2"), stdin=out)
            self.check_restored(self.path("new2"), marks[2])
            b.stop()
            self.assert_sound(b.data)

    def test_what_was_copied_out_of_sparse_segments_is_verified_and_backed_up(self):
        """One log lives for long, others do not: what lives is copied out of their segments."""
        with Broker(data=True, config="segment_first = 4m\nsegment_max = 4m\n") as b:
            admin = need_module("kafka.admin")
            client = admin.KafkaAdminClient(bootstrap_servers=b.server("kafka"))
            client.create_topics([admin.NewTopic("short", 1, 1, topic_configs={
                "retention.bytes": "1000000"})])
            client.close()
            lasting = [b"%d" % i for i in range(30)]
            producer = kafka.KafkaProducer(bootstrap_servers=b.server("kafka"), acks="all")
            for value in lasting:
                producer.send("lasting", value).get(SECONDS)
                producer.send("short", os.urandom(LARGE)).get(SECONDS)
            producer.close()

            def copied():
                told, _ = self.tool("status", "--json", "--data", b.data)
                return json.loads(told)["counters"]["store_copied_bytes_total"]

            wait_for(copied, 30, "a copy")
            self.tool("backup", self.path("copy"), "--data", b.data)
            self.assert_sound(self.path("copy"))
            self.tool("restore", self.path("copy"), self.path("new"))
            with Broker(data=self.path("new")) as new:
                self.assertEqual([v for _, v in read_all(new, "lasting")], lasting)
            b.kill()
            self.assert_sound(b.data)

    @unittest.skipUnless(os.path.isdir("/dev/shm")
                         and os.stat("/dev/shm").st_dev != os.stat(tempfile.gettempdir()).st_dev,
                         "there is no second file system to copy to")
    def test_to_another_file_system_it_is_copied(self):
        folder = tempfile.mkdtemp(prefix="tercet-backup-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        with Broker(data=True, config="segment_first = 4m\n") as b:
            produce(b, "kept", [os.urandom(LARGE) for _ in range(6)])
            self.tool("backup", folder, "--data", b.data)
            with open(folder + "/backup.manifest", encoding="ascii") as file:
                sizes = [line.split()[1:3] for line in file if line.startswith("file")]
            for name, size in sizes:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_size, int(size))
            self.assertEqual(self.assert_sound(folder)["records"], 6)
            status, _, said = run("backup", folder, "--data", b.data)
            self.assertEqual(status, 1)
            self.assertIn("not empty", said)

    def test_a_backup_outlives_the_segments_it_was_made_of(self):
        """Files of the log are written over when nothing lives in them: not those of a backup."""
        with Broker(data=True, config="segment_first = 4m\nsegment_max = 4m\n") as b:
            admin = need_module("kafka.admin")
            client = admin.KafkaAdminClient(bootstrap_servers=b.server("kafka"))
            client.create_topics([admin.NewTopic("short", 1, 1, topic_configs={
                "retention.bytes": "2000000"})])
            client.close()
            produce(b, "short", [os.urandom(LARGE) for _ in range(6)])
            self.tool("backup", self.path("copy"), "--data", b.data)
            before = self.assert_sound(self.path("copy"))
            names = set(os.listdir(self.path("copy") + "/seg"))

            def is_churned():
                produce(b, "short", [os.urandom(LARGE) for _ in range(6)])
                return not names & set(os.listdir(b.data + "/seg"))

            wait_for(is_churned, 60, "the segments to go")
            produce(b, "short", [os.urandom(LARGE) for _ in range(12)])
            self.assertEqual(self.assert_sound(self.path("copy")), before)


class Failing(Case):

    def filled(self, b):
        produce(b, "kept", [b"%d" % i for i in range(100)])

    def test_a_backup_that_fails_leaves_nothing_and_the_next_one_works(self):
        n = 0
        while True:
            n += 1
            with Broker(data=True, env={"TERCET_FAULT": "store.backup:%d:once" % n}) as b:
                self.filled(b)
                status, _, said = run("backup", self.path("copy%d" % n), "--data", b.data)
                if status == 0:
                    break
                self.assertIn("could not be made", said)
                folder = self.path("copy%d" % n)
                self.assertEqual(os.listdir(folder) if os.path.isdir(folder) else [], [])
                self.assertFalse(os.path.exists(b.data + "/backup.tmp"))
                self.filled(b)
                self.tool("backup", folder, "--data", b.data)
                self.assert_sound(folder)
        self.assertGreater(n, 4)

    def test_a_kill_in_the_middle_leaves_nothing_harmful(self):
        n = 0
        while True:
            n += 1
            folder = self.path("copy%d" % n)
            with Broker(data=True, env={"TERCET_FAULT": "store.backup:%d:kill" % n}) as b:
                self.filled(b)
                status, _, said = run("backup", folder, "--data", b.data)
                if status == 0:
                    break
                self.assertIn("went away", said)
                b.wait()
                self.assert_sound(b.data)
                if os.path.isdir(folder):
                    _, said = self.tool("restore", folder, self.path("half"), status=1)
                    self.assertIn("no whole backup", said)
                    self.assertFalse(os.path.exists(self.path("half")))
                b.env = {}
                b.start()
                self.assertFalse(os.path.exists(b.data + "/backup.tmp"))
                self.assertEqual(len(read_all(b, "kept")), 100)
                self.tool("backup", folder + "-again", "--data", b.data)
                self.assert_sound(folder + "-again")
        self.assertGreater(n, 4)

    def test_a_stream_that_nobody_reads_any_more_is_cleaned_up(self):
        with Broker(data=True) as b:
            produce(b, "kept", [os.urandom(LARGE) for _ in range(4)])
            with subprocess.Popen([program("tercet"), "backup", "-", "--data", b.data],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as one:
                one.stdout.read(1000)
                one.kill()
            self.assertEqual(len(glob.glob(b.data + "/stream-*")), 1)
            with subprocess.Popen([program("tercet"), "backup", "-", "--data", b.data],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as one:
                one.stdout.read(1000)
                one.stdout.close()
                self.assertEqual(one.wait(SECONDS), 1)
            self.assertEqual(glob.glob(b.data + "/stream-*"), [])

    def test_what_cannot_be_done_is_refused(self):
        os.mkdir(self.path("full"))
        with open(self.path("full/file"), "w", encoding="ascii"):
            pass
        with Broker(data=True) as b:
            self.filled(b)
            for words, why in ((("backup", self.path("full"), "--data", b.data), "not empty"),
                               (("backup", self.path("no/such"), "--data", b.data), "no folder"),
                               (("restore", self.path("none"), self.path("new")), "No such file"),
                               (("restore", self.path("full"), self.path("full")), "not empty"),
                               (("restore", "-", self.path("new")), "no backup")):
                with self.subTest(words=words):
                    _, said = self.tool(*words, status=1, stdin=b"x" * 2000)
                    self.assertIn(why, said)
            self.assertEqual(os.listdir(self.path("full")), ["file"])
            _, said = self.tool("verify", b.data, status=2)
        with Broker() as b:
            pass

    def test_a_broker_in_memory_has_nothing_to_back_up(self):
        door = self.path("door")
        with Broker(args=["--admin-socket", door]):
            for to in ("-", self.path("copy")):
                _, said = self.tool("backup", to, "--socket", door, status=1)
                self.assertIn("in memory", said)


class Damage(Case):

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.mkdtemp(prefix="tercet-damage-")
        with Broker(data=True) as b:
            for i in range(5):
                produce(b, "orders", [b"%d" % (i * 100 + k) for k in range(100)], linger_ms=50)
            run("backup", cls.home + "/copy", "--data", b.data)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.home, ignore_errors=True)

    def setUp(self):
        super().setUp()
        self.copy = self.path("copy")
        shutil.copytree(self.home + "/copy", self.copy)
        with open(self.copy + "/backup.manifest", encoding="ascii") as file:
            self.sizes = {line.split()[1]: int(line.split()[2])
                          for line in file if line.startswith("file")}
        self.segment = max(self.sizes, key=self.sizes.get)
        if not self.segment.startswith("seg/"):
            self.segment = sorted(self.sizes)[-1]

    def hurt(self, name, at, count=1):
        with open(os.path.join(self.copy, name), "r+b") as file:
            file.seek(at)
            old = file.read(count)
            file.seek(at)
            file.write(bytes(byte ^ 0x5a for byte in old))

    def refused(self):
        """No restore takes it, and none leaves anything."""
        for words, stdin in ((("restore", self.copy, self.path("new")), None),):
            _, said = self.tool(*words, status=1, stdin=stdin)
            self.assertRegex(said, "damaged|too early|No such file")
        self.assertEqual([n for n in os.listdir(self.folder) if n != "copy"], [])

    def test_the_untouched_copy_is_sound(self):
        told = self.assert_sound(self.copy)
        self.assertEqual(told["records"], 500)
        said, _ = self.tool("verify", self.copy)
        self.assertIn(b"sound (a backup)", said)

    def test_a_byte_of_a_frame_costs_the_frame_and_is_named(self):
        with open(os.path.join(self.copy, self.segment), "rb") as file:
            at = file.read(self.sizes[self.segment]).find(b"orders")
        self.assertGreater(at, 0)
        frames = [p for p in range(0, self.sizes[self.segment], 4096)]
        lost = set()
        for page in frames:
            with self.subTest(page=page):
                self.hurt(self.segment, page + 100)
                told = self.verified(self.copy)
                self.hurt(self.segment, page + 100)
                for one in told["lost"]:
                    self.assertEqual(one["stream"], "orders")
                    lost.update(range(one["from"], one["to"] + 1))
                if told["lost"]:
                    self.assertFalse(told["sound"])
                    self.assertEqual([s["sound"] for s in told["segments"]].count(False), 1)
        self.assertEqual(lost, set(range(500)))
        self.assert_sound(self.copy)

    def test_a_byte_of_an_index_costs_nothing_and_is_found(self):
        self.hurt(self.segment, self.sizes[self.segment] - 3)
        told = self.verified(self.copy)
        self.assertFalse(told["sound"])
        self.assertEqual(told["offsets_lost"], 0)
        self.assertEqual([s["index_damaged"] for s in told["segments"]].count(True), 1)
        self.refused()

    def test_a_byte_of_the_catalogue_is_found_wherever_it_is(self):
        size = self.sizes["catalog.mdb"]
        for at in (0, 20, 4096 + 20, size // 2, size - 1):
            with self.subTest(at=at):
                self.hurt("catalog.mdb", at)
                told = self.verified(self.copy)
                self.assertFalse(told["sound"])
                self.assertIn("catalog.mdb is damaged", told["problems"])
                self.refused()
                self.hurt("catalog.mdb", at)
        self.assert_sound(self.copy)

    def test_a_catalogue_that_no_manifest_covers_is_read_without_harm(self):
        """LMDB's own file may be anything: whatever that does to the reader, it is told."""
        os.unlink(self.copy + "/backup.manifest")
        for at in range(0, self.sizes["catalog.mdb"], 512):
            self.hurt("catalog.mdb", at, 64)
            status, _, _ = run("verify", self.copy)
            self.assertIn(status, (0, 1, 2))
            self.hurt("catalog.mdb", at, 64)
        self.assert_sound(self.copy)

    def test_a_missing_or_short_file_is_found(self):
        for name in self.sizes:
            path = os.path.join(self.copy, name)
            os.rename(path, path + ".away")
            if name != "catalog.mdb":
                self.assertFalse(self.verified(self.copy)["sound"])
            self.refused()
            shutil.copy(path + ".away", path)
            os.truncate(path, self.sizes[name] - 1)
            self.assertFalse(self.verified(self.copy)["sound"])
            self.refused()
            os.rename(path + ".away", path)
        self.assert_sound(self.copy)

    def test_a_stream_cut_or_changed_anywhere_is_refused(self):
        with Broker(data=True) as b:
            produce(b, "few", [b"x"] * 10)
            out, _ = self.tool("backup", "-", "--data", b.data)
        for cut in (0, 100, 512, len(out) // 2, len(out) - 1200):
            self.tool("restore", "-", self.path("new"), status=1, stdin=out[:cut])
        for at in (10, 124, 700, len(out) - 1500):
            bad = out[:at] + bytes([out[at] ^ 0x11]) + out[at + 1:]
            self.tool("restore", "-", self.path("new"), status=1, stdin=bad)
        self.assertEqual([n for n in os.listdir(self.folder) if n != "copy"], [])
        self.tool("restore", "-", self.path("new"), stdin=out)
        self.assert_sound(self.path("new"))

    def test_an_archiver_reads_the_stream(self):
        with Broker(data=True) as b:
            produce(b, "few", [b"x"] * 10)
            out, _ = self.tool("backup", "-", "--data", b.data)
        os.mkdir(self.path("tar"))
        done = subprocess.run(["tar", "-xf", "-", "-C", self.path("tar")], input=out, check=False,
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_sound(self.path("tar"))


if __name__ == "__main__":
    unittest.main()
