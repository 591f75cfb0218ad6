"""The import path of the environment in the notebook API."""

from pydeeprecsys.extras import naming_extras

with naming_extras():
    from pydeeprecsys.envs.single import MovieLensFairness

__all__ = ["MovieLensFairness"]
