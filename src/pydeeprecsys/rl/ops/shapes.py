"""Agreement of array shapes: without it, (n,) and (n, 1) would silently broadcast to (n, n)."""

from __future__ import annotations

from torch import Tensor

from pydeeprecsys.arrays import Array


def check_shapes(**arrays: tuple[Array | Tensor, str]) -> None:
    """Check that arrays have the expected axes, and that axes of one name have one size.

    Args:
        arrays: by its name, each array and the names of its axes with spaces between them, none for a single number:
            `check_shapes(r_t=(r_t, "n"), q_t=(q_t, "n actions"))`.

    Raises:
        ValueError: naming the first array whose shape is another.
    """
    sizes: dict[str, int] = {}
    for name, (array, axes) in arrays.items():
        shape, expected = tuple(array.shape), axes.split()
        agree = len(shape) == len(expected)
        if not agree or any(sizes.setdefault(axis, size) != size for axis, size in zip(expected, shape, strict=True)):
            known = ", ".join(f"{axis} = {sizes[axis]}" if axis in sizes else axis for axis in expected)
            raise ValueError(f"{name} is of shape {shape}, it should be ({known})")
