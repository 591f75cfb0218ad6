import numpy as np
import pytest

from contracts.agents import assert_same_state
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.transition import Transition


def memory(n_steps: int = 1, update_frequency: int = 1, burn_in: int = 4) -> ReplayMemory:
    buffer = ExperienceReplayBuffer(ExperienceReplayBufferParameters(100, burn_in, 4, 0))
    return ReplayMemory(buffer, n_steps, 0.5, update_frequency)


def step(memory: ReplayMemory, t: int, n: int, terminated: bool = False, masks: bool = False) -> int:
    """Step t of n environments: states (environment, t), reward t."""
    states, new_states = (np.stack([np.arange(n), np.full(n, time)], axis=1) for time in (t, t + 1))
    allowed, new_allowed = (np.arange(20) % (time + 2) == 0 for time in (t, t + 1))
    steps = Transition(
        states,
        np.arange(n),
        np.full(n, float(t)),
        np.full(n, terminated),
        np.zeros(n, dtype=np.bool_),
        new_states,
        action_masks=np.tile(allowed, (n, 1)) if masks else None,
        next_action_masks=np.tile(new_allowed, (n, 1)) if masks else None,
    )
    return memory.add(steps)


@pytest.mark.parametrize(("n", "frequency"), [(1, 1), (1, 3), (2, 3), (5, 3), (6, 1), (8, 4)])
def test_one_update_for_so_many_steps_whatever_the_number_of_environments(n: int, frequency: int) -> None:
    replay = memory(update_frequency=frequency)
    due = [step(replay, t, n) for t in range(30)]
    not_ready = -(-4 // n) - 1
    assert sum(due) == (30 - not_ready) * n // frequency
    assert due[:not_ready] == [0] * not_ready
    assert max(due) <= -(-n // frequency)
    assert replay.steps == (30 - not_ready) * n


def test_batches_hold_n_step_returns_and_their_discounts() -> None:
    replay = memory(n_steps=2)
    for t in range(1, 6):
        step(replay, t, 1, terminated=t == 5)
    batch = replay.sample().transitions
    columns = (batch.observations, batch.rewards, batch.next_observations, batch.columns()["discounts"])
    for state, reward, new_state, discount in zip(*columns, strict=True):
        t = state[1]
        assert reward == (t + 0.5 * (t + 1) if t < 5 else t)
        assert new_state[1] == min(t + 2, 6)
        assert discount == (0.25 if t < 4 else 0.0)


def test_masks_belong_to_their_observations() -> None:
    replay = memory(n_steps=2)
    for t in range(6):
        step(replay, t, 1, masks=True)
    batch = replay.sample().transitions
    for states, masks in (
        (batch.observations, batch.action_masks),
        (batch.next_observations, batch.next_action_masks),
    ):
        assert masks is not None
        assert masks.tolist() == [(np.arange(20) % (t + 2) == 0).tolist() for t in states[:, 1].astype(int)]
        assert states.shape == (4, 2)
        assert states.dtype == np.float32


@pytest.mark.parametrize("broken", [np.nan, -np.inf])
def test_broken_rewards_are_told_and_not_stored(broken: float) -> None:
    replay = memory()
    step(replay, 0, 1)
    before = replay.state_dict()
    ends = np.zeros(1, dtype=np.bool_)
    with pytest.raises(FloatingPointError, match=f"one is {broken}"):
        replay.add(Transition(np.ones((1, 2)), np.zeros(1, int), np.array([broken]), ends, ends, np.ones((1, 2))))
    assert_same_state(replay.state_dict(), before)


def test_restored_it_goes_on_identically() -> None:
    original, restored = memory(3, 2), memory(3, 2)
    for t in range(9):
        step(original, t, 2)
    restored.load_state_dict(original.state_dict())
    for t in range(9, 20):
        assert step(original, t, 2) == step(restored, t, 2)
        assert original.sample().indices.tolist() == restored.sample().indices.tolist()
    assert_same_state(original.state_dict(), restored.state_dict())


def test_updates_cannot_be_less_than_a_step_apart() -> None:
    with pytest.raises(InputError, match="update_frequency must be at least 1, it is 0"):
        memory(update_frequency=0)
