"""PyDeepRecSys: recommender systems that learn by reinforcement, compared honestly on simulated users.

Importing the package registers `MovieLensFairness-v0` with Gymnasium.
"""

from pydeeprecsys.envs.registration import register_environments

__version__ = "0.1.0"

register_environments()
