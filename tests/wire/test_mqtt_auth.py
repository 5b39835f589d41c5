# SPDX-License-Identifier: Apache-2.0
"""Enhanced authentication (MQTT 5, 4.12) by SCRAM-SHA-256 and SCRAM-SHA-512."""

import os
import shutil
import tempfile
import unittest

import mqtt_raw as m
import users
from mqtt_case import MqttCase
from users import Scram

CONTINUE, AGAIN = 0x18, 0x19
REASON_STRING, USER_PROPERTY = 31, 38
PROTOCOL, NOT_AUTHORIZED, BAD_METHOD = 0x82, 0x87, 0x8c


class Auth(MqttCase):

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="tercet-auth-")
        cls.path = os.path.join(cls.dir, "users")
        with open(cls.path, "w", encoding="utf-8") as file:
            file.write("ann:%s:%s\n" % (users.scram("pencil"), users.scram("pencil", 512)))
            file.write("bob:%s\n" % users.pbkdf2("word"))
            file.write("a=b,c:%s\n" % users.scram("x"))
        cls.broker_options = {"config": "password_file = %s\n" % cls.path}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.dir, ignore_errors=True)

    def begin(self, scram, data=True, **options):
        """CONNECT with the client's first message; gives the client."""
        client = self.open(5)
        props = [(m.AUTH_METHOD, scram.method)]
        if data:
            props.append((m.AUTH_DATA, scram.first()))
        client.send(m.connect(self.name("c"), props=props, **options))
        return client

    def answer(self, client, scram, kind=CONTINUE):
        """The server's first message, answered."""
        found = client.expect(m.AUTH)
        self.assertEqual(found.reason, CONTINUE)
        self.assertEqual(found.prop(m.AUTH_METHOD), scram.method)
        client.send(m.auth(kind, [(m.AUTH_METHOD, scram.method),
                                  (m.AUTH_DATA, scram.final(found.prop(m.AUTH_DATA)))]))
        return found

    def authenticated(self, user="ann", password="pencil", bits=256, **options):
        scram = Scram(user, password, bits)
        client = self.begin(scram, **options)
        self.answer(client, scram)
        client.connack = client.expect(m.CONNACK)
        self.assertEqual(client.connack.reason, 0)
        self.assertEqual(client.connack.prop(m.AUTH_METHOD), scram.method)
        self.assertEqual(client.connack.prop(m.AUTH_DATA), scram.signature)
        return client

    def again(self, client, scram):
        client.send(m.auth(AGAIN, [(m.AUTH_METHOD, scram.method), (m.AUTH_DATA, scram.first())]))
        self.answer(client, scram)

    def test_mqtt5_4_12_0_2_scram(self):
        for bits in (256, 512):
            client = self.authenticated(bits=bits)
            client.subscribe("scram/%d" % bits)
            client.publish("scram/%d" % bits, b"x")
            client.take("scram/%d" % bits)
        self.authenticated("a=3Db=2Cc", "x")

    def test_mqtt5_4_12_0_2_the_first_message_may_come_when_asked_for(self):
        scram = Scram("ann", "pencil")
        client = self.begin(scram, data=False)
        found = client.expect(m.AUTH)
        self.assertEqual((found.reason, found.prop(m.AUTH_DATA)), (CONTINUE, b""))
        client.send(m.auth(CONTINUE, [(m.AUTH_METHOD, scram.method),
                                      (m.AUTH_DATA, scram.first())]))
        self.answer(client, scram)
        self.assertEqual(client.expect(m.CONNACK).prop(m.AUTH_DATA), scram.signature)

    def test_mqtt5_4_12_0_1_only_methods_that_are_offered(self):
        for method in ("SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "PLAIN", "scram-sha-256", ""):
            client = self.open(5)
            client.send(m.connect(self.name("c"), props=[(m.AUTH_METHOD, method)]))
            self.assertEqual(client.expect(m.CONNACK).reason, BAD_METHOD)
            self.assert_ends(client)

    def test_mqtt5_4_12_0_4_a_wrong_proof_is_refused(self):
        for user, password, bits in (("ann", "pencils", 256), ("ann", "", 512),
                                     ("nobody", "pencil", 256), ("bob", "word", 256),
                                     ("a=3Db=2Cc", "x", 512)):
            with self.subTest(user=user):
                scram = Scram(user, password, bits)
                client = self.begin(scram)
                self.answer(client, scram)
                self.assertEqual(client.expect(m.CONNACK).reason, NOT_AUTHORIZED)
                self.assert_ends(client)

    def test_mqtt5_4_12_0_4_a_message_that_is_none_is_refused(self):
        for first in (b"", b"n,,", b"p=tls-unique,,n=ann,r=x", b"n,a=bob,n=ann,r=x",
                      b"\xff" * 3000):
            client = self.open(5)
            client.send(m.connect(self.name("c"), props=[(m.AUTH_METHOD, "SCRAM-SHA-256"),
                                                         (m.AUTH_DATA, first)]))
            self.assertEqual(client.expect(m.CONNACK).reason, NOT_AUTHORIZED)
            self.assert_ends(client)

    def test_strangers_are_answered_alike(self):
        """Nobody learns from the salt who has an account."""
        salts = []
        for unused in range(2):
            client = self.begin(Scram("nobody", "x"))
            salts.append(client.expect(m.AUTH).prop(m.AUTH_DATA).split(b",")[1])
        self.assertEqual(salts[0], salts[1])

    def test_an_answer_counts_once(self):
        """What was overheard is of no use in another exchange: CVE-2024-56128 was that."""
        scram = Scram("ann", "pencil")
        client = self.begin(scram)
        found = client.expect(m.AUTH)
        final = scram.final(found.prop(m.AUTH_DATA))
        other = self.begin(scram)
        other.expect(m.AUTH)
        other.send(m.auth(CONTINUE, [(m.AUTH_METHOD, scram.method), (m.AUTH_DATA, final)]))
        self.assertEqual(other.expect(m.CONNACK).reason, NOT_AUTHORIZED)
        client.send(m.auth(CONTINUE, [(m.AUTH_METHOD, scram.method), (m.AUTH_DATA, final)]))
        self.assertEqual(client.expect(m.CONNACK).reason, 0)

    def test_mqtt5_4_12_0_5_the_method_stays_the_same(self):
        scram = Scram("ann", "pencil")
        client = self.begin(scram)
        final = scram.final(client.expect(m.AUTH).prop(m.AUTH_DATA))
        client.send(m.auth(CONTINUE, [(m.AUTH_METHOD, "SCRAM-SHA-512"), (m.AUTH_DATA, final)]))
        self.assertEqual(client.expect(m.CONNACK).reason, PROTOCOL)
        self.assert_ends(client)

    def test_mqtt5_3_1_2_30_only_auth_and_disconnect_before_connack(self):
        for packet in (m.publish("a", b"x"), m.subscribe(1, [("a", 0)]), m.PING,
                       m.connect("again"), m.auth(AGAIN, [(m.AUTH_METHOD, "SCRAM-SHA-256")]),
                       m.auth(0, [(m.AUTH_METHOD, "SCRAM-SHA-256")])):
            with self.subTest(packet=packet.hex()):
                client = self.begin(Scram("ann", "pencil"))
                client.expect(m.AUTH)
                client.send(packet)
                self.assertEqual(client.expect(m.CONNACK).reason, PROTOCOL)
                self.assert_ends(client)
        client = self.begin(Scram("ann", "pencil"))
        client.expect(m.AUTH)
        client.send(m.disconnect())
        self.assertIsNone(self.assert_ends(client))

    def test_mqtt5_3_15_2_2_no_words_in_auth(self):
        scram = Scram("ann", "pencil")
        found = self.answer(self.begin(scram), scram)
        self.assertIsNone(found.prop(REASON_STRING))
        self.assertEqual(found.all(USER_PROPERTY), [])

    def test_mqtt5_4_12_1_1_again(self):
        client = self.authenticated()
        for unused in range(2):
            scram = Scram("ann", "pencil")
            client.send(m.auth(AGAIN, [(m.AUTH_METHOD, scram.method),
                                       (m.AUTH_DATA, scram.first())]))
            client.send(m.PING)  # what else there is goes on meanwhile
            found = client.expect(m.AUTH)
            client.expect(m.PINGRESP)
            client.send(m.auth(CONTINUE, [(m.AUTH_METHOD, scram.method),
                                          (m.AUTH_DATA, scram.final(found.prop(m.AUTH_DATA)))]))
            found = client.expect(m.AUTH)
            self.assertEqual((found.reason, found.prop(m.AUTH_DATA)), (0, scram.signature))
        client.sync()

    def test_mqtt5_4_12_1_1_again_by_another_method_is_an_error(self):
        client = self.authenticated()
        client.send(m.auth(AGAIN, [(m.AUTH_METHOD, "SCRAM-SHA-512"),
                                   (m.AUTH_DATA, Scram("ann", "pencil", 512).first())]))
        self.assertEqual(self.assert_ends(client), PROTOCOL)

    def test_mqtt5_4_12_1_2_failing_again_ends_the_connection(self):
        for user, password in (("ann", "wrong"), ("a=3Db=2Cc", "x")):
            client = self.authenticated()
            self.again(client, Scram(user, password))
            self.assertEqual(self.assert_ends(client), NOT_AUTHORIZED)

    def test_auth_out_of_turn_is_an_error(self):
        client = self.authenticated()
        client.send(m.auth(CONTINUE, [(m.AUTH_METHOD, "SCRAM-SHA-256")]))
        self.assertEqual(self.assert_ends(client), PROTOCOL)
        client = self.client(user="bob", password="word")
        client.send(m.auth(AGAIN, [(m.AUTH_METHOD, "SCRAM-SHA-256")]))
        self.assertEqual(self.assert_ends(client), PROTOCOL)

    def test_a_password_alone_is_none_where_there_is_a_verifier_alone(self):
        client = self.open(5)
        client.send(m.connect("c", user="ann", password="pencil"))
        self.assertEqual(client.expect(m.CONNACK).reason, 0x86)


if __name__ == "__main__":
    unittest.main()
