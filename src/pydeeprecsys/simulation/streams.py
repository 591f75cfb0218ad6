"""Counter-based random numbers: each is a hash of a seed and of its position in the stream.

Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). No state is carried from draw to
draw, so a batch draws what its users would draw alone, and a session is restored by restoring its counters.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pydeeprecsys.arrays import Floats, Ints, Seeds

_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


# The purpose of a draw: draws of different lanes never share a number.
USER_LANE, CHOICE_LANE = 0, 1
# Of interest evolution, besides the choice:
INTEREST_LANE, TOPIC_LANE, QUALITY_LANE, DRIFT_LANE = 16, 17, 18, 19


@njit(cache=True)
def philox(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, key: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Four random 32-bit words from a counter of four 32-bit words and a 64-bit key, all held in 64 bits."""
    k0, k1 = key & _LOW, key >> _WORD
    for _ in range(10):
        product_0, product_1 = _MULTIPLIER_0 * c0, _MULTIPLIER_1 * c2
        high_0, high_1 = product_0 >> _WORD, product_1 >> _WORD
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, product_1 & _LOW, high_0 ^ c3 ^ k1, product_0 & _LOW
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@njit(cache=True)
def uniform_pair(
    seed: np.uint64, episode: np.int64, step: np.int64, lane: int, number: int = 0
) -> tuple[np.float64, np.float64]:
    """Two numbers in [0, 1) of 53 random bits each, for compiled code.

    Args:
        seed: of the stream.
        episode: number of the session in the stream.
        step: number of the step in the session.
        lane: purpose of the draw, below 256.
        number: of the draw, where one purpose needs several: below 2**24.
    """
    high, low, second_high, second_low = philox(
        np.uint64(step) & _LOW,
        np.uint64(episode) & _LOW,
        np.uint64(episode) >> _WORD,
        np.uint64(lane) | np.uint64(number) << np.uint64(8),
        key=seed,
    )
    return _of_53_bits(high, low), _of_53_bits(second_high, second_low)


@njit(cache=True)
def _of_53_bits(high: np.uint64, low: np.uint64) -> np.float64:
    number: np.float64 = ((high >> np.uint64(5)) * 67108864.0 + (low >> np.uint64(6))) / 9007199254740992.0
    return number


@njit(cache=True)
def uniforms(seeds: Seeds, episodes: Ints, steps: Ints, lane: int) -> Floats:
    """One number in [0, 1) for each stream: (n,) seeds, episodes and steps to (n,) numbers of 53 random bits."""
    numbers = np.empty(len(seeds))
    for i in range(len(seeds)):
        numbers[i], _ = uniform_pair(seeds[i], episodes[i], steps[i], lane)
    return numbers
