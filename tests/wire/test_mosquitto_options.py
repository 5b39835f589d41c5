# SPDX-License-Identifier: Apache-2.0
"""Options of mosquitto.conf, one by one: a client of an installed mosquitto sees the same."""

import gzip
import os
import re
import signal
import ssl
import subprocess
import unittest

import mqtt_raw as m
from mosquitto_side import BothCase, Side, authority, users_file
from mqtt_case import mosquitto_program
from tercet import is_closed_by_peer, need_program, program, wait_for

TIMEOUT = 120
MANUAL = "/usr/share/man/man5/mosquitto.conf.5.gz"
OPEN = "listener {a} 127.0.0.1\nallow_anonymous true\n"


class Named(unittest.TestCase):
    @unittest.skipUnless(os.path.exists(MANUAL), "mosquitto's manual is not installed")
    def test_every_option_of_its_manual_is_told_of_in_ours(self):
        with gzip.open(MANUAL, "rt", encoding="utf-8") as file:
            named = set(re.findall(r"^\.PP\n\\fB([a-z_][a-z_0-9.*\\]+)\\fR", file.read(),
                                   re.MULTILINE))
        self.assertGreater(len(named), 80, "that is not the manual")
        ours = subprocess.run([program(), "--print-mosquitto-man"], capture_output=True, text=True,
                              check=True).stdout.replace("\\", "")
        missing = {name for name in named
                   if not re.search(r"\b%s(?![a-z_])" % re.escape(name.replace("\\&", "")
                                                                  .replace("\\", "")), ours)}
        self.assertEqual(missing, set())


