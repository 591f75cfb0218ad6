"""A trial: an agent with some hyperparameters, trained from each seed and evaluated, or pruned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydeeprecsys.errors import BusyError
from pydeeprecsys.experiments.run import run, why_failed
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.search import Outcome
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.experiments.workers import Report
from pydeeprecsys.rl.callback import Callback
from pydeeprecsys.rl.manager import MOVING_AVERAGE, Episode


class Trial(NamedTuple):
    """Hyperparameters to try, and the thresholds of the running return by numbers of episodes."""

    number: int
    hyperparameters: Mapping[str, Any]
    thresholds: dict[int, float]


class Pruned(Exception):
    """The training is pruned."""


class _Pruner:
    """Follows the running return of a training, and raises Pruned once it is below a threshold.

    The running return is the mean of the last 100 episodes, of all if there are fewer.

    Args:
        folder: of the training.
        checks: numbers of its episodes after which the return is compared.
        before: episodes of the trial's trainings before this one.
        thresholds: of the running return, by the number of episodes in all trainings of the trial.
        running: takes the running returns.
    """

    def __init__(
        self,
        folder: RunFolder,
        checks: list[int],
        *,
        before: int,
        thresholds: Mapping[int, float],
        running: dict[int, float],
    ) -> None:
        self._folder, self._checks, self._before = folder, checks, before
        self._thresholds, self._running = thresholds, running
        self._returns: list[float] = []

    def add(self, number: int, episode: Episode) -> None:
        """Take in an episode; the first may be one in the middle, of a training that was resumed."""
        if len(self._returns) < number:
            self._returns = [row["measurement"] for row in self._folder.measurements("episode_rewards")][:number]
        self._returns.append(episode.output.reward_sum)
        self.check(self._returns)

    def check(self, returns: Sequence[float]) -> None:
        """Raise Pruned if the running return of these is below a threshold."""
        while self._checks and self._checks[0] <= len(returns):
            k = self._checks.pop(0)
            last = returns[max(0, k - MOVING_AVERAGE) : k]
            running = self._running[self._before + k] = math.fsum(last) / len(last)
            if running < self._thresholds.get(self._before + k, -math.inf):
                raise Pruned


def run_trial(shared: tuple[Tuning, Path, Sequence[Callback]], trial: Trial, report: Report) -> Outcome:
    """Run a trial, or continue it where it was stopped.

    Args:
        shared: the search, its folder, and the callbacks of its trainings.
        trial: what to try.
        report: called after each training episode with the number of the trial and of its episodes so far.
    """
    tuning, out, callbacks = shared
    returns: list[float] = []
    running: dict[int, float] = {}
    for index in range(tuning.seeds):
        config, before = tuning.run(index, trial.hyperparameters), index * tuning.episodes
        folder = RunFolder(out).run(f"{trial.number:03d}", config.seed)
        pruner = _Pruner(folder, tuning.checks, before=before, thresholds=trial.thresholds, running=running)

        def on_episode(number: int, episode: Episode, pruner: _Pruner = pruner, before: int = before) -> None:
            report(trial.number, before + number + 1)
            pruner.add(number, episode)

        try:
            folder = run(config, folder.path, on_episode=on_episode, callbacks=callbacks)
            pruner.check(folder.series("episode_rewards"))  # for a training that was done before
        except Pruned:
            return Outcome(trial.number, trial.hyperparameters, "pruned", returns=returns, running=running)
        except (BusyError, OSError):
            raise
        except Exception as error:
            note = why_failed(error, folder.path)
            return Outcome(trial.number, trial.hyperparameters, "failed", returns=returns, running=running, note=note)
        returns.append(float(folder.evaluation["return"].mean()))
    return Outcome(trial.number, trial.hyperparameters, "complete", returns=returns, running=running)
