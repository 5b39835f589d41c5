# SPDX-License-Identifier: Apache-2.0
"""Mosquitto's own broker scripts, test/broker/*.py of its sources, with tercetd in its place.

Those that need a plugin of mosquitto's, or programs beside it, are left out. All others run; the
file mosquitto_scripts beside this one tells which may fail, and why; mosquitto_scripts_older, which
of 2.1.2. Where the reason is that a script looks for words of mosquitto's log, it runs without that
look, and must pass. `./dev interop` fetches the sources; MOSQUITTO_TESTS=FOLDER names the folder
test/broker of others.
"""

TIMEOUT = 1200

import concurrent.futures
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from mqtt_case import free_port
from tercet import SCALE, need_module, program

HERE = os.path.dirname(os.path.abspath(__file__))
HOME = os.environ.get("TERCET_INTEROP", "/nonexistent")
FOLDER = os.environ.get("MOSQUITTO_TESTS") or os.path.join(HOME, "mosquitto", "test", "broker")
PYTHON = "/usr/bin/python3"
SECONDS = 60
AT_ONCE = 3
TRIES = 4  # several wait for a time, and fail when the machine is slow
LOG_ALONE = "but for words in the log"
# Where the newer sources look for those; the older look here and there.
LOOK = os.path.join(os.path.dirname(FOLDER), "mosquitto_broker.py")
OUTSIDE = re.compile(r"plugin|mosquitto_ctrl|mosquitto_passwd|mosquitto_signal|mosquitto_db_dump|"
                     r"http_api|dynsec|persist_help|sparkplug")


def reasons():
    found = {}
    is_older = not os.path.isfile(os.path.join(FOLDER, "data", "OTHER.json"))
    for name in ["mosquitto_scripts"] + ["mosquitto_scripts_older"] * is_older:
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            found.update(line.strip().split(" | ") for line in file if not line.startswith("#"))
    return found


def reason_of(script, known):
    name = script[:-len(".py")]
    for one, why in known.items():
        if name == one or (one.endswith("-") and name.startswith(one)):
            return why
    return None


def scripts():
    """(name, how many ports it wants), as the suite's own list has them."""
    with open(os.path.join(FOLDER, "test.py"), encoding="utf-8") as file:
        listed = re.findall(r"^\s*\((\d+), '\./([^']+\.py)'\)", file.read(), re.MULTILINE)
    for ports, name in listed:
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            if name != "msg_sequence_test.py" and not OUTSIDE.search(file.read()):
                yield name, int(ports)


@unittest.skipUnless(os.path.isfile(os.path.join(FOLDER, "test.py")),
                     "mosquitto's sources could not be fetched, and MOSQUITTO_TESTS is not set")
class Scripts(unittest.TestCase):
    def setUp(self):
        need_module("psutil")
        self.home = tempfile.mkdtemp(prefix="tercet-mosquitto-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        os.chmod(self.home, 0o755)
        os.mkdir(os.path.join(self.home, "src"))
        shutil.copy(os.path.join(HERE, "mosquitto_stand_in.py"),
                    os.path.join(self.home, "src", "mosquitto"))

    def build_client(self, name, place):
        """Some bring a client in C, which links mosquitto's library; 77: there is none here."""
        found = glob.glob(os.path.join(place, "test", "broker", "c", name[:-3] + ".c"))
        for source in found:
            for end in (".exe", ".test"):  # as newer and older scripts call it
                built = subprocess.run(["cc", "-o", source[:-2] + end, source, "-lmosquitto"],
                                       capture_output=True, check=False)
                if built.returncode != 0:
                    return 77
        return 0

    def run_once(self, name, ports):
        """Each in a copy of its own: they write beside themselves. Gives status and output."""
        place = tempfile.mkdtemp(prefix=name[:-3] + "-", dir=self.home)
        os.chmod(place, 0o777)
        shutil.copytree(os.path.dirname(FOLDER), os.path.join(place, "test"), symlinks=True,
                        ignore=shutil.ignore_patterns("*.sock", "tercet", "random", "lib", "unit"))
        if reason_of(name, self.known) == LOG_ALONE and os.path.isfile(LOOK):
            with open(os.path.join(place, "test", "mosquitto_broker.py"), "a",
                      encoding="utf-8") as file:
                file.write("\nMosquittoBroker.check_log = lambda self, matcher: None\n")
        if self.build_client(name, place) != 0:
            return 77, "no library of mosquitto's to link its client with"
        process = subprocess.Popen(
            [PYTHON, name, *(str(free_port()) for _ in range(ports))],
            cwd=os.path.join(place, "test", "broker"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "BUILD_ROOT": self.home, "TERCETD": os.path.abspath(program())})
        try:
            out, _ = process.communicate(timeout=SECONDS * SCALE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # some leave their broker behind
        shutil.rmtree(place, ignore_errors=True)
        return process.returncode, out.decode(errors="replace")

    def run_script(self, one):
        name, ports = one
        for _ in range(TRIES if reason_of(name, self.known) in (None, LOG_ALONE) else 1):
            status, out = self.run_once(name, ports)
            if status in (0, 77):
                break
        return name, status, out

    def test_each_script_passes_or_has_a_reason_not_to(self):
        self.known = reasons()
        all_of_them = list(scripts())
        self.assertGreater(len(all_of_them), 100, "that is not the suite")
        passed, silent, skipped, explained, bad = [], [], [], [], []
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for name, status, out in pool.map(self.run_script, all_of_them):
                why = reason_of(name, self.known)
                if status == 0:
                    (silent if why == LOG_ALONE else passed).append(name)
                elif status == 77:
                    skipped.append(name)
                elif why and (why != LOG_ALONE or not os.path.isfile(LOOK)):
                    explained.append("%s: %s" % (name, why))
                else:
                    bad.append("--- %s ends with %s\n%s" % (name, status, out[-1500:]))
        print("%d of %d scripts pass, %d %s, %d skip, %d fail as listed:\n  %s" % (
            len(passed), len(all_of_them), len(silent), LOG_ALONE, len(skipped), len(explained),
            "\n  ".join(explained)))
        better = [name for name in passed if reason_of(name, self.known)]
        if better:
            print("pass though listed: %s" % " ".join(better), file=sys.stderr)
        self.assertEqual(bad, [], "\n".join(bad))


if __name__ == "__main__":
    unittest.main()
