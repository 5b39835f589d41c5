# SPDX-License-Identifier: Apache-2.0
"""Kafka clients that go on over a broker that is killed and started again."""

import threading
import time
import unittest

from tercet import SCALE, Broker, need_module

kafka = need_module("kafka")
confluent = need_module("confluent_kafka")

TIMEOUT = 120


class Restart(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(data=True, keep_ports=True)
        self.addCleanup(self.broker.close)
        self.broker.start()
        self.server = self.broker.server("kafka")

    def restart(self):
        self.broker.kill()
        self.broker.start()

    def kafka_python_reads(self, count):
        consumer = kafka.KafkaConsumer("t", bootstrap_servers=self.server, group_id="g",
                                       auto_offset_reset="earliest", enable_auto_commit=False,
                                       consumer_timeout_ms=int(20000 * SCALE))
        got = [next(consumer) for _ in range(count)]
        consumer.commit()
        consumer.close()
        return [m.offset for m in got]

    def confluent_reads(self, count):
        consumer = confluent.Consumer({"bootstrap.servers": self.server, "group.id": "g",
                                       "auto.offset.reset": "earliest",
                                       "enable.auto.commit": False})
        consumer.subscribe(["t"])
        got, deadline = [], time.monotonic() + 30 * SCALE
        while len(got) < count:
            self.assertLess(time.monotonic(), deadline, got)
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                got.append(message.offset())
        consumer.commit(asynchronous=False)
        consumer.close()
        return got

    def test_groups_go_on_where_they_stopped_whichever_client_reads(self):
        producer = kafka.KafkaProducer(bootstrap_servers=self.server)
        for number in range(40):
            producer.send("t", b"%d" % number)
        producer.flush(20 * SCALE)
        producer.close()
        self.assertEqual(self.kafka_python_reads(10), list(range(0, 10)))
        self.restart()
        self.assertEqual(self.confluent_reads(10), list(range(10, 20)))
        self.restart()
        self.assertEqual(self.kafka_python_reads(10), list(range(20, 30)))

    def test_an_idempotent_producer_loses_and_repeats_nothing_over_kills(self):
        producer = confluent.Producer({
            "bootstrap.servers": self.server, "enable.idempotence": True, "linger.ms": 1,
            "message.timeout.ms": int(60000 * SCALE), "retry.backoff.ms": 50,
            "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200})
        acknowledged, failed = [], []

        def told(error, message):
            (failed if error else acknowledged).append(int(message.value()))

        over = threading.Event()

        def kill():
            for _ in range(4):
                time.sleep(0.7)
                self.restart()
            over.set()

        killer = threading.Thread(target=kill)
        killer.start()
        sent = 0
        while not over.is_set():
            producer.produce("t", b"%d" % sent, partition=0, on_delivery=told)
            sent += 1
            producer.poll(0.001)
        killer.join()
        self.assertEqual(producer.flush(60 * SCALE), 0)
        self.assertEqual((failed, acknowledged), ([], list(range(sent))))
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.server,
                                       consumer_timeout_ms=int(20000 * SCALE))
        part = kafka.TopicPartition("t", 0)
        consumer.assign([part])
        consumer.seek_to_beginning(part)
        self.assertEqual(consumer.end_offsets([part]), {part: sent})
        self.assertEqual([int(next(consumer).value) for _ in range(sent)], list(range(sent)))
        consumer.close()


if __name__ == "__main__":
    unittest.main()
