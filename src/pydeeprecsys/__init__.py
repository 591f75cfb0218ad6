"""PyDeepRecSys: recommender systems that learn by reinforcement, compared honestly on simulated users.

`import pydeeprecsys as pdr` registers the environments with Gymnasium, if that is installed, and gives what users need,
`pdr.PPOAgent` for one, on first use: torch and pandas are not imported before. The names stand in `__init__.pyi`. One
that needs an extra which is not installed raises a MissingExtraError, an ImportError that names the extra.
"""

import lazy_loader

from pydeeprecsys.compiled import choose_numba_cache
from pydeeprecsys.extras import naming_extras
from pydeeprecsys.registration import register_environments

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = naming_extras()(__getattr__)

choose_numba_cache()
register_environments()
