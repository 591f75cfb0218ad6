"""Callbacks of runs, comparisons and searches, and what TensorBoard shows of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from contracts.quick import quick_run
from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.experiments.trial import Pruned
from pydeeprecsys.experiments.tune import tune
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.rl.callback import Callback
from pydeeprecsys.rl.manager import Episode


class Diary(Callback):
    """Writes down what it is called with, also into a file if one is given: other processes have copies of it."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.lines: list[Any] = []

    def write(self, *line: Any) -> None:
        self.lines.append(line)
        if self.path is not None:
            with self.path.open("a") as file:
                print(*line, file=file)

    def on_begin(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.write("begin", settings["agent"], settings["seed"])

    def on_episode(self, number: int, episode: Episode, metrics: Mapping[str, float]) -> None:
        assert metrics["episode_rewards"] == pytest.approx(sum(episode.rewards))
        self.write("episode", number)

    def on_evaluation(self, episodes: int, measures: Mapping[str, float], final: bool) -> None:
        self.write("evaluation", episodes, final, dict(measures))

    def on_end(self, error: BaseException | None) -> None:
        self.write("end", None if error is None else type(error).__name__)


def test_a_run_calls_at_each_episode_and_evaluation_and_at_the_end(world: World, tmp_path: Path) -> None:
    diary, config = Diary(), quick_run("reinforce", world, episodes=3, evaluate_every=2)
    results = run(config, tmp_path, callbacks=[diary])
    selected = results.statistics.get_metrics("evaluation_return")
    assert selected is not None
    assert results.measures is not None
    assert diary.settings == config.as_json()
    assert diary.lines == [
        ("begin", "reinforce", 1),
        ("episode", 0),
        ("evaluation", 2, False, {"return": selected[0]}),
        ("episode", 1),
        ("episode", 2),
        ("evaluation", 3, False, {"return": selected[1]}),
        ("evaluation", 3, True, results.measures),
        ("end", None),
    ]
    run(config, tmp_path, callbacks=[diary])
    assert len(diary.lines) == 8  # nothing was left to do


def test_measures_that_are_not_known_are_left_out(tmp_path: Path) -> None:
    diary = Diary()
    run(RunConfig(task=Task(env="CartPole-v1"), agent="random", episodes=1), tmp_path, callbacks=[diary])
    assert diary.lines[-2][3].keys() == {"return", "session_length"}


def test_an_exception_stops_a_run_after_a_checkpoint(world: World, tmp_path: Path) -> None:
    class Full(Diary):
        def on_episode(self, number: int, episode: Episode, metrics: Mapping[str, float]) -> None:
            super().on_episode(number, episode, metrics)
            if number == 4:
                raise OSError("the tracker is full")

    stopped, config = Full(), quick_run("reinforce", world, checkpoint_every=1000.0)
    with pytest.raises(OSError, match="the tracker is full"):
        run(config, tmp_path / "stopped", callbacks=[stopped])
    assert stopped.lines[-2:] == [("episode", 4), ("end", "OSError")]
    resumed = Diary()
    parts = run(config, tmp_path / "stopped", callbacks=[resumed])
    assert [line[1] for line in resumed.lines if line[0] == "episode"] == [5, 6, 7]
    whole = run(config, tmp_path / "whole")
    assert parts.statistics.collected_metrics == whole.statistics.collected_metrics


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_comparison_calls_for_each_run(world: World, tmp_path: Path, jobs: int) -> None:
    comparison = Comparison(task=Task(world=world), agents=["win-stay"], episodes=2, seeds=2, evaluation_episodes=3)
    compare(comparison, tmp_path / "out", jobs=jobs, callbacks=[Diary(tmp_path / "diary")])
    lines = (tmp_path / "diary").read_text().splitlines()
    runs = [f"begin {agent} {seed}" for seed in (0, 1) for agent in ("win-stay", "random", "oracle")]
    assert sorted(line for line in lines if line.startswith("begin")) == sorted(runs)
    assert lines.count("episode 0") == lines.count("episode 1") == 2
    assert lines.count("end None") == len(runs)


@pytest.mark.slow
def test_a_search_calls_for_each_training_and_says_which_were_pruned(world: World, tmp_path: Path) -> None:
    diary = Diary()
    settings = {"seed": 3, "trials": 10, "episodes": 12, "seeds": 2, "evaluation_episodes": 10}
    outcomes = tune(
        Tuning(task=Task(world=world), agent="reinforce", **settings),  # type: ignore[arg-type]
        tmp_path,
        callbacks=[diary],
    )
    states = [outcome.state for outcome in outcomes]
    ends = [line[1] for line in diary.lines if line[0] == "end"]
    assert ends.count(Pruned.__name__) == states.count("pruned") > 0
    assert ends.count(None) >= 2 * states.count("complete")


def test_tensorboard_shows_hyperparameters_and_final_measures(world: World, tmp_path: Path) -> None:
    results = run(quick_run("reinforce", world), tmp_path)
    events = EventAccumulator(str(tmp_path)).Reload()
    (start,) = (
        metadata.parse_session_start_info_plugin_data(content)
        for content in events.PluginTagToContent(metadata.PLUGIN_NAME).values()
    )
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    config = json.loads((tmp_path / "config.json").read_text())
    hyperparameters = config["hyperparameters"]
    assert hyperparameters.items() >= {"learning_rate": 0.001, "hidden_layers": [8]}.items()
    assert values["learning_rate"] == 0.001
    assert values["hidden_layers"] == "[8]"
    assert (values["agent"], values["seed"], values["slate_size"], values["train_pool"]) == ("reinforce", 1, 5, "train")
    given = {name for name, value in hyperparameters.items() if value is not None}
    assert values.keys() >= given
    assert values.keys().isdisjoint({"provenance", "kind", "checkpoint_every", "hyperparameters", "env_options"})
    assert results.measures is not None
    for name, value in results.measures.items():
        assert events.Scalars(f"final/{name}")[0].value == pytest.approx(value)
        assert events.Scalars(f"final/{name}")[0].step == 7


def test_a_stopped_run_closes_its_events(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Callback):
        def on_episode(self, number: int, episode: Episode, metrics: Mapping[str, float]) -> None:
            raise KeyboardInterrupt

    closed: list[int] = []
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.close", lambda self: closed.append(1))
    with pytest.raises(KeyboardInterrupt):
        run(quick_run("random", world), tmp_path, callbacks=[Stop()])
    assert closed == [1]
    assert len(pd.read_csv(tmp_path / "metrics.csv").query("metric == 'episode_rewards'")) == 1
    assert RunFolder(tmp_path).is_begun
