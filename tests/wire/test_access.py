# SPDX-License-Identifier: Apache-2.0
"""Who gets in and may do what: passwords, rules and their reload, over MQTT and AMQP."""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import amqp_raw
import mqtt_raw as m
import users
from kafka_case import KafkaCase
from kafka_wire import batch
from mqtt_case import MqttCase
from tercet import Broker, BrokerCase, need_program, wait_for

NOT_AUTHORIZED = 0x87
BAD_USER_OR_PASSWORD = 0x86

RULES = """
topic read pub/#
user alice
topic readwrite a/#
topic deny a/secret
topic readwrite work
topic write w
user bob
topic #
topic deny a/#
pattern readwrite users/%u/#
pattern write clients/%c/#
"""


class Files:
    """A directory with the files that a configuration names."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tercet-access-")

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name) + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path(name) + ".new", self.path(name))

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


USERS = ("alice:%s\nbob:%s\ncarol:%s\n"
         % (users.pbkdf2("secret"), users.sha512("word"), users.pbkdf2("")))


class AccessCase(MqttCase):
    rules = RULES
    config = "password_file = %(dir)s/users\nacl_file = %(dir)s/rules\n"

    @classmethod
    def setUpClass(cls):
        cls.files = Files()
        cls.write_files()
        cls.broker_options = {"config": cls.config % {"dir": cls.files.dir}}
        super().setUpClass()

    @classmethod
    def write_files(cls):
        cls.files.write("users", USERS)
        cls.files.write("rules", cls.rules)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.files.close()

    def alice(self, version=5, **options):
        return self.client(version=version, user="alice", password="secret", **options)

    def refusal(self, version=5, **options):
        """The reason of the CONNACK."""
        client = self.open(version)
        client.send(m.connect(self.name("c"), version, **options))
        reason = client.expect(m.CONNACK).reason
        client.ended()
        return reason

    def reload(self):
        """Reads the files anew, or says that they cannot be."""
        before = self.broker.log().count(" broker.reload")
        self.broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.broker.log().count(" broker.reload") > before)


class Passwords(AccessCase):

    def test_the_right_password_and_no_other(self):
        for version in (3, 4, 5):
            for user, password in (("alice", "secret"), ("bob", "word"), ("carol", "")):
                self.client(version=version, user=user, password=password)
        for user, password in (("alice", "Secret"), ("alice", ""), ("alice", None), ("bob", "wor"),
                               ("nobody", "secret"), ("", "secret"), ("carol", "x")):
            with self.subTest(user=user, password=password):
                self.assertEqual(self.refusal(user=user, password=password), BAD_USER_OR_PASSWORD)
        self.assertEqual(self.refusal(3, user="alice", password="x"), 4)
        self.assertEqual(self.refusal(4, user="alice", password="x"), 4)

    def test_nobody_comes_in_without_a_name(self):
        self.assertEqual(self.refusal(5), NOT_AUTHORIZED)
        self.assertEqual(self.refusal(4), 5)
        self.assertEqual(self.refusal(3), 5)

    def test_guest_is_nobody_where_there_are_users(self):
        self.assertEqual(self.refusal(user="guest", password="guest"), BAD_USER_OR_PASSWORD)

    def test_what_comes_before_the_answer_is_read_after_it(self):
        client = self.open(5)
        client.send(m.connect(self.name("c"), user="bob", password="word"),
                    m.subscribe(1, [("x/y", 0)]), m.PING)
        self.assertEqual(client.expect(m.CONNACK).reason, 0)
        client.expect(m.SUBACK)
        client.expect(m.PINGRESP)

    def test_a_client_that_does_not_wait_for_the_answer_harms_nobody(self):
        for i in range(20):
            client = self.open(5)
            client.send(m.connect(self.name("c"), user="alice", password="wrong%d" % i))
            client.close()
        self.alice().sync()

    def test_many_at_once_get_their_own_answers(self):
        clients = []
        for i in range(60):
            client = self.open(4)
            client.send(m.connect(self.name("c"), 4, user="alice",
                                  password="secret" if i % 3 else "no"))
            clients.append(client)
        for i, client in enumerate(clients):
            self.assertEqual(client.expect(m.CONNACK).reason, 0 if i % 3 else 4)

    def test_a_will_is_asked_about_when_it_is_left(self):
        will = {"topic": "a/secret", "payload": b"x"}
        self.assertEqual(self.refusal(will=will, user="alice", password="secret"), NOT_AUTHORIZED)
        self.alice(will={"topic": "a/open"})


class Rules(AccessCase):

    def test_a_publish_that_is_denied_is_told_so_in_mqtt_5(self):
        client = self.alice()
        for topic, reason in (("a/x", (0, 0x10)), ("a/secret", (NOT_AUTHORIZED,)),
                              ("pub/x", (NOT_AUTHORIZED,)), ("users/alice/x", (0, 0x10)),
                              ("users/bob/x", (NOT_AUTHORIZED,))):
            for qos in (1, 2):
                with self.subTest(topic=topic, qos=qos):
                    self.assertIn(client.publish(topic, b"x", qos).reason, reason)
        client.publish("a/secret", b"x", 0)
        client.sync()

    def test_older_versions_are_acknowledged_and_nothing_is_published(self):
        watcher = self.client(version=5, user="bob", password="word")
        self.assertEqual(watcher.subscribe("w/#", "pub/#"), [0, 0])
        client = self.alice(4)
        client.publish("pub/no", b"x", 1)
        client.publish("pub/no", b"x", 2)
        client.publish("w", b"yes", 1)
        self.assertEqual(watcher.take().topic, "w")

    def test_a_subscription_that_nothing_may_come_by_is_refused(self):
        client = self.alice()
        self.assertEqual(client.subscribe("a/#", "a/secret", "b", "#", "pub/x", "w",
                                          "users/alice/x", "users/bob/x", "$share/g/b"),
                         [0, NOT_AUTHORIZED, NOT_AUTHORIZED, 0, NOT_AUTHORIZED, NOT_AUTHORIZED, 0,
                          NOT_AUTHORIZED, NOT_AUTHORIZED])
        self.assertEqual(self.alice(4).subscribe("b", "a/x"), [0x80, 0])

    def test_each_message_is_asked_about_again(self):
        bob, alice, client = self.client(user="bob", password="word"), self.alice(), self.alice()
        client.subscribe(("#", 2))
        for qos in (0, 1, 2):
            alice.publish("users/alice/x", b"own", qos)
            bob.publish("other/x", b"no", qos)
            bob.publish("users/bob/x", b"no", qos)
        alice.publish("a/x", b"last", 1)
        seen = []
        while "a/x" not in seen:
            found = client.receive()
            if found.type == m.PUBLISH:
                seen.append(found.topic)
                if found.qos == 1:
                    client.send(m.ack(m.PUBACK, found.pid))
                elif found.qos == 2:
                    client.send(m.ack(m.PUBREC, found.pid))
            elif found.type == m.PUBREL:
                client.send(m.ack(m.PUBCOMP, found.pid))
        self.assertEqual(set(seen), {"users/alice/x", "a/x"})

    def test_what_is_retained_is_asked_about_too(self):
        bob = self.client(user="bob", password="word")
        bob.publish("kept/no", b"x", 1, retain=True)
        self.alice().publish("a/kept", b"x", 1, retain=True)
        client = self.alice()
        client.subscribe("#")
        self.assertEqual(client.take().topic, "a/kept")
        client.nothing()

    def test_a_denial_comes_before_what_else_is_allowed(self):
        bob = self.client(user="bob", password="word")
        self.assertEqual(bob.subscribe("a/x", "a/#", "+/x"), [NOT_AUTHORIZED, NOT_AUTHORIZED, 0])

    def test_names_made_to_be_filters_get_nothing(self):
        for client_id in ("+", "#", "a+b"):
            client = self.open(5).connect(client_id, user="alice", password="secret")
            self.assertEqual(client.publish("clients/x/y", b"x", 1).reason, NOT_AUTHORIZED)
            self.assertEqual(client.publish("users/alice/y", b"x", 1).reason, NOT_AUTHORIZED)
            client.close()
        client = self.open(5).connect("one/two", user="alice", password="secret")
        self.assertEqual(client.publish("clients/one/two/y", b"x", 1).reason, NOT_AUTHORIZED)
        client = self.open(5).connect("plain", user="alice", password="secret")
        self.assertIn(client.publish("clients/plain/y", b"x", 1).reason, (0, 0x10))

    def test_amqp_is_held_to_the_same_rules(self):
        with amqp_raw.Client(self.broker, user="alice", password="secret") as c:
            code, text, unused, unused = c.refused("queue.declare", queue="anything")
            self.assertEqual(code, 403)
            self.assertIn("ACCESS_REFUSED", text)
            client = self.alice()
            client.subscribe("a/#")
            c.publish(b"by key", "a.x", "amq.topic")
            self.assertEqual(client.take().topic, "a/x")
            c.publish(b"no", "a.secret", "amq.topic")
            self.assertEqual(c.refusal()[0], 403)
            c.publish(b"no", "other")
            self.assertEqual(c.refusal()[0], 403)

    def test_of_a_transaction_that_is_refused_nothing_is_published(self):
        client = self.alice()
        client.subscribe("a/#")
        with amqp_raw.Client(self.broker, user="alice", password="secret") as c:
            c.call("tx.select")
            c.publish(b"with another", "a.x", "amq.topic")
            c.publish(b"no", "a.secret", "amq.topic")
            c.send("tx.commit")
            self.assertEqual(c.refusal()[0], 403)
            c.publish(b"alone", "a.x", "amq.topic")
            self.assertEqual(client.take().payload, b"alone")


class Reload(AccessCase):

    def setUp(self):
        super().setUp()
        self.write_files()
        self.reload()

    def test_new_rules_hold_for_who_is_there(self):
        client = self.alice()
        client.subscribe("a/#")
        bob, other = self.client(user="bob", password="word"), self.alice()
        other.publish("a/x", b"1", 1)
        client.take("a/x", "1")
        self.files.write("rules", "user alice\ntopic write a/#\nuser bob\ntopic a/#\n")
        self.reload()
        self.assertIn(bob.publish("a/x", b"2", 1).reason, (0, 0x10))
        client.nothing()
        self.assertIn(other.publish("a/x", b"3", 1).reason, (0, 0x10))
        client.nothing()
        self.assertEqual(other.publish("users/alice/x", b"4", 1).reason, NOT_AUTHORIZED)

    def test_who_is_no_user_any_more_is_sent_away(self):
        alice, older, bob = self.alice(), self.alice(4), self.client(user="bob", password="word")
        with amqp_raw.Client(self.broker, user="alice", password="secret") as c:
            self.files.write("users", USERS.split("\n", 1)[1])
            self.reload()
            self.assertEqual(self.assert_ends(alice), NOT_AUTHORIZED)
            self.assertIsNone(self.assert_ends(older))
            self.assertEqual(c.refusal()[0], 320)
        bob.sync()
        self.assertEqual(self.refusal(user="alice", password="secret"), BAD_USER_OR_PASSWORD)

    def test_a_new_password_ends_what_the_old_one_began(self):
        alice = self.alice()
        self.files.write("users", "alice:%s\n" % users.pbkdf2("other"))
        self.reload()
        self.assertEqual(self.assert_ends(alice), NOT_AUTHORIZED)
        self.assertEqual(self.refusal(user="alice", password="secret"), BAD_USER_OR_PASSWORD)
        self.client(user="alice", password="other")

    def test_who_showed_what_still_holds_stays_whatever_else_changes(self):
        password, verifier = users.pbkdf2("secret"), users.scram("secret")
        self.files.write("users", "alice:%s:%s\n" % (password, verifier))
        self.reload()
        by_password, by_scram = self.alice(), self.open(5)
        scram = users.Scram("alice", "secret")
        by_scram.send(m.connect(self.name("c"), props=[(m.AUTH_METHOD, scram.method),
                                                       (m.AUTH_DATA, scram.first())]))
        first = by_scram.expect(m.AUTH).prop(m.AUTH_DATA)
        by_scram.send(m.auth(0x18, [(m.AUTH_METHOD, scram.method),
                                    (m.AUTH_DATA, scram.final(first))]))
        self.assertEqual(by_scram.expect(m.CONNACK).reason, 0)
        with amqp_raw.Client(self.broker, user="alice", password="secret") as c:
            self.files.write("rules", RULES + "allow role:crew publish topic prefix:crew/\n")
            self.files.write("users", "# moved\n\n%s" % (
                "alice:%s:%s:@crew\n" % (password, verifier)))
            self.reload()
            for client in (by_password, by_scram):  # with the roles that it has now
                self.assertIn(client.publish("crew/x", b"x", 1).reason, (0, 0x10))
            c.call("channel.flow", active=True)
            # what one showed is gone, what the other showed is not
            self.files.write("users", "alice:%s:%s\n" % (users.pbkdf2("secret"), verifier))
            self.reload()
            self.assertEqual(self.assert_ends(by_password), NOT_AUTHORIZED)
            self.assertEqual(c.refusal()[0], 320)
            by_scram.sync()
        self.files.write("users", "alice:%s\n" % users.pbkdf2("secret"))
        self.reload()
        self.assertEqual(self.assert_ends(by_scram), NOT_AUTHORIZED)

    def test_a_will_is_asked_about_again_when_it_is_published(self):
        watcher = self.client(user="bob", password="word")
        watcher.subscribe("w/#", "other/#")
        self.files.write("rules", RULES + "user alice\ntopic write w/#\ntopic write other/#\n")
        self.reload()
        first = self.alice(will={"topic": "w/one", "payload": b"x"})
        second = self.alice(will={"topic": "other/two", "payload": b"x"})
        self.files.write("rules", RULES + "user alice\ntopic write other/#\n")
        self.reload()
        first.close()
        second.close()
        self.assertEqual(watcher.take().topic, "other/two")
        watcher.nothing()

    def test_consumers_end_that_the_rules_do_not_allow_any_more(self):
        self.files.write("rules", "allow anyone all all *\n")
        self.reload()
        with amqp_raw.Client(self.broker, user="alice", password="secret") as c:
            for queue in ("one", "two"):
                c.call("queue.declare", queue=queue, exclusive=False)
                c.call("basic.consume", queue=queue, consumer_tag=queue)
            self.files.write("rules", "allow user:alice all all literal:two\n"
                             "allow anyone publish topic *\n")
            self.reload()
            self.assertEqual(c.want("basic.cancel")["consumer-tag"], "one")
            c.publish(b"x", "two")
            self.assertEqual(c.message()[2], b"x")

    def test_a_file_with_a_mistake_changes_nothing(self):
        alice = self.alice()
        for name, text in (("users", USERS + "broken\n"), ("rules", RULES + "topic a+b\n")):
            self.files.write(name, text)
            self.reload()
            self.assertIn("broker.reload-failed", self.broker.log().splitlines()[-1])
            self.write_files()
        self.assertIn(alice.publish("a/x", b"1", 1).reason, (0, 0x10))
        self.assertEqual(alice.publish("a/secret", b"1", 1).reason, NOT_AUTHORIZED)
        self.alice()


class WillsOverRestarts(AccessCase):
    config = AccessCase.config + "sys_interval = 0\n"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.broker.close()
        cls.broker = Broker(data=True, config=cls.config % {"dir": cls.files.dir})
        cls.broker.start()

    def leave_will(self, user, password, topic, delay):
        client = self.client(user=user, password=password, props=[(m.SESSION_EXPIRY, 600)], will={
            "topic": topic, "payload": b"gone", "props": [(m.WILL_DELAY, delay)]})
        client.subscribe("pub/x")  # its answer follows the sync
        client.close()

    def test_the_rules_that_hold_then_are_asked(self):
        self.files.write("users", USERS + "watcher:%s\n" % users.pbkdf2("w"))
        self.files.write("rules", "topic read pub/#\npattern readwrite #\n")
        self.reload()
        watcher = self.open(5).connect("watcher", user="watcher", password="w",
                                       props=[(m.SESSION_EXPIRY, 600)])
        watcher.subscribe(("will/#", 1))
        self.leave_will("alice", "secret", "will/denied", 1)
        self.leave_will("bob", "word", "will/of-nobody", 1)
        self.leave_will("carol", "", "will/fine", 2)
        self.broker.kill()
        # bob is no user any more, and alice may not do that any more
        self.files.write("users", "".join(line + "\n" for line in USERS.splitlines()
                                          if not line.startswith("bob")) +
                         "watcher:%s\n" % users.pbkdf2("w"))
        self.files.write("rules", "pattern readwrite #\nuser alice\ntopic deny will/#\n")
        self.broker.start()
        watcher = self.open(5).connect("watcher", clean=False, user="watcher", password="w",
                                       props=[(m.SESSION_EXPIRY, 600)])
        self.assertTrue(watcher.connack.present)
        self.assertEqual(watcher.take().topic, "will/fine")
        watcher.nothing()
        self.assertEqual(self.broker.log().count("core.will_failed"), 2)


class Anonymous(AccessCase):
    rules = "topic readwrite open/#\nuser alice\ntopic a/#\n"
    config = AccessCase.config + "allow_anonymous = yes\n"

    def test_who_has_no_name_has_the_first_lines(self):
        client = self.client()
        self.assertEqual(client.subscribe("open/x", "a/x"), [0, NOT_AUTHORIZED])
        self.assertEqual(client.publish("a/x", b"x", 1).reason, NOT_AUTHORIZED)
        self.assertEqual(self.alice().publish("open/x", b"x", 1).reason, NOT_AUTHORIZED)

    def test_a_wrong_password_does_not_make_one_nameless(self):
        self.assertEqual(self.refusal(user="alice", password="x"), BAD_USER_OR_PASSWORD)


class Starting(unittest.TestCase):
    """What stands in the files, before anybody comes."""

    def setUp(self):
        self.files = Files()
        self.addCleanup(self.files.close)
        self.files.write("users", USERS)
        self.files.write("rules", RULES)

    def fails(self, config):
        broker = Broker(config=config % {"dir": self.files.dir})
        self.addCleanup(broker.close)
        broker.launch()
        self.assertNotEqual(broker.wait(), 0)
        return broker.log()

    def test_a_mistake_in_a_file_ends_the_start_and_names_its_line(self):
        self.files.write("users", USERS + "dave\n")
        self.assertIn("users:4: ", self.fails("password_file = %(dir)s/users\n"))
        self.files.write("rules", "topic read x\ntopic red x\n")
        self.assertIn("rules:2: ", self.fails("acl_file = %(dir)s/rules\n"))
        self.assertIn("none: ", self.fails("password_file = %(dir)s/none\n"))

    def test_a_listener_for_others_needs_users_or_a_word(self):
        config = "[listener open]\nprotocol = mqtt\naddress = 0.0.0.0\nport = 0\n"
        self.assertIn("password_file", self.fails(config))
        for line in ("password_file = %s/users\n" % self.files.dir, "allow_anonymous = yes\n",
                     "allow_anonymous = no\n"):
            with Broker(config=config + line) as b:
                client = m.Client(b.address_of("open"))
                client.send(m.connect("c"))
                reason = client.expect(m.CONNACK).reason
                self.assertEqual(reason, 0 if "yes" in line else NOT_AUTHORIZED)
                client.close()

    def test_each_listener_has_its_own(self):
        self.files.write("others", "dave:%s\n" % users.pbkdf2("dave"))
        config = ("password_file = %(dir)s/users\n"
                  "[listener own]\nprotocol = mqtt\nport = 0\npassword_file = %(dir)s/others\n"
                  "[listener same]\nprotocol = mqtt\nport = 0\nallow_anonymous = yes\n"
                  % {"dir": self.files.dir})
        with Broker(config=config) as b:
            for name, user, password, reason in (
                    ("own", "dave", "dave", 0), ("own", "alice", "secret", BAD_USER_OR_PASSWORD),
                    ("own", None, None, NOT_AUTHORIZED), ("same", "alice", "secret", 0),
                    ("same", "dave", "dave", BAD_USER_OR_PASSWORD), ("same", None, None, 0)):
                with self.subTest(name=name, user=user):
                    client = m.Client(b.address_of(name))
                    client.send(m.connect("c", user=user, password=password))
                    self.assertEqual(client.expect(m.CONNACK).reason, reason)
                    client.close()

    @need_program("mosquitto_passwd")
    def test_what_mosquitto_passwd_writes_is_read(self):
        path = self.files.path("made")
        with open(path, "w", encoding="utf-8"):
            pass
        subprocess.run(["mosquitto_passwd", "-b", path, "dave", "pass word"], check=True)
        with Broker(config="password_file = %s\n" % path) as b:
            for password, reason in (("pass word", 0), ("password", BAD_USER_OR_PASSWORD)):
                client = m.Client(b.address("mqtt"))
                client.send(m.connect("c", user="dave", password=password))
                self.assertEqual(client.expect(m.CONNACK).reason, reason)
                client.close()


class AmqpLogin(BrokerCase):

    @classmethod
    def setUpClass(cls):
        cls.files = Files()
        cls.files.write("users", USERS)
        cls.broker_options = {"config": "password_file = %s\n" % cls.files.path("users")}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.files.close()

    def test_the_same_users_come_in_by_amqp(self):
        amqp_raw.Client(self.broker, user="alice", password="secret").close()
        amqp_raw.Client(self.broker, user="bob", password="word").close()
        for user, password in (("alice", "x"), ("guest", "guest"), ("nobody", "secret")):
            c = amqp_raw.Client(self.broker, "start-ok", user=user, password=password)
            code, text, unused, unused = c.refusal()
            self.assertEqual((code, text), (403, (
                "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For "
                "details see the broker logfile.")))
            c.close()

    def test_kafka_clients_without_a_name_get_nothing(self):
        with self.broker.connect("kafka") as sock:
            sock.sendall(bytes.fromhex("0000000e" "0003" "0001" "00000001" "ffff" "00000000"))
            try:
                self.assertEqual(sock.recv(1), b"")
            except ConnectionError:
                pass


class Kafka(KafkaCase):
    """Clients without a name, held to rules; a stream is dealt with whole."""

    RULES = ("topic readwrite open/#\ntopic read some/#\ntopic deny some/secret\n"
             "topic write w/#\ntopic read name\n")

    @classmethod
    def setUpClass(cls):
        cls.files = Files()
        cls.addClassCleanup(cls.files.close)
        cls.files.write("rules", cls.RULES)
        cls.config = "acl_file = %s\nallow_anonymous = yes\n" % cls.files.path("rules")
        super().setUpClass()

    def create(self, name):
        return self.connect().call("create_topics", 7, topics=[{
            "name": name, "num_partitions": 1, "replication_factor": 1}],
            timeout_ms=1000)["topics"][0]["error_code"]

    def test_topics_are_authorised(self):
        refused = 29  # TOPIC_AUTHORIZATION_FAILED
        self.assertIn(self.create("open"), (0, 36))  # the other test may have made it
        self.assertIn(self.create("w"), (0, 36))
        self.assertEqual(self.create("other"), refused)
        self.assertEqual(self.create("some"), refused)
        client = self.connect()
        for topic, error in (("open", 0), ("w", 0), ("other", refused), ("some", refused)):
            with self.subTest(topic=topic):
                self.assertEqual(self.produce(client, topic, batch([b"x"]))["error_code"], error)

    def test_nobody_learns_of_what_it_may_not_see(self):
        hidden = self.name("hidden")
        with amqp_raw.Client(self.broker) as c:
            self.assertEqual(c.refused("queue.declare", queue=hidden)[0], 403)
        self.create("open")
        names = [t["name"] for t in self.connect().call("metadata", 12, topics=None)["topics"]]
        self.assertLessEqual(set(names), {"open", "w"})
        got = self.connect().call("metadata", 12, topics=[{"name": hidden}, {"name": "some"}],
                                  allow_auto_topic_creation=True)["topics"]
        self.assertEqual([t["error_code"] for t in got], [29, 29])

    def test_a_denied_part_denies_the_whole(self):
        with amqp_raw.Client(self.broker) as c:
            code = c.refused("basic.get", queue="some")[0]
            self.assertIn(code, (403, 404))
        publisher = m.Client(self.broker.address("mqtt")).connect("p")
        self.addCleanup(publisher.close)
        self.assertIn(publisher.publish("open/x", b"1", 1).reason, (0, 0x10))
        self.assertIn(publisher.publish("w/x", b"1", 1).reason, (0, 0x10))
        client = self.connect()
        self.assertEqual(self.fetch(client, "open")["error_code"], 0)
        self.assertEqual(self.fetch(client, "w")["error_code"], 29)
        self.assertEqual(publisher.subscribe("some/#", "some/secret"), [0, NOT_AUTHORIZED])


class KafkaRights(KafkaCase):
    """Who may use a group, who may know of it and who may delete it, are three questions; so with
    topics."""

    RULES = ("allow anyone all topic *\ndeny anyone create topic literal:mine\n"
             "allow anyone group-use group *\nallow anyone describe,delete group prefix:ours\n"
             "deny anyone all group literal:shut\n")
    REFUSED = 30  # GROUP_AUTHORIZATION_FAILED

    @classmethod
    def setUpClass(cls):
        files = Files()
        cls.addClassCleanup(files.close)
        files.write("rules", cls.RULES)
        cls.config = "acl_file = %s\nallow_anonymous = yes\n" % files.path("rules")
        super().setUpClass()

    def test_who_may_not_create_a_topic_is_not_told_that_it_exists(self):
        with m.Client(self.broker.address("mqtt")).connect() as publisher:
            self.assertEqual(publisher.publish("mine", b"x", 1).reason, 0x10)
        answer = self.connect().call("create_topics", 7, timeout_ms=1000, topics=[{
            "name": "mine", "num_partitions": 1, "replication_factor": 1}])
        self.assertEqual(answer["topics"][0]["error_code"], 29)

    def test_groups_are_authorised(self):
        client, topic = self.connect(), self.topic()

        def commit(group):
            answer = client.call("offset_commit", 8, group_id=group, topics=[{
                "name": topic, "partitions": [{"partition_index": 0, "committed_offset": 0}]}])
            return answer["topics"][0]["partitions"][0]["error_code"]

        def described(group):
            answer = client.call("describe_groups", 5, groups=[group])["groups"][0]
            return answer["error_code"], answer["group_state"]

        self.assertEqual([commit(group) for group in ("ours", "theirs", "shut")],
                         [0, 0, self.REFUSED])
        self.assertEqual([g["group_id"] for g in client.call("list_groups", 5)["groups"]],
                         ["ours"])
        self.assertEqual(described("ours"), (0, "Empty"))
        self.assertEqual(described("theirs"), (self.REFUSED, ""))
        answer = client.call("delete_groups", 2, group_names=["theirs", "ours"])
        self.assertEqual([r["error_code"] for r in answer["results"]], [self.REFUSED, 0])
        self.assertEqual(client.call("heartbeat", 4, group_id="shut", member_id="m",
                                     generation_id=1)["error_code"], self.REFUSED)


if __name__ == "__main__":
    unittest.main()
