# SPDX-License-Identifier: Apache-2.0
"""The program tercetd: what it starts with, refuses, tells, and how it ends."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest

from tercet import SCALE, TOP, Broker, need_program, program, read_exactly, wait_for

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
SECONDS = 20 * SCALE

STATUS_FAILED = 1
STATUS_USAGE = 2
STATUS_WRONG = 3
STATUS_LOCKED = 3

MQTT_CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"
MQTT_CONNACK = b"\x20\x02\x00\x00"
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
KAFKA_API_VERSIONS = b"\x00\x00\x00\x0b\x00\x12\x00\x00\x00\x00\x00\x07\x00\x01a"


def run(*args, env=None):
    """Runs tercetd to its end: status, standard output, standard error."""
    done = subprocess.run([program(), *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=SECONDS, check=False,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def wait_until_ready(process, ready):
    """Until the broker, started by hand, has written its ready file; fails when it ends before."""
    wait_for(lambda: os.path.exists(ready) or process.poll() is not None, what=ready)
    if process.poll() is not None:
        raise AssertionError("tercetd ended with %d" % process.returncode)


def answer_of(protocol, sock):
    """Begins to speak `protocol` and proves that the other side does too."""
    if protocol == "mqtt":
        sock.sendall(MQTT_CONNECT)
        return read_exactly(sock, 4) == MQTT_CONNACK
    if protocol == "amqp":
        sock.sendall(AMQP_HEADER)
        return read_exactly(sock, 11)[7:] == b"\x00\x0a\x00\x0a"  # connection.start
    sock.sendall(KAFKA_API_VERSIONS)
    size = int.from_bytes(read_exactly(sock, 4), "big")
    return read_exactly(sock, size)[:6] == b"\x00\x00\x00\x07\x00\x00"


def options_of(sample):
    """Section (None: the head), name and what is expected, of each option in a printed sample."""
    section, words, options = None, [], []
    for line in sample.splitlines():
        if begin := re.match(r"#\[(\w+) NAME\]", line):
            section = begin.group(1)
        elif option := re.match(r"#(\S+) =", line):
            options.append((section, option.group(1),
                            " ".join(words).rpartition("Expected: ")[2].rstrip(".")))
            words = []
        else:
            words = words + [line.lstrip("# ")] if line else []
    return options


class Words(unittest.TestCase):
    """What is printed without starting anything."""

    def test_version_and_help_end_with_success(self):
        status, out, _ = run("--version")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^tercetd \d+\.\d+\.\d+\n$")
        status, out, _ = run("--help")
        self.assertEqual(status, 0)
        for word in ("--data DIR", "--ephemeral", "--port-kafka N", "--ready-file FILE"):
            self.assertIn(word, out)

    def test_what_cannot_be_printed_is_told(self):
        for word in ("--help", "--version", "--print-config"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([program(), word], stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=SECONDS, check=False)
            self.assertEqual(done.returncode, 1, word)
            self.assertIn("No space left on device", done.stderr)

    def test_the_printed_sample_is_a_configuration(self):
        status, sample, _ = run("--print-config")
        self.assertEqual(status, 0)
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(sample)
            file.flush()
            self.assertEqual(run("--config", file.name, "--test-config")[0], 0)

    def test_the_sample_with_its_defaults_said_is_a_configuration(self):
        lines = [line[1:] if line[:1] == "#" and line[1:2] not in (" ", "\n", "[") else line
                 for line in run("--print-config")[1].splitlines(keepends=True)]
        head = "".join(lines).split("#[listener")[0]
        head = "".join(line for line in head.splitlines(keepends=True)
                       if line.rstrip()[-1:] != "=")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(head)
            file.flush()
            status, _, errors = run("--config", file.name, "--test-config")
        self.assertEqual((status, errors), (0, ""))
        self.assertGreater(head.count(" = "), 20)

    def test_every_option_refuses_what_it_does_not_take_with_file_and_line(self):
        count = 0
        for section, name, expected in options_of(run("--print-config")[1]):
            values = ["no such"]
            if " of text" in expected:
                values = ["x" * (int(re.search(r"(\d+) bytes of", expected).group(1)) + 1)]
            elif most := re.search(r" to (\d+)([a-z]*)$", expected):
                values.append(str(int(most.group(1)) + 1) + most.group(2))
            for value in values:
                count += 1
                with self.subTest(section=section, name=name, value=value), \
                        tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                    file.write("[%s a]\n" % section if section else "\n")
                    file.write("%s = %s\n" % (name, value))
                    file.flush()
                    status, _, errors = run("--config", file.name, "--test-config")
                    self.assertEqual(status, STATUS_WRONG)
                    self.assertIn("%s:2: %s: expected " % (file.name, name), errors)
        self.assertGreater(count, 250)

    def test_mistakes_on_the_command_line_end_with_status_2(self):
        for args, why in ((["--bogus"], "no such option"), (["--port-mqtt", "65536"], "65535"),
                          (["--data"], "a value must follow"), (["run"], "not an option"),
                          (["--ephemeral", "--data", "/nowhere"], "exclude each other")):
            with self.subTest(args=args):
                status, out, errors = run(*args)
                self.assertEqual((status, out), (STATUS_USAGE, ""))
                self.assertIn(why, errors)

    def test_mistakes_in_the_configuration_are_told_with_file_and_line(self):
        cases = (("log_level = loud\n", ":1: log_level: expected one of error, warning"),
                 ("\n\nspeed = 11\n", ':3: no option "speed"'),
                 ("[listener a]\nprotocol = smtp\n", ":2: protocol: expected one of mqtt"),
                 ("[listener a]\nport = 1\n", "listener a: protocol must be given"),
                 ("[listener a]\nprotocol = mqtt\ntls = yes\n",
                  "certificate and key, or psk_file, must be given"),
                 ("[listener a]\nprotocol = mqtt\nkey = x\n", "belong together"),
                 ("[listener a]\nprotocol = mqtt\nkey = x\ncertificate = y\n", "need tls = yes"),
                 ("disk_warn = 90\n", "disk_warn is larger than disk_stop"),
                 ("durability = never\n", ":1: durability: expected one of memory, interval"),
                 ("[stream a/b]\n", "and no slash"),
                 ("[stream a]\n[stream a]\n", "a second section for streams of this name"),
                 ("[listener a]\nprotocol = mqtt\n[listener a]\n", ":3: a second listener a"),
                 ("segment_first = 32m\nsegment_max = 16m\n", "segment_first is larger"))
        for content, why in cases:
            with self.subTest(content=content), \
                    tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(content)
                file.flush()
                status, _, errors = run("--config", file.name, "--test-config")
                self.assertEqual(status, STATUS_WRONG)
                self.assertIn(why, errors)
        self.assertEqual(run("--config", "/nowhere/tercet.conf")[0], STATUS_USAGE)


class Start(unittest.TestCase):

    def test_the_ready_file_tells_every_listener_and_each_accepts(self):
        with Broker() as b:
            protocols = [one["protocol"] for one in b.listeners if one["address"] == "127.0.0.1"]
            self.assertEqual(protocols, ["mqtt", "amqp", "kafka"])
            for one in b.listeners:
                self.assertIs(one["tls"], False)
                with socket.create_connection((one["address"], one["port"]), SECONDS) as sock:
                    self.assertTrue(answer_of(one["protocol"], sock), one)

    def test_ipv6_has_the_port_of_ipv4(self):
        with Broker() as b:
            ipv6 = {one["protocol"]: one["port"] for one in b.listeners
                    if one["address"] == "::1"}
            if not ipv6:
                self.skipTest("no IPv6 here")
            self.assertEqual(ipv6, {p: b.port(p) for p in ("mqtt", "amqp", "kafka")})

    def test_the_ready_file_has_the_process_id_and_goes_at_a_clean_end(self):
        with Broker() as b:
            folder = os.path.dirname(b.log_path)
            with open(os.path.join(folder, "ready"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["pid"], b.pid)
            self.assertEqual(sorted(os.listdir(folder)), ["log", "ready"])
            b.stop()
            self.assertEqual(os.listdir(folder), ["log"])

    def test_the_greeting_fits_a_screen_and_names_ports_and_things_to_try(self):
        with Broker() as b:
            greeting = b.log()
            self.assertLess(greeting.count("\n"), 40)
            for protocol, words in (("mqtt", "mosquitto_pub -p %d"),
                                    ("kafka", "kcat -b 127.0.0.1:%d"),
                                    ("amqp", "amqp-publish -u amqp://127.0.0.1:%d")):
                self.assertIn(words % b.port(protocol), greeting)

    def test_quiet_prints_no_greeting(self):
        with Broker(args=["--quiet"]) as b:
            self.assertNotIn("mosquitto_pub", b.log())

    def test_a_port_in_use_is_told_with_what_to_do(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            status, _, errors = run("--ephemeral", "--port-mqtt", str(port), "--port-amqp", "0",
                                    "--port-kafka", "0")
        self.assertEqual(status, STATUS_FAILED)
        self.assertIn("port %d of 127.0.0.1 is in use" % port, errors)
        self.assertIn("--port-mqtt", errors)

    def test_a_second_instance_on_the_same_store_is_refused(self):
        with Broker(data=True) as b:
            status, _, errors = run("--data", b.data, "--port-mqtt", "0", "--port-amqp", "0",
                                    "--port-kafka", "0")
            self.assertEqual(status, STATUS_LOCKED)
            self.assertIn("in use by another tercetd", errors)
            self.assertIn(b.data, errors)
            with b.connect("mqtt") as sock:
                self.assertTrue(answer_of("mqtt", sock))

    def test_without_data_the_store_is_in_the_users_state_directory(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            user = "nobody" if os.geteuid() == 0 else None
            if user is not None:
                os.chown(folder, 65534, -1)
            line = [program(), "--quiet", "--ready-file", os.path.join(folder, "ready")]
            line += [word for p in ("mqtt", "amqp", "kafka") for word in ("--port-" + p, "0")]
            if user is not None and not os.access(program(), os.X_OK):
                self.skipTest("another user cannot run the program here")
            try:
                process = subprocess.Popen(line, env={"XDG_STATE_HOME": folder}, user=user,
                                           stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            except PermissionError:
                self.skipTest("another user cannot run the program here")
            with process:
                wait_until_ready(process, os.path.join(folder, "ready"))
                self.assertTrue(os.path.isdir(os.path.join(folder, "tercet")))
                self.assertEqual(os.stat(os.path.join(folder, "tercet")).st_mode & 0o777, 0o700)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(SECONDS), 0)

    def test_what_others_can_reach_is_refused_unless_that_is_said(self):
        config = "[listener open]\nprotocol = mqtt\naddress = 0.0.0.0\nport = 0\n"
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(config)
            file.flush()
            status, _, errors = run("--ephemeral", "--config", file.name)
        self.assertEqual(status, STATUS_FAILED)
        self.assertIn("allow_anonymous_remote", errors)
        self.assertIn("0.0.0.0", errors)
        with Broker(config="allow_anonymous_remote = yes\n" + config) as b:
            one = next(one for one in b.listeners if one["address"] == "0.0.0.0")
            with socket.create_connection(("127.0.0.1", one["port"]), SECONDS) as sock:
                self.assertTrue(answer_of("mqtt", sock))

    def test_listeners_of_the_configuration_are_opened_with_unix_sockets_too(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            config = ("[listener local]\nprotocol = mqtt\naddress = unix:%s\n"
                      "[listener more]\nprotocol = kafka\naddress = 127.0.0.1\nport = 0\n" % path)
            with Broker(config=config) as b:
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.settimeout(SECONDS)
                    sock.connect(path)
                    self.assertTrue(answer_of("mqtt", sock))
                kafka = [one for one in b.listeners if one["protocol"] == "kafka"
                         and one["address"] == "127.0.0.1"]
                self.assertEqual(len(kafka), 2)
                b.stop()
            self.assertEqual(os.listdir(folder), [])

    def test_a_protocol_with_listeners_of_its_own_has_no_other(self):
        config = "[listener one]\nprotocol = mqtt\naddress = 127.0.0.1\nport = 0\n"
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            ready = os.path.join(folder, "ready")
            with subprocess.Popen([program(), "--ephemeral", "--quiet", "--config", path,
                                   "--port-amqp", "0", "--port-kafka", "0", "--ready-file", ready],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                wait_until_ready(process, ready)
                with open(ready, encoding="utf-8") as file:
                    listeners = json.load(file)["listeners"]
                process.send_signal(signal.SIGTERM)
            self.assertEqual([one["protocol"] for one in listeners].count("mqtt"), 1)


class End(unittest.TestCase):

    def test_every_end_signal_ends_it_with_success(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=number), Broker() as b:
                with b.connect("mqtt") as sock, b.connect("amqp") as other:
                    self.assertTrue(answer_of("mqtt", sock))
                    self.assertTrue(answer_of("amqp", other))
                    b.process.send_signal(number)
                    self.assertEqual(b.wait(), 0)

    def test_a_client_that_does_not_go_does_not_hold_up_the_end(self):
        with Broker(config="shutdown_grace = 200ms\n") as b:
            with b.connect("amqp") as sock:
                self.assertTrue(answer_of("amqp", sock))
                b.stop(seconds=10)

    def test_a_second_signal_does_not_wait_for_clients(self):
        with Broker(config="shutdown_grace = 1h\n") as b:
            with b.connect("amqp") as sock:
                sock.sendall(AMQP_HEADER)
                read_exactly(sock, 8)
                b.process.send_signal(signal.SIGTERM)
                b.process.send_signal(signal.SIGINT)
                self.assertEqual(b.wait(), 0)

    def test_half_a_frame_is_timed_out_or_cut_off_and_nothing_is_left(self):
        with Broker() as b:
            before = b.open_files()
            for protocol, half in (("mqtt", b"\x10\x0d\x00"), ("amqp", b"AMQ"), ("kafka", b"\0\0")):
                with b.connect(protocol) as sock:
                    sock.sendall(half)
            for _ in range(2000):
                if b.open_files() == before:
                    break
                with b.connect("mqtt") as sock:
                    self.assertTrue(answer_of("mqtt", sock))
            self.assertEqual(b.open_files(), before)


class Reload(unittest.TestCase):

    CONFIG = ("log_level = %s\n[listener s]\nprotocol = mqtt\naddress = 127.0.0.1\nport = 0\n"
              "tls = yes\ncertificate = %s\nkey = %s\n")

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.pem = os.path.join(self.folder.name, "pem")
        shutil.copy(PEM, self.pem)
        self.broker = Broker(config=self.CONFIG % ("notice", self.pem, self.pem))
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))
        self.path = os.path.join(os.path.dirname(self.broker.log_path), "tercet.conf")

    def reload(self, content, word):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(content)
        before = len(self.broker.log())
        self.broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: word in self.broker.log()[before:], what=word)

    def certificate(self):
        with socket.create_connection(self.broker.address("mqtt", tls=True), SECONDS) as plain:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with context.wrap_socket(plain) as sock:
                return sock.getpeercert(True)

    def test_the_log_level_changes(self):
        with self.broker.connect("mqtt") as sock:
            self.assertTrue(answer_of("mqtt", sock))
        self.assertNotIn("mqtt.connected", self.broker.log())
        self.reload(self.CONFIG % ("debug", self.pem, self.pem), "broker.reloaded")
        with self.broker.connect("mqtt") as sock:
            self.assertTrue(answer_of("mqtt", sock))
        wait_for(lambda: "mqtt.connected" in self.broker.log(), what="the log of a connection")

    @need_program("openssl")
    def test_new_connections_get_the_new_certificate_and_old_ones_stay(self):
        with socket.create_connection(self.broker.address("mqtt", tls=True), SECONDS) as plain, \
                ssl.create_default_context(cafile=PEM).wrap_socket(
                    plain, server_hostname="localhost") as old:
            before = self.certificate()
            key, certificate = self.pem + ".key", self.pem + ".cert"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=new",
                            "-keyout", key, "-out", certificate], check=True, capture_output=True)
            self.reload(self.CONFIG % ("notice", certificate, key), "broker.reloaded")
            self.assertNotEqual(self.certificate(), before)
            self.assertTrue(answer_of("mqtt", old))

    def test_a_mistake_changes_nothing_and_is_told(self):
        before = self.certificate()
        self.reload("log_level = loud\n", "broker.reload-failed")
        self.assertIn("expected one of", self.broker.log())
        self.reload(self.CONFIG % ("notice", "/nowhere", self.pem), "broker.reload-failed")
        self.assertEqual(self.certificate(), before)


class Tls(unittest.TestCase):
    """Each protocol over TLS, by raw bytes in a TLS of Python's."""

    CONFIG = "".join("[listener %ss]\nprotocol = %s\naddress = 127.0.0.1\nport = 0\ntls = yes\n"
                     "certificate = %s\nkey = %s\n" % (p, p, PEM, PEM)
                     for p in ("mqtt", "amqp", "kafka"))

    def context(self):
        return ssl.create_default_context(cafile=PEM)

    def test_every_protocol_answers_over_tls_and_beside_it_without(self):
        with Broker(config=self.CONFIG) as b:
            for protocol in ("mqtt", "amqp", "kafka"):
                with self.subTest(protocol=protocol):
                    address = b.address(protocol, tls=True)
                    with socket.create_connection(address, SECONDS) as plain, \
                            self.context().wrap_socket(plain, server_hostname="localhost") as sock:
                        self.assertIn(sock.version(), ("TLSv1.2", "TLSv1.3"))
                        self.assertTrue(answer_of(protocol, sock))
                    with b.connect(protocol) as sock:
                        self.assertTrue(answer_of(protocol, sock))

    def test_who_speaks_no_tls_is_cut_off_and_others_go_on(self):
        with Broker(config=self.CONFIG) as b:
            with socket.create_connection(b.address("mqtt", tls=True), SECONDS) as sock:
                sock.sendall(MQTT_CONNECT)
                with self.assertRaises((EOFError, ConnectionError)):
                    while True:
                        read_exactly(sock, 1)
            with b.connect("mqtt") as sock:
                self.assertTrue(answer_of("mqtt", sock))

    def test_a_certificate_that_cannot_be_read_keeps_the_broker_from_starting(self):
        config = ("[listener s]\nprotocol = mqtt\ntls = yes\n"
                  "certificate = /nowhere\nkey = %s\n" % PEM)
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(config)
            file.flush()
            status, _, errors = run("--ephemeral", "--config", file.name, "--port-amqp", "0",
                                    "--port-kafka", "0")
        self.assertEqual(status, STATUS_FAILED)
        self.assertIn("listener s: its certificate, key, shared keys or ciphers cannot be used",
                      errors)


if __name__ == "__main__":
    unittest.main()
