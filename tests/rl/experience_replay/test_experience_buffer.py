from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay import experience_buffer, free_memory, priority_replay_buffer
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.free_memory import available_memory
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.transition import Sample, Transition

KINDS = [ExperienceReplayBuffer, PrioritizedExperienceReplayBuffer]
both_kinds = pytest.mark.parametrize("kind", KINDS)
Kind = Callable[..., ExperienceReplayBuffer]


def parameters(max_experiences: int, batch_size: int, seed: int = 0) -> ExperienceReplayBufferParameters:
    return ExperienceReplayBufferParameters(max_experiences, batch_size, batch_size, seed)


def experiences(numbers: NDArray[Any] | range) -> Transition:
    """Experience i: the state [i, -i], the action 3·i, the reward i / 2, the next state [i + 1, -i - 1]."""
    i = np.asarray(numbers, dtype=np.int64)
    states = np.stack([i, -i], axis=1).astype(np.float32)
    new_states = np.stack([i + 1, -i - 1], axis=1).astype(np.float32)
    return Transition(states, 3 * i, i / 2, i % 3 == 0, i % 5 == 0, new_states)


def check_whole(sample: Sample) -> None:
    """All parts of each drawn experience belong together."""
    batch = sample.transitions
    for values, right in zip(batch[:6], experiences(batch.observations[:, 0])[:6], strict=True):
        np.testing.assert_array_equal(values, right)
    np.testing.assert_array_equal(batch.columns()["discounts"], np.where(batch.terminated, 0.0, 1.0))


