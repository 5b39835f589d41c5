# SPDX-License-Identifier: Apache-2.0
"""Clients that write down what they did and saw, and a checker that reads only that."""
