# SPDX-License-Identifier: Apache-2.0
"""A few rounds of random operations against a naive model: see model.py."""

import unittest

import model

ROUNDS = 8


class AgainstTheModel(unittest.TestCase):
    def test_the_broker_holds_what_the_model_holds(self):
        for seed in range(ROUNDS):
            with self.subTest(seed=seed):
                self.assertIsNone(model.run(seed, model.STEPS))

    def test_a_difference_is_seen(self):
        one = model.Round(0, 0)
        try:
            one.broker.start()
            one.connect()
            one.world.streams["t0"] = model.Stream("t0")
            one.world.streams["t0"].durability = "always"
            one.publish_one("t0", None, b"as it is", 1, True)
            one.compare_log(one.world.streams["t0"], 0, one.world.streams["t0"].logs[0])
            one.world.streams["t0"].logs[0].at[0] = (None, None, b"as it is not")
            with self.assertRaises(model.Differs):
                one.compare_log(one.world.streams["t0"], 0, one.world.streams["t0"].logs[0])
            one.world.retained["t0"] = b"as it is not"
            with self.assertRaises(model.Differs):
                one.compare_retained()
        finally:
            one.end()


if __name__ == "__main__":
    unittest.main()
