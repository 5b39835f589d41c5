# SPDX-License-Identifier: Apache-2.0
"""The disk's marks: a warning, then publishers of each protocol are paused while consumers go on;
with room again they go on without a restart. Nothing acknowledged is lost."""

import os
import time
import unittest

import test_full_disk as full
from mqtt_raw import PUBACK, Client, publish
from tercet import Broker, need_module, wait_for

pika = need_module("pika")
kafka = need_module("kafka")
admin_of = need_module("kafka.admin")

CONFIG = ("segment_first = 4m\nsegment_max = 4m\ndisk_warn = 40\ndisk_stop = 70\n"
          "disk_free_min = 0\nprewrite = no\n")  # no twelfth of the disk comes or goes by itself
BODY = b"x" * 65536
OLD = 50  # messages of a client that MQTT 3.1.1 has no words for


def waiting_for(connection, condition, what):
    wait_for(lambda: connection.process_data_events(0.05) or condition(), 20, what)


class DiskMarks(unittest.TestCase):
    def setUp(self):
        self.disk = self.enterContext(full.SmallDisk())
        self.broker = self.enterContext(
            Broker(data=os.path.join(self.disk.path, "store"), config=CONFIG))

    def used_part(self):
        room = os.statvfs(self.disk.path)
        return 1 - room.f_bavail / room.f_blocks

    def test_publishers_are_paused_and_go_on_when_a_topic_is_deleted(self):
        amqp = pika.BlockingConnection(
            pika.ConnectionParameters(*self.broker.address("amqp"), heartbeat=0))
        told = []
        amqp.add_on_connection_blocked_callback(lambda *_: told.append("blocked"))
        amqp.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))
        channel = amqp.channel()
        channel.queue_declare("work", durable=True)
        channel.basic_publish("", "work", b"first")
        channel.basic_publish("", "work", b"second")
        stored = self.fill_with_kafka()
        self.assertIn("core.disk_low", self.broker.log())
        wait_for(lambda: "core.disk_full" in self.broker.log(), 10)
        # The file system never came to be full: what was in use stays near the mark.
        self.assertLess(self.used_part(), 0.90)
        self.assertNotIn("core.store_stalled", self.broker.log())
        waiting_for(amqp, lambda: told[-1:] == ["blocked"], "connection.blocked")
        self.expect_mqtt_5_told()
        old = self.enterContext(Client(self.broker.address("mqtt"), version=4, seconds=20))
        old.connect("old")
        old.send(*(publish("full/mqtt", b"%d" % pid, 1, pid, version=4)
                   for pid in range(1, OLD + 1)))
        answers = self.expect_that_it_waits(old)
        self.expect_consumers_go_on(stored)
        admin = kafka.KafkaAdminClient(bootstrap_servers=self.broker.server("kafka"))
        admin.delete_topics(["bulk"])
        admin.close()
        waiting_for(amqp, lambda: told[-1] == "unblocked", "connection.unblocked")
        self.assertIn("core.disk_has_room", self.broker.log())
        while len(answers) < OLD:
            answers.append(old.expect(PUBACK).pid)
        self.assertEqual(answers, list(range(1, OLD + 1)))
        channel.confirm_delivery()
        channel.basic_publish("", "work", b"third")
        self.assertEqual([channel.basic_get("work", auto_ack=True)[2] for _ in range(2)],
                         [b"second", b"third"])
        amqp.close()
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.stored_of_mqtt(), answers)

    def fill_with_kafka(self):
        """Produces until that is refused; gives how many were acknowledged."""
        producer = kafka.KafkaProducer(bootstrap_servers=self.broker.server("kafka"), retries=0,
                                       acks="all", request_timeout_ms=20000, max_block_ms=20000,
                                       linger_ms=0)
        stored = refused = 0
        # What is reserved and then not used is given free again when the disk is asked next, once a
        # second: the mark is reached when it is still refused after that.
        while refused < 3:
            try:
                producer.send("bulk", BODY).get(20)
                stored, refused = stored + 1, 0
                self.assertLess(stored, full.DISK_BYTES >> 16, "nothing is refused")
            except kafka.errors.KafkaError as error:
                self.assertIn(type(error).__name__, ("UnknownError", "KafkaStorageError"))
                refused += 1
                time.sleep(0.6)
        producer.close(1)
        self.assertGreater(stored, 20)
        return stored

    def expect_mqtt_5_told(self):
        with Client(self.broker.address("mqtt"), version=5) as client:
            client.connect("five")
            self.assertEqual(client.publish("five/told", b"x", qos=1).reason, 0x97)
            self.assertEqual(client.publish("five/told", b"x", 2, 9).reason, 0x97)

    def expect_that_it_waits(self, client):
        """What came before it was told may be taken; gives what was."""
        answers = []
        found = client.receive(0.3)
        while found is not None:
            answers.append(found.pid)
            found = client.receive(0.3)
        self.assertLess(len(answers), OLD)
        return answers

    def expect_consumers_go_on(self, stored):
        consumer = kafka.KafkaConsumer("bulk", bootstrap_servers=self.broker.server("kafka"),
                                       auto_offset_reset="earliest", consumer_timeout_ms=20000,
                                       enable_auto_commit=False)
        for _ in range(stored):
            self.assertEqual(next(consumer).value, BODY)
        consumer.close()
        connection = pika.BlockingConnection(
            pika.ConnectionParameters(*self.broker.address("amqp"), heartbeat=0))
        self.assertEqual(connection.channel().basic_get("work", auto_ack=True)[2], b"first")
        connection.close()

    def stored_of_mqtt(self):
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.broker.server("kafka"),
                                       consumer_timeout_ms=20000, enable_auto_commit=False)
        part = kafka.TopicPartition("full", 0)
        consumer.assign([part])
        consumer.seek_to_beginning(part)
        self.assertEqual(consumer.end_offsets([part]), {part: OLD})
        numbers = [int(next(consumer).value) for _ in range(OLD)]
        consumer.close()
        return numbers


if __name__ == "__main__":
    unittest.main()
