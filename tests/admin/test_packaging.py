# SPDX-License-Identifier: Apache-2.0
"""The files of admin/packaging/: what they say of the broker is so."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from admin_raw import UnixConnection, socket_of
from tercet import SCALE, TOP, Broker, need_program, program, wait_for

PACKAGING = os.path.join(TOP, "admin", "packaging")
SECONDS = 20 * SCALE


def text_of(name):
    with open(os.path.join(PACKAGING, name), encoding="utf-8") as file:
        return file.read()


def can_make_namespaces():
    try:
        return subprocess.run(["unshare", "--pid", "--fork", "true"], check=False,
                              capture_output=True, timeout=SECONDS).returncode == 0
    except OSError:
        return False


class Service(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tercet-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    @need_program("systemd-analyze")
    def test_the_unit_is_one(self):
        unit = os.path.join(self.folder, "tercet.service")
        with open(unit, "w", encoding="utf-8") as file:
            file.write(text_of("tercet.service.in")
                       .replace("@sbindir@/tercetd", shutil.which("true"))
                       .replace("@sysconfdir@", "/etc"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=False,
                              capture_output=True, text=True, timeout=SECONDS)
        said = [line for line in (done.stdout + done.stderr).splitlines()
                if "tercet" in line and "Failed to prepare filename" not in line]
        self.assertEqual(said, [])

    def test_the_units_command_line_is_one(self):
        line = re.search(r"^ExecStart=@sbindir@/tercetd (.*)$",
                         text_of("tercet.service.in"), re.M).group(1).split()
        self.assertEqual(line[:1], ["--config"])
        line[1] = os.path.join(self.folder, "tercet.conf")
        sample = subprocess.run([program(), "--print-config"], check=True, capture_output=True)
        with open(line[1], "wb") as file:
            file.write(sample.stdout)
        self.assertEqual(subprocess.run([program(), *line, "--test-config"], check=False,
                                        stdout=subprocess.DEVNULL).returncode, 0)

    def test_the_service_manager_is_told_when_it_is_ready_and_when_it_stops(self):
        for name in (os.path.join(self.folder, "notify"), "@tercet-test-%d" % os.getpid()):
            with self.subTest(name=name), \
                    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.settimeout(SECONDS)
                manager.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
                with Broker(env={"NOTIFY_SOCKET": name}) as broker:
                    self.assertEqual(manager.recv(100), b"READY=1")
                    broker.connect("mqtt").close()
                    broker.stop()
                    self.assertEqual(manager.recv(100), b"STOPPING=1")
                    self.assertNotIn("notify-failed", broker.log())

    def test_a_service_manager_that_is_not_there_harms_nothing(self):
        for name in ("/nowhere/notify", "nonsense", "@" + 200 * "x"):
            with self.subTest(name=name), Broker(env={"NOTIFY_SOCKET": name}) as broker:
                wait_for(lambda: "broker.notify-failed" in broker.log())

    @need_program("logrotate")
    def test_the_rotation_of_the_log_is_one(self):
        path = os.path.join(self.folder, "rotate")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text_of("logrotate").replace("tercet tercet", "root root"))
        done = subprocess.run(["logrotate", "--debug", path], check=False, text=True,
                              capture_output=True, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("error", done.stderr)


class Container(unittest.TestCase):
    def test_it_builds_with_what_dev_installs(self):
        dev = text_of(os.path.join(TOP, "dev"))
        told = re.search(r'^build_packages="([^"]*)"', dev, re.M).group(1).split()
        stages = text_of("Containerfile").replace("\\\n", " ").split("\nFROM ")
        installed = re.search(r"install\s+([^&;]*?)\s*\n", stages[1] + "\n").group(1).split()
        self.assertEqual(set(installed) - {"libc6-dev"}, set(told))

    def test_its_configuration_lets_others_in_and_is_asked_for_its_health(self):
        config = text_of("container.conf")
        self.assertEqual(config.count("address = 0.0.0.0"), 3)
        with tempfile.TemporaryDirectory(prefix="tercet-test-") as folder:
            door = os.path.join(folder, "admin.sock")
            config = config.replace("/var/lib/tercet/admin.sock", door)
            with Broker(config=config.replace("0.0.0.0", "0.0.0.0\nport = 0")) as broker:
                self.assertEqual([one["protocol"] for one in broker.listeners
                                  if one["address"] == "0.0.0.0"], ["mqtt", "amqp", "kafka"])
                subprocess.run([program("tercet"), "status", "--socket", door], check=True,
                               stdout=subprocess.DEVNULL, timeout=SECONDS)

    @unittest.skipUnless(can_make_namespaces(), "process namespaces cannot be made here")
    def test_as_the_first_process_it_ends_at_sigterm(self):
        with tempfile.TemporaryDirectory(prefix="tercet-test-") as folder:
            ready = os.path.join(folder, "ready")
            line = [program(), "--ephemeral", "--quiet", "--ready-file", ready]
            line += ["--port-%s=0" % p for p in ("mqtt", "amqp", "kafka")]
            unshare = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *line],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            try:
                wait_for(lambda: os.path.exists(ready), SECONDS)
                self.assertIn('"pid":1,', text_of(ready).replace(" ", ""))
                with open("/proc/%d/task/%d/children" % (unshare.pid, unshare.pid),
                          encoding="ascii") as file:
                    first = int(file.read().split()[0])
                os.kill(first, signal.SIGTERM)
                self.assertEqual(unshare.wait(SECONDS), 0)
                self.assertFalse(os.path.exists(ready))
            finally:
                unshare.kill()
                unshare.wait()


class Alerts(unittest.TestCase):
    def test_each_is_about_a_metric_that_there_is(self):
        rules = text_of("alerts.yml")
        asked = set(re.findall(r"\btercet_\w+", rules))
        self.assertGreater(len(asked), 8)
        with Broker(data=True) as broker:
            connection = UnixConnection(socket_of(broker))
            connection.request("GET", "/metrics")
            told = set(re.findall(r"^# TYPE (\w+)", connection.getresponse().read().decode(), re.M))
            connection.close()
        self.assertEqual(asked - told, set())
        self.assertEqual(rules.count("- alert:"), rules.count("summary:"))


if __name__ == "__main__":
    unittest.main()
