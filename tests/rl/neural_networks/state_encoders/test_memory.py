"""A task of two actions whose answer is known at the start only: what each encoder remembers.

The user rates the first item shown with 5 or 1 stars, whichever it is, and everything later with 3. The last action is
rewarded with 1 if it is item 1 after 5 stars, or item 0 after 1 star. Guessing gets 0.5 per session.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.arrays import Ints, Singles
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.dqn import DQNAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.experience_replay.transition import Transition

STEPS = 6
SESSIONS = 32


def layout(length: int) -> HistoryLayout:
    return HistoryLayout(n_items=2, slate_size=1, n_rated=1, length=length)


def observations(history: HistoryLayout, shown: list[Ints], likes: Ints) -> Singles:
    """(n, size) observations of sessions, after the items that were shown."""
    rows = np.zeros((len(likes), history.size), dtype=np.float32)
    for place, (step, items) in enumerate(list(enumerate(shown))[::-1][: history.length]):
        stars = 1 + 4 * likes if step == 0 else np.full(len(likes), 3)
        rows[:, 4 + 3 * place : 7 + 3 * place] = np.column_stack([items + 1, stars, np.ones(len(likes))])
    return rows


def answers(agent: ReinforcementLearning, history: HistoryLayout, seed: int, *, learn: bool) -> float:
    """Share of sessions answered rightly, of a batch of them."""
    likes, shown = np.random.default_rng(seed).integers(0, 2, SESSIONS), list[Ints]()
    states, no = observations(history, shown, likes), np.zeros(SESSIONS, dtype=np.bool_)
    rewards = np.zeros(SESSIONS)
    for step in range(STEPS):
        last = step == STEPS - 1
        actions = agent.actions_for_states(states, explore=learn)
        shown.append(actions)
        after = observations(history, shown, likes)
        rewards = np.float64(actions == likes) * last
        if learn:
            agent.store_experiences(Transition(states, actions, rewards, ~no if last else no, no, after))
        states = after
    return float(rewards.mean())


def ppo(history: HistoryLayout, encoder: Any) -> PPOAgent:
    return PPOAgent(2, history.size, 1.0, actor_learning_rate=1e-3, critic_learning_rate=1e-3, minibatch_size=192,
                    steps_per_update=SESSIONS * STEPS, epochs=4, entropy_coefficient=0.01, state_encoder=encoder,
                    history=history, random_state=0, device="cpu")  # fmt: skip


def dqn(history: HistoryLayout, encoder: Any) -> DQNAgent:
    return DQNAgent(history.size, 2, [64], 16, decay_rate=0.997, buffer_burn_in=500, batch_size=64, discount_factor=1.0,
                    learning_rate=1e-3, double=True, network_sync_frequency=200, state_encoder=encoder, history=history,
                    random_state=0, device="cpu")  # fmt: skip


def learned(make: Callable[..., ReinforcementLearning], encoder: str, length: int, batches: int) -> float:
    """Share of right answers after learning, in 20 batches of other sessions."""
    history = layout(length)
    agent = make(history, encoder)
    for seed in range(batches):
        answers(agent, history, seed, learn=True)
    return float(np.mean([answers(agent, history, 10_000 + seed, learn=False) for seed in range(20)]))


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["gru", "attention"])
@pytest.mark.parametrize("make", [ppo, dqn])
def test_encoders_of_the_session_remember(make: Callable[..., ReinforcementLearning], encoder: str) -> None:
    assert learned(make, encoder, STEPS, batches=25) > 0.95


@pytest.mark.parametrize("make", [pytest.param(ppo, marks=pytest.mark.slow), dqn])
def test_features_of_the_last_slate_cannot(make: Callable[..., ReinforcementLearning]) -> None:
    # Of 640 sessions, guessing gets half right, with a standard error of 0.02.
    assert abs(learned(make, "features", 1, batches=25) - 0.5) < 0.08
