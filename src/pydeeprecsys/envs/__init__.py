"""The simulated users behind Gymnasium's interfaces."""

from pydeeprecsys.extras import need

need("gymnasium", "numba", "pandas")
