"""Batched simulated users; knows no Gymnasium and no agents."""
