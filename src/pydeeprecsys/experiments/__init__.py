"""Agents by name, and comparisons of them."""
