"""Transitions, and the memories that store them."""
