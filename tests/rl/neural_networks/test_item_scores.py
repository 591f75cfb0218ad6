from typing import Any

import numpy as np
import pytest
import torch

from pydeeprecsys.rl.neural_networks.item_scores import ItemScores

N_ITEMS = 7
KINDS: list[dict[str, Any]] = [{}, {"item_features": np.eye(N_ITEMS)[:, :4]}, {"candidate_features": 3}]


@pytest.mark.parametrize("kind", KINDS, ids=["independent", "features", "candidates"])
@pytest.mark.parametrize("hidden_layers", [[], [8, 5]])
def test_scores_of_some_items_are_those_among_all(kind: dict[str, Any], hidden_layers: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    network = ItemScores(2 + 3 * N_ITEMS, N_ITEMS, hidden_layers, 1e-3, **kind, random_state=1, device="cpu")
    states = torch.randn((20, 2 + 3 * N_ITEMS), generator=generator)
    items = torch.randint(0, N_ITEMS + 1, (20, 4), generator=generator)  # the last is nothing
    factors = torch.randn((20, 4), generator=generator)

    def learned(scores: torch.Tensor) -> list[torch.Tensor]:
        network.zero_grad()
        (scores * factors).sum().backward()
        return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]

    some, among_all = network.of_actions(states, items), network(states).gather(1, items)
    torch.testing.assert_close(some, among_all)
    assert len(learned(network.of_actions(states, items))) == len(list(network.parameters()))
    for found, expected in zip(learned(some), learned(among_all), strict=True):
        torch.testing.assert_close(found, expected)
