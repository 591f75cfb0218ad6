"""Metrics of recommendations: pure functions on arrays, one file per family, usable without the rest of the package."""
