# SPDX-License-Identifier: Apache-2.0
"""A broker whose every kill is a power cut: what it had not synced is lost, or half of it.

What the process does to the files of its store is recorded (power/trace.h), and the store is then
what a disk may hold after a cut at the last op (power/disk.h): part of what was not synced, torn at
sectors, names that were not synced with their folder or without.
"""

import os
import random
import shutil
import subprocess
import unittest

from tercet import Broker, program

PRELOAD, CUT = program("power_preload.so"), program("power_cut")


def need_recorder():
    """Skips where it was not built: a sanitizer stands in the same place."""
    if not os.path.exists(PRELOAD) or not os.path.exists(CUT):
        raise unittest.SkipTest("no %s" % PRELOAD)


class PowerBroker(Broker):
    """Broker(data=..., ...): `seed` chooses what each cut loses; `cuts` counts them."""

    def __init__(self, seed=None, **options):
        super().__init__(**options)
        self.rng = random.Random(seed)
        self.cuts = self.ops = 0
        self.base = os.path.join(self._dir, "base")
        self.trace = os.path.join(self._dir, "trace")
        os.makedirs(self.base)
        os.makedirs(self.data)
        self.env.update(LD_PRELOAD=PRELOAD, TERCET_POWER_ROOT=os.path.realpath(self.data),
                        TERCET_POWER_TRACE=self.trace)

    def launch(self):
        if os.path.exists(self.trace):
            self.cut()  # it had ended itself
        super().launch()

    def kill(self):
        if self.process is None:
            return
        super().kill()
        if os.path.exists(self.trace):
            self.cut()

    def cut(self, ops=None):
        """The process is gone: makes its store what the disk holds."""
        image = self.base + ".image"
        line = [CUT, self.base, self.trace, image, str(self.rng.randrange(1, 1 << 63))]
        done = subprocess.run(line + ([] if ops is None else [str(ops)]), check=True,
                              stdout=subprocess.PIPE)
        self.ops += int(done.stdout)
        shutil.rmtree(self.base)
        os.rename(image, self.base)
        self.restore()
        self.cuts += 1

    def restore(self):
        shutil.rmtree(self.data)
        shutil.copytree(self.base, self.data)
        if os.path.exists(self.trace):
            os.unlink(self.trace)

    def stop(self, seconds=20):
        super().stop(seconds)
        os.unlink(self.trace)  # what follows begins with what is there, all of it synced
        shutil.rmtree(self.base)
        shutil.copytree(self.data, self.base)
