"""Types of arrays, for annotations; shapes stand beside each use."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]
Flags = NDArray[np.bool_]
Seeds = NDArray[np.uint64]
Singles = NDArray[np.float32]
