"""Metrics of recommendations: pure functions on arrays, one file per family, usable without the rest of the package."""

from pydeeprecsys.extras import need

need("numba", "pandas")
