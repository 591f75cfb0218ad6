"""Replay buffers beside those of other libraries: observations of 25 floats, 100,000 experiences stored."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cpprb
import numpy as np
from gymnasium.spaces import Box, Discrete
from stable_baselines3.common.buffers import ReplayBuffer

from benchmarks.report import Bar, Results, Row
from benchmarks.timing import Case, Effort, in_turn, rate
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.transition import Transition

_STORED = 100_000
_SIZE = 25
_ACTIONS = 3883
_BULK = 1000
_OURS, _CPPRB, _SB3, _TIANSHOU = "ours", "cpprb", "stable-baselines3", "tianshou"

# Quantity, unit, our bar, and its name in the worker for tianshou.
_TITLES = {
    "prioritized-64": ("Prioritized replay: sample and update of priorities, batches of 64", "µs", Bar(most=119)),
    "prioritized-256": ("Prioritized replay: sample and update of priorities, batches of 256", "µs", Bar(most=158)),
    "uniform-256": ("Uniform replay: sample, batches of 256", "µs", None),
    "add": ("Storing experiences one by one", "experiences/s", Bar(least=100_000)),
    "bulk": (f"Storing {_BULK:,} experiences at once", "experiences/s", Bar(least=4_000_000)),
}
_NOTES = {
    "add": "Ours, cpprb and tianshou store into prioritized replay; stable-baselines3 has uniform replay only.",
    "bulk": "tianshou and stable-baselines3 store one experience of each environment at a time.",
}

Works = dict[str, Callable[[], float]]


def measure(effort: Effort, tianshou_python: Path | None) -> list[Results]:
    """One table for each thing that buffers do.

    Args:
        effort: how much is measured.
        tianshou_python: a Python that has tianshou, which wants an older pandas than we do.
    """
    with _tianshou(tianshou_python, effort.seconds) as tianshou:
        return [_table(topic, {**_here(topic, effort.seconds), **tianshou(topic)}, effort) for topic in _TITLES]


def _table(topic: str, works: Works, effort: Effort) -> Results:
    title, unit, bar = _TITLES[topic]
    rows = []
    for name, per_second in in_turn(works, effort.repetitions).items():
        values = [1e6 / rate for rate in per_second] if unit == "µs" else per_second
        rows.append(Row(name, unit, values, bar if name == _OURS else None))
    notes = [_NOTES[topic]] if topic in _NOTES else []
    if _TIANSHOU not in works and topic != "bulk":
        notes.append("tianshou was not here: --tianshou-python names a Python that has it.")
    return Results(title, rows, _CPPRB, notes)


def _here(topic: str, seconds: float) -> Works:
    """What runs in this process: functions that return samples or transitions per second, by library."""
    kind, _, size = topic.partition("-")
    makers = {"prioritized": _prioritized, "uniform": _uniform, "add": _add, "bulk": _bulk}
    cases = makers[kind](int(size)) if size else makers[kind]()  # type: ignore[operator]
    return {case.name: partial(rate, case, seconds) for case in cases}


def _prioritized(batch_size: int) -> list[Case]:
    errors = itertools.cycle(np.random.default_rng(0).random((64, batch_size)).astype(np.float32))
    ours, theirs = _filled(_our_prioritized(batch_size)), _cpprb(cpprb.PrioritizedReplayBuffer)

    def our_work() -> int:
        batch = ours.sample_batch()
        ours.update_priorities(batch.indices, next(errors))
        return 1

    def their_work() -> int:
        batch = theirs.sample(batch_size, beta=0.4)
        theirs.update_priorities(batch["indexes"], next(errors))
        return 1

    return [Case(_OURS, our_work), Case(_CPPRB, their_work)]


def _uniform(batch_size: int) -> list[Case]:
    ours, theirs, sb3 = _filled(ExperienceReplayBuffer(_parameters(batch_size))), _cpprb(cpprb.ReplayBuffer), _sb3()
    for experience in _one_by_one(_STORED):
        sb3.add(*_for_sb3(experience))

    def work(sample: Callable[[], Any]) -> int:
        sample()
        return 1

    return [
        Case(_OURS, partial(work, ours.sample_batch)),
        Case(_CPPRB, partial(work, partial(theirs.sample, batch_size))),
        Case(_SB3, partial(work, partial(sb3.sample, batch_size))),
    ]


def _add() -> list[Case]:
    ours, theirs, sb3 = _filled(_our_prioritized(64)), _cpprb(cpprb.PrioritizedReplayBuffer), _sb3()
    experiences = list(_one_by_one(1000))
    for_cpprb = [dict(zip(("obs", "act", "rew", "done", "next_obs"), each, strict=True)) for each in experiences]
    for_sb3 = [_for_sb3(each) for each in experiences]

    def our_work() -> int:
        for experience in experiences:
            ours.store_experience(*experience)
        return len(experiences)

    def cpprb_work() -> int:
        for experience in for_cpprb:
            theirs.add(**experience)
        return len(experiences)

    def sb3_work() -> int:
        for experience in for_sb3:
            sb3.add(*experience)
        return len(experiences)

    return [Case(_OURS, our_work), Case(_CPPRB, cpprb_work), Case(_SB3, sb3_work)]


def _bulk() -> list[Case]:
    ours, theirs = _filled(_our_prioritized(64)), _cpprb(cpprb.PrioritizedReplayBuffer)
    states, actions, rewards, terminated, new_states = _experiences(_BULK)
    transitions = _transitions(_BULK)

    def our_work() -> int:
        ours.store_experiences(transitions)
        return _BULK

    def their_work() -> int:
        theirs.add(obs=states, act=actions, rew=rewards, done=terminated, next_obs=new_states)
        return _BULK

    return [Case(_OURS, our_work), Case(_CPPRB, their_work)]


def _experiences(n: int) -> tuple[Any, ...]:
    """States, actions, rewards, whether it ended there, and new states of n experiences."""
    rng = np.random.default_rng(0)
    states = rng.random((n, _SIZE), dtype=np.float32)
    return states, rng.integers(0, _ACTIONS, n), rng.random(n), rng.random(n) < 0.02, states[::-1].copy()


def _transitions(n: int) -> Transition:
    states, actions, rewards, terminated, new_states = _experiences(n)
    return Transition(states, actions, rewards, terminated, np.zeros_like(terminated), new_states)


def _one_by_one(n: int) -> Iterator[tuple[Any, ...]]:
    states, actions, rewards, ended, new_states = _experiences(n)
    return zip(states, actions, rewards.tolist(), ended.tolist(), new_states, strict=True)


def _parameters(batch_size: int) -> ExperienceReplayBufferParameters:
    return ExperienceReplayBufferParameters(_STORED, batch_size, batch_size)


def _our_prioritized(batch_size: int) -> PrioritizedExperienceReplayBuffer:
    return PrioritizedExperienceReplayBuffer(_parameters(batch_size))


def _filled(buffer: Any) -> Any:
    buffer.store_experiences(_transitions(_STORED))
    return buffer


def _cpprb(kind: Any) -> Any:
    fields = {"obs": {"shape": _SIZE}, "act": {"dtype": np.int64}, "rew": {}, "done": {}, "next_obs": {"shape": _SIZE}}
    buffer = kind(_STORED, fields)
    states, actions, rewards, ended, new_states = _experiences(_STORED)
    buffer.add(obs=states, act=actions, rew=rewards, done=ended, next_obs=new_states)
    return buffer


def _sb3() -> ReplayBuffer:
    return ReplayBuffer(_STORED, Box(0, 1, (_SIZE,), np.float32), Discrete(_ACTIONS), device="cpu")


def _for_sb3(experience: tuple[Any, ...]) -> tuple[Any, ...]:
    state, action, reward, ended, new_state = experience
    return state[None], new_state[None], np.array([action]), np.array([reward]), np.array([ended]), [{}]


@contextmanager
def _tianshou(python: Path | None, seconds: float) -> Iterator[Callable[[str], Works]]:
    """Give what asks a process of that Python, which takes turns with this one, for a measurement."""
    if python is None:
        yield lambda topic: {}
        return
    script = str(Path(__file__).with_name("replay_tianshou.py"))
    with subprocess.Popen(
        [python, script, str(_STORED), str(_SIZE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        questions, answers = worker.stdin, worker.stdout

        def ask(topic: str) -> float:
            print(topic, seconds, file=questions, flush=True)
            return float(answers.readline())

        yield lambda topic: {} if topic == "bulk" else {_TIANSHOU: partial(ask, topic)}
        questions.close()
