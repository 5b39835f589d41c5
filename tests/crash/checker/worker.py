# SPDX-License-Identifier: Apache-2.0
"""What all clients share: a thread for each life of the broker, a history, numbered messages."""

import random
import threading
import time

from checker import history
from checker.wire import Gone, Mqtt, SECONDS

LARGE = ((0.03, 2000, 20000), (0.004, 140000, 200000))  # share, and between how many bytes
HEADER = "h-"  # headers of these names are the test's own


class Numbers:
    """A set of small numbers, a byte each: many of them are subtracted at once."""

    def __init__(self):
        self.flags = bytearray()

    def add(self, number):
        if number >= len(self.flags):
            self.flags.extend(bytes(number + 1024 - len(self.flags)))
        self.flags[number] = 1

    def has_all_of(self, other):
        mine, others = (int.from_bytes(one.flags, "little") for one in (self, other))
        return not others & ~mine


class Worker:
    """Something that runs in a thread until the broker is gone or it is told to stop.

    `bench` has: folder, life, seed, address(protocol), is_ending(), pause_seconds, wait_seconds.
    """

    role, protocol = "observer", None

    def __init__(self, bench, name, **head):
        self.bench, self.name = bench, name
        self.history = history.Writer(bench.folder, name, bench)
        self.history.put(self.role, name=name, protocol=self.protocol, **head)
        self.stopping = False
        self.has_trouble = False
        self.thread = None
        self.rng = random.Random("%s %s" % (bench.seed, name))

    def start(self):
        self.stopping = False
        self.rng = random.Random("%s %s %s" % (self.bench.seed, self.name, self.bench.life))
        self.thread = threading.Thread(target=self.guarded, args=(self.run,), daemon=True)
        self.thread.start()

    def guarded(self, act):
        """Runs it; a broker that went away because it was killed is no trouble."""
        try:
            act()
            return True
        except Gone:
            if not self.bench.is_ending():
                self.trouble("the broker closed the connection")
        except Exception as error:  # pylint: disable=broad-except # the checker judges
            self.trouble("%s: %s" % (type(error).__name__, error))
        return False

    def trouble(self, what):
        self.has_trouble = True
        self.history.put("trouble", what=what[:500])

    def breathe(self):
        """So that a life has some hundred messages, at moments that differ."""
        if not self.stopping:
            time.sleep(self.rng.uniform(0, self.bench.pause_seconds))

    def wait(self, take):
        """What take(seconds) gives in the time that what is there may need; a broker that does not
        run (a busy machine) is given it again when it does."""
        found = take(self.bench.wait_seconds)
        if not found:
            Mqtt(self.bench.address("mqtt"), self.name + "-asks", True).ping_and_end()
            found = take(self.bench.wait_seconds / 2)
        return found

    def end(self):
        """Waits for the thread; all that it wrote is in the file afterwards."""
        self.stopping = True
        if self.thread is not None:
            self.thread.join(2 * SECONDS)
            if self.thread.is_alive():
                self.trouble("hangs")
            self.thread = None
        self.history.flush()

    def run(self):
        raise NotImplementedError


class Note:
    """A message on its way: number, subject (the tail of its address) and body."""

    __slots__ = ("n", "subject", "body", "headers", "time", "was_received")

    def __init__(self, n, subject, body, headers, at):
        self.n, self.subject, self.body, self.headers, self.time = n, subject, body, headers, at
        self.was_received = False


class Producer(Worker):
    """Numbers its messages from 0; `subjects` are tails of the address, or [None]."""

    role = "producer"

    def __init__(self, bench, name, to, subjects=(None,), once=False):
        super().__init__(bench, name, to=to, once=once)
        self.to, self.subjects, self.once = to, subjects, once
        self.next = 0
        self.acked_numbers = Numbers()

    def body(self, n):
        """Tells whose it is; of many sizes."""
        size, dice = self.rng.randrange(20, 400), self.rng.random()
        for share, least, most in LARGE:
            if dice < share:
                size = self.rng.randrange(least, most)
        head = b"%s %d " % (self.name.encode(), n)
        return head + self.rng.getrandbits(8 * 32).to_bytes(32, "big") * (size // 32)

    def note(self, subject=None, at=None, **fields):
        """A new message, written down as sent."""
        n, self.next = self.next, self.next + 1
        if subject is None:
            subject = self.rng.choice(self.subjects)
        headers = {"h-from": self.name, "h-n": str(n)}
        if n % 7 == 0:
            headers["h-text"] = "\u00e9\u4e2d " + "x" * (n % 300)
        note = Note(n, subject, self.body(n), headers, at)
        if at is not None:
            fields["time"] = at
        self.history.put("sent", n=n, sum=history.sum_of(note.body), size=len(note.body),
                         key=subject, headers=headers, wall=history.wall_ms(), **fields)
        return note

    def acked(self, note, **fields):
        self.acked_numbers.add(note.n)
        self.history.put("acked", n=note.n, **fields)


class Consumer(Worker):
    role = "consumer"

    def __init__(self, bench, name, kind, producers, group=None, **head):
        self.producers = producers
        self.group = group or name
        self.is_open = False
        super().__init__(bench, name, kind=kind, group=self.group,
                         **{"from": [one.name for one in producers], "order": "producer", **head})
        self.got_numbers = bench.got.setdefault(self.group,
                                                {one.name: Numbers() for one in producers})

    def opened(self):
        self.is_open = True
        self.history.put("opened")

    def closed(self):
        """Before the goodbye, for then others may be given what it had; or when it was cut."""
        if self.is_open:
            self.history.put("closed")
        self.is_open = False

    def got(self, body, **fields):
        """Writes it down; gives (producer, number), or None when it is not recognised."""
        parts = body[:60].split(b" ", 2)
        p = n = None
        if len(parts) == 3 and parts[1].isdigit():
            p, n = parts[0].decode("latin-1"), int(parts[1])
            if p in self.got_numbers and n < 1 << 24:
                self.got_numbers[p].add(n)
        else:
            fields["head"] = body[:40].hex()
        self.history.put("got", p=p, n=n, sum=history.sum_of(body), size=len(body),
                         wall=history.wall_ms(), **fields)
        return None if p is None else (p, n)

    def has_all(self):
        """Only tells when to stop waiting: what is missing, the checker finds out by itself."""
        return all(self.got_numbers[one.name].has_all_of(one.acked_numbers)
                   for one in self.producers)

    def drain(self):
        """In peace: everything there is. True when it came to its end."""
        self.history.put("drain")
        if not self.guarded(self.take_all):
            return False
        self.history.put("drained")
        return True

    def take_all(self):
        raise NotImplementedError
