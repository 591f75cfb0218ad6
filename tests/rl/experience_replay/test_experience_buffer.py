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
from pydeeprecsys.rl.experience_replay import experience_buffer, free_memory
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import Batch, ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.free_memory import available_memory
from pydeeprecsys.rl.experience_replay.n_step import NStepAccumulator
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer

KINDS = [ExperienceReplayBuffer, PrioritizedExperienceReplayBuffer]
both_kinds = pytest.mark.parametrize("kind", KINDS)
Kind = Callable[..., ExperienceReplayBuffer]


def parameters(max_experiences: int, batch_size: int, seed: int = 0) -> ExperienceReplayBufferParameters:
    return ExperienceReplayBufferParameters(max_experiences, batch_size, batch_size, seed)


def experiences(numbers: NDArray[Any] | range) -> tuple[NDArray[Any], ...]:
    """Experience i: the state [i, -i], the action 3·i, the reward i / 2, the next state [i + 1, -i - 1]."""
    i = np.asarray(numbers, dtype=np.int64)
    states = np.stack([i, -i], axis=1).astype(np.float32)
    new_states = np.stack([i + 1, -i - 1], axis=1).astype(np.float32)
    return states, 3 * i, i / 2, i % 3 == 0, i % 5 == 0, new_states


def check_whole(batch: Batch) -> None:
    """All parts of each drawn experience belong together."""
    expected = experiences(batch.states[:, 0])
    for values, right in zip(batch, expected, strict=False):
        np.testing.assert_array_equal(values, right)
    np.testing.assert_array_equal(batch.discounts, np.where(batch.terminated, 0.0, 1.0))


