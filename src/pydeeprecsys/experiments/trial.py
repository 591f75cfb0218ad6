"""One trial: an agent of some options, trained from each seed for as long as it keeps up, and judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydeeprecsys.errors import DivergenceError
from pydeeprecsys.experiments.metrics_file import read_metrics
from pydeeprecsys.experiments.run import carry_out
from pydeeprecsys.experiments.search import Outcome
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.rl.manager import MOVING_AVERAGE, Episode


class Trial(NamedTuple):
    """Options to try, and what the running return should have reached after how many episodes."""

    number: int
    options: Mapping[str, Any]
    bars: dict[int, float]


class _FellBehind(Exception):
    """A training is not worth going on with."""


class _Watch:
    """Follows the running return of a training, and stops it where it is below a bar.

    The running return is the mean of the last 100 episodes, or of all where there are fewer: the bars are of as many.

    Args:
        folder: of the training.
        checks: after how many of its episodes it is looked at.
        before: episodes of the trial's trainings before this one.
        bars: what the running return should be, by the episodes of all trainings.
        running: takes what it was.
    """

    def __init__(
        self, folder: Path, checks: list[int], before: int, bars: Mapping[int, float], running: dict[int, float]
    ) -> None:
        self._folder, self._checks, self._before = folder, checks, before
        self._bars, self._running = bars, running
        self._returns: list[float] = []

    def see(self, number: int, episode: Episode) -> None:
        """Take in an episode; the first to come may be one in the middle, of a training that goes on."""
        if len(self._returns) < number:
            rows = read_metrics(self._folder / "metrics.csv")
            self._returns = [r["measurement"] for r in rows if r["metric"] == "episode_rewards"][:number]
        self._returns.append(episode.output.reward_sum)
        self.look(self._returns)

    def look(self, returns: Sequence[float]) -> None:
        """Raise _FellBehind where the running return of these is below a bar."""
        while self._checks and self._checks[0] <= len(returns):
            k = self._checks.pop(0)
            last = returns[max(0, k - MOVING_AVERAGE) : k]
            running = self._running[self._before + k] = math.fsum(last) / len(last)
            if running < self._bars.get(self._before + k, -math.inf):
                raise _FellBehind


def try_out(shared: tuple[Tuning, Path], trial: Trial, tell: Callable[..., None]) -> Outcome:
    """Carry out a trial, or go on with it where it was left.

    Args:
        shared: what is looked for, and the folder of everything.
        trial: what to try.
        tell: called after each training episode with the number of the trial and the episodes it has trained for.
    """
    tuning, out = shared
    returns: list[float] = []
    running: dict[int, float] = {}
    for index in range(tuning.seeds):
        folder, before = tuning.folder(out, trial.number, index), index * tuning.episodes
        watch = _Watch(folder, tuning.checks, before, trial.bars, running)

        def on_episode(number: int, episode: Episode, watch: _Watch = watch, before: int = before) -> None:
            tell(trial.number, before + number + 1)
            watch.see(number, episode)

        try:
            run = carry_out(tuning.run(index, trial.options), tuning.world, folder, on_episode=on_episode)
            done = run.statistics.get_metrics("episode_rewards")
            assert done is not None
            watch.look(done.tolist())  # for a training that was done before
        except _FellBehind:
            return Outcome(trial.number, trial.options, "pruned", returns, running)
        except DivergenceError:
            return Outcome(trial.number, trial.options, "failed", returns, running)
        returns.append(float(run.evaluation["return"].mean()))
    return Outcome(trial.number, trial.options, "complete", returns, running)
