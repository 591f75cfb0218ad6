"""Learned agents that begin at a recommender."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.agents import N_ACTIONS, AgentSmoke, live, observations, steps
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.fold_in import FoldInAgent
from rl.agents.test_state_encoders import ESTIMATES as TIED
from rl.agents.test_state_encoders import ITEMS, LAYOUT, MAKERS

# No two items are equally good; among equals, the base and a policy may take different ones.
ESTIMATES = replace(TIED, offsets=np.linspace(2.9, 3.1, N_ACTIONS))
BASE = FoldInAgent(LAYOUT, ESTIMATES, diversify=0.8)
AGENTS = ["reinforce", "actor-critic", "ppo", "dqn", "rainbow", "sac"]
EPSILON: dict[str, Any] = {"initial_exploration_probability": 0.5}


def make(agent: str, seed: int, **options: Any) -> ReinforcementLearning:
    facts = {"history": LAYOUT, "item_estimates": ESTIMATES, "random_state": seed, "device": "cpu"}
    return MAKERS[agent](N_ACTIONS, LAYOUT.size, state_encoder="fold-in", base=BASE, **facts, **options)


class BaseContract(AgentSmoke):
    layout, has_probabilities, varies_slates = LAYOUT, True, True
    agent: str

    def make(self, n_actions: int, state_size: int, seed: int) -> ReinforcementLearning:
        return make(self.agent, seed)


class TestPPOWithBaseContract(BaseContract):
    agent, generators = "ppo", frozenset({"generator", "order"})


class TestReinforceWithBaseContract(BaseContract):
    agent = "reinforce"


class TestDQNWithBaseContract(BaseContract):
    agent = "dqn"


class TestSACWithBaseContract(BaseContract):
    agent = "sac"


@pytest.mark.parametrize("items", [None, ITEMS])
@pytest.mark.parametrize("agent", AGENTS)
def test_untrained_it_is_the_base(agent: str, items: Any) -> None:
    if agent == "sac" and items is not None:
        with pytest.raises(InputError, match="only a categorical policy begins at a base"):
            make(agent, 0, item_features=items)
        return
    made = make(agent, 0, item_features=items)
    states = observations(np.random.default_rng(1), 200, LAYOUT)
    masks = np.random.default_rng(2).permuted(np.tile(np.arange(N_ACTIONS) < 5, (200, 1)), axis=1)
    for k in (1, 4):
        for allowed in (None, masks):
            slates, expected = (
                each.top_k_actions_for_states(states, k, explore=False, action_masks=allowed) for each in (made, BASE)
            )
            assert slates.tolist() == expected.tolist()


@pytest.mark.parametrize("agent", AGENTS)
def test_what_it_learned_is_saved_and_loaded(agent: str, tmp_path: Path) -> None:
    saved, loaded = (make(agent, seed) for seed in (0, 1))
    states = observations(np.random.default_rng(0), 50, LAYOUT)
    live(saved, steps(3, 80, 1, LAYOUT))
    saved.save(tmp_path / "networks.safetensors")  # type: ignore[attr-defined]
    loaded.load(tmp_path / "networks.safetensors")  # type: ignore[attr-defined]
    learned = saved.scores(states)
    np.testing.assert_array_equal(loaded.scores(states), learned)
    assert np.abs(learned - make(agent, 0).scores(states)).max() > 1e-4


def test_a_base_with_distributions_of_returns_is_refused() -> None:
    with pytest.raises(InputError, match="a base gives values, not distributions"):
        make("rainbow", 0, categorical=True)
