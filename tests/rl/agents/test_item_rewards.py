"""Which reward of a slate an agent learns from: its item's own, or that of the whole slate."""

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Discrete

from pydeeprecsys.rl.agents.actor_critic import ActorCriticAgent
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.dqn import DQNAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.agents.soft_actor_critic import SoftActorCritic
from pydeeprecsys.rl.experience_replay.transition import Transition

# Two users rate both items of their slates and choose the second and the first: their own rewards are 0.75 and 0.5,
# those of the slates 0.5 and 0.375.
NO = np.zeros(2, dtype=np.bool_)
STATES = np.zeros((2, 1), dtype=np.float32)
STEP = Transition(
    STATES,
    np.array([4, 2]),
    np.array([0.5, 0.375]),
    NO,
    NO,
    STATES,
    slates=np.array([[5, 4], [2, 3]]),
    choices=np.array([1, 0]),
    item_rewards=np.array([[0.25, 0.75], [0.5, 0.25]]),
)


OWN, OF_THE_SLATE = [0.75, 0.5], [0.5, 0.375]


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (DQNAgent(1, 6), OWN),
        (RainbowDQNAgent(1, 6), OWN),
        (ReinforceAgent(6, 1), OWN),
        (ActorCriticAgent(6, 1), OWN),
        (SoftActorCritic(Discrete(6), 1), OWN),
        (PPOAgent(6, 1), OF_THE_SLATE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ReinforcementLearning) else None,
)
def test_agents_store_the_reward_of_what_they_learn_about(agent: Any, expected: list[float]) -> None:
    agent.store_experiences(STEP)
    state = agent.memory.state_dict()
    stored = state["buffer"]["experiences"] if "buffer" in state else state["columns"]
    assert stored["columns"]["rewards"].tolist() == expected
