# SPDX-License-Identifier: Apache-2.0
"""Each protocol writes, each reads, on one stream: value, key, headers, time and order."""

import time
import unittest
import uuid

from tercet import BrokerCase, need_module

for _module in ("paho.mqtt.client", "pika", "kafka", "confluent_kafka"):
    need_module(_module)

import sides  # noqa: E402 (after the check that its libraries are here)
from sides import Note  # noqa: E402

HEADERS = [("colour", "red"), ("empty", ""), ("colour", "blue"), ("unicode", "\u00e9\u4e2d")]


class CrossCase(BrokerCase):
    def stream(self):
        return "s-" + uuid.uuid4().hex[:12]

    def pairs(self, writers=sides.PRIMARY, readers=sides.PRIMARY):
        """Runs the body of a loop as one sub-test for each pair of sides."""
        for writer in writers:
            for reader in readers:
                yield writer, reader

    def pass_on(self, writer, reader, notes, stream):
        """Writes the notes and reads as many."""
        if reader.protocol == "kafka":
            with writer(self.broker) as out:
                for note in notes:
                    out.write(note)
                out.flush()
            with reader(self.broker, stream) as into:
                return [into.read() for _ in notes]
        with reader(self.broker, stream) as into:
            with writer(self.broker) as out:
                for note in notes:
                    out.write(note)
                out.flush()
            return [into.read() for _ in notes]

    def expect_where(self, reader, seen, note):
        wanted = {"mqtt": note.topic, "amqp": note.routing_key,
                  "kafka": (note.stream, note.subject)}
        if seen.where is not None:
            self.assertEqual(seen.where, wanted[reader.protocol])

    def expect_headers(self, seen, note):
        """The note's own headers, in order; others may stand between. A table of AMQP keeps the
        order within one name only."""
        if seen.headers is None:
            return
        for name in {name for name, _ in note.headers}:
            self.assertEqual([value for n, value in seen.headers if n == name],
                             [value for n, value in note.headers if n == name], name)


class NinePairs(CrossCase):
    def test_value_name_headers_and_content_type(self):
        for writer, reader in self.pairs():
            with self.subTest(writer=writer.__name__, reader=reader.__name__):
                stream = self.stream()
                note = Note(stream, "eu/new", b'{"n": 1}', HEADERS, "application/json")
                seen, = self.pass_on(writer, reader, [note], stream)
                self.assertEqual(seen.value, note.value)
                self.expect_where(reader, seen, note)
                self.expect_headers(seen, note)
                self.assertEqual(seen.content_type, "application/json")

    def test_order_of_all_headers_between_those_that_have_one(self):
        ordered = (sides.Paho, sides.KafkaPython)
        for writer, reader in self.pairs(ordered, ordered):
            with self.subTest(writer=writer.__name__, reader=reader.__name__):
                stream = self.stream()
                seen, = self.pass_on(writer, reader, [Note(stream, "k", b"x", HEADERS)], stream)
                names = {name for name, _ in HEADERS}
                self.assertEqual([pair for pair in seen.headers if pair[0] in names], HEADERS)

    def test_order_of_messages(self):
        for writer, reader in self.pairs():
            with self.subTest(writer=writer.__name__, reader=reader.__name__):
                stream = self.stream()
                notes = [Note(stream, "device %d" % (number % 3), b"%d" % number)
                         for number in range(60)]
                seen = self.pass_on(writer, reader, notes, stream)
                self.assertEqual([int(one.value) for one in seen], list(range(60)))
                for one, note in zip(seen, notes):
                    self.expect_where(reader, one, note)

    def test_subjects_of_every_kind(self):
        subjects = [None, "", "a", "a/b/c", "/a", "a//b/", "dev.1/temp", "a%2Eb", "100%", "*",
                    "\u00e9\u4e2d", "with space"]
        for writer, reader in self.pairs():
            stream = self.stream()
            notes = [Note(stream, subject, b"%d" % number)
                     for number, subject in enumerate(subjects)]
            for one, note in zip(self.pass_on(writer, reader, notes, stream), notes):
                with self.subTest(writer=writer.__name__, reader=reader.__name__,
                                  subject=note.subject):
                    self.assertEqual(one.value, note.value)
                    self.expect_where(reader, one, note)

    def test_values_of_every_kind(self):
        values = [b"", b"\x00", bytes(range(256)), b"\xff\xfe", b"x" * 200000]
        for writer, reader in self.pairs():
            with self.subTest(writer=writer.__name__, reader=reader.__name__):
                stream = self.stream()
                notes = [Note(stream, "k", value) for value in values]
                seen = self.pass_on(writer, reader, notes, stream)
                self.assertEqual([one.value for one in seen], values)

    def test_streams_whose_names_need_an_escape(self):
        for name in ("my topic", "caf\u00e9", "a_x20b", "50%", "v1.0"):
            stream = name + uuid.uuid4().hex[:8]
            spelled = stream.replace("a_x20", "a_x5Fx20").replace(" ", "_x20").replace(
                "\u00e9", "_xC3_xA9").replace("%", "_x25")
            for reader in sides.PRIMARY:
                with self.subTest(name=name, reader=reader.__name__):
                    note = Note(stream, "k", b"x")
                    seen, = self.pass_on(sides.Paho, reader, [note],
                                         spelled if reader.protocol == "kafka" else stream)
                    if reader.protocol == "kafka":
                        self.assertEqual(seen.where, (spelled, "k"))
                    else:
                        self.expect_where(reader, seen, note)


