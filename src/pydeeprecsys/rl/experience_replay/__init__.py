"""Buffers of experiences."""
