# SPDX-License-Identifier: Apache-2.0
"""The same mosquitto.conf for tercet and for an installed mosquitto: clients meet the same."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest

import mqtt_raw as m
from mosquitto_side import BothCase, Side, authority, users_file
from mqtt_case import Mosquitto, free_port, mosquitto_program
from tercet import SCALE, is_closed_by_peer, need_program, program, read_exactly, wait_for

TIMEOUT = 120


@unittest.skipUnless(mosquitto_program(), "mosquitto is not installed")
class Both(BothCase):

    def test_limits(self):
        text = ("listener {a} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 5\n"
                "message_size_limit 100\nmax_keepalive 30\nmax_topic_alias 3\n"
                "auto_id_prefix dev.\n")

        def look(side):
            seen, client = self.connect(side, client_id="limits", keep_alive=60)
            sizes = []
            for size in (100, 101):
                client.send(m.publish("a", b"x" * size, 1, 1))
                sizes.append(client.expect(m.PUBACK).reason & 0x80)
            assigned = side.client(self)
            assigned.send(m.connect("", keep_alive=20))
            name = assigned.expect(m.CONNACK).prop(m.ASSIGNED_ID)
            return seen, sizes, name[:4], len(name), name.count("-")

        seen = self.both(text, look)
        self.assertEqual(seen[0][1][m.RECEIVE_MAX], 5)
        self.assertEqual(seen[1], [0, 0x80])

    def test_what_a_listener_does_not_offer(self):
        text = ("allow_anonymous true\nretain_available false\nallow_zero_length_clientid false\n"
                "listener {a} 127.0.0.1\nmax_qos 1\nlistener {b} 127.0.0.1\n")

        def look(side):
            seen = []
            for port in (0, 1):
                told, client = self.connect(side, port, client_id="c%d" % port)
                grants = client.subscribe(("a", 2))
                client.send(m.publish("b", b"x", 2, 7))
                kind = client.receive()
                seen.append((told, grants, kind.type, kind.reason & 0x80))
                refused, _ = self.connect(side, port, client_id="")
                seen.append(refused[0])
                _, client = self.connect(side, port, client_id="r%d" % port)
                client.send(m.publish("a", b"x", 0, retain=True))
                seen.append(client.ended())
            return seen

        seen = self.both(text, look)
        self.assertEqual(seen[1], 0x80)

    def test_who_comes_is_told_in_the_same_words(self):
        text = ("listener {a} 127.0.0.1\npassword_file {dir}/users\nallow_anonymous true\n"
                "log_timestamp_format %Y\n")

        def look(side):
            for version, options in ((3, {}), (4, {"clean": False, "keep_alive": 7}),
                                     (5, {"user": "ann", "password": b"right"})):
                self.connect(side, version=version, client_id="v%d" % version, **options)
            wait_for(lambda: " as v5 (" in side.output(), 20, side.output)
            return [re.sub("127.0.0.1:[0-9]+", "PEER", re.sub("port [0-9]+", "port", line))
                    for line in side.output().splitlines() if ": New c" in line]

        found = self.both(text, look, {"users": users_file("ann", "right")})
        self.assertEqual(len(found), 6)
        self.assertRegex(found[5], "^20[0-9]+: New client connected from PEER as v5 "
                         r"\(p5, c1, k[0-9]+, u'ann'\)\.$")

    def test_the_old_words_for_a_listener(self):
        text = "port {a}\nbind_address 127.0.0.1\nallow_anonymous true\n"

        def look(side):
            return [self.connect(side, version=version, client_id="v%d" % version)[0]
                    for version in (3, 4, 5)]

        self.both(text, look)

    def test_connections_of_a_listener_are_limited(self):
        text = "listener {a} 127.0.0.1\nallow_anonymous true\nmax_connections 2\n"

        def look(side):
            seen = [self.connect(side, version=4, client_id="v%d" % i)[0] for i in range(2)]
            third = side.client(self)
            third.send(m.connect("third"))
            return seen, is_closed_by_peer(third.sock)

        self.assertTrue(self.both(text, look)[1])

    def test_versions_of_a_listener(self):
        # an option of mosquitto 2.1
        side = Side(self, "tercet", "listener {a} 127.0.0.1\nallow_anonymous true\n"
                                    "accept_protocol_versions 3,5\n").start(self)
        seen = [self.connect(side, version=version, client_id="v%d" % version)[0][0]
                for version in (3, 4, 5)]
        self.assertEqual(seen, [0, 1, 0])

    def test_who_may_come_in(self):
        users = ((None, None), ("alice", "right"), ("alice", "wrong"), ("bob", "right"),
                 ("alice", None), ("guest", "guest"))
        files = ("", "password_file {dir}/users\n")

        def look(side):
            return [(version, user, self.connect(side, version=version, client_id="u", user=user,
                                                 password=password)[0])
                    for version in (4, 5) for user, password in users]

        for anonymous in ("", "allow_anonymous true\n", "allow_anonymous false\n"):
            for file in files:
                with self.subTest(anonymous=anonymous, file=file):
                    self.both("listener {a} 127.0.0.1\n" + anonymous + file, look,
                              {"users": users_file("alice", "right")})

    def test_who_may_do_what(self):
        text = "listener {a} 127.0.0.1\nallow_anonymous true\npassword_file {dir}/users\n" \
               "acl_file {dir}/acl\n"
        acl = ("# who\ntopic read public/#\ntopic deny public/secret\n\nuser alice\n"
               "topic alice/#\ntopic write in/only\ntopic read out/+/x\n\n"
               "pattern readwrite home/%u/#\npattern write dev/%c/x\n\nuser admin\n"
               "topic readwrite #\n")
        topics = ("public/a", "public/secret", "alice", "alice/b", "in/only", "out/1/x", "out/1/y",
                  "home/alice/k", "home/bob/k", "dev/me/x", "dev/you/x", "else")

        def look(side):
            seen = []
            _, admin = self.connect(side, client_id="admin", user="admin", password="all")
            for user in (None, "alice"):
                _, client = self.connect(side, client_id="me", user=user,
                                         password=user and "right")
                writes = [client.publish(topic, b"", 1).reason & 0x80 for topic in topics]
                client.subscribe(("#", 1), ("home/#", 1), ("alice/+", 1))
                for topic in topics:
                    admin.publish(topic, b"by admin", 1)
                got = set()
                while True:
                    found = [p for p in client.sync() if p.type == m.PUBLISH]
                    if not found:
                        break
                    for p in found:
                        client.send(m.ack(m.PUBACK, p.pid))
                        if p.payload:
                            got.add(p.topic)
                seen.append((writes, sorted(got)))
                client.send(m.disconnect())
                client.ended()
            return seen

        seen = self.both(text, look, {"acl": acl, "users": users_file("alice", "right") +
                                      users_file("admin", "all")})
        self.assertEqual(seen[0][1], ["public/a"])

    def test_a_reload_takes_users_and_opens_the_log_again(self):
        text = ("listener {a} 127.0.0.1\npassword_file {dir}/users\nlog_dest file {dir}/log\n"
                "log_type all\n")

        def look(side):
            def login():
                return self.connect(side, version=4, client_id="u", user="alice",
                                    password="new")[0][0]

            log, users = (os.path.join(side.dir, name) for name in ("log", "users"))
            seen = [login()]
            with open(users, "w", encoding="ascii") as file:
                file.write(users_file("alice", "new"))
            os.rename(log, log + ".1")
            side.process.send_signal(signal.SIGHUP)
            wait_for(lambda: login() == 0, 20)
            wait_for(lambda: os.path.exists(log) and os.path.getsize(log) > 0, 20)
            return seen

        self.assertEqual(self.both(text, look, {"users": users_file("alice", "old")}), [5])

    @need_program("openssl")
    def test_tls_with_and_without_certificates_of_clients(self):
        files = authority()
        text = ("allow_anonymous true\nlistener {a} 127.0.0.1\ncertfile {dir}/server.pem\n"
                "keyfile {dir}/server.key\ncafile {dir}/authorities.pem\n"
                "listener {b} 127.0.0.1\ncertfile {dir}/server.pem\nkeyfile {dir}/server.key\n"
                "cafile {dir}/authorities.pem\nrequire_certificate true\n"
                "tls_version tlsv1.2\n")

        def look(side):
            # what signed the server's certificate is in cafile alone, and clients know the root
            trust = ssl.create_default_context(cafile=os.path.join(side.dir, "root.pem"))
            bare = self.over_tls(side, 0, trust), self.over_tls(side, 1, trust)
            trust.load_cert_chain(os.path.join(side.dir, "client.pem"),
                                  os.path.join(side.dir, "client.key"))
            return bare, (self.over_tls(side, 0, trust), self.over_tls(side, 1, trust))

        self.assertEqual(self.both(text, look, files), ((0, None), (0, 0)))

    def over_tls(self, side, port, trust):
        """CONNACK's reason; None when the handshake fails."""
        try:
            with socket.create_connection(("127.0.0.1", side.ports[port]), 10 * SCALE) as plain, \
                    trust.wrap_socket(plain, server_hostname="localhost") as sock:
                sock.sendall(m.connect("tls", version=4))
                return read_exactly(sock, 4)[3]
        except (ssl.SSLError, ConnectionError, EOFError):
            return None

    def test_a_connection_bridges(self):
        text = ("listener {a} 127.0.0.1\nallow_anonymous true\nconnection far\n"
                "address 127.0.0.1:%d\ntopic up/# out 1 near/ far/\ntopic down/# in 1 near/ far/\n"
                "topic # both 0 b1/ b2/\nrestart_timeout 1\nremote_clientid the-bridge\n")

        def look(side):
            _, near = self.connect(side, version=4, client_id="near")
            far = m.Client(other.address("mqtt"), 4)
            self.addCleanup(far.close)
            far.connect("far")
            near.subscribe(("#", 1), ("$SYS/broker/connection/the-bridge/state", 0))
            far.subscribe(("#", 1), ("$SYS/broker/connection/the-bridge/state", 0))
            seen = {"near": set(), "far": set()}

            def hear():
                for name, client in (("near", near), ("far", far)):
                    for p in client.sync():
                        if p.type == m.PUBLISH:
                            seen[name].add((p.topic, p.payload))
                            if p.qos:
                                client.send(m.ack(m.PUBACK, p.pid))
                return seen

            state = ("$SYS/broker/connection/the-bridge/state", b"1")
            wait_for(lambda: all(state in hear()[name] for name in seen), 20)
            for client, topic in ((near, "near/up/1"), (far, "far/down/1"), (near, "b1/x"),
                                  (far, "b2/y")):
                client.send(m.publish(topic, b"p", 0, version=4))
            wanted = {("near/up/1", b"p"), ("near/down/1", b"p"), ("b1/x", b"p"), ("b1/y", b"p")}
            there = {(t.replace("near", "far").replace("b1", "b2"), p) for t, p in wanted}
            wait_for(lambda: hear()["near"] >= wanted and seen["far"] >= there, 20)
            return {name: {t for t in found if not t[0].startswith("$")}
                    for name, found in seen.items()}

        with Mosquitto() as other:
            self.both(text % other.address("mqtt")[1], look)

    def test_a_mount_point(self):
        text = ("allow_anonymous true\nlistener {a} 127.0.0.1\nmount_point in/\n"
                "listener {b} 127.0.0.1\n")

        def look(side):  # mosquitto 2.0 leaves the prefix on for those inside, its manual does not
            _, inside = self.connect(side, 0, client_id="in")
            _, outside = self.connect(side, 1, client_id="out")
            inside.subscribe(("a/#", 0))
            outside.subscribe(("#", 0))
            for port, topic in ((0, "a/1"), (1, "in/a/2"), (1, "a/3")):
                _, sender = self.connect(side, port, client_id="s%d" % port)
                sender.publish(topic, b"x", 1)
            return [sorted(p.topic for p in c.sync() if p.type == m.PUBLISH)
                    for c in (inside, outside)]

        self.assertEqual(look(Side(self, "tercet", text).start(self)),
                         [["a/1", "a/2"], ["a/3", "in/a/1", "in/a/2"]])

    def test_included_files_come_in_order(self):
        text = "listener {a} 127.0.0.1\nallow_anonymous true\ninclude_dir {dir}/more\n"

        def look(side):
            return self.connect(side, client_id="i", keep_alive=50)[0]

        seen = []
        for kind in ("mosquitto", "tercet"):
            side = Side(self, kind, text)
            os.mkdir(os.path.join(side.dir, "more"))
            for name, value in (("B.conf", 40), ("a.conf", 20), ("b.conf", 30), ("c.other", 10)):
                with open(os.path.join(side.dir, "more", name), "w", encoding="ascii") as file:
                    file.write("max_keepalive %d\nmax_inflight_messages %d\n" % (value, value))
            seen.append(look(side.start(self)))
        self.assertEqual(seen[1], seen[0])
        self.assertEqual(seen[0][1][m.SERVER_KEEP_ALIVE], 30)

    def test_a_unix_socket_and_websockets(self):
        text = ("allow_anonymous true\nlistener 0 {dir}/sock\nlistener {a} 127.0.0.1\n"
                "protocol websockets\n")

        def look(side):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(10 * SCALE)
                sock.connect(os.path.join(side.dir, "sock"))
                sock.sendall(m.connect("u", version=4))
                over_unix = sock.recv(4)
            with socket.create_connection(("127.0.0.1", side.ports[0]), 10 * SCALE) as sock:
                sock.sendall(b"GET /any/path HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                             b"Connection: Upgrade\r\nOrigin: http://elsewhere\r\n"
                             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
                answer = sock.recv(4096).split(b"\r\n")[0].split()[1]
            return over_unix, answer

        self.assertEqual(self.both(text, look), (b"\x20\x02\x00\x00", b"101"))

    def test_what_waits_for_a_client_is_limited(self):
        text = ("listener {a} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 4\n"
                "max_inflight_messages 1\n")

        def look(side):
            _, client = self.connect(side, client_id="away", version=4, clean=False)
            client.subscribe(("w/#", 1))
            client.close()
            _, sender = self.connect(side, client_id="s", version=4)
            wait_for(lambda: True)
            for i in range(9):
                sender.send(m.publish("w/%d" % i, b"x", 1, i + 1, version=4))
                sender.expect(m.PUBACK)
            again = side.client(self, 0, 4)
            again.send(m.connect("away", version=4, clean=False))
            present = again.expect(m.CONNACK).present
            topics = []
            for _ in range(4):
                found = again.expect(m.PUBLISH)
                topics.append(found.topic)
                again.send(m.ack(m.PUBACK, found.pid))
            again.send(m.PING)
            return present, topics, again.receive().type

        seen = self.both(text, look)
        self.assertEqual(seen[2], m.PINGRESP)

    def test_files_of_the_process(self):
        text = ("listener {a} 127.0.0.1\nallow_anonymous true\npid_file {dir}/pid\n"
                "log_dest file {dir}/log\nlog_type all\npersistence true\n"
                "persistence_location {dir}/\n")
        for kind in ("mosquitto", "tercet"):
            side = Side(self, kind, text).start(self)
            with open(os.path.join(side.dir, "pid"), encoding="ascii") as file:
                self.assertEqual(int(file.read()), side.process.pid)
            _, client = self.connect(side, client_id="kept", version=4, clean=False)
            client.subscribe(("kept/#", 1))
            client.close()
            log = os.path.join(side.dir, "log")
            wait_for(lambda path=log: os.path.getsize(path) > 0)
            side.stop()
            self.assertFalse(os.path.exists(os.path.join(side.dir, "pid")), kind)
            side.start(self)
            again = side.client(self, 0, 4)
            again.send(m.connect("kept", version=4, clean=False))
            self.assertTrue(again.expect(m.CONNACK).present, kind)

    def test_status_of_test_config(self):
        for text in ("listener {a}\nallow_anonymous true\n", "# nothing\n",
                     "max_queued_messages 5\npersistence false\n",
                     "per_listener_settings true\nlistener {a}\nallow_anonymous true\n"):
            status, said = Side(self, "tercet", text).test()
            self.assertEqual(status, 0, (text, said))
        for text in ("foo bar\n", "listener\n", "listener 70000\n", "allow_anonymous maybe\n",
                     "max_qos 3\n", "include_dir {dir}/none\n", "address 1.2.3.4\n",
                     "persistent_client_expiration 5\n", "log_type loud\n", "protocol amqp\n",
                     "sys_interval\n", "max_packet_size 19\n", "listener 0\n",
                     "allow_anonymous true\nper_listener_settings true\n"):
            for kind in ("mosquitto", "tercet"):
                status, said = Side(self, kind, text).test()
                self.assertEqual(status, 3, (kind, text, said))


class Line(unittest.TestCase):
    """mosquitto's command line, for a tercetd of that name."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tercet-line-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        os.chmod(self.dir, 0o755)
        self.name = os.path.join(self.dir, "mosquitto")
        os.symlink(os.path.abspath(program()), self.name)

    def run_line(self, *words):
        found = subprocess.run([self.name, *words], text=True, capture_output=True, cwd=self.dir,
                               timeout=20 * SCALE, check=False)
        return found.returncode, found.stdout + found.stderr

    def listens(self, count, *words):
        """The first ports that it opens."""
        process = subprocess.Popen([self.name, *words], cwd=self.dir, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        ports = []
        try:
            while len(ports) < count:
                line = process.stderr.readline()
                self.assertTrue(line, "it ended")
                found = re.search(r"address=(\S+) port=(\d+)", line)
                if found:
                    ports.append((found[1], int(found[2])))
        finally:
            process.terminate()
            process.stderr.close()
            process.wait(20 * SCALE)
        return ports

    def test_a_port_alone_is_on_loopback(self):
        port = free_port()
        self.assertEqual(self.listens(1, "-v", "-p", str(port)), [("127.0.0.1", port)])

    def test_a_port_that_the_file_has_is_opened_once(self):
        port, other = free_port(), free_port()
        path = os.path.join(self.dir, "conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("allow_anonymous true\nlistener %d 127.0.0.1\nlistener %d 127.0.0.2\n"
                       % (port, other))
        self.assertEqual(self.listens(2, "-c", path, "-p", str(port)),
                         [("127.0.0.1", port), ("127.0.0.2", other)])

    def test_words_that_print_and_words_that_are_none(self):
        path = os.path.join(self.dir, "conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("sys_interval 5\n")
        self.assertEqual(self.run_line("--test-config", "-c", path)[0], 0)
        self.assertEqual(self.run_line("-c", path + "none", "--test-config")[0], 3)
        for words in (("--nonsense",), ("-d",), ("-c",)):
            status, said = self.run_line(*words)
            self.assertEqual(status, 3, (words, said))


@need_program("mosquitto_passwd")
class Log(unittest.TestCase):

    def ended(self, side, count):
        """What the log says of the last client's end, when it has told of so many."""
        lines = []

        def are_told():
            lines[:] = [line.split(": ", 1)[1] for line in side.output().splitlines()
                        if re.search(r"^\d+: Client .* disconnected", line)]
            return len(lines) >= count
        wait_for(are_told, 20, side.output)
        return re.sub(r":\d+\]", ":PORT]", lines[-1])

    def test_each_end_of_a_client_is_told_in_mosquittos_words(self):
        side = Side(self, "tercet", "listener {a} 127.0.0.1\npassword_file {dir}/users\n"
                    "log_type all\nmax_packet_size 2000\n")
        with open(os.path.join(side.dir, "users"), "w", encoding="ascii") as file:
            file.write(users_file("ann", "right"))
        side.start(self)
        ends = (("x", m.disconnect(), "Client x [127.0.0.1:PORT] disconnected."),
                ("x", None, "Client x [127.0.0.1:PORT] disconnected: connection closed by client."),
                ("x", b"\xc1\x00", "Client x [127.0.0.1:PORT] disconnected: malformed packet."),
                ("x", m.publish("a", b"x" * 3000), "Client x [127.0.0.1:PORT] disconnected: "
                 "oversize packet."),
                ("a [192.0.2.1:5]", m.connect("x"), "Client a ?192.0.2.1:5? [127.0.0.1:PORT] "
                 "disconnected: protocol error."))
        for count, (name, last, told) in enumerate(ends):
            with self.subTest(told=told):
                client = side.client(self)
                client.send(m.connect(name, user="ann", password=b"right"))
                client.expect(m.CONNACK)
                if last is None:
                    client.close()
                else:
                    client.send(last)
                self.assertEqual(self.ended(side, count + 1), told)
        client = side.client(self)
        client.send(m.connect("x", user="ann", password=b"wrong"))
        self.assertEqual(self.ended(side, len(ends) + 1),
                         "Client 127.0.0.1 [127.0.0.1:PORT] disconnected: not authorised.")
        one, other = side.client(self), side.client(self)
        for client in (one, other):
            client.send(m.connect("same", user="ann", password=b"right"))
            client.expect(m.CONNACK)
        self.assertEqual(self.ended(side, len(ends) + 2),
                         "Client same [127.0.0.1:PORT] disconnected: session taken over.")

    def test_the_rule_of_the_manual_finds_logins_that_failed(self):
        page = subprocess.run([program(), "--print-mosquitto-man"], capture_output=True, text=True,
                              check=True, timeout=20 * SCALE).stdout
        rule = re.search("failregex = (.*)", page).group(1).replace("\\e", "\\").replace(
            "\\-", "-").replace("<HOST>", "(?P<host>[0-9a-f.:]+?)")
        side = Side(self, "tercet", "listener {a} 127.0.0.1\npassword_file {dir}/users\n")
        with open(os.path.join(side.dir, "users"), "w", encoding="ascii") as file:
            file.write(users_file("ann", "right"))
        side.start(self)
        for password, is_in in ((b"wrong", False), (b"right", True)):
            client = side.client(self)
            client.send(m.connect("x", user="ann", password=password))
            self.assertEqual(client.expect(m.CONNACK).reason == 0, is_in)
        wait_for(lambda: "not authorised" in side.output())
        found = [re.search(rule, line) for line in side.output().splitlines()]
        self.assertEqual([one.group("host") for one in found if one], ["127.0.0.1"])


class Own(unittest.TestCase):
    """What only tercet does."""

    def test_pages_of_other_origins_get_no_answer(self):
        side = Side(self, "tercet", "listener {a} 127.0.0.1\nallow_anonymous true\n"
                    "protocol websockets\nwebsockets_origin good.example\n").start(self)
        for origin, begin in (("http://bad.example", b""), ("localhost", b""),
                              ("http://good.example", b"HTTP/1.1 101"),
                              ("good.example", b"HTTP/1.1 101")):
            with self.subTest(origin=origin), \
                    socket.create_connection(("127.0.0.1", side.ports[0]), 20 * SCALE) as asks:
                asks.sendall(("GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Sec-WebSocket-Protocol: mqtt\r\nOrigin: %s\r\n\r\n"
                              % origin).encode())
                self.assertEqual(asks.recv(12), begin)

    def status(self, text, name="own.conf"):
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            found = subprocess.run([program(), "--config", path, "--test-config"], text=True,
                                   capture_output=True, timeout=20 * SCALE, check=False)
            return found.returncode, found.stderr.replace(place + "/", "")

    def test_every_mistake_of_an_own_configuration_is_told(self):
        status, said = self.status("nonsense = 1\nretention = x\n[listener a]\nprotocol = mqtt\n"
                                   "port = 99999\n")
        self.assertEqual(status, 3)
        for line in ("own.conf:1: ", "own.conf:2: ", "own.conf:5: "):
            self.assertIn(line, said)

    def test_what_a_start_would_refuse_is_told_too(self):
        status, said = self.status("[listener a]\nprotocol = mqtt\naddress = 0.0.0.0\n"
                                   "[listener b]\nprotocol = mqtt\ntls = yes\n"
                                   "certificate = /none\nkey = /none\n")
        self.assertEqual(status, 3)
        self.assertIn("listener a: others can reach 0.0.0.0", said)
        self.assertIn("listener b: its certificate", said)

    def test_a_name_tells_whose_words_they_are(self):
        self.assertEqual(self.status("sys_interval 3\n", "x.mosquitto")[0], 0)
        self.assertEqual(self.status("sys_interval = 3\n", "mosquitto.conf")[0], 3)

    def test_what_is_passed_over_is_told(self):
        status, said = self.status("http_dir /srv\n", "x.mosquitto")
        self.assertEqual(status, 0)
        self.assertIn("x.mosquitto:1: warning: http_dir is passed over", said)


if __name__ == "__main__":
    unittest.main()
