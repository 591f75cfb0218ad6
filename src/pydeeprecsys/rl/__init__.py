"""Agents that learn by reinforcement, and the loop that lets them."""