class Time(CrossCase):
    def test_kafka_time_is_milliseconds_for_all(self):
        stream = self.stream()
        then = 1500000000123
        with sides.Pika(self.broker, stream) as amqp, sides.KafkaPython(self.broker) as writer:
            writer.write(Note(stream, "k", b"x"), timestamp_ms=then)
            writer.flush()
            self.assertEqual(dict(amqp.read().headers)["timestamp_in_ms"], then)
        with sides.KafkaPython(self.broker, stream) as reader:
            self.assertEqual(reader.read().raw.timestamp, then)

    def test_the_time_of_publishing_is_kept_for_those_who_name_none(self):
        for writer in (sides.Paho, sides.Pika):
            with self.subTest(writer=writer.__name__):
                stream = self.stream()
                before = int(time.time() * 1000) - 1
                seen, = self.pass_on(writer, sides.KafkaPython, [Note(stream, "k", b"x")], stream)
                self.assertGreaterEqual(seen.raw.timestamp, before)
                self.assertLessEqual(seen.raw.timestamp, int(time.time() * 1000) + 1)

    def test_amqp_reads_its_own_time_back(self):
        stream = self.stream()
        with sides.Pika(self.broker, stream) as reader, sides.Pika(self.broker) as writer:
            writer.write(Note(stream, "k", b"x"), timestamp=1234567890)
            self.assertEqual(reader.read().raw[1].timestamp, 1234567890)
        with sides.KafkaPython(self.broker, stream) as reader:
            self.assertGreater(reader.read().raw.timestamp, 10 ** 12)


