# SPDX-License-Identifier: Apache-2.0
"""What README.md and the manual pages tell to try is run as it stands there, but for ports and
folders, and does what they say."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from admin_raw import ask, counter
from tercet import SCALE, TOP, Broker, need_program, program, wait_for

SECONDS = 30 * SCALE
# What `rabbitmqadmin export` writes of a broker with one queue.
RABBITMQ = """{"rabbit_version": "3.12.1", "rabbitmq_version": "3.12.1", "product_name": "RabbitMQ",
"product_version": "3.12.1", "vhosts": [{"name": "/"}], "topic_permissions": [], "parameters": [],
"users": [{"name": "guest", "password_hash": "x", "tags": ["administrator"], "limits": {},
"hashing_algorithm": "rabbit_password_hashing_sha256"}], "permissions": [{"user": "guest",
"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}], "global_parameters": [{"name":
"cluster_name", "value": "rabbit@host"}], "policies": [{"vhost": "/", "name": "ha", "pattern": ".*",
"apply-to": "all", "definition": {"ha-mode": "all"}, "priority": 0}], "queues": [{"name": "jobs",
"vhost": "/", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "classic"}}],
"exchanges": [{"name": "work", "vhost": "/", "type": "fanout", "durable": true, "auto_delete":
false, "internal": false, "arguments": {}}], "bindings": [{"source": "work", "vhost": "/",
"destination": "jobs", "destination_type": "queue", "routing_key": "", "arguments": {}}]}"""
PLACED = ("status", "export", "import", "backup", "compact", "stream", "delayed")


def text_of(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def blocks_of_readme(heading):
    """The lines that are set in by four blanks, of one section."""
    section = text_of("README.md").split("\n## " + heading + "\n")[1].split("\n## ")[0]
    return [line[4:] for line in section.splitlines() if line.startswith("    ")]


def blocks_of(page, heading=None):
    """Each block of lines as they are, of a manual page or one section of it."""
    text = text_of("man", page)
    if heading is not None:
        text = re.search(r"^\.SH %s\n(.*?)(?=^\.SH |\Z)" % heading, text, re.M | re.S).group(1)
    return [block.replace("\\-", "-").replace("\\e", "\\")
            for block in re.findall(r"^\.nf\n(.*?)^\.fi$", text, re.M | re.S)]


class Documented(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tercet-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.running = []
        self.broker = Broker(data=os.path.join(self.folder, "store"))
        self.broker.__enter__()
        self.addCleanup(self.broker.__exit__, None, None, None)
        self.addCleanup(self.end_running)
        os.mkdir(os.path.join(self.folder, "bin"))
        for name in ("tercet", "tercetd"):
            os.symlink(program(name), os.path.join(self.folder, "bin", name))

    def end_running(self):
        for process in self.running:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate()

    def localized(self, line):
        """The same with this broker's ports, and in the test's folder."""
        port = self.broker.port
        line = re.sub(r"\s#\s.*$", "", line)
        line = re.sub(r"(mqtt|amqp|kafka)://localhost",
                      lambda found: "%s://127.0.0.1:%d" % (found.group(1), port(found.group(1))),
                      line)
        line = re.sub(r"\b(mosquitto_[ps]ub) ", r"\1 -h 127.0.0.1 -p %d " % port("mqtt"), line)
        line = re.sub(r"\b(amqp-[a-z-]+) ", r"\1 -u amqp://127.0.0.1:%d " % port("amqp"), line)
        line = line.replace("-b localhost", "-b " + self.broker.server("kafka"))
        line = line.replace("build/tercet", "tercet")
        line = line.replace("~/.local/state/tercet/", self.broker.data + "/")
        line = re.sub(r" (/backup|/srv)\b", lambda found: " " + self.folder + found.group(1), line)
        return re.sub(r"\btercet (%s)\b((?:(?!--data)[^|&>])*)(?=[|&>]|$)" % "|".join(PLACED),
                      lambda found: "tercet %s %s --data %s " % (*found.groups(),
                                                                 self.broker.data), line)

    def environment(self):
        return {**os.environ, "PATH": os.path.join(self.folder, "bin") + ":" + os.environ["PATH"]}

    def run_line(self, line):
        """Runs it to its end and gives what it printed."""
        done = subprocess.run(["bash", "-o", "pipefail", "-c", self.localized(line)], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=SECONDS, cwd=self.folder, env=self.environment())
        self.assertEqual(done.returncode, 0, (line, self.localized(line), done.stdout, done.stderr))
        return done.stdout

    def begin(self, line):
        """Runs a line that goes on, and returns when it has subscribed."""
        before = counter(self.broker, "core_subscriptions")
        process = subprocess.Popen(["bash", "-c", "exec " + self.localized(line)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   start_new_session=True, env=self.environment())
        self.running.append(process)
        wait_for(lambda: counter(self.broker, "core_subscriptions") > before)
        return process

    @need_program("mosquitto_sub")
    @need_program("kcat")
    @need_program("amqp-consume")
    def test_what_the_readme_tells_to_try(self):
        told = []
        subscribers = []
        for line in blocks_of_readme("Try it"):
            if line.endswith(" &"):
                subscribers.append(self.begin(line[:-2]))
            elif line:
                told.append(self.run_line(line))
        self.assertEqual([said for said in told if said],
                         ["eu/new from kafka\neu/new from mqtt\n", "jobs\n", "by mqtt\nby kafka\n"])
        self.assertEqual([subscribers[0].stdout.readline() for _ in range(2)],
                         ["orders/eu/new from kafka\n", "orders/eu/new from mqtt\n"])
        self.assertEqual(subscribers[1].stdout.readline(), "devices/7/temperature 21.5\n")

    @need_program("curl")
    def test_what_the_readme_tells_to_operate(self):
        for name in ("backup", "srv"):
            os.mkdir(os.path.join(self.folder, name))
        with open(os.path.join(self.folder, "rabbitmq.json"), "w", encoding="utf-8") as file:
            file.write(RABBITMQ)
        self.run_line("build/tercet pub mqtt://localhost orders/eu/new first")
        ran = []
        for line in blocks_of_readme("Operate it"):
            if line.startswith("build/tercet ") and line.split()[1] not in ("trace", "drain"):
                ran.append(line.split()[1])
                told = self.run_line(line)
                if ran[-1] == "status":
                    self.assertIn("durability  always", told)
                if "rabbitmq.json" in line:
                    self.assertEqual([said.split()[:2] for said in told.splitlines()],
                                     [["streams", "0"], ["queues", "1"], ["exchanges", "1"],
                                      ["bindings", "1"]])
            elif line.startswith("curl "):
                self.assertEqual(self.run_line(line), '{"queues":[],"next":null}\n')
        self.assertEqual(ran, ["status", "export", "import", "backup", "backup", "restore",
                               "verify", "import"])
        with Broker(data=os.path.join(self.folder, "srv", "new")) as restored:
            self.assertEqual([one["name"] for one in ask(restored, "GET", "/api/streams")[1][
                "streams"] if not one["hidden"]], ["orders"])

    def test_the_examples_of_tercet(self):
        for name in ("backup", "srv"):
            os.mkdir(os.path.join(self.folder, name))
        lines = blocks_of("tercet.1", "EXAMPLES")[0].splitlines()
        self.assertEqual(len(lines), 9)
        subscriber = self.begin(next(line for line in lines if "sub mqtt" in line))
        with Broker(data=os.path.join(self.folder, "srv", "other")) as other:
            for line in lines:
                if "sub mqtt" in line:
                    continue
                if "sub amqp" in line:  # goes on: until there was one
                    self.assertEqual(self.run_line(line + " -n 1 & "
                                                   "until tercet pub amqp://localhost orders one "
                                                   "2>/dev/null; do :; done; wait"), "one\n")
                    continue
                told = self.run_line(line)
                if "-n 10" in line:
                    self.assertEqual(told.count("\n"), 10)
            self.assertTrue(ask(other, "GET", "/api/queues")[1]["queues"])
        self.assertEqual([subscriber.stdout.readline() for _ in range(2)],
                         ["sensors/kitchen/temperature 21.5\n", "sensors/kitchen/temperature 1\n"])
        self.assertEqual(subprocess.run(
            [program(), "--verify", os.path.join(self.folder, "srv", "new")], check=False,
            stdout=subprocess.DEVNULL).returncode, 0)

    def is_in_order(self, config):
        path = os.path.join(self.folder, "tercet.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        done = subprocess.run([program(), "--config", path, "--test-config"], check=False,
                              capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_configurations_of_the_manual_pages_are_in_order(self):
        for page, word in (("tercet-mqtt.7", "[bridge "), ("tercet-security.7", "[user ")):
            blocks = [block for block in blocks_of(page) if block.startswith(word)]
            self.assertTrue(blocks)
            for block in blocks:
                self.is_in_order(block)

    def test_the_example_of_users_and_rules_lets_in_whom_it_says(self):
        example = blocks_of("tercet-security.7", "EXAMPLE")[0]
        rules = example.split("rules\n", 1)[1].split("\n$ cat")[0]
        config = example.split("tercet.conf\n")[1]
        for name, content in (("rules", rules), ("users", "")):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(content)
        subprocess.run([program("tercet"), "passwd", os.path.join(self.folder, "users"), "alice"],
                       check=True, input="secret\n", text=True, timeout=SECONDS)
        self.is_in_order(config.replace("/etc/tercet/", self.folder + "/"))
        for user, what, topic, status in (("alice", "publish", "home/hall", 0),
                                          ("alice", "subscribe", "home/#", 0),
                                          ("alice", "publish", "devices/a", 1)):
            self.assertEqual(subprocess.run(
                [program("tercet"), "may", os.path.join(self.folder, "rules"), user, what, topic],
                check=False, stdout=subprocess.DEVNULL).returncode, status, (user, what, topic))


if __name__ == "__main__":
    unittest.main()
