"""A run that a tracker of experiments follows: MLflow, or files. Run: python examples/tracking.py [--mlflow]"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydeeprecsys import Callback
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.rl.manager import Episode

OUTPUT = Path("output/tracking")


class FileTracker:
    """Keeps what it is given in a folder for each run; its methods are functions of MLflow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start_run(self, run_name: str) -> None:
        self.run = self.folder / run_name
        self.run.mkdir(parents=True, exist_ok=True)

    def log_params(self, params: dict[str, Any]) -> None:
        (self.run / "params.json").write_text(json.dumps(params, indent=2))

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        with (self.run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")

    def end_run(self, status: str) -> None:
        (self.run / "status.txt").write_text(status)


class Tracking(Callback):
    """Gives a tracker the settings of each run, its metrics, what it reached and how it ended."""

    def __init__(self, tracker: Any) -> None:
        self.tracker = tracker

    def on_begin(self, settings: Mapping[str, Any]) -> None:
        params = {name: value for name, value in settings.items() if not isinstance(value, dict)}
        self.tracker.start_run(run_name=f"{settings['agent']}-{settings['seed']}")
        self.tracker.log_params({**params, **settings["env_options"], **settings["hyperparameters"]})

    def on_episode(self, number: int, episode: Episode, metrics: Mapping[str, float]) -> None:
        self.tracker.log_metrics(dict(metrics), step=number)

    def on_evaluation(self, episodes: int, measures: Mapping[str, float], final: bool) -> None:
        when = "final" if final else "evaluation"
        self.tracker.log_metrics({f"{when}_{name}": value for name, value in measures.items()}, step=episodes)

    def on_end(self, error: BaseException | None) -> None:
        interrupted = isinstance(error, KeyboardInterrupt)
        self.tracker.end_run(status="KILLED" if interrupted else "FAILED" if error else "FINISHED")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="synthetic", help="a name from 'pydeeprecsys data list', or a path")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--mlflow", action="store_true", help="log to MLflow, which has to be installed")
    arguments = parser.parse_args()
    if arguments.mlflow:
        import mlflow

        tracker: Any = mlflow
    else:
        tracker = FileTracker(OUTPUT / "tracked")
    config = RunConfig(task=Task(dataset=arguments.dataset), agent="reinforce", episodes=arguments.episodes)
    run(config, OUTPUT / "run", callbacks=[Tracking(tracker)])
