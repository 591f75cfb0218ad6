"""Measures tianshou's replay buffers in a Python of its own; started by `benchmarks.replay`, imports nothing of ours.

Reads lines of a topic and seconds, answers each with samples or transitions per second.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable

import numpy as np
from tianshou.data import Batch, PrioritizedReplayBuffer, ReplayBuffer

STORED, SIZE = int(sys.argv[1]), int(sys.argv[2])


def experiences(n: int) -> list[Batch]:
    rng = np.random.default_rng(0)
    states = rng.random((n, SIZE), dtype=np.float32)
    rewards, ended = rng.random(n).tolist(), (rng.random(n) < 0.02).tolist()
    return [
        Batch(
            obs=states[i],
            act=i % 3883,
            rew=rewards[i],
            terminated=ended[i],
            truncated=False,
            obs_next=states[-1 - i],
            info={},
        )
        for i in range(n)
    ]


def main() -> None:
    fresh = experiences(1000)
    prioritized, uniform = PrioritizedReplayBuffer(STORED, alpha=0.6, beta=0.4), ReplayBuffer(STORED)
    for buffer in (prioritized, uniform):
        for experience in itertools.islice(itertools.cycle(fresh), STORED):
            buffer.add(experience)
    rng = np.random.default_rng(0)
    errors = {size: itertools.cycle(rng.random((64, size))) for size in (64, 256)}

    def sample_and_update(batch_size: int) -> int:
        _, indices = prioritized.sample(batch_size)
        prioritized.update_weight(indices, next(errors[batch_size]))
        return 1

    def sample(batch_size: int) -> int:
        uniform.sample(batch_size)
        return 1

    def add() -> int:
        for experience in fresh:
            prioritized.add(experience)
        return len(fresh)

    works: dict[str, Callable[[], int]] = {
        "prioritized-64": lambda: sample_and_update(64),
        "prioritized-256": lambda: sample_and_update(256),
        "uniform-256": lambda: sample(256),
        "add": add,
    }
    for line in sys.stdin:
        topic, seconds = line.split()
        n = 0
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < float(seconds) or n == 0:
            n += works[topic]()
        print(n / elapsed, flush=True)


if __name__ == "__main__":
    main()
