from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.n_step import NStepAccumulator
from pydeeprecsys.rl.experience_replay.transition import Transition


def step(
    accumulator: NStepAccumulator,
    states: list[int],
    rewards: list[float],
    new_states: list[int],
    terminated: list[int] | None = None,
    truncated: list[int] | None = None,
    began: list[int] | None = None,
) -> list[tuple[Any, ...]]:
    """Add one step, whose actions are ten times the states, and give the rows that come out."""
    n = len(states)
    out = accumulator.add(
        Transition(
            np.array(states, dtype=np.float32)[:, None],
            np.array(states) * 10,
            np.array(rewards),
            np.array(terminated or [0] * n, dtype=np.bool_),
            np.array(truncated or [0] * n, dtype=np.bool_),
            np.array(new_states, dtype=np.float32)[:, None],
            began=None if began is None else np.array(began, dtype=np.bool_),
        )
    )
    assert out.discounts is not None
    return list(zip(*(column.ravel().tolist() for column in (*out[:6], out.discounts)), strict=True))


def test_three_steps_then_the_end() -> None:
    accumulator = NStepAccumulator(3, 0.5)
    assert step(accumulator, [0], [1], [1]) == []
    assert step(accumulator, [1], [2], [2]) == []
    # 1 + 2/2 + 4/4, then 2 + 4/2 + 8/4, and shorter ones at the end.
    assert step(accumulator, [2], [4], [3]) == [(0, 0, 3.0, False, False, 3, 0.125)]
    assert step(accumulator, [3], [8], [4], terminated=[1]) == [
        (1, 10, 6.0, True, False, 4, 0.0),
        (2, 20, 8.0, True, False, 4, 0.0),
        (3, 30, 8.0, True, False, 4, 0.0),
    ]


def test_a_truncated_episode_keeps_its_future() -> None:
    accumulator = NStepAccumulator(3, 0.5)
    step(accumulator, [0], [1], [1])
    assert step(accumulator, [1], [2], [2], truncated=[1]) == [
        (0, 0, 2.0, False, True, 2, 0.25),
        (1, 10, 2.0, False, True, 2, 0.5),
    ]


def test_costs_are_summed_and_other_columns_are_those_of_the_first_step() -> None:
    accumulator, no = NStepAccumulator(2, 0.5), np.zeros(1, dtype=np.bool_)
    state = np.zeros((1, 1))
    for t in range(3):
        number = np.array([float(t + 1)])
        step = Transition(state, no, number, no, no, state, costs=2 * number, log_probabilities=number)
        out = accumulator.add(step._replace(next_slates=number[:, None]))
    for column, expected in ((out.costs, [4 + 6 / 2]), (out.log_probabilities, [2]), (out.next_slates, [[3]])):
        assert column is not None
        assert column.tolist() == expected


def test_entropies_are_those_of_the_steps_in_between() -> None:
    accumulator, no = NStepAccumulator(3, 0.5), np.zeros(1, dtype=np.bool_)
    found = []
    for entropy, terminated in ((1.0, False), (2.0, False), (4.0, False), (8.0, False), (16.0, True), (32.0, False)):
        step = Transition(no[:, None], no, np.zeros(1), no | terminated, no, no[:, None], entropies=np.array([entropy]))
        out = accumulator.add(step._replace(began=no)).entropies
        assert out is not None
        found.append(out.tolist())
    # 2/2 + 4/4, then 4/2 + 8/4; at the end 8/2 + 16/4, 16/2, and nothing after the last step.
    assert found == [[], [], [2], [4], [8, 8, 0], []]
    alone = NStepAccumulator(1, 0.5).add(step).entropies
    assert alone is not None
    assert alone.tolist() == [0]


def test_an_environment_may_write_over_what_it_gave() -> None:
    accumulator, state = NStepAccumulator(2, 0.5), np.zeros((1, 1))
    no = np.zeros(1, dtype=np.bool_)
    for t in range(3):
        state[:] = t
        out = accumulator.add(Transition(state, no, np.ones(1), no, no, state + 1))
    assert (out.observations[0, 0], out.next_observations[0, 0]) == (1, 3)


def test_nothing_crosses_the_end() -> None:
    accumulator = NStepAccumulator(2, 0.5)
    assert step(accumulator, [0], [1], [1], terminated=[1]) == [(0, 0, 1.0, True, False, 1, 0.0)]
    assert step(accumulator, [1], [64], [2]) == []
    assert step(accumulator, [2], [2], [3]) == [(1, 10, 65.0, False, False, 3, 0.25)]


def test_rows_are_independent() -> None:
    accumulator = NStepAccumulator(2, 0.5)
    assert step(accumulator, [0, 100], [1, 8], [1, 101], terminated=[1, 0]) == [(0, 0, 1.0, True, False, 1, 0.0)]
    assert step(accumulator, [50, 101], [2, 16], [51, 102]) == [(100, 1000, 16.0, False, False, 102, 0.25)]


def test_an_episode_left_in_the_middle_counts_as_truncated() -> None:
    accumulator = NStepAccumulator(3, 0.5)
    step(accumulator, [0, 100], [1, 1], [1, 101])
    assert step(accumulator, [7, 101], [2, 2], [8, 102]) == [(0, 0, 1.0, False, True, 1, 0.5)]
    assert step(accumulator, [8, 102], [4, 4], [9, 103]) == [(100, 1000, 3.0, False, False, 103, 0.125)]


