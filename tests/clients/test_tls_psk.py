# SPDX-License-Identifier: Apache-2.0
"""TLS by keys that both sides have: mosquitto's clients, OpenSSL's, and bridges."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import mqtt_raw as m
from admin_raw import ask, counter
from mosquitto_side import BothCase
from mqtt_case import Mosquitto, free_port, mosquitto_program
from tercet import SCALE, TOP, Broker, need_program, wait_for

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
KEY = "000102030405060708090a0b0c0d0e0f"
OTHER = "f0e0d0c0b0a090807060504030201000"
LISTENER = ("[listener keys]\nprotocol = mqtt\naddress = 127.0.0.1\nport = %d\ntls = yes\n"
            "psk_file = %s\n")
VERSIONS = ("TLSv1.2", "TLSv1.3")
OPENSSL_CONF = ("openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = default\n"
                "[default]\nMinProtocol = %s\nMaxProtocol = %s\n")


def of_version(version):
    """An environment in which OpenSSL speaks that alone: mosquitto's clients name a least one."""
    if not os.path.exists(os.path.join(PLACE, version)):
        with open(os.path.join(PLACE, version), "w", encoding="ascii") as file:
            file.write(OPENSSL_CONF % (version, version))
    return {**os.environ, "OPENSSL_CONF": os.path.join(PLACE, version)}


def setUpModule():
    global PLACE
    PLACE = tempfile.mkdtemp(prefix="tercet-openssl-")


def tearDownModule():
    shutil.rmtree(PLACE, ignore_errors=True)


def publish(port, identity, key, topic, version="TLSv1.2", more=()):
    """Status of mosquitto_pub."""
    return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "--psk", key,
                           "--psk-identity", identity, "-q", "1", "-t", topic, "-m", "by key",
                           *more], env=of_version(version), capture_output=True,
                          timeout=30 * SCALE, check=False).returncode


def shake_hands(port, identity, key, version, *more):
    """What openssl tells of a handshake, and whether CONNACK came."""
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-psk", key,
                           "-psk_identity", identity, version, "-ign_eof", *more],
                          input=m.connect("by-openssl") + m.disconnect(), capture_output=True,
                          timeout=30 * SCALE, check=False)
    return done.stdout + done.stderr, b"\x20" in done.stdout.split(b"---\n")[-1]


class Proxied:
    """A port whose connections reach `to` with the head of a proxy, as from `address`."""

    def __init__(self, case, to, address):
        self.head = b"PROXY TCP4 %s 192.0.2.1 4000 8883\r\n" % address.encode()
        self.to = to
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        case.addCleanup(self.socket.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.socket.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.to))
                far.sendall(self.head)
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    @staticmethod
    def carry(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_WR)


