from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters, PERBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.transition import Transition


def buffer_of(
    n: int, *, max_experiences: int | None = None, batch_size: int = 1, **per: float
) -> PrioritizedExperienceReplayBuffer:
    sizes = ExperienceReplayBufferParameters(max_experiences or n, batch_size, batch_size, 0)
    buffer = PrioritizedExperienceReplayBuffer(sizes, PERBufferParameters(**per))
    store(buffer, n)
    return buffer


def store(buffer: PrioritizedExperienceReplayBuffer, n: int) -> None:
    flags = np.zeros(n, dtype=np.bool_)
    states = np.zeros((n, 1), dtype=np.float32)
    buffer.store_experiences(Transition(states, np.arange(n), np.zeros(n), flags, flags, states))


def test_the_weight_of_an_experience_does_not_depend_on_its_batch() -> None:
    # Probabilities 0.25 and 0.75: (2 · 0.25)^-1 = 2 and (2 · 0.75)^-1 = 2/3, divided by 2, the largest in the buffer.
    buffer = buffer_of(2, batch_size=2, alpha=1.0, beta=1.0, epsilon=1.0)
    buffer.update_priorities(np.array([0, 1]), np.array([0.0, 2.0]))
    weight = {0: 1.0, 1: 1 / 3}
    seen = set()
    for _ in range(20):
        batch = buffer.sample_batch()
        seen.add(tuple(batch.indices.tolist()))
        np.testing.assert_allclose(batch.weights, [weight[i] for i in batch.indices.tolist()])
    assert seen == {(0, 1), (1, 1)}


def test_the_largest_weight_is_that_of_what_is_stored_now() -> None:
    buffer = buffer_of(3, alpha=1.0, beta=1.0, epsilon=1.0)
    buffer.update_priorities(np.array([0, 1, 2]), np.array([0.0, 1.0, 3.0]))
    restored = buffer_of(3, alpha=1.0, beta=1.0, epsilon=1.0)
    restored.load_state_dict(buffer.state_dict())
    for of in (buffer, restored):
        batches = [of.sample_batch() for _ in range(50)]
        assert {(int(each.indices[0]), float(each.weights[0])) for each in batches} == {(0, 1), (1, 0.5), (2, 0.25)}
    store(buffer, 1)  # over the one of priority 1, with the highest priority, 4
    batches = [buffer.sample_batch() for _ in range(50)]
    assert {(int(each.indices[0]), float(each.weights[0])) for each in batches} == {(0, 0.5), (1, 1), (2, 0.5)}


def test_priorities_are_updated_by_the_batch_or_its_indices() -> None:
    buffer, other = (buffer_of(8, batch_size=4) for _ in range(2))
    batch, errors = buffer.sample_batch(), np.array([0.5, 3.0, 0.0, -2.0])
    buffer.update_priorities(batch, errors)
    other.update_priorities(batch.indices, errors)
    assert len(set(buffer.priorities.tolist())) > 3
    assert buffer.priorities.tolist() == other.priorities.tolist()


def test_priorities_by_hand() -> None:
    buffer = buffer_of(3, alpha=0.5, epsilon=0.25)
    assert buffer.priorities.tolist() == [1, 1, 1]
    buffer.update_priorities(np.array([0, 2]), np.array([-2.0, 0.0]))
    np.testing.assert_allclose(buffer.priorities, [1.5, 1.0, 0.5])


def test_a_new_experience_has_the_highest_priority_of_any() -> None:
    buffer = buffer_of(2, max_experiences=3, alpha=1.0, epsilon=1.0)
    buffer.update_priorities(np.array([0, 1]), np.array([7.0, 1.0]))
    buffer.update_priorities(np.array([0]), np.array([2.0]))
    buffer.store_experience(np.zeros(1, np.float32), 0, 0.0, False, np.zeros(1, np.float32))
    assert buffer.priorities.tolist() == [3, 2, 8]
    store(buffer, 2)
    assert buffer.priorities.tolist() == [8, 8, 8]


def test_more_experiences_than_fit_all_have_priorities() -> None:
    buffer = buffer_of(10, max_experiences=4)
    assert buffer.priorities.tolist() == [1, 1, 1, 1]
    assert buffer._tree.total == 4


def test_the_last_error_of_an_experience_drawn_twice_counts() -> None:
    buffer = buffer_of(3, alpha=1.0, epsilon=1.0)
    buffer.update_priorities(np.array([1, 1]), np.array([4.0, 2.0]))
    assert buffer.priorities.tolist() == [1, 3, 1]


def test_frequencies_match_priorities() -> None:
    errors = np.array([0.0, 0.5, 1.0, 3.0, 10.0, 0.1])
    buffer = buffer_of(6, max_experiences=9, alpha=0.6, epsilon=0.01)
    buffer.update_priorities(np.arange(6), errors)
    counts = np.bincount([int(buffer.sample_batch().indices[0]) for _ in range(20_000)], minlength=9)
    priorities = (errors + 0.01) ** 0.6
    assert counts[6:].sum() == 0
    assert chisquare(counts[:6], priorities / priorities.sum() * 20_000).pvalue > 0.001


def test_frequencies_of_whole_batches() -> None:
    errors = np.linspace(0, 3, 40)
    buffer = buffer_of(40, batch_size=16, alpha=1.0, epsilon=0.1)
    buffer.update_priorities(np.arange(40), errors)
    counts = np.zeros(40)
    for _ in range(2000):
        np.add.at(counts, buffer.sample_batch().indices, 1)
    expected = (errors + 0.1) / (errors + 0.1).sum() * counts.sum()
    # Strata only take away variance, so this is bounded from above by the usual test.
    assert chisquare(counts, expected).pvalue > 0.001


