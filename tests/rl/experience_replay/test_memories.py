"""What holds for every memory: whatever is known of a step is known when it is learned from."""

from collections.abc import Callable

import numpy as np
import pytest

from contracts.agents import assert_same_state
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.episode_memory import EpisodeMemory
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.n_step import NStepAccumulator
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.rollout_memory import RolloutMemory
from pydeeprecsys.rl.experience_replay.transition import OPTIONAL, Transition, combine

N, LENGTH = 2, 4


def steps(*names: str) -> list[Transition]:
    """One episode of each of two environments; every optional column says which step it belongs to."""
    walk = []
    for t in range(LENGTH):
        numbers = np.array([10.0 + t, 20.0 + t])
        states, flags = numbers[:, None].astype(np.float32), np.full(N, t == LENGTH - 1)
        step = Transition(states, numbers.astype(np.int64), numbers, flags, np.zeros(N, np.bool_), states + 1)
        bits = (numbers[:, None].astype(np.int64) >> np.arange(12)) % 2 == 1
        columns = {
            "began": np.full(N, t == 0),
            "action_masks": bits,
            "next_action_masks": bits[:, ::-1],
            "slates": np.stack([numbers, -numbers], axis=1).astype(np.int64),
            "next_slates": np.stack([-numbers, numbers], axis=1).astype(np.int64),
            "choices": numbers.astype(np.int64) % 2,
            "item_rewards": np.stack([numbers, numbers / 2], axis=1),
        }
        walk.append(step._replace(**{name: columns.get(name, numbers / 4) for name in names}))
    return walk


Remember = Callable[[list[Transition]], Transition]


def in_buffer(kind: type[ExperienceReplayBuffer]) -> Remember:
    def remember(walk: list[Transition]) -> Transition:
        buffer, other = (kind(ExperienceReplayBufferParameters(20, 16, 16)) for _ in range(2))
        for step in walk * 2:
            buffer.store_experiences(step)
        other.load_state_dict(buffer.state_dict())
        assert_same_state(other.state_dict(), buffer.state_dict())
        return other.sample_batch().transitions

    return remember


def in_accumulator(n_steps: int) -> Remember:
    def remember(walk: list[Transition]) -> Transition:
        accumulator, other = NStepAccumulator(n_steps, 1.0), NStepAccumulator(n_steps, 1.0)
        parts = [accumulator.add(step) for step in walk[:2]]
        other.load_state_dict(accumulator.state_dict())
        assert_same_state(other.state_dict(), accumulator.state_dict())
        return combine(parts + [other.add(step) for step in walk[2:]], np.concatenate)

    return remember


def in_replay_memory(walk: list[Transition]) -> Transition:
    buffer = ExperienceReplayBuffer(ExperienceReplayBufferParameters(20, 8, 8))
    memory = ReplayMemory(buffer, n_steps=1, discount_factor=1.0, update_frequency=1)
    for step in walk:
        memory.add(step)
    return memory.sample().transitions


def in_episodes(walk: list[Transition]) -> Transition:
    memory, other = EpisodeMemory(), EpisodeMemory()
    for step in walk:
        memory.add(step)
    other.load_state_dict(memory.state_dict())
    assert_same_state(other.state_dict(), memory.state_dict())
    steps, complete = other.complete_steps()
    return steps.take(complete)


def in_rollout(walk: list[Transition]) -> Transition:
    memory, other = RolloutMemory(), RolloutMemory()
    for step in walk:
        memory.add(step)
    other.load_state_dict(memory.state_dict())
    assert_same_state(other.state_dict(), memory.state_dict())
    return other.take().map(lambda column: column.reshape(-1, *column.shape[2:]))


MEMORIES: dict[str, Remember] = {
    "replay": in_buffer(ExperienceReplayBuffer),
    "prioritized replay": in_buffer(PrioritizedExperienceReplayBuffer),
    "1 step": in_accumulator(1),
    "3 steps": in_accumulator(3),
    "replay memory": in_replay_memory,
    "episodes": in_episodes,
    "rollout": in_rollout,
}


# Accumulators set the discounts; behind one, a buffer does not need to know where episodes began.
SET = {("1 step", "discounts"), ("3 steps", "discounts"), ("replay memory", "discounts"), ("replay memory", "began")}

WINDOWS = {"1 step": 1, "replay memory": 1, "3 steps": 3}


@pytest.mark.parametrize(
    ("memory", "name"), [(memory, name) for memory in MEMORIES for name in OPTIONAL if (memory, name) not in SET]
)
def test_every_column_comes_back_with_its_step(memory: str, name: str) -> None:
    walk = steps(name)
    got = MEMORIES[memory](walk)
    given = {step.actions[row]: (step, row) for step in walk for row in range(N)}
    column = getattr(got, name)
    for action, value in zip(got.actions, column, strict=True):
        step, row = given[action]
        if memory in WINDOWS and name in (
            "costs",
            "entropies",
        ):  # summed, without a discount; entropies without the first
            end = min(action % 10 + WINDOWS[memory], LENGTH)
            summed = range(action % 10 + (name == "entropies"), end)
            assert value == sum(walk[t].columns()[name][row] for t in summed)
            continue
        if memory == "3 steps" and name.startswith("next_"):
            step = walk[min(action % 10 + 2, LENGTH - 1)]
        right = getattr(step, name)[row]
        assert value.dtype == right.dtype
        np.testing.assert_array_equal(value, right)
    assert set(got.actions) == set(given)


@pytest.mark.parametrize("memory", MEMORIES)
def test_all_columns_come_back_together(memory: str) -> None:
    names = set(OPTIONAL) - ({"began"} if memory == "replay memory" else set())
    got = MEMORIES[memory](steps(*OPTIONAL))
    assert names <= got.columns().keys()