@unittest.skipUnless(mosquitto_program(), "mosquitto is not installed")
class Both(BothCase):
    def leave(self, side, client_id, *filters):
        """A session that waits for its client."""
        _, client = self.connect(side, client_id=client_id, version=4, clean=False)
        client.subscribe(*filters)
        client.send(m.disconnect())
        client.ended()

    def come_back(self, side, client_id):
        _, client = self.connect(side, client_id=client_id, version=4, clean=False)
        return client

    def test_qos_0_waits_for_who_is_away(self):
        def look(side):
            self.leave(side, "away", ("q/#", 1))
            _, sender = self.connect(side, client_id="s", version=4)
            sender.send(m.publish("q/0", b"zero", 0, version=4))
            sender.publish("q/1", b"one", 1)
            client = self.come_back(side, "away")
            seen = []
            while (b"one", 1) not in seen:
                found = client.expect(m.PUBLISH)
                seen.append((found.payload, found.qos))
            return seen

        self.assertEqual(self.both(OPEN + "queue_qos0_messages true\n", look),
                         [(b"zero", 0), (b"one", 1)])
        self.assertEqual(self.both(OPEN, look), [(b"one", 1)])

    def test_a_subscription_may_raise_the_qos(self):
        def look(side):
            _, client = self.connect(side, client_id="c")
            client.send(m.publish("kept", b"k", 0, retain=True))
            client.sync()
            client.subscribe(("kept", 1), ("now", 2))
            client.send(m.publish("now", b"n", 1, 9))
            seen = set()
            while len(seen) < 2:
                found = client.receive()
                if found.type == m.PUBLISH:
                    seen.add((found.topic, found.qos))
            return seen

        self.assertEqual(self.both(OPEN + "upgrade_outgoing_qos true\n", look),
                         {("kept", 1), ("now", 2)})
        self.assertEqual(self.both(OPEN, look), {("kept", 0), ("now", 1)})

    def test_bytes_under_way_are_limited(self):
        def look(side):
            _, client = self.connect(side, client_id="c", version=4)
            client.subscribe(("b", 1))
            _, sender = self.connect(side, client_id="s", version=4)
            for i in range(3):
                sender.publish("b", b"x" * 8, 1, 10 + i)
            first, _ = client.expect(m.PUBLISH), client.expect(m.PUBLISH)
            between = client.sync()
            client.send(m.ack(m.PUBACK, first.pid))
            return len(between), client.expect(m.PUBLISH).payload

        self.assertEqual(self.both(OPEN + "max_inflight_bytes 16\n", look), (0, b"x" * 8))

    def test_a_user_may_be_the_identifier(self):
        def look(side):
            told, first = self.connect(side, client_id="one", user="u", version=4)
            again, _ = self.connect(side, client_id="two", user="u", version=4)
            nobody, _ = self.connect(side, client_id="three", version=4)
            return told[0], again[0], is_closed_by_peer(first.sock), nobody[0]

        self.assertEqual(self.both(OPEN + "use_username_as_clientid true\n", look), (0, 0, True, 5))

    def test_identifiers_begin_as_the_operator_wants(self):
        def look(side):
            return [self.connect(side, client_id=name, version=version)[0][0]
                    for name in ("dev-1", "other") for version in (4, 5)]

        self.assertEqual(self.both(OPEN + "clientid_prefixes dev-\n", look), [0, 0, 5, 0x87])

    def test_wrong_lines_of_a_password_file_are_no_users(self):
        text = "listener {a} 127.0.0.1\npassword_file {dir}/users\n"
        # of a password of no length
        empty = ("empty:$6$o+53eGXtmlfHeYrg$FY7X9DNQ4uU1j0NiPmGOOSU05ZSzhqNmNhXIof/0nLpVb1zDhcRHda"
                 "C72E3YryH7dtTiG/r6jH6C8J+30cZBgA==\n")
        files = {"users": "bad:\nworse:$6$x\n" + users_file("alice", "right") + empty}

        def look(side):
            return [self.connect(side, version=4, client_id="c", user=user, password=password)[0][0]
                    for user, password in (("alice", "right"), ("alice", "wrong"), ("bad", ""),
                                           ("worse", "x"), ("empty", ""))]

        self.assertEqual(self.both(text, look, files), [0, 5, 5, 5, 5])

    def test_the_log_goes_to_topics(self):
        def look(side):
            _, client = self.connect(side, client_id="listens", version=4)
            client.send(m.subscribe(1, [("$SYS/broker/log/#", 0)], version=4))
            found = set()
            tried = 0
            while not found & {"$SYS/broker/log/N", "$SYS/broker/log/I"}:
                tried += 1
                self.connect(side, client_id="news%d" % tried, version=4)[1].close()
                found |= {p.topic for p in client.sync() if p.type == m.PUBLISH}
            return bool(found)

        self.assertTrue(self.both(OPEN + "log_dest topic\nlog_type all\n", look))

    def test_lines_of_the_log_begin_as_told(self):
        text = OPEN + "log_dest file {dir}/log\nlog_type all\n"

        def log_of(side):
            path = os.path.join(side.dir, "log")
            with open(path, encoding="utf-8") as file:
                return file.read()

        def times(side):
            wait_for(lambda: "\n" in log_of(side))
            return all(re.match(r"in \d\d\d\d, at \d\d", line) for line in
                       log_of(side).splitlines()[2:])

        self.assertTrue(self.both(text + "log_timestamp_format in %Y, at %H\n", times))

    def test_connections_need_not_be_news(self):
        def look(side):
            for name in ("ghost-1", "ghost-2"):
                _, client = self.connect(side, client_id=name, version=4)
                client.send(m.disconnect())
                client.ended()
            _, client = self.connect(side, client_id="last", version=4)
            client.sync()
            with open(os.path.join(side.dir, "log"), encoding="utf-8") as file:
                return "ghost" in file.read()

        text = OPEN + "log_dest file {dir}/log\nlog_type information\nlog_type notice\n"
        self.assertFalse(self.both(text + "connection_messages false\n", look))
        self.assertTrue(self.both(text, look))

    @need_program("openssl")
    def test_the_subject_of_a_certificate_is_the_user(self):
        files = authority()
        files["acl"] = "user CN=client\ntopic readwrite mine\n"
        text = ("listener {a} 127.0.0.1\ncertfile {dir}/server.pem\nkeyfile {dir}/server.key\n"
                "cafile {dir}/authorities.pem\nrequire_certificate true\n"
                "use_subject_as_username true\nacl_file {dir}/acl\n")

        def look(side):
            trust = ssl.create_default_context(cafile=os.path.join(side.dir, "root.pem"))
            trust.load_cert_chain(os.path.join(side.dir, "client.pem"),
                                  os.path.join(side.dir, "client.key"))
            client = m.Client(None, 5, sock=trust.wrap_socket(side.client(self).sock.dup(),
                                                              server_hostname="localhost"))
            self.addCleanup(client.close)
            client.connect("tls")
            return [client.publish(topic, b"x", 1).reason & 0x80 for topic in ("mine", "other")]

        self.assertEqual(self.both(text, look, files), [0, 0x80])


