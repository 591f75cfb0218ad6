"""Evaluation: statistics, confidence intervals and plots."""

from pydeeprecsys.extras import need

need("numba", "pandas", "scipy")