def held(buffer: ExperienceReplayBuffer) -> list[int]:
    return sorted(buffer.state_dict()["experiences"]["actions"] // 3)


def same(one: Batch, other: Batch) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


@both_kinds
def test_single_experiences_come_back_whole(kind: Kind) -> None:
    buffer = kind(parameters(8, 4))
    for i in range(6):
        state, action, reward, terminated, truncated, new_state = (values[0] for values in experiences(range(i, i + 1)))
        buffer.store_experience(state, action, reward, terminated, new_state, truncated)
    batch = buffer.sample_batch()
    check_whole(batch)
    assert batch.states.shape == batch.new_states.shape == (4, 2)
    assert batch.states.dtype == np.float32
    assert batch.actions.dtype == np.int64
    assert batch.terminated.dtype == batch.truncated.dtype == np.bool_
    assert held(buffer) == list(range(6))


@both_kinds
def test_founding_call(kind: Kind) -> None:
    buffer = kind(parameters(2, 1))
    buffer.store_experience([0.5, 1.0], 3, 2, True, [1.0, 1.5])
    batch = buffer.sample_batch()
    assert batch.states.tolist() == [[0.5, 1.0]]
    assert batch.new_states.tolist() == [[1.0, 1.5]]
    assert (batch.actions[0], batch.rewards[0], batch.terminated[0], batch.truncated[0]) == (3, 2.0, True, False)
    assert (batch.discounts[0], batch.weights[0], batch.indices[0]) == (0.0, 1.0, 0)


@both_kinds
def test_ready_and_length(kind: Kind) -> None:
    buffer = kind(ExperienceReplayBufferParameters(6, 4, 2))
    seen = []
    for i in range(8):
        buffer.store_experiences(*experiences(range(i, i + 1)))
        seen.append((len(buffer), buffer.ready_to_predict()))
    assert seen == [(1, False), (2, False), (3, False), (4, True), (5, True), (6, True), (6, True), (6, True)]


@both_kinds
def test_too_few_for_a_batch(kind: Kind) -> None:
    buffer = kind(parameters(8, 4))
    with pytest.raises(InputError, match="holds 0 experiences, a batch takes 4"):
        buffer.sample_batch()
    buffer.store_experiences(*experiences(range(3)))
    with pytest.raises(InputError, match="holds 3 experiences"):
        buffer.sample_batch()


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
                s, a, r, terminated, truncated, t = (values[0] for values in experiences(range(i, i + 1)))
                buffer.store_experience(s, a, r, terminated, t, truncated)
        else:
            buffer.store_experiences(*experiences(added))
        assert len(buffer) == len(reference)
        if total:
            assert held(buffer) == sorted(reference)
        if len(buffer) >= 3:
            check_whole(buffer.sample_batch())


def test_a_batch_is_of_different_experiences_all_equally_likely() -> None:
    buffer = ExperienceReplayBuffer(parameters(10, 4))
    buffer.store_experiences(*experiences(range(13)))
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
    buffer.store_experiences(*experiences(range(4)))
    for values in buffer.sample_batch()[:7]:
        values[...] = 0
    check_whole(buffer.sample_batch())
    assert held(buffer) == [0, 1, 2, 3]


@both_kinds
def test_own_generator(kind: Kind) -> None:
    def three_batches(seed: int) -> list[list[int]]:
        buffer = kind(parameters(50, 5, seed))
        buffer.store_experiences(*experiences(range(50)))
        return [buffer.sample_batch().indices.tolist() for _ in range(3)]

    first = three_batches(0)
    np.random.seed(5)
    assert three_batches(0) == first
    assert three_batches(1) != first


@both_kinds
def test_goes_on_from_its_state_to_the_bit(kind: Kind) -> None:
    buffer = kind(parameters(20, 4))
    buffer.store_experiences(*experiences(range(27)))
    buffer.update_priorities(buffer.sample_batch().indices, np.array([0.1, 3.0, 1e-9, 7.7]))

    def future(of: ExperienceReplayBuffer) -> list[Batch]:
        batches = []
        for i in range(30, 36):
            of.store_experiences(*experiences(range(i, i + 2)))
            batches.append(of.sample_batch())
            of.update_priorities(batches[-1].indices, np.array([0.3, i, 0.0, -2.0]))
        return batches

    state = buffer.state_dict()
    right = future(buffer)
    for other in (kind(parameters(20, 4, 99)), buffer, kind(parameters(20, 4), state_shape=(2,))):
        other.load_state_dict(state)
        assert all(same(a, b) for a, b in zip(right, future(other), strict=True))


@both_kinds
def test_goes_on_from_a_state_half_full_and_from_an_empty_one(kind: Kind) -> None:
    empty = kind(parameters(20, 4)).state_dict()
    buffer = kind(parameters(20, 4))
    buffer.store_experiences(*experiences(range(6)))
    half = buffer.state_dict()
    right = buffer.sample_batch()
    buffer.store_experiences(*experiences(range(50, 75)))
    buffer.load_state_dict(half)
    assert held(buffer) == list(range(6))
    assert same(buffer.sample_batch(), right)
    buffer.load_state_dict(empty)
    assert len(buffer) == 0
    buffer.store_experiences(*experiences(range(6)))
    assert same(buffer.sample_batch(), right)


@both_kinds
def test_a_state_of_another_buffer_is_refused(kind: Kind) -> None:
    buffer = kind(parameters(20, 4))
    buffer.store_experiences(*experiences(range(6)))
    with pytest.raises(InputError, match="of 20 experiences, this one is of 30; give max_experiences=20"):
        kind(parameters(30, 4)).load_state_dict(buffer.state_dict())
    other = kind(parameters(20, 4))
    other.store_experience(np.zeros(3), 0, 0.0, False, np.zeros(3))
    with pytest.raises(InputError, match="other states or actions"):
        other.load_state_dict(buffer.state_dict())


@both_kinds
def test_what_was_expected_at_construction_does_not_bind(kind: Kind) -> None:
    stored, loaded = (kind(parameters(20, 4), state_shape=(3,)) for _ in range(2))
    stored.store_experiences(*experiences(range(6)))
    check_whole(stored.sample_batch())
    loaded.load_state_dict(stored.state_dict())
    assert same(loaded.sample_batch(), stored.sample_batch())


def bad(**changes: Any) -> tuple[Any, ...]:
    names = ("states", "actions", "rewards", "terminated", "truncated", "new_states")
    return tuple((dict(zip(names, experiences(range(3)), strict=True)) | changes).values())


@both_kinds
@pytest.mark.parametrize(
    ("given_", "error", "message"),
    [
        (
            bad(states=np.zeros((3, 5), np.float32)),
            ValueError,
            r"states must be of shape \(3, 2\), they are of \(3, 5\)",
        ),
        (bad(new_states=np.zeros((3, 5), np.float32)), ValueError, "new_states must be of shape"),
        (bad(actions=np.zeros((3, 1), np.int64)), ValueError, r"actions must be of shape \(3,\), they are of \(3, 1\)"),
        (bad(actions=np.zeros(3)), ValueError, "actions of type float64 cannot be stored with those of type int64"),
        (bad(rewards=np.zeros((3, 1))), ValueError, r"rewards must be of shape \(3,\), they are of \(3, 1\)"),
        (bad(terminated=np.zeros(1, np.bool_)), ValueError, "terminated must be of shape"),
        (bad(rewards=np.array([1.0, np.nan, 0.0])), FloatingPointError, "rewards must be finite numbers, one is nan"),
        (bad(rewards=np.array([1.0, 0.0, -np.inf])), FloatingPointError, "one is -inf"),
    ],
)
def test_refused_experiences_change_nothing(
    kind: Kind, given_: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    buffer = kind(parameters(4, 2))
    buffer.store_experiences(*experiences(range(4)))
    with pytest.raises(error, match=message):
        buffer.store_experiences(*given_)
    assert held(buffer) == [0, 1, 2, 3]


@both_kinds
def test_the_first_experiences_must_agree_in_themselves(kind: Kind) -> None:
    buffer = kind(parameters(4, 2))
    with pytest.raises(ValueError, match=r"new_states must be of shape \(3, 2\), they are of \(3, 5\)"):
        buffer.store_experiences(*bad(new_states=np.zeros((3, 5), np.float32)))
    with pytest.raises(ValueError, match=r"rewards must be of shape \(3,\), they are of \(2,\)"):
        buffer.store_experiences(*bad(rewards=np.zeros(2)))
    assert len(buffer) == 0


@both_kinds
def test_refused_single_experiences(kind: Kind) -> None:
    buffer = kind(parameters(4, 2))
    state = np.zeros(2, np.float32)
    buffer.store_experience(state, 1, 0.0, False, state)
    with pytest.raises(FloatingPointError, match="one is nan"):
        buffer.store_experience(state, 1, float("nan"), False, state)
    with pytest.raises(ValueError, match=r"states must be of shape \(1, 2\), they are of \(1, 1\)"):
        buffer.store_experience(state[:1], 1, 0.0, False, state)
    with pytest.raises(ValueError, match="actions of type float64"):
        buffer.store_experience(state, 0.7, 0.0, False, state)
    assert len(buffer) == 1


@both_kinds
def test_memory_is_checked_before_it_is_taken(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_memory, "available_memory", lambda: 100 * 2**20)
    # Two states of 100 floats, an action, reward, discount and two flags: 826 bytes, 787.7 MiB in all.
    with pytest.raises(InputError, match=r"1,000,000 experiences take .* MiB of memory, 100 MiB are free; reduce max_"):
        kind(parameters(1_000_000, 32), state_shape=(100,))
    buffer = kind(parameters(1_000_000, 32))
    state = np.zeros(100, np.float32)
    with pytest.raises(
        InputError, match="take 788 MiB of memory, 100 MiB are free; reduce max_experiences to 126,946 or"
    ):
        buffer.store_experience(state, 0, 0.0, False, state)
    assert len(buffer) == 0
    with pytest.raises(InputError, match="reduce max_experiences"):
        kind(parameters(10_000_000, 32))


@both_kinds
def test_memory_as_computed(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(experience_buffer, "check_memory", lambda n, n_bytes: asked.append(n_bytes))
    buffer = kind(parameters(1000, 32), state_shape=(25,), action_shape=(2,), action_dtype=np.float32)
    taken = sum(column.nbytes for column in buffer._columns.values())
    if isinstance(buffer, PrioritizedExperienceReplayBuffer):
        taken += buffer._tree._nodes.nbytes + buffer._tree._minima.nbytes
    assert asked == [taken]
    assert taken >= 1000 * (2 * 25 * 4 + 2 * 4 + 8 + 8 + 2)


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
def test_takes_what_an_accumulator_gives(kind: Kind) -> None:
    buffer, accumulator = kind(parameters(8, 2)), NStepAccumulator(2, 0.5)
    for i in range(3):
        states, actions, _, _, _, new_states = experiences(np.array([i]))
        ended = np.array([i == 2])
        buffer.store_experiences(*accumulator.add(states, actions, np.array([1.0]), ended, ~ended & False, new_states))
    stored = buffer.state_dict()["experiences"]
    assert stored["actions"].tolist() == [0, 3, 6]
    assert stored["rewards"].tolist() == [1.5, 1.5, 1.0]
    assert stored["discounts"].tolist() == [0.25, 0.0, 0.0]
    assert stored["new_states"][:, 0].tolist() == [2, 3, 3]
