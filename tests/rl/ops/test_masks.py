import numpy as np
import torch

from pydeeprecsys.rl.ops.masks import masked


def test_what_is_not_allowed_scores_minus_infinity() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    got = masked(scores, np.array([[True, False, True], [False, False, False]]))
    assert got.tolist() == [[1.0, -np.inf, 3.0], [4.0, 5.0, 6.0]]  # where nothing is allowed, nothing is asked
    assert masked(scores, None) is scores
