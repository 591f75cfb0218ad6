"""Evaluation: statistics, confidence intervals and plots."""
