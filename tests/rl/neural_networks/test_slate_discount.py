"""Policies that learn to vary slates."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from contracts.agents import N_ACTIONS, observations, steps
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.fold_in import FoldInAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from rl.agents.test_state_encoders import ESTIMATES as ANY
from rl.agents.test_state_encoders import LAYOUT

STATES = observations(np.random.default_rng(0), 30, LAYOUT)
KIND = np.arange(N_ACTIONS) % 2
ESTIMATES = replace(ANY, categories=np.eye(2, dtype=np.bool_)[KIND])
GIVEN: dict[str, Any] = {"state_encoder": "gru", "history": LAYOUT, "item_estimates": ESTIMATES, "device": "cpu"}


def slates(agent: PPOAgent) -> np.ndarray:
    return agent.top_k_actions_for_states(STATES, 2, explore=False)


def test_untrained_it_changes_nothing() -> None:
    assert slates(PPOAgent(N_ACTIONS, LAYOUT.size, vary_slates=True, **GIVEN)).tolist() == (
        slates(PPOAgent(N_ACTIONS, LAYOUT.size, **GIVEN)).tolist()
    )


@pytest.mark.parametrize("weight", [1000.0, -1000.0])
def test_the_weight_lowers_what_overlaps_with_the_first_item(weight: float) -> None:
    agent = PPOAgent(N_ACTIONS, LAYOUT.size, vary_slates=True, **GIVEN)
    discount = agent.policy_estimator.discount
    assert discount is not None
    with torch.no_grad():
        discount.weight.bias.fill_(weight)
    first, second = slates(agent).T
    assert ((KIND[first] != KIND[second]) == (weight > 0)).all()


def test_it_is_learned() -> None:
    agent = PPOAgent(
        N_ACTIONS, LAYOUT.size, 0.0, [4], actor_learning_rate=0.03, vary_slates=True, steps_per_update=200, epochs=4,
        **GIVEN,
    )  # fmt: skip
    for step in steps(20, 60, 1, LAYOUT):
        shown = agent.top_k_actions_for_states(step.observations, 2)
        differs = KIND[shown[:, 0]] != KIND[shown[:, 1]]
        agent.store_experiences(step._replace(actions=shown[:, 0], slates=shown, rewards=differs.astype(float)))
    discount = agent.policy_estimator.logits(agent.policy_estimator.prepare(STATES)).discount
    assert discount is not None
    assert discount.weights.mean() > 0.5


def test_it_needs_slates_and_the_categories_of_items() -> None:
    single = HistoryLayout(N_ACTIONS, slate_size=1, n_rated=1, length=4)
    with pytest.raises(InputError, match="vary_slates is about slates"):
        PPOAgent(N_ACTIONS, single.size, vary_slates=True, **{**GIVEN, "history": single})
    with pytest.raises(InputError, match="vary_slates needs the categories of the items"):
        PPOAgent(N_ACTIONS, 5, vary_slates=True)
    with pytest.raises(InputError, match="vary_slates is for policies without a base"):
        PPOAgent(N_ACTIONS, LAYOUT.size, vary_slates=True, base=FoldInAgent(LAYOUT, ESTIMATES), **GIVEN)