@need_program("mosquitto_pub")
@need_program("openssl")
class Keys(unittest.TestCase):

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tercet-psk-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.keys = os.path.join(self.dir, "keys")
        self.write("# who may come\n\nalice:%s\nbob:%s\n" % (KEY, OTHER))

    def write(self, text):
        with open(self.keys, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, more="", before="", **options):
        self.port = free_port()
        broker = Broker(config=before + LISTENER % (self.port, self.keys) + more, keep_ports=True,
                        **options)
        self.addCleanup(broker.close)
        broker.start()
        self.addCleanup(broker.stop)
        return broker

    def watch(self, broker, *filters):
        client = m.Client(broker.address("mqtt")).connect("watcher")
        self.addCleanup(client.close)
        client.subscribe(*[(f, 1) for f in filters])
        return client

    def say(self, broker, topic, payload):
        client = m.Client(broker.address("mqtt")).connect("speaker")
        self.addCleanup(client.close)
        client.publish(topic, payload, 1, 1)

    def test_who_has_a_key_comes_in_by_either_version_and_nobody_else(self):
        data = os.path.join(self.dir, "store")
        broker = self.start(data=data)
        watcher = self.watch(broker, "keys/#")
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertEqual(publish(self.port, "alice", KEY, "keys/a", version), 0)
                self.assertEqual(watcher.take("keys/a").payload, b"by key")
                before = counter(broker, "net_psk_refused_total")
                self.assertNotEqual(publish(self.port, "alice", OTHER, "keys/a", version), 0)
                self.assertNotEqual(publish(self.port, "carol", KEY, "keys/a", version), 0)
                self.assertEqual(counter(broker, "net_psk_refused_total"), before + 2)
        self.assertEqual(watcher.sync(), [])
        self.assertRegex(broker.log(), 'tls.refused conn=[0-9]+ peer=127.0.0.1:[0-9]+ '
                         'why="unknown identity of a shared key" identity="carol"')
        self.assertIn('identity="alice"', broker.log())

    def test_an_unknown_identity_looks_like_a_wrong_key(self):
        self.start()
        for version in ("-tls1_2", "-tls1_3"):
            said = [shake_hands(self.port, *who, version)[0] for who in (("alice", OTHER),
                                                                         ("carol", KEY))]
            alerts = [[line.split(b":")[5] for line in one.splitlines() if b":error:" in line]
                      for one in said]
            self.assertTrue(alerts[0], said[0])
            self.assertEqual(alerts[0], alerts[1])

    def test_openssl_comes_in_by_each_kind_of_exchange(self):
        self.start("psk_hint = who-are-you\n")
        for more in (("-tls1_2", "-cipher", "PSK-AES128-GCM-SHA256"),
                     ("-tls1_2", "-cipher", "ECDHE-PSK-CHACHA20-POLY1305"), ("-tls1_3",)):
            with self.subTest(more=more):
                said, is_in = shake_hands(self.port, "bob", OTHER, *more)
                self.assertTrue(is_in, said)
                if more[0] == "-tls1_2":
                    self.assertIn(b"PSK identity hint: who-are-you", said)
                self.assertNotIn(b"TLS session ticket:", said)

    def test_an_identity_is_the_user_whatever_the_client_says(self):
        rules = os.path.join(self.dir, "rules")
        with open(rules, "w", encoding="utf-8") as file:
            file.write("pattern readwrite of/%u/#\n")
        broker = self.start("psk_is_user = yes\nacl_file = %s\n" % rules)
        watcher = self.watch(broker, "of/#")
        for version in VERSIONS:
            publish(self.port, "alice", KEY, "of/bob/x", version, ("-u", "bob", "-P", "x"))
            self.assertEqual(publish(self.port, "alice", KEY, "of/alice/x", version,
                                     ("-u", "bob", "-P", "x")), 0)
            watcher.take("of/alice/x")
        self.assertEqual(watcher.sync(), [])

    def test_beside_a_certificate_clients_come_by_either(self):
        broker = self.start("certificate = %s\nkey = %s\n" % (PEM, PEM))
        watcher = self.watch(broker, "either/#")
        only = ("--ciphers", "PSK")
        for version in VERSIONS:
            self.assertEqual(publish(self.port, "alice", KEY, "either/key", version, only), 0)
            watcher.take("either/key")
            subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(self.port), "--cafile",
                            PEM, "-q", "1", "-t", "either/paper", "-m", "x"], check=True,
                           env=of_version(version), timeout=30 * SCALE)
            watcher.take("either/paper")
        self.assertNotEqual(publish(self.port, "carol", KEY, "either/key", "TLSv1.2", only), 0)
        self.assertEqual(watcher.sync(), [])

    def test_a_certificate_gives_no_name_where_keys_do(self):
        broker = self.start("certificate = %s\nkey = %s\npsk_is_user = yes\nclient_ca = %s\n"
                            % (PEM, PEM, PEM))
        self.assertEqual(publish(self.port, "alice", KEY, "named/key", "TLSv1.3"), 0)
        found = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(self.port),
                                "--cafile", PEM, "--cert", PEM, "--key", PEM, "-q", "1", "-t",
                                "named/paper", "-m", "x"], capture_output=True, check=False,
                               timeout=30 * SCALE)
        self.assertNotEqual(found.returncode, 0)
        self.assertTrue(broker.is_running())

    def test_a_reload_reads_the_keys_again(self):
        broker = self.start()
        self.assertEqual(publish(self.port, "alice", KEY, "again/x"), 0)
        self.write("carol:%s\n" % KEY)
        os.kill(broker.pid, signal.SIGHUP)
        wait_for(lambda: publish(self.port, "carol", KEY, "again/x") == 0, 20, "the new keys")
        self.assertNotEqual(publish(self.port, "alice", KEY, "again/x"), 0)
        self.write("carol\n")
        os.kill(broker.pid, signal.SIGHUP)
        wait_for(lambda: "IDENTITY:KEY is expected" in broker.log(), 20, "the mistake to be told")
        self.assertEqual(publish(self.port, "carol", KEY, "again/x"), 0)

    def subscribe(self, who, key, version):
        """A client of MQTT 5 that stays, once it has subscribed: gives what tells its words."""
        path = os.path.join(self.dir, "out-%s-%s" % (who, version))
        with open(path, "wb") as out:
            client = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p",
                                       str(self.port), "--psk", key, "--psk-identity", who,
                                       "-V", "5", "-d", "-q", "1", "-t", "stay/#", "-i", who],
                                      env=of_version(version), stdout=out,
                                      stderr=subprocess.STDOUT)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)

        def said(word):
            with open(path, "rb") as file:
                return word in file.read()
        wait_for(lambda: said(b"Subscribed"), 20, "the subscription of %s" % who)
        return said

    def reload(self, broker, *keys):
        before = broker.log().count("broker.reloaded")
        self.write("".join("%s:%s\n" % one for one in keys))
        os.kill(broker.pid, signal.SIGHUP)
        wait_for(lambda: broker.log().count("broker.reloaded") > before, 20, "the reload")

    def test_who_came_by_a_key_that_a_reload_takes_away_goes_and_nobody_else(self):
        broker = self.start(data=os.path.join(self.dir, "store"))
        for version in VERSIONS:
            with self.subTest(version=version):
                self.reload(broker, ("alice", KEY), ("bob", OTHER))
                before = counter(broker, "net_psk_revoked_total")
                alice = self.subscribe("alice", KEY, version)
                bob = self.subscribe("bob", OTHER, version)
                self.reload(broker, ("alice", KEY.upper()), ("bob", OTHER))
                self.assertEqual(counter(broker, "net_psk_revoked_total"), before)
                self.reload(broker, ("alice", OTHER), ("bob", OTHER))
                wait_for(lambda said=alice: said(b"DISCONNECT (135)"), 20, "the goodbye")
                self.assertEqual(counter(broker, "net_psk_revoked_total"), before + 1)
                self.say(broker, "stay/x", b"to bob")
                wait_for(lambda said=bob: said(b"to bob"), 20, "the message")
                self.assertFalse(bob(b"DISCONNECT"))
                self.reload(broker, ("alice", OTHER))
                wait_for(lambda said=bob: said(b"DISCONNECT (135)"), 20, "bob's goodbye")

    def test_keys_that_are_wrong_count_to_the_bans_as_passwords_do(self):
        broker = self.start("proxy_protocol = yes\npsk_is_user = yes\n"
                            "[listener near]\nprotocol = mqtt\nport = 0\n",
                            before="login_failures_user = 2\n",
                            data=os.path.join(self.dir, "store"))
        for network, version in enumerate(VERSIONS):
            places = ["203.0.113.%d" % (10 * network + n) for n in (7, 8)]
            far, farther = (Proxied(self, self.port, place).port for place in places)
            with self.subTest(version=version):
                for who, key in (("alice", OTHER), ("carol", KEY)):
                    for _ in range(2):
                        self.assertNotEqual(publish(far, who, key, "ban/x", version), 0)
                self.assertEqual(publish(far, "alice", KEY, "ban/x", version), 0)  # forgiven
                for _ in range(3):
                    self.assertNotEqual(publish(far, "alice", OTHER, "ban/x", version), 0)
                self.assertNotEqual(publish(far, "alice", KEY, "ban/x", version), 0)
                self.assertEqual(publish(far, "bob", OTHER, "ban/x", version), 0)
                self.assertEqual(publish(farther, "alice", KEY, "ban/x", version), 0)
                found = ask(broker, "GET", "/api/bans")[1]["bans"]
                self.assertIn(("login", "%s alice" % places[0]),
                              [(ban["kind"], ban["name"]) for ban in found])

    def test_a_file_that_is_none_keeps_the_broker_from_starting(self):
        for text in ("alice\n", "alice:\n", ":%s\n" % KEY, "alice:0g\n", "a:01\na:02\n",
                     "a:%s\n" % ("00" * 513), "%s:00\n" % ("a" * 257), "a:%s\n" % ("0" * 4000)):
            with self.subTest(text=text[:40]):
                self.write("x:00\n" + text)
                broker = Broker(config=LISTENER % (0, self.keys))
                self.addCleanup(broker.close)
                with self.assertRaisesRegex(AssertionError, "shared keys or ciphers cannot"):
                    broker.start()
                self.assertRegex(broker.log(), "line=[23] why=")

    def test_options_that_do_not_fit_are_told(self):
        for more, told in (("psk_file = x\n", "psk_file need tls"),
                           ("psk_hint = x\n", "psk_hint and psk_is_user need"),
                           ("tls = yes\npsk_file = x\npsk_is_user = yes\ncertificate = c\nkey = k\n"
                            "client_ca = a\ncertificate_is_user = yes\n", "exclude each other"),
                           ("tls = yes\npsk_file = x\nkey = k\n", "belong together"),
                           ("dh_params = x\n", "dh_params needs")):
            broker = Broker(config="[listener x]\nprotocol = mqtt\n" + more)
            self.addCleanup(broker.close)
            with self.assertRaisesRegex(AssertionError, told):
                broker.start()

    def test_diffie_hellman_with_parameters_of_a_file(self):
        path = os.path.join(self.dir, "dh.pem")
        subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
                        "group:ffdhe2048", "-out", path], check=True, capture_output=True)
        plain = ("-tls1_2", "-cipher", "DHE-PSK-AES128-GCM-SHA256")
        self.start()
        self.assertFalse(shake_hands(self.port, "alice", KEY, *plain)[1])
        self.start("dh_params = %s\n" % path)
        said, is_in = shake_hands(self.port, "alice", KEY, *plain)
        self.assertTrue(is_in, said)
        self.assertIn(b"Server Temp Key: DH, 2048 bits", said)

    def bridge(self, port, key, more="", version="TLSv1.3"):
        broker = Broker(env=of_version(version),
                        config="[bridge up]\naddress = 127.0.0.1:%d\ntopic = out/#\n"
                               "restart_timeout = 50ms\ntls = yes\npsk_identity = alice\n"
                               "psk = %s\n%s" % (port, key, more))
        self.addCleanup(broker.close)
        broker.start()
        self.addCleanup(broker.stop)
        return broker

    def test_a_bridge_by_key(self):
        upper = self.start()
        watcher = self.watch(upper, "out/#")
        for version in VERSIONS:
            lower = self.bridge(self.port, KEY, version=version)
            wait_for(lambda one=lower: "bridge.connected" in one.log(), 20, "the bridge")
            self.say(lower, "out/x", b"1")
            watcher.take("out/x", b"1")
        wrong = self.bridge(self.port, OTHER)
        wait_for(lambda: 'identity="alice"' in upper.log(), 20, "the refusal")
        self.assertNotIn("bridge.connected", wrong.log())

    def test_a_bridge_by_key_takes_no_certificate_instead(self):
        upper = Broker(config="[listener s]\nprotocol = mqtt\naddress = 127.0.0.1\nport = 0\n"
                              "tls = yes\ncertificate = %s\nkey = %s\n" % (PEM, PEM))
        self.addCleanup(upper.close)
        upper.start()
        self.addCleanup(upper.stop)
        for more, version in (("", "TLSv1.3"), ("", "TLSv1.2"),
                              ("tls_ciphers = ALL\n", "TLSv1.2")):
            lower = self.bridge(upper.port("mqtt", tls=True), KEY, more, version)
            wait_for(lambda one=lower: "what=tls" in one.log(), 20, "a failure")
            self.assertNotIn("bridge.connected", lower.log())

    @unittest.skipIf(mosquitto_program() is None, "mosquitto is not installed")
    def test_a_bridge_to_mosquitto(self):
        port = free_port()
        other = Mosquitto(more="user root\nlistener %d 127.0.0.1\npsk_hint h\npsk_file %s\n"
                          % (port, self.keys))
        os.chmod(self.dir, 0o755)
        other.start()
        self.addCleanup(other.__exit__, None, None, None)
        watcher = self.watch(other, "out/#")
        for version in VERSIONS:
            lower = self.bridge(port, KEY, "version = 3.1.1\n", version)
            wait_for(lambda one=lower: "bridge.connected" in one.log(), 20, "the bridge")
            self.say(lower, "out/y", b"2")
            watcher.take("out/y", b"2")

    @unittest.skipIf(mosquitto_program() is None, "mosquitto is not installed")
    def test_a_bridge_from_mosquitto(self):
        broker = self.start()
        watcher = self.watch(broker, "in/#")
        other = Mosquitto(more="connection c\naddress 127.0.0.1:%d\ntopic in/# out 1\n"
                               "bridge_identity alice\nbridge_psk %s\n" % (self.port, KEY))
        other.start()
        self.addCleanup(other.__exit__, None, None, None)
        self.say(other, "in/z", b"3")
        watcher.take("in/z", b"3")


@unittest.skipIf(mosquitto_program() is None, "mosquitto is not installed")
class LikeMosquitto(BothCase):
    """The same file for both, and its clients."""

    def test_keys_of_a_mosquitto_conf(self):
        def look(side):
            found = []
            for version in VERSIONS:
                for who, key in (("alice", KEY), ("alice", OTHER), ("carol", KEY)):
                    found.append(publish(side.ports[1], who, key, "x/alice", version) == 0)
            plain = self.connect(side, 1)
            return found, plain

        found = self.both("allow_anonymous true\nlistener {a} 127.0.0.1\n"
                          "listener {b} 127.0.0.1\npsk_hint hint\npsk_file {dir}/keys\n"
                          "use_identity_as_username true\n",
                          look, files={"keys": "alice:%s\n" % KEY})
        self.assertEqual(found, ([True, False, False] * 2, (None, None)))


if __name__ == "__main__":
    unittest.main()
