import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from pydeeprecsys.simulation.streams import CHOICE_LANE, USER_LANE, philox, uniforms

WORD = 2**32 - 1
STREAMS, LENGTH = 60, 20_000
COUNT = np.arange(LENGTH)
ZEROS = np.zeros(LENGTH, dtype=np.int64)


def plain_philox(counter: tuple[int, int, int, int], key: int) -> tuple[int, ...]:
    """Philox4x32-10 as section 3.3 of Salmon et al. 2011 draws it, in Python's own integers."""
    left, right = [counter[0], counter[2]], [counter[1], counter[3]]
    keys = [key & WORD, key >> 32]
    for _ in range(10):
        high_0, low_0 = divmod(left[0] * 0xD2511F53, 2**32)
        high_1, low_1 = divmod(left[1] * 0xCD9E8D57, 2**32)
        left = [high_1 ^ right[0] ^ keys[0], high_0 ^ right[1] ^ keys[1]]
        right = [low_1, low_0]
        keys = [(keys[0] + 0x9E3779B9) & WORD, (keys[1] + 0xBB67AE85) & WORD]
    return left[0], right[0], left[1], right[1]


def compiled_philox(counter: tuple[int, int, int, int], key: int) -> tuple[int, ...]:
    return tuple(int(word) for word in philox(*map(np.uint64, counter), np.uint64(key)))


# The known answers that Random123 publishes for philox4x32 with 10 rounds (its tests/kat_vectors).
@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((WORD,) * 4, (WORD,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(counter: tuple[int, int, int, int], key: tuple[int, int], answer: tuple[int, ...]) -> None:
    joined = key[0] | key[1] << 32
    assert compiled_philox(counter, joined) == answer
    assert plain_philox(counter, joined) == answer


@given(st.tuples(*[st.integers(0, WORD)] * 4), st.integers(0, 2**64 - 1))
def test_any_counter_and_key_as_in_plain_python(counter: tuple[int, int, int, int], key: int) -> None:
    assert compiled_philox(counter, key) == plain_philox(counter, key)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1), st.integers(0, WORD), st.sampled_from([0, 1]))
def test_a_number_is_the_first_53_bits_at_its_place(seed: int, episode: int, step: int, lane: int) -> None:
    # Pinned: a seed has to mean the same sessions in every version.
    first, second, *_ = plain_philox((step, episode & WORD, episode >> 32, lane), seed)
    expected = ((first >> 5) << 26 | second >> 6) / 2**53
    got = uniforms(np.array([seed], dtype=np.uint64), np.array([episode]), np.array([step]), lane)
    assert got.tolist() == [expected]


def along(axis: str, key: int) -> NDArray[np.float64]:
    """Numbers of which only the seed, the episode or the step changes from each to the next."""
    seeds = (COUNT + key * LENGTH if axis == "seed" else np.full(LENGTH, key)).astype(np.uint64)
    return uniforms(seeds, COUNT if axis == "episode" else ZEROS, COUNT if axis == "step" else ZEROS, CHOICE_LANE)


def assert_chance(p_values: list[float]) -> None:
    """Where there is only chance, p-values are themselves uniform: neither too many small ones, nor too few."""
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["seed", "episode", "step"])
def test_numbers_are_uniform(axis: str) -> None:
    streams = [along(axis, key) for key in range(STREAMS)]
    assert all(numbers.min() >= 0 and numbers.max() < 1 for numbers in streams)
    assert len(np.unique(streams)) == STREAMS * LENGTH
    assert_chance([stats.kstest(numbers, "uniform").pvalue for numbers in streams])
    cells = [np.bincount((numbers * 256).astype(int), minlength=256) for numbers in streams]
    assert_chance([stats.chisquare(counts).pvalue for counts in cells])


@pytest.mark.parametrize("axis", ["seed", "episode", "step"])
@pytest.mark.parametrize("lag", [1, 2, 64])
def test_neighbours_know_nothing_of_each_other(axis: str, lag: int) -> None:
    p_values = []
    for key in range(STREAMS):
        cells = (along(axis, key) * 16).astype(int)
        p_values.append(stats.chisquare(np.bincount(cells[:-lag] * 16 + cells[lag:], minlength=256)).pvalue)
    assert_chance(p_values)


def test_lanes_know_nothing_of_each_other() -> None:
    seeds = COUNT.astype(np.uint64)
    users, choices = (uniforms(seeds, ZEROS, ZEROS, lane) for lane in (USER_LANE, CHOICE_LANE))
    assert not np.any(users == choices)
    pairs = np.bincount((users * 16).astype(int) * 16 + (choices * 16).astype(int), minlength=256)
    assert stats.chisquare(pairs).pvalue > 1e-3


def test_every_bit_of_the_seed_and_of_the_episode_counts() -> None:
    seeds = np.array([0] + [1 << bit for bit in range(64)], dtype=np.uint64)
    episodes = np.array([0] + [1 << bit for bit in range(63)])
    zeros = np.zeros(65, dtype=np.int64)
    assert len(np.unique(uniforms(seeds, zeros, zeros, 0))) == 65
    assert len(np.unique(uniforms(seeds[:1].repeat(64), episodes, zeros[:64], 0))) == 64


def test_a_batch_draws_what_its_streams_draw_alone_in_any_order() -> None:
    rng = np.random.default_rng(0)
    seeds = rng.integers(0, 2**64, 50, dtype=np.uint64)
    episodes, steps = rng.integers(0, 1000, (2, 50))
    batch = uniforms(seeds, episodes, steps, CHOICE_LANE)
    alone = [uniforms(seeds[i : i + 1], episodes[i : i + 1], steps[i : i + 1], CHOICE_LANE)[0] for i in range(50)]
    order = rng.permutation(50)
    assert batch.tolist() == alone
    assert uniforms(seeds[order], episodes[order], steps[order], CHOICE_LANE).tolist() == batch[order].tolist()