class Newer(BothCase):
    """What mosquitto 2.1 has, or says otherwise than 2.0."""

    def side(self, text):
        return Side(self, "tercet", text).start(self)

    def test_connections_of_all_listeners_together(self):
        side = self.side("allow_anonymous true\nlistener {a} 127.0.0.1\nlistener {b} 127.0.0.1\n"
                         "global_max_connections 2\n")
        for port in (0, 1):
            self.assertEqual(self.connect(side, port, client_id="c%d" % port)[0][0], 0)
        third = side.client(self)
        self.assertTrue(is_closed_by_peer(third.sock))

    def test_one_session_too_many_is_told_that_the_server_is_busy(self):
        side = self.side(OPEN + "global_max_clients 1\n")
        self.assertEqual(self.connect(side, client_id="one")[0][0], 0)
        self.assertEqual(self.connect(side, client_id="two")[0][0], 0x89)
        self.assertEqual(self.connect(side, client_id="two", version=4)[0][0], 3)

    def test_what_is_retained_goes_with_its_publishers_right(self):
        may, may_not = "user p\ntopic write r/#\n", "user p\ntopic write else\n"
        reader = "user s\ntopic read r/#\ntopic write r/#\n"

        def look(text):
            side = Side(self, "tercet", text)
            with open(os.path.join(side.dir, "acl"), "w", encoding="ascii") as file:
                file.write(may + reader)
            side.start(self)
            _, sender = self.connect(side, client_id="p", user="p", version=4)
            sender.send(m.publish("r/p", b"1", 1, 1, retain=True, version=4))
            sender.expect(m.PUBACK)
            _, other = self.connect(side, client_id="s", user="s", version=4)
            other.send(m.publish("r/s", b"2", 1, 1, retain=True, version=4))
            other.expect(m.PUBACK)

            def retained():
                """In order: the last one is there in any case."""
                _, client = self.connect(side, client_id="r", user="s", version=4)
                client.subscribe(("r/#", 0))
                found = []
                while "r/s" not in found:
                    found.append(client.expect(m.PUBLISH).topic)
                client.close()
                return found

            seen = [retained()]
            with open(os.path.join(side.dir, "acl"), "w", encoding="ascii") as file:
                file.write(may_not + reader)
            side.process.send_signal(signal.SIGHUP)
            after = retained()
            if "check_retain_source false" not in side.text:
                wait_for(lambda: retained() == ["r/s"], 20)
                after = ["r/s"]
            return seen + [after]

        text = OPEN + "acl_file {dir}/acl\n"
        self.assertEqual(look(text), [["r/p", "r/s"], ["r/s"]])
        self.assertEqual(look(text + "check_retain_source false\n"),
                         [["r/p", "r/s"], ["r/p", "r/s"]])

    def test_qos_0_waits_over_a_restart(self):
        side = self.side(OPEN + "queue_qos0_messages true\npersistence true\n"
                         "persistence_location {dir}/\n")
        _, client = self.connect(side, client_id="away", version=4, clean=False)
        client.subscribe(("q/#", 1))
        client.send(m.disconnect())
        client.ended()
        _, sender = self.connect(side, client_id="s", version=4)
        sender.send(m.publish("q/0", b"zero", 0, version=4))
        sender.publish("q/1", b"one", 1)
        side.stop()
        side.start(self)
        _, client = self.connect(side, client_id="away", version=4, clean=False)
        self.assertEqual([client.expect(m.PUBLISH).payload for _ in range(2)], [b"zero", b"one"])

    def test_a_will_is_forgotten_where_the_session_goes_on(self):
        side = self.side(OPEN)
        _, watcher = self.connect(side, client_id="w")
        watcher.subscribe(("will", 0))
        for clean in (False, True):
            for _ in range(2):
                _, client = self.connect(side, client_id="t%d" % clean, version=4, clean=clean,
                                         will={"topic": "will", "payload": b"%d" % clean})
            client.send(m.disconnect())
            client.ended()
        found = watcher.expect(m.PUBLISH)
        self.assertEqual(found.payload, b"1")

    def test_syslog_gets_the_log(self):
        # whoever serves /dev/log, if anybody: what is asked is that it is no mistake and no harm
        side = self.side(OPEN + "log_dest syslog\nlog_dest stderr\nlog_facility 3\n")
        self.assertEqual(self.connect(side, client_id="c")[0][0], 0)


if __name__ == "__main__":
    unittest.main()
