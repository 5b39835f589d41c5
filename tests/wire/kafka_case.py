# SPDX-License-Identifier: Apache-2.0
"""What the Kafka wire tests share: one broker for a class, connections, topics, produce, fetch."""

import itertools
import unittest

from kafka_wire import Connection, batch
from tercet import Broker

_numbers = itertools.count(1)

OK = 0
PRODUCE, FETCH = 9, 12  # versions that carry names and all the rest


class KafkaCase(unittest.TestCase):
    args = ()
    config = None

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(args=list(cls.args), config=cls.config)
        cls.addClassCleanup(cls.broker.close)
        cls.broker.start()
        cls.addClassCleanup(cls.broker.stop)

    def connect(self, client_id=b"wire"):
        connection = Connection(self.broker.address("kafka"), client_id)
        self.addCleanup(connection.close)
        return connection

    def name(self, what="topic"):
        return "%s-%d" % (what, next(_numbers))

    def topic(self, partitions=1, **configs):
        name = self.name()
        answer = self.connect().call("create_topics", 7, topics=[{
            "name": name, "num_partitions": partitions, "replication_factor": 1,
            "configs": [{"name": k.replace("_", "."), "value": v} for k, v in configs.items()],
        }], timeout_ms=1000)
        self.assertEqual(answer["topics"][0]["error_code"], OK, answer)
        return name

    def topic_id(self, name):
        answer = self.connect().call("metadata", 12, topics=[{"name": name}])
        return answer["topics"][0]["topic_id"]

    def produce(self, connection, topic, records, partition=0, version=PRODUCE, acks=-1, **more):
        """The result of one partition."""
        answer = connection.call("produce", version, acks=acks, timeout_ms=1000, topic_data=[{
            "name": topic, "partition_data": [{"index": partition, "records": records}]}], **more)
        return answer["responses"][0]["partition_responses"][0]

    def put(self, topic, *values, partition=0, **options):
        result = self.produce(self.connect(), topic, batch(list(values), **options), partition)
        self.assertEqual(result["error_code"], OK, result)
        return result["base_offset"]

    def fetch_request(self, topic, offset=0, partition=0, **more):
        of_partition = {k: more.pop(k) for k in ("partition_max_bytes", "current_leader_epoch")
                        if k in more}
        return dict({"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 1 << 24, "topics": [{
            "topic": topic, "partitions": [dict({
                "partition": partition, "fetch_offset": offset,
                "partition_max_bytes": 1 << 20}, **of_partition)]}]}, **more)

    def fetch(self, connection, topic, offset=0, partition=0, version=FETCH, **more):
        """The result of one partition."""
        request = self.fetch_request(topic, offset, partition, **more)
        answer = connection.call("fetch", version, **request)
        return answer["responses"][0]["partitions"][0]
