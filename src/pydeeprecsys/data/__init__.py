"""Ratings in, a world out; knows no simulation."""
