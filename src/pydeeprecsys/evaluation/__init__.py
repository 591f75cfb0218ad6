"""Policies judged, and figures of it."""
