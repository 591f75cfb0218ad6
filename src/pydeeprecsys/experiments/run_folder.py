"""The files of a run, a comparison or a search: each is named, written and read here, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.standings import run_measures
from pydeeprecsys.experiments.audit_folder import TABLES
from pydeeprecsys.experiments.claimed_folder import ClaimedFolder
from pydeeprecsys.experiments.metrics_file import MetricsFile, episodes_in, read_metrics
from pydeeprecsys.experiments.result_files import draw_or_warn, read_json, read_table, write_json, write_table
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.checkpoint import load_checkpoint, save_checkpoint
from pydeeprecsys.rl.learning_statistics import LearningStatistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pydeeprecsys.experiments.evaluate import Evaluation

_METRICS, _CHECKPOINT, _BEST_CHECKPOINT = "metrics.csv", "checkpoint.safetensors", "best.safetensors"
_AGENT, _LEARNING = "agent.safetensors", "learning.png"
_RESULT = "result.json"  # written last: a run that has it is done
_EVALUATION, _EXPOSURE, _SESSIONS = "evaluation.csv", "exposure.csv", "sessions.json"
_ALL_METRICS, _SUMMARY = "all_metrics.csv", "summary.csv"
_FRONT, _FRONT_PNG = "front.csv", "front.png"
_CURVES, _CURVES_PDF = "learning_curves.png", "learning_curves.pdf"
_RELEVANCE, _RELEVANCE_DESCRIBED = "relevance_metrics.csv", "relevance_metrics_describe.csv"
_BEST, _TRIALS, _STUDY = "best.json", "trials.csv", "study.db"
_REPORT = "report.html"

_T = TypeVar("_T")


class RunFolder(ClaimedFolder):
    """A folder of results, however far its run has come.

    What is read of a run that is done is kept: make another `RunFolder` to read it again.

    Attributes:
        agent_file: the trained networks alone.
        report_file: the report, by default.
        best_file: the hyperparameters that a search found best, or the parameters of a base that a policy search found.
        trials_file: the table of its trials.
        study_file: Optuna's database of them.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.agent_file, self.report_file = self.path / _AGENT, self.path / _REPORT
        self.best_file, self.trials_file, self.study_file = self.path / _BEST, self.path / _TRIALS, self.path / _STUDY

    results: ClassVar[Mapping[str, Sequence[str]]] = {
        "run": [
            *(_METRICS, "events.out.tfevents.*", _CHECKPOINT, _BEST_CHECKPOINT, _AGENT, _LEARNING, _RESULT),
            *(_EVALUATION, _EXPOSURE, _SESSIONS, _BEST, _REPORT),
        ],
        "compare": [
            *(_ALL_METRICS, _SUMMARY, _CURVES, _CURVES_PDF, _RELEVANCE, _RELEVANCE_DESCRIBED, _REPORT),
            *(_FRONT, _FRONT_PNG),
        ],
        "tune": [_BEST, _TRIALS, _STUDY, f"{_STUDY}-journal", _REPORT],
        "evaluation": [_EVALUATION, _EXPOSURE, _SESSIONS],
        "audit": [f"{name}.csv" for name in TABLES],
    }

    # A run: how it learned.

    @cached_property
    def agent(self) -> str:
        """The name of the agent."""
        return self._setting("agent", str)

    @cached_property
    def seed(self) -> int:
        """The seed of environments and agent."""
        return self._setting("seed", int)

    def _setting(self, name: str, kind: type[_T]) -> _T:
        value = self.config.get(name)
        if not isinstance(value, kind):
            raise InputError(f"{self.path} has no config.json of a run: it has no {name}; give the folder of a run")
        return value

    @property
    def features(self) -> str:
        """Source of the agent's item features, as tables say it; empty for none."""
        source = self.config.get("hyperparameters", {}).get("item_features", "none")
        return "" if source == "none" else f"features: {source}"

    def open_metrics(self, statistics: LearningStatistics) -> MetricsFile:
        """The file that the statistics go to as they come."""
        return MetricsFile(self.path / _METRICS, statistics, self.config)

    @cached_property
    def statistics(self) -> LearningStatistics:
        """All that was measured in training."""
        statistics = LearningStatistics(self.agent, self._setting("env", str))
        statistics.collected_metrics = self.measurements()
        return statistics

    def series(self, metric: str) -> list[Any]:
        """The measurements of a metric in training, in order."""
        return [row["measurement"] for row in self.statistics.collected_metrics if row["metric"] == metric]

    @property
    def steps_per_second(self) -> float:
        """Environment steps of training per second, by the clock; NaN without training."""
        steps = sum(map(len, self.series("timestep_rewards")))
        return steps / self.result["seconds"] if steps else float("nan")

    def measurements(self, metric: str | None = None) -> list[dict[str, Any]]:
        """The measurements so far, of one metric or of all; see `read_metrics`."""
        return read_metrics(self.path / _METRICS, metric) if (self.path / _METRICS).exists() else []

    @property
    def episodes_so_far(self) -> int:
        """Training episodes that the measurements so far are of."""
        return episodes_in(self.path / _METRICS)

    @cached_property
    def curve(self) -> tuple[Ints, Floats]:
        """The learning curve so far: (points,) episodes from 0, and the moving average of the return at each."""
        rows = self.measurements("moving_rewards")
        episodes = np.array([row["episode"] for row in rows], dtype=np.int64)
        return episodes, np.array([row["measurement"] for row in rows], dtype=np.float64)

    def save_checkpoint(self, state: Mapping[str, Any], *, best: bool = False) -> None:
        """Keep the state of the training; or the state of the best policy so far."""
        save_checkpoint(self.path / (_BEST_CHECKPOINT if best else _CHECKPOINT), state)

    def load_checkpoint(self, *, best: bool = False) -> dict[str, Any] | None:
        """The state that was kept last; None if there is none."""
        path = self.path / (_BEST_CHECKPOINT if best else _CHECKPOINT)
        return load_checkpoint(path) if path.exists() else None

    def drop_checkpoint(self) -> None:
        """Remove the state of a training that is done."""
        (self.path / _CHECKPOINT).unlink(missing_ok=True)

    def save_learning(self, title: str) -> None:
        """Draw the training, or warn that it cannot be drawn."""
        draw = partial(self.statistics.plot_learning_stats, title, recorded_only=True)
        draw_or_warn(draw, self.path / _LEARNING, [".png"])

    # A run: what it reached.

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result, the last file of a run: `seconds` of training, `mean_return`, `updates` and a `note`."""
        write_json(self.path / _RESULT, result)

    def read(self) -> None:
        """Read the results of a run that is done.

        Raises:
            InputError: one of its files is damaged or missing.
        """
        for name in ("result", "measures", "statistics"):
            getattr(self, name)  # which is kept

    def reopen(self) -> None:
        """Remove the result, without which the run is not done."""
        (self.path / _RESULT).unlink(missing_ok=True)

    def write_parameters(self, base: str, parameters: Mapping[str, float]) -> None:
        """Write the parameters of a base policy that a policy search found, as hyperparameters of that agent."""
        write_json(self.best_file, {"agent": base, "hyperparameters": dict(parameters)}, indent=2)

    @cached_property
    def parameters(self) -> dict[str, float]:
        """The parameters that a policy search found, by name; empty for other agents."""
        found = read_json(self.best_file) if self.best_file.exists() else {"hyperparameters": {}}
        return dict(found["hyperparameters"])

    @property
    def is_done(self) -> bool:
        """Whether the run has its result."""
        return (self.path / _RESULT).exists()

    @cached_property
    def result(self) -> dict[str, Any]:
        """What `finish` was given; empty before."""
        if not self.is_done:
            return {}
        result = read_json(self.path / _RESULT)
        if not isinstance(result, dict) or not {"seconds", "mean_return", "updates"} <= result.keys():
            raise InputError(f"{self.path / _RESULT} is not the result of a run; remove it, and resume {self.path}")
        return result

    @property
    def note(self) -> str:
        """Why the agent never updated, and what to change; empty if it did, or is not known to have not."""
        return str(self.result.get("note", ""))

    def write_evaluation(self, evaluation: Evaluation) -> None:
        """Write a table of episodes and, for simulated users, how often each item was shown, and some sessions."""
        write_table(self.path / _EVALUATION, evaluation.episodes, index=False)
        if evaluation.exposure is not None:
            write_table(self.path / _EXPOSURE, evaluation.exposure, index_label="item")
        if evaluation.sessions is not None:
            write_json(self.path / _SESSIONS, evaluation.sessions)

    @cached_property
    def evaluation(self) -> pd.DataFrame:
        """One row per episode of the evaluation: see `Evaluation`."""
        path = self.path / _EVALUATION
        return read_table(path, {"return", "steps"}, {"rating", "violence", "unmeasured"}, dtype={"user": str})

    @cached_property
    def measures(self) -> dict[str, float] | None:
        """What the run reached in its evaluation, see `run_measures`; None before it is done."""
        if not self.is_done:
            return None
        path = self.path / _EXPOSURE
        shown = read_table(path, {"shown"})["shown"].to_numpy() if path.exists() else None
        return run_measures(self.evaluation, shown)

    @cached_property
    def sessions(self) -> dict[str, Any]:
        """Some sessions of the evaluation step by step, as `Evaluation` has them; without any if there are none."""
        path = self.path / _SESSIONS
        recorded: dict[str, Any] = read_json(path) if path.exists() else {"genres": [], "sessions": []}
        return recorded

    # A comparison, and a search.

    def add_metrics(self, frame: pd.DataFrame, *, first: bool) -> None:
        """Add the measurements of a run to those of the comparison's other runs; the first begins the file anew."""
        path = self.path / _ALL_METRICS
        with whole_file(path) as temporary:
            if not first:
                shutil.copyfile(path, temporary)  # cheaper than to write all numbers out again
            frame.to_csv(temporary, mode="a", header=first, index=False)

    def write_summary(self, summary: pd.DataFrame) -> None:
        """Write the table of a comparison."""
        write_table(self.path / _SUMMARY, summary, index=False)

    def write_relevance(self, relevance: pd.DataFrame) -> None:
        """Write DCG and NDCG of all training steps of a comparison, and their description."""
        write_table(self.path / _RELEVANCE, relevance)
        write_table(self.path / _RELEVANCE_DESCRIBED, relevance.describe())

    def save_curves(self, draw: Callable[[], Figure]) -> None:
        """Draw the learning curves of a comparison, or warn that they cannot be drawn."""
        draw_or_warn(draw, self.path / _CURVES, [".png", ".pdf"])

    def write_front(self, front: pd.DataFrame) -> None:
        """Write the front of a sweep, see `front_table`."""
        write_table(self.path / _FRONT, front, index=False)

    def save_front(self, draw: Callable[[], Figure]) -> None:
        """Draw the front of a sweep, or warn that it cannot be drawn."""
        draw_or_warn(draw, self.path / _FRONT_PNG, [".png"])

    @property
    def front(self) -> pd.DataFrame:
        """The front of a sweep, as it was written."""
        return read_table(self.path / _FRONT, {"seeds", "rating", "violence", "cvar", "return"})

    def write_trials(self, trials: pd.DataFrame, best: Mapping[str, Any] | None) -> None:
        """Write the table of the trials, and the best of them, if there is one."""
        write_table(self.trials_file, trials, index=False)
        if best is not None:
            write_json(self.best_file, best, indent=2)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The table of the trials so far, see `tune.trials_table`; hyperparameters as text.

        Raises:
            InputError: the file cannot be read.
        """
        if not self.trials_file.exists():
            return pd.DataFrame()
        try:
            table = pd.read_csv(self.trials_file, dtype=str, keep_default_na=False)
            numbers = {"trial": table["trial"].astype(int), "mean_return": pd.to_numeric(table["mean_return"])}
            return table.assign(**numbers, state=table["state"])
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.trials_file} is not readable as trials ({error})") from error
