# SPDX-License-Identifier: Apache-2.0
"""What is said to who cannot start the broker: what is wrong, where, and what to do."""

import os
import pwd
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest

from tercet import SCALE, TOP, Broker, program, wait_for

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
SECONDS = 20 * SCALE
FREE = ("--port-mqtt=0", "--port-amqp=0", "--port-kafka=0", "--quiet")
NOBODY = 65534
need_root = unittest.skipUnless(os.geteuid() == 0, "only root can become another user")


class StartTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tercet-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)

    def place(self, name, content=None, mode=0o600):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
            os.chmod(path, mode)
        return path

    def refused(self, *args, before=None):
        """Starts it, which fails with status 1; gives its last line."""
        done = subprocess.run([program(), *FREE, *args], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=SECONDS, preexec_fn=before)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        return done.stderr

    @need_root
    def test_a_store_of_another_user_is_told_with_who_asks(self):
        store = self.place("store")
        os.mkdir(store, 0o755)
        try:
            said = self.refused("--data", store, before=lambda: os.setuid(NOBODY))
        except PermissionError:
            self.skipTest("other users cannot run %s" % program())
        self.assertIn("tercetd: the store in %s may not be read or written by this user (uid %d)"
                      % (store, NOBODY), said)
        self.assertIn("--data DIR names another one", said)

    def test_a_store_that_cannot_be_a_directory_is_told(self):
        said = self.refused("--data", self.place("file", "x"))
        self.assertRegex(said, r"tercetd: the directory \S+/file cannot be made: Not a directory")

    def test_too_few_open_files_are_told_with_what_raises_them(self):
        said = self.refused("--ephemeral", before=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (40, 40)))
        self.assertIn("this process may open 40 files; it needs 64", said)
        self.assertIn("LimitNOFILE", said)

    def test_files_that_are_not_there_are_named(self):
        for option in ("--password-file", "--acl-file"):
            path = self.place("none")
            self.assertIn("tercetd: %s: it cannot be read: there is no such file" % path,
                          self.refused("--ephemeral", option, path))

    def test_why_a_certificate_cannot_be_used_is_in_the_log(self):
        config = self.place("conf", "[listener a]\nprotocol = mqtt\nport = 0\ntls = yes\n"
                            "certificate = %s\nkey = %s\n" % (self.place("none"), PEM))
        said = self.refused("--ephemeral", "--config", config)
        self.assertRegex(said, r'file="\S+/none" why="No such file or directory"')
        self.assertIn("tercetd: listener a: its certificate, key", said)

    def test_a_key_that_everybody_can_read_is_warned_of(self):
        with open(PEM, encoding="utf-8") as file:
            pem = file.read()
        for mode in (0o600, 0o640, 0o644):
            key = self.place("key", pem, mode)
            config = ("[listener a]\nprotocol = mqtt\nport = 0\ntls = yes\n"
                      "certificate = %s\nkey = %s\n" % (PEM, key))
            with Broker(config=config) as broker:
                self.assertEqual("tls.key_readable" in broker.log(), mode == 0o644)

    @need_root
    def test_the_log_can_be_opened_again_by_the_user_that_was_taken_on(self):
        user = pwd.getpwuid(NOBODY)
        folder = self.place("log")
        os.mkdir(folder)
        os.chown(folder, user.pw_uid, user.pw_gid)
        log = os.path.join(folder, "tercet.log")
        config = self.place("conf", "user = %s\nlog_file = %s\n" % (user.pw_name, log), 0o644)

        def text():
            with open(log, encoding="utf-8") as file:
                return file.read()

        with Broker(args=["--config", config], start=False) as broker:
            os.chown(broker._dir, user.pw_uid, user.pw_gid)  # the ready file is the user's
            broker.start()
            self.assertEqual(os.stat(log).st_uid, NOBODY)
            self.assertEqual(stat.S_IMODE(os.stat(log).st_mode) & 0o007, 0)
            os.rename(log, log + ".1")
            broker.process.send_signal(signal.SIGHUP)
            wait_for(lambda: os.path.exists(log) and "broker.reloaded" in text())
            self.assertNotIn("reload-failed", text())
            with open(log + ".1", encoding="utf-8") as file:
                self.assertIn("broker.listening", file.read())


if __name__ == "__main__":
    unittest.main()
