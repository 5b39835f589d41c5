# SPDX-License-Identifier: Apache-2.0
"""AMQP: the handshake, heartbeats, frames and the ends of connections, on the wire."""

import struct
import time
import unittest

import amqp_raw as amqp
from tercet import SCALE, BrokerCase

HELLO = b"AMQP\0\0\x09\x01"


def start_ok(mechanism="PLAIN", response="\0guest\0guest", capabilities=amqp.CAPABILITIES):
    return amqp.method(0, "connection.start-ok", mechanism=mechanism, response=response,
                       locale="en_US", client_properties={"capabilities": capabilities})


def tune_ok(channel_max=2047, frame_max=131072, heartbeat=0):
    return amqp.method(0, "connection.tune-ok", channel_max=channel_max, frame_max=frame_max,
                       heartbeat=heartbeat)


class Handshake(BrokerCase):
    def client(self, *args, **more):
        c = amqp.Client(self.broker, *args, **more)
        self.addCleanup(c.close)
        return c

    def test_start_and_tune_say_what_libraries_look_for(self):
        c = self.client("tune")
        told = c.start["server-properties"]
        self.assertEqual((c.start["version-major"], c.start["version-minor"]), (0, 9))
        self.assertEqual(c.start["mechanisms"].split(), ["AMQPLAIN", "PLAIN"])
        self.assertEqual(told["product"], "RabbitMQ")
        self.assertEqual(told["version"], "3.13.7")
        self.assertTrue(told["platform"].startswith("tercet "))
        for name in ("publisher_confirms", "basic.nack", "consumer_cancel_notify",
                     "connection.blocked", "per_consumer_qos", "exchange_exchange_bindings",
                     "consumer_priorities", "authentication_failure_close"):
            self.assertIs(told["capabilities"][name], True, name)
        self.assertEqual(c.tune, {"channel-max": 2047, "frame-max": 131072, "heartbeat": 60})

    def test_the_header_of_0_9_is_taken_too(self):
        c = self.client("connect")
        c.write(b"AMQP\x01\x01\0\x09")
        c.want("connection.start")

    def test_other_headers_are_told_what_is_spoken_and_let_go(self):
        for sent in (b"AMQP\0\x01\0\0", b"AMQP\x03\x01\0\0", b"AMQP\x01\x01\x08\0",
                     b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"):
            with self.subTest(sent=sent):
                c = self.client("connect")
                c.write(sent)
                self.assertTrue(c.is_closed())
                self.assertEqual(c.buffer, HELLO)

    def test_a_whole_session_in_one_segment_is_answered_in_order(self):
        c = self.client("connect")
        c.write(HELLO + start_ok() + tune_ok() + amqp.method(0, "connection.open", virtual_host="/")
                + amqp.method(1, "channel.open")
                + amqp.method(1, "queue.declare", queue="pipelined", exclusive=True)
                + amqp.method(1, "confirm.select")
                + amqp.publish(1, "one", routing_key="pipelined")
                + amqp.method(1, "basic.get", queue="pipelined", no_ack=True)
                + amqp.method(0, "connection.close", reply_code=200))
        names = []
        body = None
        while "connection.close-ok" not in names:
            got = c.next()
            if isinstance(got, amqp.Method) and got.name != "basic.ack":
                names.append(got.name)
            elif isinstance(got, amqp.Body):
                body = got.bytes
        self.assertEqual(names, ["connection.start", "connection.tune", "connection.open-ok",
                                 "channel.open-ok", "queue.declare-ok", "confirm.select-ok",
                                 "basic.get-ok", "connection.close-ok"])
        self.assertEqual(body, b"one")
        self.assertTrue(c.is_closed())

    def test_a_whole_session_byte_by_byte_works(self):
        c = self.client("connect")
        for part in (HELLO, start_ok(), tune_ok(frame_max=4096),
                     amqp.method(0, "connection.open", virtual_host="/"),
                     amqp.method(1, "channel.open"),
                     amqp.method(1, "queue.declare", queue="bytewise", exclusive=True),
                     amqp.publish(1, "x" * 200, routing_key="bytewise",
                                  headers={"a": [1, "two", {"three": None}]}),
                     amqp.method(1, "basic.get", queue="bytewise", no_ack=True)):
            for i in range(len(part)):
                c.write(part[i:i + 1])
        for name in ("connection.start", "connection.tune", "connection.open-ok",
                     "channel.open-ok", "queue.declare-ok"):
            c.want(name)
        got = c.message("basic.get-ok")
        self.assertEqual(got.body, b"x" * 200)
        self.assertEqual(got.properties, {"headers": {"a": [1, "two", {"three": None}]}})

    def test_amqplain_logs_in(self):
        login = amqp.table({"LOGIN": "guest", "PASSWORD": "guest"})[4:]
        c = self.client("tune", mechanism="AMQPLAIN", response=login)
        self.assertEqual(c.tune["heartbeat"], 60)

    def test_a_wrong_password_is_told_to_clients_that_can_be_told(self):
        for mechanism, response in (("PLAIN", "\0guest\0wrong"), ("PLAIN", "\0nobody\0guest"),
                                    ("PLAIN", "\0guest\0"),
                                    ("AMQPLAIN", amqp.table({"LOGIN": "guest",
                                                             "PASSWORD": ""})[4:])):
            with self.subTest(response=response):
                c = self.client("start-ok", mechanism=mechanism, response=response)
                self.assertEqual(c.refusal(), (
                    403, "ACCESS_REFUSED - Login was refused using authentication mechanism %s. "
                    "For details see the broker logfile." % mechanism, 0, 0))

    def test_a_wrong_password_of_other_clients_ends_in_silence_after_a_while(self):
        c = self.client("start-ok", password="wrong", capabilities={})
        begin = time.monotonic()
        self.assertTrue(c.is_closed(8))
        self.assertEqual(c.buffer, b"")
        self.assertGreater(time.monotonic() - begin, 2)

    def test_responses_and_mechanisms_that_make_no_sense_are_refused(self):
        for mechanism, response, code in (("NOPE", "", 503), ("PLAIN", "garbage", 502),
                                          ("PLAIN", "", 502), ("PLAIN", "\0guest", 502),
                                          ("AMQPLAIN", "garbage", 502), ("AMQPLAIN", "", 502)):
            with self.subTest(mechanism=mechanism, response=response):
                c = self.client("start-ok", mechanism=mechanism, response=response)
                self.assertEqual(c.refusal()[0], code)

    def test_tuning_beyond_the_offer_is_refused_in_words(self):
        for tune, words in (
                ({"frame_max": 131073},
                 "frame_max = 131073 is higher than the maximum allowed value (131072)"),
                ({"frame_max": 4095},
                 "frame_max = 4095 is lower than the minimum allowed value (4096)"),
                ({"frame_max": 0},
                 "frame_max = 0 is higher than the maximum allowed value (131072)"),
                ({"channel_max": 2048},
                 "channel_max = 2048 is higher than the maximum allowed value (2047)"),
                ({"channel_max": 0},
                 "channel_max = 0 is higher than the maximum allowed value (2047)")):
            with self.subTest(tune=tune):
                c = self.client("tune-ok", tune=tune)
                self.assertEqual(c.refusal(), (530, "NOT_ALLOWED - negotiated " + words, 10, 31))

    def test_the_smallest_frame_max_works(self):
        c = self.client(tune={"frame_max": 4096})
        c.call("queue.declare", queue="small frames", exclusive=True)
        body = bytes(range(256)) * 64
        c.publish(body, "small frames")
        c.send("basic.get", queue="small frames", no_ack=True)
        c.want("basic.get-ok")
        self.assertEqual(c.next().size, len(body))
        parts = []
        while sum(map(len, parts)) < len(body):
            parts.append(c.next().bytes)
        self.assertEqual(b"".join(parts), body)
        self.assertEqual({len(p) for p in parts[:-1]}, {4088})

    def test_an_unknown_vhost_is_not_found(self):
        c = self.client("open", vhost="nosuchvhost")
        self.assertEqual(c.refusal(), (530, "NOT_ALLOWED - vhost nosuchvhost not found", 10, 40))

    def test_methods_before_their_time_are_refused(self):
        c = self.client("start")
        self.assertEqual(c.refused("connection.open", 0, virtual_host="/")[0], 504)
        c = self.client("tune-ok")
        self.assertEqual(c.refused("channel.open", 1), (
            505, "UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,0>>", 0, 0))
        c = self.client()
        self.assertEqual(c.refused("connection.tune-ok", 0, frame_max=8192, channel_max=3), (
            504, "CHANNEL_ERROR - unexpected method in connection state running", 10, 31))

    def test_before_tuning_a_frame_is_at_most_8192_bytes(self):
        c = self.client("start")
        c.write(struct.pack(">BHI", 1, 0, 8193))
        code, text, _, _ = c.next().args.values()
        self.assertEqual(code, 501)
        self.assertEqual(text, "FRAME_ERROR - type 1, all octets = <<>>: "
                               "{frame_too_large,8193,8184}")

    def test_close_is_answered_and_then_the_socket_ends(self):
        c = self.client()
        c.call("connection.close", 0, reply_code=200, reply_text="bye")
        self.assertTrue(c.is_closed())

    def test_exclusive_queues_are_gone_when_close_is_answered(self):
        c, d = self.client(), self.client()
        c.call("queue.declare", queue="mine alone", exclusive=True)
        self.assertEqual(d.refused("queue.declare", queue="mine alone", passive=True)[0], 405)
        c.call("connection.close", 0, reply_code=200)
        self.assertEqual(d.refused("queue.declare", queue="mine alone", passive=True)[0], 404)

    def test_update_secret_is_answered(self):
        c = self.client()
        c.call("connection.update-secret", 0, new_secret="guest", reason="because")

    def test_what_a_vanished_client_had_goes_back(self):
        c, d = self.client(), self.client()
        c.call("queue.declare", queue="left behind")
        c.publish("m", "left behind")
        self.assertEqual(c.get("left behind", no_ack=False).body, b"m")
        self.assertIsNone(d.get("left behind"))
        c.close()
        for _ in range(200):
            got = d.get("left behind")
            if got:
                break
            time.sleep(0.01)
        self.assertEqual((got.body, got.method["redelivered"]), (b"m", True))
        d.call("queue.delete", queue="left behind")


class Heartbeats(BrokerCase):
    def test_the_broker_beats_twice_an_interval_and_gives_up_after_three(self):
        with amqp.Client(self.broker, tune={"heartbeat": 1}) as c:
            begin = time.monotonic()
            beats = 0
            try:
                while True:
                    got = c.next(8)
                    self.assertEqual(got, amqp.Other(0, amqp.HEARTBEAT, b""))
                    beats += 1
            except amqp.Closed:
                pass
            seconds = time.monotonic() - begin
            self.assertGreaterEqual(beats, 3)
            self.assertTrue(2 <= seconds <= 7 * SCALE, seconds)

    def test_any_octet_of_the_client_counts(self):
        with amqp.Client(self.broker, tune={"heartbeat": 1}) as c:
            for _ in range(9):
                time.sleep(0.5)
                c.write(amqp.frame(amqp.HEARTBEAT, 0, b""))
            c.send("channel.flow", active=True)
            while True:
                got = c.next()
                if isinstance(got, amqp.Method):
                    break
            self.assertEqual(got.name, "channel.flow-ok")

    def test_heartbeat_0_means_none(self):
        with amqp.Client(self.broker, tune={"heartbeat": 0}) as c:
            c.quiet(2.5)


class Frames(BrokerCase):
    def setUp(self):
        super().setUp()
        self.c = amqp.Client(self.broker)
        self.addCleanup(self.c.close)

    def told(self, data):
        """What one write is refused with; the connection may stay up, deaf."""
        self.c.write(data)
        got = self.c.next()
        self.assertIn(got.name, ("connection.close", "channel.close"))
        return tuple(got.args.values())

    def test_a_wrong_end_octet(self):
        self.assertEqual(self.told(amqp.frame(1, 1, amqp.method_payload("channel.open"), end=0)), (
            501, "FRAME_ERROR - type 1, all octets = <<0,20,0,10,0>>: {invalid_frame_end_marker,0}",
            0, 0))

    def test_an_unknown_type(self):
        self.assertEqual(self.told(amqp.frame(4, 1, b"xxxx")), (
            501, 'FRAME_ERROR - type 4, all octets = <<"xxxx">>: unknown_frame', 0, 0))

    def test_a_heartbeat_with_a_payload_or_on_a_channel(self):
        self.assertEqual(self.told(amqp.frame(8, 1, b"")), (
            505, "UNEXPECTED_FRAME - type 8, all octets = <<>>", 0, 0))
        with amqp.Client(self.broker) as self.c:
            self.assertEqual(self.told(amqp.frame(8, 0, b"x")), (
                501, 'FRAME_ERROR - type 8, all octets = <<"x">>: unknown_frame', 0, 0))

    def test_a_frame_eight_over_is_forgiven_and_nine_over_is_not(self):
        with amqp.Client(self.broker, tune={"frame_max": 8192}) as self.c:
            self.c.write(amqp.method(1, "basic.publish", routing_key="nowhere")
                         + amqp.frame(2, 1, amqp.header_payload(8192))
                         + amqp.frame(3, 1, b"x" * 8192))
            self.c.sync()
            self.assertEqual(self.told(amqp.frame(3, 1, b"x" * 8193)), (
                501, "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,8193,8184}", 0, 0))

    def test_unknown_methods_are_told_by_number(self):
        for ids in ((50, 99), (77, 10), (60, 200)):
            with self.subTest(ids=ids), amqp.Client(self.broker) as self.c:
                self.assertEqual(self.told(amqp.frame(1, 1, struct.pack(">HH", *ids))), (
                    503, "COMMAND_INVALID - unknown method {%d,%d}" % ids, *ids))

    def test_arguments_that_end_early_or_late(self):
        whole = amqp.method_payload("queue.declare", queue="abc")
        self.assertEqual(self.told(amqp.frame(1, 1, whole[:9])), (
            501, "FRAME_ERROR - cannot decode <<0,0,3,97,98>>", 50, 10))
        with amqp.Client(self.broker) as self.c:
            self.assertEqual(self.told(amqp.frame(1, 1, whole + b"!"))[0], 501)

    def test_short_strings_are_utf_8(self):
        self.assertEqual(self.told(amqp.method(1, "queue.declare", queue=b"bad\xff\xfe")), (
            501, "FRAME_ERROR - Malformed UTF-8 in shortstr", 0, 0))

    def test_tables_nested_beyond_32_are_refused(self):
        deep = {}
        for _ in range(31):
            deep = {"d": deep}
        self.c.call("queue.declare", queue="deep", exclusive=True, arguments=deep)
        self.assertEqual(self.told(amqp.method(1, "queue.declare", queue="deep",
                                               arguments={"d": deep}))[0], 501)

    def test_methods_only_a_server_sends(self):
        self.assertEqual(self.told(amqp.method(1, "queue.declare-ok", queue="x")), (
            503, "COMMAND_INVALID - unimplemented method", 50, 11))

    def test_methods_on_the_wrong_channel(self):
        for data, wanted in (
                (amqp.method(0, "queue.declare", queue="x"),
                 (504, "CHANNEL_ERROR - unexpected method in connection state running", 50, 10)),
                (amqp.method(1, "connection.close", reply_code=200),
                 (503, "COMMAND_INVALID - unimplemented method", 10, 50)),
                (amqp.method(7, "queue.declare", queue="x"),
                 (504, "CHANNEL_ERROR - expected 'channel.open'", 50, 10)),
                (amqp.method(1, "channel.open"),
                 (504, "CHANNEL_ERROR - second 'channel.open' seen", 20, 10)),
                (amqp.frame(3, 7, b"abc"),
                 (505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead",
                  0, 0)),
                (amqp.frame(2, 0, amqp.header_payload(0)), None)):
            with self.subTest(data=data), amqp.Client(self.broker) as self.c:
                told = self.told(data)
                self.assertEqual(told, wanted or (505, told[1], 0, 0))

    def test_contents_out_of_order(self):
        publish = amqp.method(1, "basic.publish", routing_key="x")
        for data, wanted in (
                (amqp.frame(2, 1, amqp.header_payload(0)),
                 (505, "expected method frame, got non method frame instead", 0, 0)),
                (publish + amqp.frame(3, 1, b"abc"),
                 (505, "expected content header for class 60, got non content header frame instead",
                  60, 40)),
                (publish + amqp.frame(2, 1, amqp.header_payload(0, class_id=50)),
                 (505, "expected content header for class 60, got one for class 50 instead",
                  60, 40)),
                (publish + amqp.frame(2, 1, amqp.header_payload(0, weight=1)),
                 (505, "expected content header for class 60, got non content header frame instead",
                  60, 40)),
                (publish + amqp.frame(2, 1, amqp.header_payload(5)) + amqp.method(1, "basic.qos"),
                 (505, "expected content body, got non content body frame instead", 60, 40)),
                (publish + amqp.frame(2, 1, amqp.header_payload(2)) + amqp.frame(3, 1, b"12345"),
                 (501, "content body frame exceeds remaining content size", 60, 40)),
                (publish + amqp.frame(2, 1, amqp.header_payload(1 << 40)),
                 (501, "content body size 1099511627776 exceeds maximum allowed size 536870912",
                  60, 40))):
            with self.subTest(wanted=wanted), amqp.Client(self.broker) as self.c:
                code, text, class_id, method_id = self.told(data)
                name = {505: "UNEXPECTED_FRAME - ", 501: "FRAME_ERROR - "}[code]
                self.assertEqual((code, text, class_id, method_id),
                                 (wanted[0], name + wanted[1], *wanted[2:]))

    def test_a_message_over_the_limit_is_refused_by_its_header(self):
        self.c.write(amqp.method(1, "basic.publish", routing_key="x")
                     + amqp.frame(2, 1, amqp.header_payload(200 << 20)))
        code, text, class_id, method_id = self.c.refusal()
        self.assertEqual((code, class_id, method_id), (406, 60, 40))
        self.assertIn("message size 209715200 is larger than configured max size", text)

    def test_properties_that_do_not_parse(self):
        for raw in (b"", b"\0", b"\x80\0\x05ab", b"\0\x01\0\0", b"\0\x02", b"\0\0x",
                    b"\x20\0\0\0\0\x03\x01kZ", b"\x80\0\x02\xff\xfe"):
            with self.subTest(raw=raw), amqp.Client(self.broker) as self.c:
                told = self.told(amqp.method(1, "basic.publish", routing_key="x")
                                 + amqp.frame(2, 1, amqp.header_payload(0, raw=raw)))
                self.assertEqual((told[0], told[2], told[3]), (501, 60, 40))

    def test_frames_behind_an_error_are_ignored_until_close_ok(self):
        self.c.write(amqp.method(0, "queue.declare", queue="x")
                     + amqp.method(1, "basic.qos") + amqp.method(9, "basic.qos")
                     + amqp.method(0, "connection.close-ok"))
        self.assertEqual(self.c.next().name, "connection.close")
        self.assertTrue(self.c.is_closed())
        self.assertEqual(self.c.buffer, b"")

    def test_the_channel_limit_counts_channels_not_numbers(self):
        with amqp.Client(self.broker, "opened", tune={"channel_max": 2}) as self.c:
            self.c.call("channel.open", 100)
            self.c.call("channel.open", 65535)
            self.assertEqual(self.told(amqp.method(3, "channel.open")), (
                530, "NOT_ALLOWED - number of channels opened (2) has reached the negotiated "
                "channel_max (2)", 0, 0))

    def test_a_closed_channel_can_be_opened_again(self):
        for _ in range(3):
            self.c.call("channel.close", reply_code=200)
            self.c.call("channel.open")
        self.c.sync()

    def test_both_closing_a_channel_at_once(self):
        self.c.write(amqp.publish(1, "x", exchange="no such exchange")
                     + amqp.method(1, "channel.close", reply_code=200)
                     + amqp.method(1, "channel.close-ok") + amqp.method(1, "channel.open"))
        self.assertEqual([self.c.next().name for _ in range(3)],
                         ["channel.close", "channel.close-ok", "channel.open-ok"])


if __name__ == "__main__":
    unittest.main()
