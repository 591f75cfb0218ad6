"""PyDeepRecSys: recommender systems that learn by reinforcement, compared honestly on simulated users.

`import pydeeprecsys as pdr` registers the environments with Gymnasium, and gives what users need, `pdr.PPOAgent` for
one, on first use: torch and pandas are not imported before. The names stand in `__init__.pyi`.
"""

import lazy_loader

from pydeeprecsys.compiled import choose_numba_cache
from pydeeprecsys.envs.registration import register_environments

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

choose_numba_cache()
register_environments()