def test_an_episode_that_was_left_in_the_same_state_counts_as_truncated_where_another_is_said_to_begin() -> None:
    accumulator = NStepAccumulator(3, 0.5)
    assert step(accumulator, [0, 0], [1, 1], [0, 0], began=[1, 1]) == []
    assert step(accumulator, [0, 0], [2, 2], [0, 0], began=[1, 0]) == [(0, 0, 1.0, False, True, 0, 0.5)]
    # 1 + 2/2 + 4/4 in the row that went on; the other has two steps of the new episode.
    assert step(accumulator, [0, 0], [4, 4], [0, 0], began=[0, 0]) == [(0, 0, 3.0, False, False, 0, 0.125)]


def test_another_number_of_rows_ends_all_windows() -> None:
    accumulator = NStepAccumulator(3, 0.5)
    step(accumulator, [0, 100], [1, 2], [1, 101])
    assert step(accumulator, [1], [4], [2]) == [
        (0, 0, 1.0, False, True, 1, 0.5),
        (100, 1000, 2.0, False, True, 101, 0.5),
    ]
    assert step(accumulator, [2], [4], [3], terminated=[1])[0] == (1, 10, 6.0, True, False, 3, 0.0)


def test_one_step_comes_out_at_once() -> None:
    accumulator = NStepAccumulator(1, 0.9)
    assert step(accumulator, [0, 100], [1, 2], [1, 101], terminated=[1, 0], truncated=[0, 1]) == [
        (0, 0, 1.0, True, False, 1, 0.0),
        (100, 1000, 2.0, False, True, 101, 0.9),
    ]


def windows(
    n_steps: int, gamma: float, rewards: NDArray[Any], ends: NDArray[Any], states: NDArray[Any]
) -> list[tuple[Any, ...]]:
    """All windows of one row that are complete, worked out step by step; ends: 0 none, 1 terminated, 2 truncated."""
    found = []
    for start in range(len(rewards)):
        total, last = 0.0, start
        while ends[last] == 0 and last - start < n_steps - 1 and last < len(rewards) - 1:
            last += 1
        if ends[last] == 0 and last - start < n_steps - 1:
            continue
        for t in range(start, last + 1):
            total += gamma ** (t - start) * rewards[t]
        discount = 0.0 if ends[last] == 1 else gamma ** (last - start + 1)
        found.append((states[start], 10 * states[start], total, ends[last] == 1, ends[last] == 2, last, discount))
    return found


@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 20), st.integers(0, 10_000))
def test_agrees_with_a_slow_reference(n_steps: int, n: int, length: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    accumulator = NStepAccumulator(n_steps, 0.5)
    rewards = random.integers(-8, 8, (length, n))
    ends = random.choice(3, (length, n), p=[0.7, 0.15, 0.15])
    states = np.arange(length * n).reshape(length, n)
    out: list[list[tuple[Any, ...]]] = [[] for _ in range(n)]
    for t in range(length):
        led_to = states[t] + n
        terminated, truncated = (ends[t] == 1).tolist(), (ends[t] == 2).tolist()
        for row in step(accumulator, states[t].tolist(), rewards[t].tolist(), led_to.tolist(), terminated, truncated):
            out[int(row[0]) % n].append((*row[:5], int(row[5]) // n - 1, row[6]))
    for i in range(n):
        assert out[i] == windows(n_steps, 0.5, rewards[:, i], ends[:, i], states[:, i])


def test_goes_on_from_its_state() -> None:
    accumulator, other = NStepAccumulator(3, 0.9), NStepAccumulator(3, 0.9)
    step(accumulator, [0, 100], [1, 2], [1, 101])
    step(accumulator, [1, 101], [3, 4], [2, 102], terminated=[1, 0])
    state = accumulator.state_dict()
    following = step(accumulator, [5, 102], [0.1, 0.2], [6, 103])
    for _ in range(2):
        other.load_state_dict(state)
        assert step(other, [5, 102], [0.1, 0.2], [6, 103]) == following != []


def test_goes_on_from_the_state_before_the_first_step() -> None:
    accumulator = NStepAccumulator(2, 0.5)
    state = accumulator.state_dict()
    step(accumulator, [0], [1], [1])
    accumulator.load_state_dict(state)
    step(accumulator, [1], [2], [2])
    assert step(accumulator, [2], [4], [3]) == [(1, 10, 4.0, False, False, 3, 0.25)]


def test_refused() -> None:
    with pytest.raises(InputError, match="n_steps must be at least 1, it is 0"):
        NStepAccumulator(0, 0.9)
    with pytest.raises(InputError, match=r"discount_factor must be in \[0, 1\], it is 1\.5"):
        NStepAccumulator(1, 1.5)
    accumulator = NStepAccumulator(3, 0.9)
    step(accumulator, [0], [1], [1])
    with pytest.raises(InputError, match="n_steps=3, this is of n_steps=2"):
        NStepAccumulator(2, 0.9).load_state_dict(accumulator.state_dict())


def test_what_came_out_does_not_come_out_again_where_an_episode_is_left() -> None:
    accumulator = NStepAccumulator(2, 0.5)
    for i in range(3):
        step(accumulator, [i], [1], [i + 1])
    assert step(accumulator, [50], [1], [51]) == [(2, 20, 1.0, False, True, 3, 0.5)]
