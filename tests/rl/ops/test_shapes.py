import numpy as np
import pytest
import torch

from pydeeprecsys.rl.ops.shapes import check_shapes


def test_arrays_and_tensors_of_agreeing_shapes_pass() -> None:
    check_shapes(a=(np.ones((3, 2)), "n actions"), b=(torch.ones(3), "n"), c=(torch.tensor(1.0), ""))


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((3, 1), "n", r"b is of shape \(3, 1\), it should be \(n = 3\)"),
        ((4,), "n", r"b is of shape \(4,\), it should be \(n = 3\)"),
        ((2, 3), "n actions", r"b is of shape \(2, 3\), it should be \(n = 3, actions = 2\)"),
        ((2, 5), "critics atoms n", r"b is of shape \(2, 5\), it should be \(critics, atoms, n = 3\)"),
        ((1,), "", r"b is of shape \(1,\), it should be \(\)"),
        ((), "n", r"b is of shape \(\), it should be \(n = 3\)"),
    ],
)
def test_another_shape_is_refused(shape: tuple[int, ...], axes: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_shapes(a=(np.ones((3, 2)), "n actions"), b=(torch.ones(shape), axes))