def held(buffer: ExperienceReplayBuffer) -> list[int]:
    return sorted(buffer.state_dict()["experiences"]["columns"]["actions"] // 3)


def same(one: Sample, other: Sample) -> bool:
    pairs = [*zip(one.transitions.columns().values(), other.transitions.columns().values(), strict=True)]
    pairs += [(one.weights, other.weights), (one.indices, other.indices)]
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


@both_kinds
def test_single_experiences_come_back_whole(kind: Kind) -> None:
    buffer = kind(parameters(8, 4))
    for i in range(6):
        state, action, reward, terminated, truncated, new_state = (v[0] for v in experiences(range(i, i + 1))[:6])
        buffer.store_experience(state, action, reward, terminated, new_state, truncated)
    check_whole(buffer.sample_batch())
    batch = buffer.sample_batch().transitions
    assert batch.observations.shape == batch.next_observations.shape == (4, 2)
    assert batch.observations.dtype == np.float32
    assert batch.actions.dtype == np.int64
    assert batch.terminated.dtype == batch.truncated.dtype == np.bool_
    assert held(buffer) == list(range(6))


@both_kinds
def test_founding_call(kind: Kind) -> None:
    buffer = kind(parameters(2, 1))
    buffer.store_experience([0.5, 1.0], 3, 2, True, [1.0, 1.5])
    batch, weights, indices = buffer.sample_batch()
    assert batch.observations.tolist() == [[0.5, 1.0]]
    assert batch.next_observations.tolist() == [[1.0, 1.5]]
    assert (batch.actions[0], batch.rewards[0], batch.terminated[0], batch.truncated[0]) == (3, 2.0, True, False)
    assert (batch.columns()["discounts"][0], weights[0], indices[0]) == (0.0, 1.0, 0)


@both_kinds
def test_ready_and_length(kind: Kind) -> None:
    buffer = kind(ExperienceReplayBufferParameters(6, 4, 2))
    seen = []
    for i in range(8):
        buffer.store_experiences(experiences(range(i, i + 1)))
        seen.append((len(buffer), buffer.ready_to_predict()))
    assert seen == [(1, False), (2, False), (3, False), (4, True), (5, True), (6, True), (6, True), (6, True)]


@both_kinds
def test_too_few_for_a_batch(kind: Kind) -> None:
    buffer = kind(parameters(8, 4))
    with pytest.raises(InputError, match="holds 0 transitions, a batch takes 4"):
        buffer.sample_batch()
    buffer.store_experiences(experiences(range(3)))
    with pytest.raises(InputError, match="holds 3 transitions"):
        buffer.sample_batch()


@pytest.mark.slow
@both_kinds
@given(adds=st.lists(st.integers(0, 20), max_size=12), single=st.booleans())
def test_holds_the_newest(kind: Kind, adds: list[int], single: bool) -> None:
    buffer = kind(parameters(7, 3))
    reference: deque[int] = deque(maxlen=7)
    total = 0
    for n in adds:
        added = range(total, total + n)
        total += n
        reference.extend(added)
        if single:
            for i in added:
                s, a, r, terminated, truncated, t = (values[0] for values in experiences(range(i, i + 1))[:6])
                buffer.store_experience(s, a, r, terminated, t, truncated)
        else:
            buffer.store_experiences(experiences(added))
        assert len(buffer) == len(reference)
        if total:
            assert held(buffer) == sorted(reference)
        if len(buffer) >= 3:
            check_whole(buffer.sample_batch())


def test_a_batch_is_of_different_experiences_all_equally_likely() -> None:
    buffer = ExperienceReplayBuffer(parameters(10, 4))
    buffer.store_experiences(experiences(range(13)))
    counts = np.zeros(10)
    for _ in range(3000):
        batch = buffer.sample_batch()
        assert len(set(batch.indices.tolist())) == 4
        assert (batch.weights == 1).all()
        counts[batch.indices] += 1
    assert chisquare(counts).pvalue > 0.001


@both_kinds
def test_a_batch_is_a_copy(kind: Kind) -> None:
    buffer = kind(parameters(4, 4))
    buffer.store_experiences(experiences(range(4)))
    for values in buffer.sample_batch().transitions.columns().values():
        values[...] = 0
    check_whole(buffer.sample_batch())
    assert held(buffer) == [0, 1, 2, 3]


@both_kinds
def test_own_generator(kind: Kind) -> None:
    def three_batches(seed: int) -> list[list[int]]:
        buffer = kind(parameters(50, 5, seed))
        buffer.store_experiences(experiences(range(50)))
        return [buffer.sample_batch().indices.tolist() for _ in range(3)]

    first = three_batches(0)
    np.random.seed(5)
    assert three_batches(0) == first
    assert three_batches(1) != first


@both_kinds
def test_goes_on_from_its_state_to_the_bit(kind: Kind) -> None:
    buffer = kind(parameters(20, 4))
    buffer.store_experiences(experiences(range(27)))
    buffer.update_priorities(buffer.sample_batch().indices, np.array([0.1, 3.0, 1e-9, 7.7]))

    def future(of: ExperienceReplayBuffer) -> list[Sample]:
        batches = []
        for i in range(30, 36):
            of.store_experiences(experiences(range(i, i + 2)))
            batches.append(of.sample_batch())
            of.update_priorities(batches[-1].indices, np.array([0.3, i, 0.0, -2.0]))
        return batches

    state = buffer.state_dict()
    right = future(buffer)
    for other in (kind(parameters(20, 4, 99)), buffer):
        other.load_state_dict(state)
        assert all(same(a, b) for a, b in zip(right, future(other), strict=True))


@both_kinds
def test_goes_on_from_a_state_half_full_and_from_an_empty_one(kind: Kind) -> None:
    empty = kind(parameters(20, 4)).state_dict()
    buffer = kind(parameters(20, 4))
    buffer.store_experiences(experiences(range(6)))
    half = buffer.state_dict()
    right = buffer.sample_batch()
    buffer.store_experiences(experiences(range(50, 75)))
    buffer.load_state_dict(half)
    assert held(buffer) == list(range(6))
    assert same(buffer.sample_batch(), right)
    buffer.load_state_dict(empty)
    assert len(buffer) == 0
    buffer.store_experiences(experiences(range(6)))
    assert same(buffer.sample_batch(), right)


@both_kinds
def test_a_state_of_another_buffer_is_refused(kind: Kind) -> None:
    buffer = kind(parameters(20, 4))
    buffer.store_experiences(experiences(range(6)))
    with pytest.raises(InputError, match="of 20 transitions, this one is of 30; give max_experiences=20"):
        kind(parameters(30, 4)).load_state_dict(buffer.state_dict())
    other = kind(parameters(20, 4))
    other.store_experience(np.zeros(3), 0, 0.0, False, np.zeros(3))
    with pytest.raises(InputError, match="other columns"):
        other.load_state_dict(buffer.state_dict())


def bad(**changes: Any) -> Transition:
    return experiences(range(3))._replace(**changes)


@both_kinds
@pytest.mark.parametrize(
    ("given_", "error", "message"),
    [
        (
            bad(observations=np.zeros((3, 5), np.float32)),
            ValueError,
            r"observations must be of shape \(3, 2\), they are of \(3, 5\)",
        ),
        (bad(next_observations=np.zeros((3, 5), np.float32)), ValueError, "next_observations must be of shape"),
        (bad(actions=np.zeros((3, 1), np.int64)), ValueError, r"actions must be of shape \(3,\), they are of \(3, 1\)"),
        (bad(actions=np.zeros(3)), ValueError, "actions of type float64 cannot be stored with those of type int64"),
        (bad(rewards=np.zeros((3, 1))), ValueError, r"rewards must be of shape \(3,\), they are of \(3, 1\)"),
        (bad(terminated=np.zeros(1, np.bool_)), ValueError, "terminated must be of shape"),
        (bad(costs=np.zeros(3)), ValueError, "costs must be given for all transitions of a buffer, or for none"),
        (bad(rewards=np.array([1.0, np.nan, 0.0])), FloatingPointError, "rewards must be finite numbers, one is nan"),
        (bad(rewards=np.array([1.0, 0.0, -np.inf])), FloatingPointError, "one is -inf"),
    ],
)
def test_refused_experiences_change_nothing(
    kind: Kind, given_: Transition, error: type[Exception], message: str
) -> None:
    buffer = kind(parameters(4, 2))
    buffer.store_experiences(experiences(range(4)))
    with pytest.raises(error, match=message):
        buffer.store_experiences(given_)
    assert held(buffer) == [0, 1, 2, 3]


@both_kinds
def test_the_first_experiences_must_agree_in_themselves(kind: Kind) -> None:
    buffer = kind(parameters(4, 2))
    with pytest.raises(ValueError, match=r"next_observations must be of shape \(3, 2\), they are of \(3, 5\)"):
        buffer.store_experiences(bad(next_observations=np.zeros((3, 5), np.float32)))
    with pytest.raises(ValueError, match=r"rewards must be of shape \(3,\), they are of \(2,\)"):
        buffer.store_experiences(bad(rewards=np.zeros(2)))
    assert len(buffer) == 0


@both_kinds
def test_refused_single_experiences(kind: Kind) -> None:
    buffer = kind(parameters(4, 2))
    state = np.zeros(2, np.float32)
    buffer.store_experience(state, 1, 0.0, False, state)
    with pytest.raises(FloatingPointError, match="one is nan"):
        buffer.store_experience(state, 1, float("nan"), False, state)
    with pytest.raises(ValueError, match=r"observations must be of shape \(1, 2\), they are of \(1, 1\)"):
        buffer.store_experience(state[:1], 1, 0.0, False, state)
    with pytest.raises(ValueError, match="actions of type float64"):
        buffer.store_experience(state, 0.7, 0.0, False, state)
    assert len(buffer) == 1


@both_kinds
def test_memory_is_checked_before_it_is_taken(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_memory, "available_memory", lambda: 100 * 2**20)
    # Two states of 100 floats, an action, reward, discount and two flags: 826 bytes, 787.7 MiB in all.
    buffer = kind(parameters(1_000_000, 32))
    state = np.zeros(100, np.float32)
    with pytest.raises(
        InputError, match="take 788 MiB of memory, 100 MiB are free; reduce max_experiences to 126,946 or"
    ):
        buffer.store_experience(state, 0, 0.0, False, state)
    assert len(buffer) == 0
    if kind is PrioritizedExperienceReplayBuffer:
        with pytest.raises(InputError, match="10,000,000 transitions take 512 MiB"):
            kind(parameters(10_000_000, 32))


@both_kinds
def test_memory_as_computed(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(experience_buffer, "check_memory", lambda n, n_bytes: asked.append(n_bytes))
    monkeypatch.setattr(priority_replay_buffer, "check_memory", lambda n, n_bytes: asked.append(n_bytes))
    buffer = kind(parameters(1000, 32))
    state, no, masks = np.zeros((1, 25), np.float32), np.zeros(1, np.bool_), np.ones((1, 100), np.bool_)
    buffer.store_experiences(Transition(state, np.zeros((1, 2), np.float32), no, no, no, state, action_masks=masks))
    taken = [sum(array.nbytes for array in buffer._columns.arrays.values())]
    if isinstance(buffer, PrioritizedExperienceReplayBuffer):
        taken.insert(0, buffer._tree._nodes.nbytes)
    assert asked == taken
    # Two observations, an action, reward, discount and two flags; 100 bits.
    assert taken[-1] == 1000 * (2 * 25 * 4 + 2 * 4 + 8 + 8 + 2 + 13)


def test_what_is_reported_free_is_not_more_than_there_is() -> None:
    with open("/proc/meminfo") as meminfo:
        total = int(meminfo.readline().split()[1]) * 1024
    free = available_memory()
    assert free is not None
    assert 2**20 < free < total


def test_without_meminfo_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_memory.Path, "exists", lambda path: False)
    numbers = {"SC_AVPHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(free_memory.os, "sysconf", numbers.__getitem__)
    assert available_memory() == 40960
    monkeypatch.setattr(free_memory.os, "sysconf_names", {})
    assert available_memory() is None


@both_kinds
def test_single_experiences_follow_what_is_stored(kind: Kind) -> None:
    # Booleans are stored as bits, and a buffer of more columns refuses an experience without them.
    bits, costly, state = kind(parameters(4, 2)), kind(parameters(4, 2)), np.array([True, False, True])
    for _ in range(2):
        bits.store_experience(state, 1, 0.0, False, ~state)
    batch = bits.sample_batch().transitions
    assert batch.observations.tolist() == [state.tolist()] * 2
    assert batch.next_observations.tolist() == [(~state).tolist()] * 2
    costly.store_experiences(bad(costs=np.ones(3)))
    with pytest.raises(ValueError, match="costs must be given for all"):
        costly.store_experience(np.zeros(2, np.float32), 1, 0.0, False, np.zeros(2, np.float32))