@given(
    errors=st.lists(st.floats(0, 1e6), min_size=8, max_size=8),
    alpha=st.floats(0, 1),
    beta=st.floats(0, 1),
    max_experiences=st.sampled_from([8, 9, 31]),
)
def test_weights_of_batches(errors: list[float], alpha: float, beta: float, max_experiences: int) -> None:
    buffer = buffer_of(8, max_experiences=max_experiences, batch_size=4, alpha=alpha, beta=beta)
    buffer.update_priorities(np.arange(8), np.array(errors))
    batch = buffer.sample_batch()
    priorities = (np.array(errors) + 0.01) ** alpha
    weights = [(1 / 8 * 1 / (priorities[i] / priorities.sum())) ** beta for i in batch.indices]
    largest = (1 / 8 * 1 / (priorities.min() / priorities.sum())) ** beta
    np.testing.assert_allclose(batch.weights, np.array(weights) / largest, rtol=1e-9)
    assert batch.weights.max() <= 1


def test_beta_grows_to_one() -> None:
    buffer = buffer_of(4, beta=0.5, beta_growth=0.2)
    betas = []
    for _ in range(4):
        betas.append(buffer.beta)
        buffer.sample_batch()
    np.testing.assert_allclose(betas, [0.5, 0.7, 0.9, 1.0])
    assert buffer.beta == 1.0


def test_the_first_batch_is_weighted_with_the_first_beta() -> None:
    buffer = buffer_of(8, batch_size=4, beta=0.0, beta_growth=1.0, alpha=1.0)
    buffer.update_priorities(np.arange(8), np.arange(8.0))
    assert (buffer.sample_batch().weights == 1).all()
    assert (buffer.sample_batch().weights < 1).any()


@pytest.mark.parametrize(
    ("indices", "errors", "error", "message"),
    [
        ([0, 1], [[1.0], [1.0]], ValueError, r"they are of \(2,\) and \(2, 1\)"),
        ([0, 1], [1.0], ValueError, r"they are of \(2,\) and \(1,\)"),
        ([[0, 1]], [[1.0, 1.0]], ValueError, r"must both be of shape \(n,\)"),
        ([0, 3], [1.0, 1.0], IndexError, r"must lie in 0\.\.2, one is 3"),
        ([-1, 0], [1.0, 1.0], IndexError, "one is -1"),
        ([0, 1], [5.0, np.nan], FloatingPointError, "one is nan"),
        ([0, 1], [np.nan, 5.0], FloatingPointError, "one is nan"),
        ([0, 1], [5.0, -np.inf], FloatingPointError, "one is -inf"),
        ([0, 1], [5.0, 1e39], FloatingPointError, r"one is 1e\+39"),
    ],
)
def test_refused_errors_change_nothing(indices: Any, errors: Any, error: type[Exception], message: str) -> None:
    buffer = buffer_of(3, max_experiences=5, alpha=1.0)
    with pytest.raises(error, match=message):
        buffer.update_priorities(np.array(indices), np.array(errors))
    store(buffer, 1)
    assert buffer.priorities.tolist() == [1, 1, 1, 1]


def test_no_errors_are_no_change() -> None:
    buffer = buffer_of(3)
    buffer.update_priorities(np.array([], dtype=np.int64), np.array([]))
    assert buffer.priorities.tolist() == [1, 1, 1]


def test_the_largest_errors_can_still_be_drawn_by() -> None:
    buffer = buffer_of(4, batch_size=4, alpha=1.0, beta=1.0)
    buffer.update_priorities(np.arange(4), np.full(4, np.finfo(np.float32).max))
    batch = buffer.sample_batch()
    assert batch.indices.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(batch.weights, 1)


def test_errors_of_a_network_are_taken_as_they_come() -> None:
    buffer = buffer_of(3, alpha=1.0, epsilon=0.5)
    buffer.update_priorities(np.array([2]), np.array([1.5], dtype=np.float32))
    assert buffer.priorities.tolist() == [1, 1, 2]


def test_state_holds_beta_and_the_highest_priority() -> None:
    buffer = buffer_of(3, max_experiences=4, beta=0.2, beta_growth=0.1, alpha=1.0, epsilon=1.0)
    buffer.update_priorities(np.array([0]), np.array([8.0]))
    buffer.update_priorities(np.array([0]), np.array([1.0]))
    buffer.sample_batch()
    other = buffer_of(4, beta=0.2, beta_growth=0.1, alpha=1.0, epsilon=1.0)
    other.load_state_dict(buffer.state_dict())
    assert other.beta == buffer.beta == pytest.approx(0.3)
    assert other.priorities.tolist() == [2, 1, 1]
    assert other._tree.total == 4
    store(other, 1)
    assert other.priorities.tolist() == [2, 1, 1, 9]


def test_a_state_without_priorities_is_refused() -> None:
    uniform = ExperienceReplayBuffer(ExperienceReplayBufferParameters(3, 1, 1))
    buffer = buffer_of(3)
    with pytest.raises(InputError, match="without priorities"):
        buffer.load_state_dict(uniform.state_dict())
    assert len(buffer) == 3


def test_the_state_is_a_copy() -> None:
    buffer = buffer_of(3)
    state = buffer.state_dict()
    buffer.update_priorities(np.array([0]), np.array([50.0]))
    assert state["priorities"].tolist() == [1, 1, 1]
