from typing import Any

import numpy as np
import pytest

from pydeeprecsys.rl.experience_replay.transition import OPTIONAL, Transition, combine

NO = np.zeros(2, dtype=np.bool_)


def pair(**columns: object) -> Transition:
    """Two transitions, from 0 to 1 and from 10 to 11."""
    start = np.array([[0.0], [10.0]], dtype=np.float32)
    step = Transition(start, np.array([3, 4]), np.array([1.0, 2.0]), NO, NO, start + 1)
    return step._replace(**columns)  # type: ignore[arg-type]


def test_unknown_columns_stay_unknown() -> None:
    step = pair(costs=np.array([5.0, 6.0]))
    assert list(step.columns()) == [*Transition._fields[:6], "costs"]
    taken, doubled = step.take(np.array([1])), step.map(lambda column: np.concatenate([column, column]))
    assert taken.costs is not None
    assert (taken.actions.tolist(), taken.costs.tolist(), taken.slates) == ([4], [6.0], None)
    assert (doubled.actions.tolist(), doubled.slates) == ([3, 4, 3, 4], None)


def test_columns_that_nobody_asks_for_are_left_out() -> None:
    step = pair(costs=np.ones(2), entropies=np.zeros(2))
    kept = step.keep("costs", "slates")
    assert list(kept.columns()) == [*Transition._fields[:6], "costs"]
    assert kept.costs is step.costs


def test_joined_transitions_start_with_the_first_and_end_with_the_last() -> None:
    last = pair(truncated=~NO, next_observations=np.full((2, 1), 7.0), next_slates=np.ones((2, 3)), costs=np.ones(2))
    joined = pair(costs=np.zeros(2)).leading_to(last)
    assert joined.observations[0, 0] == 0
    assert joined.costs is not None
    assert joined.costs.tolist() == [0, 0]
    assert joined.truncated.all()
    assert joined.next_observations is last.next_observations
    assert joined.next_slates is last.next_slates


def test_an_episode_begins_where_it_is_said_or_where_the_observation_is_another() -> None:
    expected = np.array([[0.0], [11.0]])
    assert pair().begins(expected).tolist() == [False, True]
    assert pair(began=np.array([True, False])).begins(expected).tolist() == [True, False]
    assert pair().begins(np.zeros((3, 1))).tolist() == [True, True]


def test_observations_and_rewards_are_stored_in_the_types_of_networks() -> None:
    step = pair(observations=np.ones((2, 3, 4)), next_observations=np.ones((2, 3, 4)), rewards=np.array([1, 2]))
    flat = step.flat()
    assert flat.observations.shape == flat.next_observations.shape == (2, 12)
    assert flat.observations.dtype == flat.next_observations.dtype == np.float32
    assert flat.rewards.dtype == np.float64
    assert flat.flat() is flat


def test_a_single_action_is_a_slate_of_one() -> None:
    assert pair().shown.tolist() == [[3], [4]]
    slates = np.array([[3, 5], [4, 6]])
    assert pair(slates=slates).shown is slates


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, [[1], [2]]),
        ({"slates": [[3], [4]], "choices": [0, -1]}, [[1], [2]]),
        ({"slates": [[5, 3], [4, 6]], "choices": [1, -1]}, [[None, 1], [None, None]]),
        ({"slates": [[5, 3], [4, 6]], "choices": [1, 0], "item_rewards": [[0, 2], [3, 1]]}, [[0, 2], [3, 1]]),
    ],
    ids=["single", "slates-of-one", "one-is-consumed", "all-are-consumed"],
)
def test_rewards_of_shown_items_are_unknown_unless_consumed(columns: Any, expected: Any) -> None:
    step = pair(**{name: np.array(column) for name, column in columns.items()})
    np.testing.assert_array_equal(step.rewards_of_shown, np.array(expected, dtype=np.float64))


def test_a_single_item_has_its_own_reward() -> None:
    slates = np.array([[5, 3], [4, 6]])
    step = pair(slates=slates, choices=np.array([1, -1]))
    assert step.of_items() is step
    # The second user consumes nothing: the first item keeps the reward of the slate.
    own = np.array([[np.nan, 7.0], [np.nan, np.nan]])
    assert step._replace(item_rewards=own).of_items().rewards.tolist() == [7, 2]
    # Both items are consumed, though the second user chooses none of them.
    own = np.array([[9.0, 7.0], [5.0, 6.0]])
    assert step._replace(item_rewards=own).of_items().rewards.tolist() == [7, 5]


def test_an_item_that_was_chosen_must_have_a_reward() -> None:
    step = pair(slates=np.array([[5, 3], [4, 6]]), choices=np.array([1, 0]), item_rewards=np.full((2, 2), np.nan))
    with pytest.raises(FloatingPointError, match="one is nan"):
        step.of_items().check_rewards()


def test_batches_are_joined_and_stacked() -> None:
    step = pair(costs=np.ones(2))
    joined, stacked = combine([step, step], np.concatenate), combine([step], np.stack)
    assert joined.actions.tolist() == [3, 4, 3, 4]
    assert joined.columns().keys() == step.columns().keys()
    assert stacked.actions.shape == (1, 2)
    assert combine([step], np.concatenate) is step


def test_one_step_of_one_environment() -> None:
    step = Transition.of_one([0.5, 1.0], 3, 2, True, [1.0, 1.5])
    assert [column.shape for column in step[:6]] == [(1, 2), (1,), (1,), (1,), (1,), (1, 2)]
    assert (step.rewards.dtype, step.terminated.tolist(), step.truncated.tolist()) == (np.float64, [True], [False])


@pytest.mark.parametrize("broken", [np.nan, -np.inf])
def test_rewards_that_are_not_finite_are_refused(broken: float) -> None:
    pair().check_rewards()
    with pytest.raises(FloatingPointError, match=f"rewards must be finite numbers, one is {broken}"):
        pair(rewards=np.array([1.0, broken])).check_rewards()


def test_all_columns_but_six_are_optional() -> None:
    assert len(OPTIONAL) == 12
    assert all(getattr(pair(), name) is None for name in OPTIONAL)
