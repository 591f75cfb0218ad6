"""Types of arrays, for annotations; shapes stand beside each use."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Seeds = NDArray[np.uint64]
Singles = NDArray[np.float32]
