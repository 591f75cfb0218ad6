"""Batched simulated users; knows no Gymnasium and no agents."""

from pydeeprecsys.extras import need

need("numba")
