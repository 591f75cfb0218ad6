import numpy as np
import pytest
import torch

from pydeeprecsys.rl.ops.masks import attach_masks, masked, split_masks


@pytest.mark.parametrize("n_actions", [1, 15, 16, 17, 3883])
def test_masks_come_back_from_the_states_they_travelled_with(n_actions: int) -> None:
    rng = np.random.default_rng(n_actions)
    states, masks = rng.normal(size=(5, 3)), rng.random((5, n_actions)) < 0.5
    rows = attach_masks(states, masks)
    assert rows.dtype == np.float32
    assert rows.shape == (5, 3 + -(-n_actions // 16))
    assert np.isfinite(rows).all()
    got_states, got_masks = split_masks(rows, 3, n_actions)
    assert got_states.tolist() == states.astype(np.float32).tolist()
    assert got_masks is not None
    assert got_masks.dtype == np.bool_
    assert got_masks.tolist() == masks.tolist()


def test_states_without_masks_are_left_as_they_are() -> None:
    states = np.ones((2, 3), dtype=np.float32)
    assert attach_masks(states, None) is states
    assert split_masks(states, 3, 100) == (states, None)


def test_what_is_not_allowed_scores_minus_infinity() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    got = masked(scores, np.array([[True, False, True], [False, False, False]]))
    assert got.tolist() == [[1.0, -np.inf, 3.0], [4.0, 5.0, 6.0]]  # where nothing is allowed, nothing is asked
    assert masked(scores, None) is scores
