# SPDX-License-Identifier: Apache-2.0
"""A full disk: nothing more is acknowledged, each protocol says so in its own words, readers go on,
and when there is space again everything goes on without a restart. Nothing acknowledged is lost."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from tercet import Broker, need_module, wait_for

mqtt = need_module("paho.mqtt.client")
pika = need_module("pika")
kafka = need_module("kafka")

DISK_BYTES = 48 << 20
BODY = b"x" * 16384
# The marks would pause publishers before the disk is full: test_disk_marks.py shows that.
NO_MARKS = "disk_warn = 100\ndisk_stop = 100\ndisk_free_min = 0\n"


class SmallDisk:
    """A file system of DISK_BYTES, filled and emptied by a file beside the store."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="tercet-disk-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % DISK_BYTES, "tmpfs",
                           self.path], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            os.rmdir(self.path)
            raise unittest.SkipTest("mounting a small file system is not allowed here")
        self.filler = os.path.join(self.path, "filler")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def fill(self):
        with open(self.filler, "wb", buffering=0) as file:
            for _ in range(DISK_BYTES >> 16):
                try:
                    file.write(bytes(1 << 16))
                except OSError:
                    return

    def empty(self):
        os.unlink(self.filler)


class MqttWriter:
    """QoS 1 messages, at most 50 without their PUBACK; counts what was acknowledged."""

    def __init__(self, broker):
        self.acked = []
        self.pending = {}
        self.stopping = False
        self.client = mqtt.Client(client_id="writer", protocol=mqtt.MQTTv311)
        self.client.on_publish = self._on_publish
        self.client.connect(*broker.address("mqtt"))
        self.client.loop_start()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.lock = threading.Lock()
        self.thread.start()

    def _on_publish(self, _client, _data, packet_id):
        with self.lock:
            if packet_id in self.pending:
                self.acked.append(self.pending.pop(packet_id))
            else:
                self.pending[packet_id] = None

    def _run(self):
        number = 0
        while not self.stopping:
            with self.lock:
                waiting = len(self.pending)
            if waiting >= 50:
                time.sleep(0.01)
                continue
            info = self.client.publish("full/mqtt", b"%08d" % number + BODY, qos=1)
            with self.lock:
                if info.mid in self.pending:
                    del self.pending[info.mid]
                    self.acked.append(number)
                else:
                    self.pending[info.mid] = number
            number += 1

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.client.loop_stop()
        self.client.disconnect()


class FullDisk(unittest.TestCase):
    def test_everyone_is_told_and_all_goes_on_when_space_is_back(self):
        with SmallDisk() as disk, Broker(data=os.path.join(disk.path, "store"),
                                         config=NO_MARKS) as broker:
            writer = MqttWriter(broker)
            wait_for(lambda: len(writer.acked) > 50, 20)
            disk.fill()
            wait_for(lambda: "core.store_stalled" in broker.log(), 30)
            self.assertIn("rc=full", broker.log())
            self.expect_nothing_acknowledged(writer)
            self.expect_kafka_refusal(broker)
            self.expect_amqp_blocked(broker)
            self.expect_readers_go_on(broker, len(writer.acked))
            disk.empty()
            wait_for(lambda: "core.store_works" in broker.log(), 20)
            before = len(writer.acked)
            wait_for(lambda: len(writer.acked) > before + 20, 20)
            writer.stop()
            self.blocked.close()
            acked = set(writer.acked)
            broker.kill()
            broker.start()
            self.assertEqual(acked - self.stored(broker), set())

    def expect_nothing_acknowledged(self, writer):
        """What was on its way may still be, and what a last free block holds; then nothing is."""
        def is_still():
            count = len(writer.acked)
            time.sleep(1)
            return len(writer.acked) == count
        wait_for(is_still, 20, "an end of what is acknowledged")

    def expect_kafka_refusal(self, broker):
        producer = kafka.KafkaProducer(bootstrap_servers=broker.server("kafka"), retries=0,
                                       acks="all", request_timeout_ms=8000, max_block_ms=8000)
        with self.assertRaises(kafka.errors.KafkaError) as told:
            producer.send("full", b"k" * 1000).get(10)
        self.assertIn(type(told.exception).__name__,
                      ("UnknownError", "KafkaStorageError", "NotLeaderForPartitionError"))
        producer.close(1)

    def expect_amqp_blocked(self, broker):
        host, port = broker.address("amqp")
        connection = pika.BlockingConnection(pika.ConnectionParameters(host, port))
        blocked = []
        connection.add_on_connection_blocked_callback(lambda *_: blocked.append(1))
        channel = connection.channel()
        channel.basic_publish("", "nobody", b"x")
        wait_for(lambda: connection.process_data_events(0.05) or blocked, 10, "connection.blocked")
        self.blocked = connection  # it closes when the broker listens to it again

    def expect_readers_go_on(self, broker, least):
        self.assertGreaterEqual(len(self.stored(broker)), least)

    def stored(self, broker):
        """Numbers of all MQTT messages in the log, read as Kafka does."""
        consumer = kafka.KafkaConsumer("full", bootstrap_servers=broker.server("kafka"),
                                       auto_offset_reset="earliest", consumer_timeout_ms=3000,
                                       enable_auto_commit=False)
        numbers = {int(record.value[:8]) for record in consumer if record.key == b"mqtt"}
        consumer.close()
        return numbers


if __name__ == "__main__":
    unittest.main()
