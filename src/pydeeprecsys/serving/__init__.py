"""Trained policies in use: exported, loaded without torch, asked for slates."""
