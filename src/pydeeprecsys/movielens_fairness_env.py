"""The import path of the environment in the notebook API."""

from pydeeprecsys.envs.single import MovieLensFairness

__all__ = ["MovieLensFairness"]
