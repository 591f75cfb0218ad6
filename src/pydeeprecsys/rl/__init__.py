"""Agents that learn by reinforcement, and the loop that lets them."""

from pydeeprecsys.extras import need

need("torch", "gymnasium", "numba")
