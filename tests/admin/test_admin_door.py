# SPDX-License-Identifier: Apache-2.0
"""The admin door: what it tells, what it refuses, and definitions out and in again."""

import http.client
import json
import os
import re
import socket
import stat
import subprocess
import threading
import time
import unittest

from admin_raw import SECONDS, UnixConnection, ask, socket_of
from tercet import SCALE, Broker, BrokerCase, is_closed_by_peer, need_module, program, wait_for

def tool(*words, stdin="", status=0):
    """Runs tercet; what it printed, and what it complained of."""
    done = subprocess.run([program("tercet"), *map(str, words)], input=stdin, check=False,
                          timeout=60 * SCALE, capture_output=True, encoding="utf-8")
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


class Telling(BrokerCase):
    broker_options = {"data": True, "args": ["--admin-port", "0"]}

    def test_the_socket_is_its_owners_alone(self):
        self.assertEqual(stat.S_IMODE(os.stat(socket_of(self.broker)).st_mode), 0o600)

    def test_the_overview_tells_version_listeners_latency_and_counters(self):
        with self.broker.connect("kafka"):
            status, told = ask(self.broker, "GET", "/api/overview")
        self.assertEqual(status, 200)
        self.assertEqual(told["product"], "tercet")
        self.assertEqual(told["pid"], self.broker.pid)
        self.assertEqual(told["store"]["durability"], "always")
        self.assertIsNone(told["store"]["stalled"])
        self.assertEqual(set(told["store"]["commit_latency_us"]), {"p50", "p99"})
        self.assertEqual({(l["protocol"], l["address"], l["port"]) for l in told["listeners"]},
                         {(l["protocol"], l["address"], l["port"]) for l in self.broker.listeners})
        self.assertGreaterEqual(told["counters"]["net_accepted_total"], 1)
        for turns in (told["turns_us"], told["turns_processor_us"]):
            self.assertGreater(turns["count"], 0)
            self.assertEqual(sum(count for _, count in turns["buckets"]), turns["count"])
            self.assertLessEqual(turns["p50"], turns["p99"])
            self.assertLessEqual(turns["p999"], turns["max"])

    def metrics(self):
        connection = UnixConnection(socket_of(self.broker))
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def test_metrics_have_a_line_for_each_counter(self):
        names = set(ask(self.broker, "GET", "/api/overview")[1]["counters"])
        told = [line.rsplit(" ", 1) for line in self.metrics().splitlines()
                if not line.startswith("#")]
        turns = [(name, int(value)) for name, value in told
                 if name.startswith("tercet_net_turn_seconds_bucket")]
        self.assertEqual(sorted(count for _, count in turns), [count for _, count in turns])
        self.assertEqual(turns[-1], ('tercet_net_turn_seconds_bucket{le="+Inf"}',
                                     int(dict(told)["tercet_net_turn_seconds_count"])))
        self.assertEqual({"tercet_" + name for name in names} - {"tercet_net_turn_max_us"},
                         {name for name, _ in told} & {"tercet_" + name for name in names})

    def test_metrics_follow_the_conventions_of_prometheus(self):
        types, values = {}, {}
        last = None
        for line in self.metrics().splitlines():
            if line.startswith("# HELP "):
                _, _, last, what = line.split(" ", 3)
                self.assertNotIn(last, types, line)
                self.assertRegex(what, r"^[^\\]{6,}[^.]$", line)
                types[last] = None
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertEqual((name, types[name]), (last, None), line)
                types[name] = kind
            else:
                found = re.fullmatch(r'([a-z_0-9]+)(?:\{([a-z]+)="(?:[^"\\]|\\.)*"\})? (\S+)', line)
                self.assertTrue(found, line)
                name, label, value = found.groups()
                family = re.sub("_(bucket|sum|count)$", "", name) \
                    if types[last] == "histogram" else name
                self.assertEqual(family, last, line)
                self.assertEqual(label == "le", name.endswith("_bucket"), line)
                values[line.rsplit(" ", 1)[0]] = float(value)
        for name, kind in types.items():
            with self.subTest(name=name):
                self.assertRegex(name, "^tercet_[a-z][a-z0-9_]*$")
                self.assertEqual(name.endswith("_total"), kind == "counter")
                self.assertNotRegex(name, "_(us|ms|ns|milliseconds|kilobytes|count|sum|bucket)$")
                self.assertIn(kind, ("counter", "gauge", "histogram"))
        self.assertIn("tercet_build_info", types)
        self.assertLess(abs(time.time() - values["tercet_start_time_seconds"]), 600 * SCALE)

    def test_metrics_tell_of_each_queue_that_is_no_clients_own(self):
        def queue(name, **more):
            return {"name": name, "vhost": "/", "durable": True, "auto_delete": False,
                    "arguments": {}, **more}

        names = ['metrics "a" \\', "metrics b\nc"]
        definitions = {"queues": [queue(names[0]), queue(names[1]),
                                  queue("metrics-gone", auto_delete=True)]}
        self.assertEqual(ask(self.broker, "PUT", "/api/definitions",
                             json.dumps(definitions))[0], 200)
        before = self.metrics()
        for label in ('metrics \\"a\\" \\\\', "metrics b\\nc"):
            for name in ("ready", "unacknowledged", "consumers"):
                self.assertIn('tercet_queue_%s{queue="%s"} 0\n' % (name, label), before)
        self.assertNotIn("metrics-gone", before)
        self.assertRegex(before, r"\ntercet_queues_left_out [1-9]\d*\n")

    def test_a_connection_serves_many_requests_also_sent_at_once(self):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(socket_of(self.broker))
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 49
                         + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            got = b""
            while part := sock.recv(65536):
                got += part
        self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 50)
        self.assertEqual(got.count(b'{"status":"ok"}'), 50)

    def test_a_request_may_come_one_byte_at_a_time(self):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(socket_of(self.broker))
            for byte in b"PUT /api/definitions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}":
                sock.send(bytes([byte]))
            self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 200 OK"))

    def test_what_cannot_be_answered_is_refused_with_a_reason(self):
        for method, path, want in (("GET", "/nowhere", 404), ("DELETE", "/api/streams", 405),
                                   ("GET", "/api/streams?limit=0", 400),
                                   ("GET", "/api/streams?after=missing", 409),
                                   ("PUT", "/api/definitions", 400)):
            with self.subTest(path=path):
                status, told = ask(self.broker, method, path)
                self.assertEqual(status, want)
                self.assertTrue(told["error"] and (told.get("reason") or told["reasons"]))

    def test_bytes_that_are_no_request_end_the_connection(self):
        for bad in (b"\x16\x03\x01\x00\xa5\r\n", b"GET /" + b"x" * 20000,
                    b"PUT /api/definitions HTTP/1.1\r\nHost: x\r\n"
                    b"Content-Length: 99999999999\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(socket_of(self.broker))
                sock.sendall(bad)
                self.assertTrue(is_closed_by_peer(sock))

    def test_over_tcp_everything_is_told_and_nothing_changed(self):
        one = [l for l in self.broker.listeners if l["protocol"] == "admin" and l["port"]][0]
        connection = http.client.HTTPConnection(one["address"], one["port"], timeout=SECONDS)
        for method, path, headers, want in (
                ("GET", "/api/overview", {}, 200),
                ("PUT", "/api/definitions", {}, 403),
                ("GET", "/api/overview", {"Origin": "http://example.com"}, 403),
                ("GET", "/api/overview", {"Host": "example.com"}, 403)):
            with self.subTest(path=path, headers=headers):
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                self.assertEqual(answer.status, want)
        connection.close()

    def test_a_listing_goes_page_by_page(self):
        pika = need_module("pika")
        host, port = self.broker.address("amqp")
        with pika.BlockingConnection(pika.ConnectionParameters(host, port)) as connection:
            channel = connection.channel()
            names = ["page-%d" % i for i in range(7)]
            for name in names:
                channel.queue_declare(name, durable=True)
        for kind in ("streams", "queues"):
            got, after = [], ""
            while after is not None:
                _, told = ask(self.broker, "GET", "/api/%s?limit=3%s" % (kind, after))
                self.assertLessEqual(len(told[kind]), 3)
                got += [one["name"] for one in told[kind]]
                after = told["next"] and "&after=" + told["next"]
            self.assertEqual([name for name in got if name in names], names)
            self.assertEqual(len(got), len(set(got)))

    def test_the_tool_shows_how_the_broker_is(self):
        said, _ = tool("status", "--data", self.broker.data)
        self.assertIn("durability  always", said)
        self.assertRegex(said, "turns +[0-9]+, p50 [0-9]+ us, p99.9 [0-9]+ us, longest [0-9]+ us")
        self.assertIn("process %d" % self.broker.pid, said)
        self.assertRegex(said, "owed +[0-9]+ messages, [0-9]+ bytes; [0-9]+ dropped, [0-9]+ ref")
        self.assertRegex(said, "retained +[0-9]+ messages, [0-9]+ bytes; [0-9]+ refused")
        told = json.loads(tool("status", "--json", "--data", self.broker.data)[0])
        self.assertEqual(told["pid"], self.broker.pid)

    def test_the_tool_shows_what_a_stream_keeps_and_promises(self):
        pika = need_module("pika")
        host, port = self.broker.address("amqp")
        name = "kept 100% & more"
        with pika.BlockingConnection(pika.ConnectionParameters(host, port)) as connection:
            channel = connection.channel()
            channel.queue_declare(name, durable=True, arguments={"x-durability": "interval"})
            channel.confirm_delivery()
            channel.basic_publish("", name, b"x")
        said, _ = tool("stream", name, "--data", self.broker.data)
        self.assertRegex(said, "durability +interval, its own\n")
        self.assertRegex(said, "retention +604800000 ms, as the configuration says\n")
        self.assertRegex(said, "commits +p50 [0-9]+ us, p99 [0-9]+ us\n")
        self.assertRegex(said, "partition 0 +offsets 0 to 1, durable to 1, [1-9][0-9]* bytes\n")
        told = json.loads(tool("stream", name, "--json", "--data", self.broker.data)[0])
        self.assertEqual(told["streams"][0]["own_policy"], {"durability": "interval"})
        _, complaint = tool("stream", "no such", "--data", self.broker.data, status=1)
        self.assertIn("there is no stream", complaint)


class Edges(unittest.TestCase):

    def test_a_broker_in_memory_has_a_door_where_it_is_told_to(self):
        with Broker() as b:
            self.assertNotIn("admin", [one["protocol"] for one in b.listeners])
        with Broker(start=False) as b:
            path = os.path.join(b._dir, "door")
            b.args += ["--admin-socket", path]
            b.start()
            said, _ = tool("status", "--socket", path)
            self.assertIn("in memory", said)
        self.assertFalse(os.path.exists(path))

    def test_the_socket_of_a_killed_broker_is_taken_over(self):
        with Broker(data=True) as b:
            b.kill()
            self.assertTrue(os.path.exists(socket_of(b)))
            _, complaint = tool("status", "--data", b.data, status=1)
            self.assertIn("no broker listens", complaint)
            b.start()
            self.assertEqual(ask(b, "GET", "/healthz"), (200, {"status": "ok"}))

    def test_a_store_that_takes_nothing_is_not_healthy(self):
        with Broker(data=True, env={"TERCET_FAULT": "store.write:1"}) as b:
            self.assertEqual(wait_for(lambda: ask(b, "GET", "/healthz")[0] == 503
                                      and ask(b, "GET", "/healthz")),
                             (503, {"status": "stalled", "error": "io"}))
            self.assertEqual(ask(b, "GET", "/api/overview")[1]["store"]["stalled"], "io")
            status, told = ask(b, "POST", "/api/backup",
                               json.dumps({"directory": os.path.join(b._dir, "copy")}))
            self.assertEqual((status, told["error"]), (503, "io"))
            b.kill()
            b.env = {}
            b.start()
            self.assertEqual(ask(b, "GET", "/healthz")[0], 200)

    def test_a_request_under_way_does_not_hold_up_a_stop(self):
        with Broker(data=True) as b, socket.socket(socket.AF_UNIX) as sock:
            sock.connect(socket_of(b))
            sock.sendall(b"GET /heal")
            b.stop()


class Definitions(unittest.TestCase):

    def fill(self, b):
        """Something of each kind, with names and arguments that are hard to tell."""
        pika = need_module("pika")
        admin = need_module("kafka.admin")
        host, port = b.address("amqp")
        with pika.BlockingConnection(pika.ConnectionParameters(host, port)) as connection:
            channel = connection.channel()
            channel.queue_declare("jobs", durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_declare("loose", durable=False,
                                  arguments={"note": "g\u00fcn\u0001 \"q\""})
            channel.queue_declare("odd", durable=True, arguments={
                "x-queue-version": 2, "list": [1, {"a": None}], "none": None,
                "yes": True, "bytes": b"\xff\x00", "big": 1 << 40})
            channel.queue_declare("", exclusive=True)
            channel.exchange_declare("audit", "fanout", durable=True)
            channel.exchange_declare("pick", "headers", durable=True,
                                     arguments={"alternate-exchange": "audit"})
            channel.exchange_bind("audit", "amq.topic", "orders.#")
            channel.queue_bind("jobs", "amq.topic", "orders.*.new")
            channel.queue_bind("odd", "pick", "", arguments={"x-match": "any", "n": 1, "t": "x"})
            channel.queue_bind("jobs", "audit")
        client = admin.KafkaAdminClient(bootstrap_servers=b.server("kafka"))
        client.create_topics([admin.NewTopic("wide", 5, 1, topic_configs={
            "max.message.bytes": "2000000", "message.timestamp.type": "LogAppendTime",
            "retention.ms": "-1", "retention.bytes": "5000000"})])
        client.close()

    def test_they_come_back_exactly_and_a_second_time_change_nothing(self):
        with Broker(data=True) as a, Broker(data=True) as b:
            self.fill(a)
            out = os.path.join(a._dir, "definitions.json")
            tool("export", out, "--data", a.data)
            with open(out, encoding="utf-8") as file:
                told = json.load(file)
            self.assertEqual([q["name"] for q in told["queues"]], ["jobs", "loose", "odd"])
            self.assertEqual(told["queues"][0]["arguments"], {"x-queue-type": "quorum"})
            self.assertEqual(len(told["bindings"]), 4)
            wide = next(one for one in told["streams"] if one["name"] == "wide")
            self.assertEqual(wide["policy"], {"retention_ms": -1, "retention_bytes": 5000000})
            said, _ = tool("import", out, "--data", b.data)
            self.assertIn("queues    3 created, 0 present", said)
            self.assertEqual(json.loads(tool("export", "--data", b.data)[0]), told)
            for broker in (a, b):
                said, _ = tool("import", out, "--data", broker.data)
                self.assertNotRegex(said, " [1-9][0-9]* created")
                self.assertEqual(json.loads(tool("export", "--data", broker.data)[0]), told)
            b.kill()
            b.start()
            after = json.loads(tool("export", "--data", b.data)[0])
            names = [q["name"] for q in after["queues"]]
            self.assertEqual(sorted(names), ["jobs", "odd"])  # what is not durable went
            self.assertCountEqual(after["bindings"], told["bindings"])

    def test_many_are_told_whole_while_others_come_and_go(self):
        pika = need_module("pika")
        names = ["many-%04d" % i for i in range(1500)]
        with Broker(data=True) as b:
            ask(b, "PUT", "/api/definitions", json.dumps(
                {"queues": [{"name": name, "durable": True} for name in names],
                 "bindings": [{"source": "amq.direct", "destination": name,
                               "destination_type": "queue", "routing_key": name}
                              for name in names]}))
            stop = threading.Event()
            host, port = b.address("amqp")

            def disturb():
                with pika.BlockingConnection(pika.ConnectionParameters(host, port)) as connection:
                    channel = connection.channel()
                    while not stop.is_set():
                        for i in range(5):
                            channel.queue_declare("gone-%d" % i, durable=True)
                            channel.queue_bind("gone-%d" % i, "amq.direct", "many")
                        for i in range(5):
                            channel.queue_delete("gone-%d" % i)

            thread = threading.Thread(target=disturb)
            thread.start()
            try:
                for _ in range(10):
                    status, told = ask(b, "GET", "/api/definitions")
                    if status == 409:
                        continue  # it was disturbed too often, and says so
                    self.assertEqual(status, 200)
                    for kind in ("queues", "streams"):
                        got = [one["name"] for one in told[kind]]
                        self.assertEqual([n for n in got if n.startswith("many")], names)
                    got = [one["destination"] for one in told["bindings"]]
                    self.assertEqual([n for n in got if n.startswith("many")], names)
            finally:
                stop.set()
                thread.join()
            self.assertEqual(len(ask(b, "GET", "/api/definitions")[1]["queues"]), len(names))

    def test_an_exchange_that_delays_is_told_and_taken(self):
        pika = need_module("pika")
        one = {"name": "x", "vhost": "/", "type": "x-delayed-message", "durable": True,
               "auto_delete": False, "internal": False,
               "arguments": {"x-delayed-type": "fanout"}}
        with Broker(data=True) as b:
            for wrong in ({}, {"x-delayed-type": "x-delayed-message"}):
                status, told = ask(b, "PUT", "/api/definitions",
                                   json.dumps({"exchanges": [{**one, "arguments": wrong}]}))
                self.assertEqual(status, 400, told)
            for _ in range(2):
                self.assertEqual(ask(b, "PUT", "/api/definitions",
                                     json.dumps({"exchanges": [one]}))[0], 200)
            told = ask(b, "GET", "/api/definitions")[1]["exchanges"]
            self.assertEqual([{k: told[0][k] for k in one}], [one])
            with pika.BlockingConnection(pika.ConnectionParameters(
                    *b.address("amqp"))) as connection:
                connection.channel().exchange_declare("x", "x-delayed-message", durable=True,
                                                      arguments=one["arguments"])

    def test_an_imported_queue_is_the_one_a_client_declares(self):
        pika = need_module("pika")
        with Broker(data=True) as b:
            tool("import", "-", "--data", b.data, stdin=json.dumps({
                "queues": [{"name": "q", "vhost": "/", "durable": True, "auto_delete": False,
                            "arguments": {"x-queue-type": "classic"}}],
                "bindings": [{"source": "amq.topic", "vhost": "/", "destination": "q",
                              "destination_type": "queue", "routing_key": "a.#",
                              "arguments": {}}]}))
            host, port = b.address("amqp")
            with pika.BlockingConnection(pika.ConnectionParameters(host, port)) as connection:
                channel = connection.channel()
                channel.queue_declare("q", durable=True)
                channel.basic_publish("amq.topic", "a.b", b"here")
                got = wait_for(lambda: channel.basic_get("q", auto_ack=True)[2])
                self.assertEqual(got, b"here")

    def test_a_file_of_rabbitmq_is_taken_but_for_what_has_no_place(self):
        file = json.dumps({
            "rabbit_version": "3.10.8", "users": [{"name": "guest"}], "permissions": [{}],
            "topic_permissions": [], "parameters": [], "policies": [], "vhosts": [{"name": "/"}],
            "global_parameters": [{"name": "cluster_name", "value": "rabbit@host"}],
            "queues": [{"name": "in", "vhost": "/", "durable": True, "auto_delete": False,
                        "type": "quorum", "arguments": {"x-queue-type": "quorum"}}],
            "exchanges": [{"name": "x", "vhost": "/", "type": "topic", "durable": True,
                           "auto_delete": False, "internal": False, "arguments": []}],
            "bindings": []})
        with Broker(data=True) as b:
            _, said = tool("import", "-", "--data", b.data, stdin=file, status=1)
            self.assertIn("users cannot be imported", said)
            self.assertEqual(ask(b, "GET", "/api/queues")[1]["queues"], [])
            said, _ = tool("import", "-", "--data", b.data, "--skip", "users,permissions",
                           stdin=file)
            self.assertIn("exchanges 1 created", said)

    def test_what_a_queues_arguments_say_of_its_stream_comes_with_them(self):
        definitions = {"queues": [{"name": "said", "vhost": "/", "durable": True, "arguments": {
            "x-durability": "memory"}}]}
        with Broker(data=True) as b:
            status, told = ask(b, "PUT", "/api/definitions", json.dumps(definitions))
            self.assertEqual(status, 200, told)
            own = ask(b, "GET", "/api/streams?name=said")[1]["streams"][0]["own_policy"]
            self.assertEqual(own, {"durability": "memory"})

    def test_what_cannot_be_made_is_told_and_nothing_is_made(self):
        queue = {"name": "q", "durable": True}
        good = {"name": "good", "durable": True}
        cases = (
            ([1], 400, "no object"),
            ("{", 400, "line 1"),
            ({"queues": [good, dict(queue, arguments={"x-message-ttl": "soon"})]}, 400, "ttl"),
            ({"queues": [good, dict(queue, name="amq.q")]}, 400, "reserved"),
            ({"queues": [good, dict(queue, vhost="other")]}, 400, "vhost"),
            ({"queues": [good, dict(queue, durabel=True)]}, 400, "durabel"),
            ({"queues": [good, dict(queue, durable="yes")]}, 400, "durable"),
            ({"queues": [good, queue, dict(queue, durable=False)]}, 409, "twice"),
            ({"queues": [good, dict(good, durable=False), {"name": "old", "durable": False}]},
             409, "durable"),
            ({"queues": [good], "streams": [{"name": "a/b"}]}, 400, "one level"),
            ({"queues": [good], "streams": [{"name": "s", "partitions": 0}]}, 400, "partitions"),
            ({"queues": [good], "streams": [{"name": "s", "config": {"no.such": "1"}}]}, 400,
             "no.such"),
            ({"queues": [good], "streams": [{"name": "s", "policy": {"retention": 1}}]}, 400,
             "policy"),
            ({"queues": [good], "streams": [{"name": "old", "policy": {"durability": "memory"}}]},
             409, "policy"),
            ({"queues": [good], "streams": [{"name": "old", "partitions": 2}]}, 409, "1 partition"),
            ({"queues": [good], "exchanges": [{"name": "x", "type": "odd"}]}, 400, "odd"),
            ({"queues": [good], "bindings": [{"source": "none", "destination": "good",
              "destination_type": "queue", "routing_key": ""}]}, 400, "no exchange none"),
            ({"queues": [good], "bindings": [{"source": "amq.direct", "destination": "bad",
              "destination_type": "queue", "routing_key": ""}]}, 400, "no queue bad"),
            ({"queues": [good], "policies": [{"name": "p"}]}, 400, "policies"),
            ({"queues": [good], "vhosts": [{"name": "/"}, {"name": "other"}]}, 400, "only vhost"),
            ({"queues": [good], "vhosts": "other"}, 400, "only vhost"),
            ({"queues": [good], "global_parameters": [{"name": "mqtt_port_to_vhost_mapping"}]},
             400, "--skip global_parameters"),
        )
        with Broker(data=True) as b:
            self.assertEqual(ask(b, "PUT", "/api/definitions", json.dumps(
                {"queues": [{"name": "old", "durable": True}]}))[0], 200)
            for body, want, word in cases:
                with self.subTest(body=body):
                    text = body if isinstance(body, str) else json.dumps(body)
                    status, told = ask(b, "PUT", "/api/definitions", text)
                    self.assertEqual(status, want, told)
                    self.assertIn(word, "\n".join(told["reasons"]))
                    names = [q["name"] for q in ask(b, "GET", "/api/queues")[1]["queues"]]
                    self.assertEqual(names, ["old"])


class LargeImport(BrokerCase):
    """In parts: others are served meanwhile."""

    broker_options = {"data": True}
    COUNT = 30000

    def put(self, prefix):
        """Sends the file and does not wait for its answer."""
        body = json.dumps({"queues": [
            {"name": "%s.%d" % (prefix, i), "vhost": "/", "durable": True, "auto_delete": False,
             "arguments": {}} for i in range(self.COUNT)]})
        connection = UnixConnection(socket_of(self.broker))
        self.addCleanup(connection.close)
        connection.request("PUT", "/api/definitions", body)
        return connection

    def queues(self):
        return ask(self.broker, "GET", "/api/overview")[1]["counters"]["core_queues"]

    def test_others_are_answered_while_a_large_file_is_imported(self):
        before = self.queues()
        connection = self.put("many")
        seen = set()
        wait_for(lambda: seen.add(self.queues()) or before + self.COUNT in seen, 120, poll=0)
        self.assertGreater(len([n for n in seen if before < n < before + self.COUNT]), 3)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertEqual(json.loads(answer.read())["queues"],
                         {"created": self.COUNT, "present": 0})

    def test_a_long_answer_goes_to_a_slow_reader_whole(self):
        self.assertEqual(self.put("slow").getresponse().status, 200)
        connection = UnixConnection(socket_of(self.broker))
        self.addCleanup(connection.close)
        connection.request("GET", "/api/definitions")
        answer = connection.getresponse()
        text = answer.read(70000)
        self.assertEqual(ask(self.broker, "GET", "/healthz")[0], 200)
        told = json.loads(text + answer.read())
        mine = [q["name"] for q in told["queues"] if q["name"].startswith("slow.")]
        self.assertEqual(mine, ["slow.%d" % i for i in range(self.COUNT)])
        connection.request("HEAD", "/api/definitions")
        answer = connection.getresponse()
        self.assertEqual(answer.read(), b"")
        self.assertGreater(int(answer.headers["Content-Length"]), self.COUNT * 50)

    def test_a_long_body_is_for_definitions_alone(self):
        status, told = ask(self.broker, "POST", "/api/compact?name=x", "x" * 70000)
        self.assertEqual((status, told["error"]), (413, "too-large"))

    def test_who_goes_in_the_midst_of_a_long_body_leaves_nothing(self):
        before = self.queues()
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(socket_of(self.broker))
            one.sendall(b"PUT /api/definitions HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Length: 1000000\r\n\r\n{" + b" " * 500000)
        self.assertEqual(ask(self.broker, "PUT", "/api/definitions", "{}")[0], 200)
        self.assertEqual(self.queues(), before)

    def test_it_goes_on_when_who_asked_has_gone_and_is_one_at_a_time(self):
        before = self.queues()
        self.put("alone").close()
        wait_for(lambda: self.queues() > before, 120, poll=0)
        status, told = ask(self.broker, "PUT", "/api/definitions", "{}")
        if self.queues() < before + self.COUNT:
            self.assertEqual((status, told["error"]), (409, "in-use"))
        wait_for(lambda: self.queues() == before + self.COUNT, 120)
        wait_for(lambda: ask(self.broker, "PUT", "/api/definitions", "{}")[0] == 200, 60)


if __name__ == "__main__":
    unittest.main()
