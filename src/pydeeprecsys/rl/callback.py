"""Callbacks: what is called while an agent is trained, such as a tracker of experiments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import fmean
from typing import Any

from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.rollout import Episode, Step


class Callback:
    """Is called while an agent is trained; override the methods of interest, the others do nothing.

    An exception from a method ends the training like any other exception; `on_end` is called with it.
    """

    def on_begin(self, settings: Mapping[str, Any]) -> None:
        """Before the training.

        Args:
            settings: of a run, those of its config.json, `agent`, `seed` and `hyperparameters` among them; of
                `Manager.train`, the `agent`'s class, the `env` and the `seed`.
        """

    def on_step(self, step: Step) -> None:
        """After each training step of the environments."""

    def on_episode(self, number: int, episode: Episode, metrics: Mapping[str, float]) -> None:
        """After each training episode.

        Args:
            number: of the episode, from 0; a run that is resumed continues to count.
            episode: its rewards and measures.
            metrics: the mean of each metric since the last episode, such as `episode_rewards`, `moving_rewards` and
                `loss`; metrics at each time step are not among them.
        """

    def on_evaluation(self, episodes: int, measures: Mapping[str, float], final: bool) -> None:
        """After each evaluation of a run.

        Args:
            episodes: number of training episodes before it.
            measures: means over the sessions of the evaluation: `return`, and others if they are known.
            final: whether it is that after the training; not one of those that `evaluate_every` asks for.
        """

    def on_end(self, error: BaseException | None) -> None:
        """After the training, and the final evaluation of a run; or with the exception that ended it."""


class Callbacks:
    """Several callbacks as one.

    Args:
        callbacks: they are called in this order.
        statistics: the metrics of the training.

    Attributes:
        on_step: calls those that override `on_step`; None if none does, so that a step costs nothing.
    """

    def __init__(self, callbacks: Sequence[Callback], statistics: LearningStatistics) -> None:
        self._callbacks, self._statistics = callbacks, statistics
        self._seen = len(statistics.collected_metrics)
        self.on_step = together(*(each.on_step for each in callbacks if type(each).on_step is not Callback.on_step))

    @contextmanager
    def running(self, settings: Mapping[str, Any]) -> Iterator[None]:
        """Call `on_begin`, and after the block `on_end`, also if another callback raises."""
        with ExitStack() as stack:
            for each in self._callbacks:
                each.on_begin(settings)
                stack.push(partial(_end, each))
            yield

    def on_episode(self, number: int, episode: Episode) -> None:
        """Call all, with the mean of each metric since the last episode."""
        if self._callbacks:
            fresh: dict[str, list[float]] = defaultdict(list)
            for row in self._statistics.collected_metrics[self._seen :]:
                if isinstance(row["measurement"], int | float):
                    fresh[row["metric"]].append(row["measurement"])
            self._seen = len(self._statistics.collected_metrics)
            metrics = {name: fmean(values) for name, values in fresh.items()}
            for each in self._callbacks:
                each.on_episode(number, episode, metrics)

    def on_evaluation(self, episodes: int, measures: Mapping[str, float], *, final: bool) -> None:
        """Call all, with the measures that are known."""
        known = {name: value for name, value in measures.items() if value == value}
        for each in self._callbacks:
            each.on_evaluation(episodes, known, final)


def together(*functions: Callable[..., None] | None) -> Callable[..., None] | None:
    """A function that calls those that are given, in this order; None if none is."""
    given = [function for function in functions if function is not None]

    def call(*arguments: Any) -> None:
        for function in given:
            function(*arguments)

    return call if given else None


def _end(callback: Callback, kind: object, error: BaseException | None, trace: object) -> None:
    callback.on_end(error)
