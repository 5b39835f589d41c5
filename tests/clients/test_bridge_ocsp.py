# SPDX-License-Identifier: Apache-2.0
"""A bridge that wants to see that the other broker's certificate is not revoked."""

import os
import shutil
import subprocess
import tempfile
import unittest

from mqtt_case import free_port
from tercet import SCALE, Broker, need_program, wait_for

LONG_AGO, FAR_OFF = "200101000000Z", "491231235959Z"


@need_program("openssl")
class Stapling(unittest.TestCase):
    """The other broker is openssl's server, which prints what it is sent."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="tercet-ocsp-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        for name, by in (("root", None), ("server", "root"), ("stranger", None)):
            cls.sign(name, by)
        cls.answer("good", "root", "V\t%s\t\t" % FAR_OFF)
        cls.answer("revoked", "root", "R\t%s\t%s\t" % (FAR_OFF, LONG_AGO))
        cls.answer("unknown", "root", None)
        cls.answer("foreign", "stranger", "V\t%s\t\t" % FAR_OFF)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.dir, name)

    @classmethod
    def run_openssl(cls, *line):
        subprocess.run(["openssl", *line], cwd=cls.dir, check=True, capture_output=True,
                       timeout=60 * SCALE)

    @classmethod
    def sign(cls, name, by):
        with open(cls.path("ext"), "w", encoding="ascii") as file:
            file.write("subjectAltName=IP:127.0.0.1\n" if by else
                       "basicConstraints=critical,CA:true\n")
        cls.run_openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj",
                        "/CN=" + name)
        signer = ("-CA", by + ".pem", "-CAkey", by + ".key") if by else \
            ("-signkey", name + ".key")
        cls.run_openssl("x509", "-req", "-in", name + ".csr", *signer, "-set_serial", "0x1234",
                        "-out", name + ".pem", "-days", "2", "-extfile", "ext")

    @classmethod
    def answer(cls, name, signer, line):
        """What that authority says of the server's certificate, by a line of its index."""
        with open(cls.path("index"), "w", encoding="ascii") as file:
            file.write("" if line is None else line + "1234\tunknown\t/CN=server\n")
        cls.run_openssl("ocsp", "-issuer", "root.pem", "-cert", "server.pem", "-no_nonce",
                        "-reqout", "request")
        cls.run_openssl("ocsp", "-index", "index", "-CA", "root.pem", "-rsigner", signer + ".pem",
                        "-rkey", signer + ".key", "-reqin", "request", "-respout", name,
                        "-ndays", "1")

    def connects(self, answer, version, more="require_ocsp = yes\n"):
        """Whether CONNECT came; what the bridge's log says."""
        port = free_port()
        line = ["openssl", "s_server", "-accept", "127.0.0.1:%d" % port, "-cert", "server.pem",
                "-key", "server.key", version]
        if answer is not None:
            line += ["-status_file", answer]
        broker = Broker(config="[bridge up]\naddress = 127.0.0.1:%d\ntopic = x\ntls = yes\n"
                               "ca_file = %s\nrestart_timeout = 50ms\n"
                               "restart_timeout_max = 100ms\n%s"
                               % (port, self.path("root.pem"), more))
        self.addCleanup(broker.close)
        out = self.path("out")
        with open(out, "wb") as file:
            server = subprocess.Popen(line, cwd=self.dir, stdin=subprocess.PIPE, stdout=file,
                                      stderr=file)
        try:
            with broker:
                wait_for(lambda: b"MQTT" in self.read(out) or "tls.refused" in broker.log(), 20,
                         "an end of the handshake")
                return b"MQTT" in self.read(out), broker.log()
        finally:
            server.kill()
            server.communicate()

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_only_a_good_answer_of_the_authority_will_do(self):
        for version in ("-tls1_2", "-tls1_3"):
            for answer, why in (("good", None), ("revoked", "the certificate is revoked"),
                                ("unknown", "the certificate is not known"),
                                ("foreign", "is not signed by the authority"),
                                (None, "has no OCSP answer")):
                with self.subTest(version=version, answer=answer):
                    is_in, log = self.connects(answer, version)
                    self.assertEqual(is_in, why is None, log)
                    if why is not None:
                        self.assertIn(why, log)

    def test_without_the_option_no_answer_is_wanted(self):
        self.assertTrue(self.connects(None, "-tls1_3", "")[0])


if __name__ == "__main__":
    unittest.main()
