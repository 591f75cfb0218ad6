"""The founding import path of the environment."""

from pydeeprecsys.envs.single import MovieLensFairness

__all__ = ["MovieLensFairness"]