class OnlyOneSideHasIt(CrossCase):
    def test_null_value_and_null_key_of_kafka(self):
        stream = self.stream()
        with sides.Paho(self.broker, stream) as mqtt, sides.Pika(self.broker, stream) as amqp, \
                sides.KafkaPython(self.broker) as writer:
            writer.write(Note(stream, "gone", None))
            writer.write(Note(stream, None, b"keyless"))
            writer.flush()
            seen = mqtt.read()
            self.assertEqual((seen.where, seen.value), (stream + "/gone", b""))
            self.assertIn(("kafka.null", "1"), seen.headers)
            self.assertEqual(mqtt.read().where, stream)
            seen = amqp.read()
            self.assertEqual((seen.where, seen.value), (stream + ".gone", b""))
            self.assertIs(dict(seen.headers)["x-kafka-null"], True)
            self.assertEqual(amqp.read().where, stream)

    def test_a_binary_key_of_kafka(self):
        stream = self.stream()
        with sides.Paho(self.broker, stream) as mqtt, sides.Pika(self.broker, stream) as amqp, \
                sides.KafkaPython(self.broker) as writer:
            writer.producer.send(stream, b"x", b"\x00\xff").get(sides.SECONDS)
            seen = mqtt.read()
            self.assertEqual(seen.where, stream)
            self.assertIn(("kafka.key;b64", "AP8="), seen.headers)
            seen = amqp.read()
            self.assertEqual(seen.where, stream)
            self.assertEqual(dict(seen.headers)["x-kafka-key"], b"\x00\xff")

    def test_binary_and_null_header_values_of_kafka(self):
        stream = self.stream()
        with sides.Paho(self.broker, stream) as mqtt, sides.Pika(self.broker, stream) as amqp, \
                sides.Confluent(self.broker) as writer:
            writer.producer.produce(stream, b"x", headers=[("bin", b"\x00\xff"), ("none", None)])
            writer.flush()
            seen = mqtt.read()
            self.assertIn(("bin;b64", "AP8="), seen.headers)
            self.assertIn(("none;null", ""), seen.headers)
            table = dict(amqp.read().headers)
            self.assertEqual(table["bin"], b"\x00\xff")
            self.assertIsNone(table["none"])

    def test_amqp_header_types_become_text_and_come_back(self):
        stream = self.stream()
        table = {"number": 42, "yes": True, "text": "x", "nested": {"a": [1, "b"]}}
        with sides.Paho(self.broker, stream) as mqtt, sides.Pika(self.broker, stream) as amqp, \
                sides.Pika(self.broker) as writer:
            writer.write(Note(stream, "k", b"x", list(table.items())))
            seen = dict(mqtt.read().headers)
            self.assertEqual((seen["number"], seen["yes"], seen["text"]), ("42", "true", "x"))
            self.assertEqual(amqp.read().raw[1].headers, table)
        with sides.KafkaPython(self.broker, stream) as reader:
            seen = dict(reader.read().headers)
            self.assertEqual((seen["number"], seen["text"]), ("42", "x"))

    def test_a_header_of_amqp_cannot_pose_as_what_the_broker_says(self):
        stream = self.stream()
        own = [("user-id", "admin"), ("content-type", "text/forged"), ("amqp.message-id", "m2")]
        with sides.Paho(self.broker, stream) as mqtt, sides.Pika(self.broker, stream) as amqp, \
                sides.Pika(self.broker) as writer:
            writer.write(Note(stream, "k", b"x", own))
            self.assertIsNone(mqtt.read().content_type)
            self.assertEqual(amqp.read().raw[1].headers, dict(own))
        with sides.KafkaPython(self.broker, stream) as reader:
            seen = dict(reader.read().headers)
            for name, value in own:
                self.assertNotIn(name, seen)
                self.assertEqual(seen["user." + name], value)

    def test_properties_of_amqp(self):
        stream = self.stream()
        with sides.Paho(self.broker, stream) as mqtt, sides.Pika(self.broker) as writer:
            writer.write(Note(stream, "k", b"x"), message_id="m1", app_id="app", type="t",
                         correlation_id="c1", priority=3, content_encoding="gzip")
            message = mqtt.read()
            self.assertEqual(message.raw.properties.CorrelationData, b"c1")
            seen = dict(message.headers)
            self.assertEqual((seen["amqp.message-id"], seen["amqp.app-id"], seen["amqp.type"]),
                             ("m1", "app", "t"))
        with sides.KafkaPython(self.broker, stream) as reader:
            seen = dict(reader.read().headers)
            self.assertEqual((seen["amqp.message-id"], seen["correlation-id"]), ("m1", "c1"))
            self.assertEqual((seen["content-encoding"], seen["amqp.delivery-mode"]), ("gzip", "2"))

    def test_quality_of_mqtt_and_mode_of_amqp(self):
        for qos, mode in ((0, 1), (1, 2), (2, 2)):
            stream = self.stream()
            with sides.Pika(self.broker, stream) as amqp, sides.Paho(self.broker) as writer:
                writer.write(Note(stream, "k", b"x"), qos=qos)
                self.assertEqual(amqp.read().raw[1].delivery_mode, mode)
            if qos > 0:
                with sides.KafkaPython(self.broker, stream) as reader:
                    self.assertEqual(dict(reader.read().headers)["mqtt.qos"], str(qos))
        for writer in (sides.Pika, sides.KafkaPython):
            stream = self.stream()
            seen, = self.pass_on(writer, sides.Paho, [Note(stream, "k", b"x")], stream)
            self.assertEqual(seen.raw.qos, 1)

    def test_request_from_mqtt_and_answer_from_amqp(self):
        stream, answers = self.stream(), self.stream()
        with sides.Pika(self.broker, stream) as server, \
                sides.Paho(self.broker, answers) as caller:
            properties = sides.Properties(sides.PacketTypes.PUBLISH)
            properties.ResponseTopic = answers + "/mine"
            properties.CorrelationData = b"c1"
            caller.client.publish(stream + "/question", b"6*7", 1, properties=properties)
            _, asked, _ = server.read().raw
            self.assertEqual(asked.headers["x-reply-to-topic"], answers + "/mine")
            self.assertTrue(asked.reply_to)
            server.channel.basic_publish("", asked.reply_to, b"42", sides.pika.BasicProperties(
                correlation_id=asked.correlation_id))
            seen = caller.read()
            self.assertEqual((seen.where, seen.value), (answers + "/mine", b"42"))
            self.assertEqual(seen.raw.properties.CorrelationData, b"c1")

    def test_request_from_amqp_and_answer_from_mqtt(self):
        stream = self.stream()
        with sides.Paho(self.broker, stream) as server, sides.Pika(self.broker) as caller:
            caller.queue = caller.channel.queue_declare("", exclusive=True).method.queue
            caller.write(Note(stream, "question", b"6*7"), reply_to=caller.queue,
                         correlation_id="c1")
            asked = server.read().raw.properties
            properties = sides.Properties(sides.PacketTypes.PUBLISH)
            properties.CorrelationData = asked.CorrelationData
            server.client.publish(asked.ResponseTopic, b"42", 1, properties=properties)
            seen = caller.read()
            self.assertEqual((seen.value, seen.raw[1].correlation_id), (b"42", "c1"))

    def test_a_retained_message_of_mqtt(self):
        stream = self.stream()
        with sides.Pika(self.broker, stream) as amqp, sides.Paho(self.broker) as writer:
            writer.write(Note(stream, "k", b"kept"), retain=True)
            writer.flush()
            self.assertIs(dict(amqp.read().headers)["x-mqtt-retain"], True)
        with sides.KafkaPython(self.broker, stream) as reader:
            self.assertEqual(dict(reader.read().headers)["mqtt.retain"], "1")

    def test_amqp_sets_and_clears_a_retained_message(self):
        stream = self.stream()
        with sides.Pika(self.broker) as amqp:
            amqp.write(Note(stream, "k", b"kept", [("x-mqtt-retain", True)]))
            amqp.write(Note(stream, "k", b"not kept", [("x-mqtt-retain", False)]))
            with sides.Paho(self.broker, stream) as mqtt:
                seen = mqtt.read()
                self.assertEqual((seen.where, seen.value), (stream + "/k", b"kept"))
                self.assertTrue(seen.raw.retain)
            amqp.write(Note(stream, "k", b"", [("x-mqtt-retain", True)]))
        with sides.Paho(self.broker, stream) as mqtt, sides.Paho(self.broker) as writer:
            writer.write(Note(stream, "k", b"live"))
            self.assertEqual(mqtt.read().value, b"live")

    def test_expiry_is_never_rounded_to_nothing(self):
        stream = self.stream()
        with sides.Paho(self.broker, stream) as mqtt, sides.Pika(self.broker) as writer:
            writer.write(Note(stream, "k", b"x"), expiration="59500")
            self.assertIn(mqtt.read().raw.properties.MessageExpiryInterval, (59, 60))
        with sides.Paho(self.broker) as writer, sides.Pika(self.broker, stream) as amqp:
            properties = sides.Properties(sides.PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = 60
            writer.client.publish(stream + "/k", b"x", 1, properties=properties)
            left = int(amqp.read().raw[1].expiration)
            self.assertTrue(50000 < left <= 60000, left)


class OtherLibraries(CrossCase):
    def test_programs_and_librdkafka_with_the_others(self):
        """Each second library writes for one reader of each protocol, and reads from one writer."""
        pairs = [(writer, reader) for writer in sides.SECONDARY for reader in sides.PRIMARY]
        pairs += [(writer, reader) for writer in sides.PRIMARY for reader in sides.SECONDARY]
        pairs += [(writer, reader) for writer in sides.SECONDARY for reader in sides.SECONDARY]
        for writer, reader in pairs:
            with self.subTest(writer=writer.__name__, reader=reader.__name__):
                stream = self.stream()
                notes = [Note(stream, "eu/new", b"first", [("colour", "red")], "text/plain"),
                         Note(stream, "eu/old", b"second", [("colour", "blue")], "text/plain")]
                for one, note in zip(self.pass_on(writer, reader, notes, stream), notes):
                    self.assertEqual(one.value, note.value)
                    self.expect_where(reader, one, note)
                    self.expect_headers(one, note)
                    if one.where is not None:
                        self.assertEqual(one.content_type, "text/plain")


if __name__ == "__main__":
    unittest.main()
