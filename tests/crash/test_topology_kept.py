# SPDX-License-Identifier: Apache-2.0
"""What was answered as declared, bound or deleted is so after kill -9 in the next instant."""

import unittest

from tercet import Broker, need_module

pika = need_module("pika")

LIVES = 15


class TopologyKept(unittest.TestCase):
    def channel(self, broker):
        host, port = broker.address("amqp")
        return pika.BlockingConnection(pika.ConnectionParameters(host, port)).channel()

    def test_declared_bound_and_deleted_survive_a_kill_right_after_the_answer(self):
        with Broker(data=True) as broker:
            for life in range(LIVES):
                channel = self.channel(broker)
                channel.exchange_declare("x%d" % life, "direct", durable=True)
                channel.queue_declare("q%d" % life, durable=True)
                channel.queue_bind("q%d" % life, "x%d" % life, "key")
                if life > 0:
                    channel.queue_delete("q%d" % (life - 1))
                broker.kill()
                broker.start()
                channel = self.channel(broker)
                channel.confirm_delivery()
                channel.basic_publish("x%d" % life, "key", b"routed", mandatory=True)
                self.assertEqual(channel.basic_get("q%d" % life, auto_ack=True)[2], b"routed")
                if life > 0:
                    with self.assertRaises(pika.exceptions.ChannelClosedByBroker):
                        channel.queue_declare("q%d" % (life - 1), passive=True)


if __name__ == "__main__":
    unittest.main()
