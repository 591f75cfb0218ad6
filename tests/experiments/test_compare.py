import json
import math
import multiprocessing
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.run_folders import config_of, write_run
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.compare import Comparison, Failures, compare, summarize
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.rl.manager import Episode

CURVES = {"learning_curves.png", "learning_curves.pdf"}
FILES = {".lock", ".begun.json", "config.json", "runs", "all_metrics.csv", "summary.csv"} | CURVES
COLUMNS = ["metric", "measurement", "timestep", "episode", "model", "env"]


def compared(world: World, agents: list[str], env_options: dict[str, Any] | None = None, **settings: Any) -> Comparison:
    return Comparison(task=Task(world=world, env_options=env_options or {}), agents=agents, **settings)


@pytest.mark.slow
def test_a_comparison_writes_all_that_it_measured(world: World, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    comparison = compared(world, ["random", "win-stay"], episodes=12, seeds=2, evaluation_episodes=30)
    summary = compare(comparison, tmp_path, lambda agent, seed, number, episode: seen.append((agent, seed, number)))

    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert seen == [(a, s, n) for s in (0, 1) for a in ("random", "win-stay") for n in range(12)]
    metrics = pd.read_csv(tmp_path / "all_metrics.csv")
    assert list(metrics.columns) == [*COLUMNS, "seed"]
    returns = metrics[metrics["metric"] == "episode_rewards"]
    assert len(returns) == 2 * 2 * 12
    assert set(returns["model"]) == {"random", "win-stay"}
    assert (tmp_path / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "learning_curves.pdf").read_bytes().startswith(b"%PDF")

    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "summary.csv"), summary, check_exact=False)
    rows = summary.set_index("agent")
    assert next(iter(rows.index)) == "oracle"
    assert rows.loc["win-stay", "median"] > rows.loc["random", "median"]
    assert rows["normalized"].round(12).loc[["oracle", "random"]].tolist() == [1, 0]
    assert math.isnan(rows.loc["oracle", "training_return"])
    random = returns[returns["model"] == "random"]["measurement"].astype(float)
    assert rows.loc["random", "training_return"] == pytest.approx(random.mean())
    assert (rows.loc[["random", "win-stay"], "steps_per_second"] > 0).all()


@pytest.mark.slow
def test_the_same_comparison_gives_the_same_numbers(world: World, tmp_path: Path) -> None:
    comparison = compared(world, ["reinforce"], episodes=8, seeds=2, n_envs=4, evaluation_episodes=8)
    timeless = [compare(comparison, tmp_path / str(i)).drop(columns="steps_per_second") for i in range(2)]
    pd.testing.assert_frame_equal(timeless[0], timeless[1], check_exact=True)
    texts = [(tmp_path / str(i) / "all_metrics.csv").read_bytes() for i in range(2)]
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_processes_side_by_side_change_nothing(world: World, tmp_path: Path) -> None:
    comparison = Comparison(
        task=Task(world=world, env_options={"slate_size": 2}),
        agents=["random", "reinforce"],
        episodes=4,
        seeds=2,
        evaluation_episodes=20,
    )
    told: dict[int, list[tuple[str, int, int, float]]] = {1: [], 2: []}
    for jobs in (1, 2):

        def on_episode(agent: str, seed: int, number: int, episode: Episode, jobs: int = jobs) -> None:
            told[jobs].append((agent, seed, number, episode.output.reward_sum))

        compare(comparison, tmp_path / str(jobs), on_episode, jobs)
    assert told[1] == told[2]
    assert len(told[1]) == 2 * 2 * 4
    for name in ("all_metrics.csv", "relevance_metrics.csv"):
        assert (tmp_path / "1" / name).read_text() == (tmp_path / "2" / name).read_text()
    alone, together = (pd.read_csv(tmp_path / jobs / "summary.csv") for jobs in "12")
    pd.testing.assert_frame_equal(
        alone.drop(columns="steps_per_second"), together.drop(columns="steps_per_second"), check_exact=True
    )


def quick_and_slow(world: World) -> Comparison:
    """A random agent, done at once, and a Rainbow that would take half an hour."""
    slow = {"hidden_layers": [1024] * 4, "network_update_frequency": 1, "batch_size": 512, "buffer_burn_in": 512}
    return Comparison(
        task=Task(world=world),
        agents=["random", "rainbow"],
        episodes=200,
        seeds=1,
        evaluation_episodes=20,
        hyperparameters={"rainbow": slow},
    )


@pytest.mark.slow
def test_whoever_stops_several_processes_keeps_what_was_done(world: World, tmp_path: Path) -> None:
    def stop(agent: str, seed: int, number: int, episode: Episode) -> None:
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        compare(quick_and_slow(world), tmp_path, stop, jobs=2)
    for process in multiprocessing.active_children():
        process.join(5)  # told to end, it takes a moment
    assert not multiprocessing.active_children()
    assert time.monotonic() < begun + 240
    assert pd.read_csv(tmp_path / "summary.csv")["agent"].tolist() == ["random"]
    assert {path.name for path in tmp_path.iterdir()} == FILES - CURVES


def test_several_processes_stopped_at_once_leave_no_results(world: World, tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(quick_and_slow(world), tmp_path, jobs=2, stop_if_asked=stop)
    assert {path.name for path in tmp_path.iterdir()} <= {
        ".lock",
        ".begun.json",
        "config.json",
        "runs",
    }  # to go on with


@pytest.mark.slow
def test_a_killed_process_is_told_and_what_was_done_is_kept(world: World, tmp_path: Path) -> None:
    def kill() -> None:
        if (tmp_path / "summary.csv").exists():
            for process in multiprocessing.active_children():
                process.kill()

    with pytest.raises(BrokenProcessPool):
        compare(quick_and_slow(world), tmp_path, jobs=2, stop_if_asked=kill)
    assert "random" in pd.read_csv(tmp_path / "summary.csv")["agent"].tolist()


@pytest.mark.slow
def test_seeds_see_other_users_and_judges_the_same(world: World, tmp_path: Path) -> None:
    one = compare(
        compared(world, ["best-rated"], episodes=5, seeds=1, evaluation_episodes=20),
        tmp_path / "a",
    )
    two = compare(
        compared(world, ["random", "best-rated"], episodes=9, seeds=1, evaluation_episodes=20),
        tmp_path / "b",
    )
    # What else is compared, and how long anything trained, does not change who judges.
    returns = [summary.set_index("agent").loc["best-rated", "median"] for summary in (one, two)]
    assert returns[0] == returns[1]
    assert one["median_low"].isna().all()
    compare(
        compared(world, ["best-rated"], episodes=5, seeds=2, n_envs=3, evaluation_episodes=1),
        tmp_path / "c",
    )
    metrics = pd.read_csv(tmp_path / "c" / "all_metrics.csv")
    returns = metrics[metrics["metric"] == "episode_rewards"].groupby("seed")["measurement"].apply(list)
    # Streams 0, 1, 2 and 3, 4, 5: with streams 0, 1, 2 and 1, 2, 3 the seeds would share two of three users.
    assert len(set(returns[0][:3]) & set(returns[1][:3])) <= 1


@pytest.mark.slow
def test_options_reach_world_and_agents(world: World, tmp_path: Path) -> None:
    calm = {"lambda_non_violent": 1.0}
    alike = Comparison(
        task=Task(world=world, env_options=calm),
        agents=["win-stay"],
        episodes=4,
        seeds=1,
        hyperparameters={"win-stay": {"candidates": 1}},
    )
    fixed = compared(world, ["best-rated"], env_options=calm, episodes=4, seeds=1)
    a, b = (compare(c, tmp_path / str(i)).set_index("agent") for i, c in enumerate((alike, fixed)))
    assert a.loc["win-stay", "median"] == b.loc["best-rated", "median"]
    # At lambda 1 the reward is calm alone, and the oracle shows the least violent item.
    assert a.loc["oracle", "median"] == pytest.approx(50 * (1 - world.violence.min()))
    assert b.loc["best-rated", "median"] == pytest.approx(50 * (1 - b.loc["best-rated", "violence"]))


@pytest.mark.slow
def test_an_interrupted_comparison_leaves_what_was_done(world: World, tmp_path: Path) -> None:
    def stop(agent: str, seed: int, number: int, episode: Any) -> None:
        if (agent, seed, number) == ("win-stay", 1, 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(
            compared(world, ["random", "win-stay"], episodes=6, seeds=3, evaluation_episodes=5),
            tmp_path,
            stop,
        )
    assert {path.name for path in tmp_path.iterdir()} == FILES - CURVES
    metrics = pd.read_csv(tmp_path / "all_metrics.csv")
    done = metrics[metrics["metric"] == "episode_rewards"].groupby(["seed", "model"]).size()
    assert done.to_dict() == {(0, "random"): 6, (0, "win-stay"): 6, (1, "random"): 6}
    begun = pd.read_csv(tmp_path / "runs" / "win-stay-1" / "metrics.csv")
    assert (begun["metric"] == "episode_rewards").sum() == 4
    assert pd.read_csv(tmp_path / "summary.csv").set_index("agent")["seeds"].to_dict() == {
        "oracle": 1,
        "random": 2,
        "win-stay": 1,
    }


@pytest.mark.slow
def test_a_comparison_called_again_goes_on_where_it_was(world: World, tmp_path: Path) -> None:
    comparison = compared(world, ["reinforce", "dqn"], episodes=6, seeds=2, evaluation_episodes=5)
    told: list[tuple[str, int, int]] = []

    def stop(agent: str, seed: int, number: int, episode: Any) -> None:
        told.append((agent, seed, number))
        if told[-1] == ("dqn", 1, 2):
            raise KeyboardInterrupt

    whole = compare(comparison, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        compare(comparison, tmp_path / "parts", stop)
    parts = compare(comparison, tmp_path / "parts", stop)  # the episode it was stopped after does not come again
    assert told.count(("dqn", 1, 2)) == 1
    pd.testing.assert_frame_equal(
        whole.drop(columns="steps_per_second"), parts.drop(columns="steps_per_second"), check_exact=True
    )
    assert (tmp_path / "whole" / "all_metrics.csv").read_bytes() == (
        tmp_path / "parts" / "all_metrics.csv"
    ).read_bytes()


@pytest.mark.slow
def test_more_seeds_are_added_and_other_settings_refused(world: World, tmp_path: Path) -> None:
    comparison = compared(world, ["random"], episodes=3, seeds=1, evaluation_episodes=5)
    compare(comparison, tmp_path)
    first = (tmp_path / "runs" / "random-0" / "result.json").stat().st_mtime_ns
    assert compare(replace(comparison, seeds=2), tmp_path).set_index("agent").loc["random", "seeds"] == 2
    assert (tmp_path / "runs" / "random-0" / "result.json").stat().st_mtime_ns == first
    with pytest.raises(InputError, match="holds another run: its evaluation_episodes is 5, not 4"):
        compare(replace(comparison, evaluation_episodes=4), tmp_path)
    with pytest.raises(InputError, match="leave jobs out"):
        compare(replace(comparison, episodes=4), tmp_path, jobs=2, ray_address="local", overwrite=True)
    assert (tmp_path / "runs" / "random-1" / "result.json").exists()  # nothing is given up for what cannot be
    compare(replace(comparison, episodes=4), tmp_path, overwrite=True)
    assert not (tmp_path / "runs" / "random-1").exists()


def test_summary_by_hand(tmp_path: Path) -> None:
    returns = {"a": [[30, 34], [0, 0], [36, 36], [40, 40], [99, 1]], "oracle": [[48, 52]], "random": [[10, 20]]}
    runs = [
        RunFolder(write_run(tmp_path / f"{agent}-{seed}", config_of(agent, seed), returns=own, violence=sum(own) / 200))
        for agent, of_seeds in returns.items()
        for seed, own in enumerate(of_seeds)
    ]
    summary = summarize(
        runs, {("dqn", 0): "it diverged", ("dqn", 1): "it diverged", ("a", 5): "it was damaged"}
    ).set_index("agent")
    assert summary.index.tolist() == ["oracle", "a", "random", "dqn"]
    a = summary.loc["a"]
    # The seeds' means are 32, 0, 36, 40, 50.
    assert a["median"] == pytest.approx(36)
    assert a["median_low"] < 0 < 50 < a["median_high"]
    assert a["normalized"] == pytest.approx((36 - 15) / (50 - 15))
    assert math.isnan(a["improvement"])  # random has one seed
    assert a["violence"] == pytest.approx((32 + 0 + 36 + 40 + 50) / 500)
    assert a["seeds"] == 5
    assert math.isnan(summary.loc["oracle", "median_low"])
    assert summary["failed"].tolist() == [0, 1, 0, 2]
    assert summary["failure"].dropna().to_dict() == {
        "a": "it was damaged (seed 5)",
        "dqn": "it diverged (seed 0; likewise seed 1)",
    }


def test_where_no_violence_is_known_none_is_told(world: World, tmp_path: Path) -> None:
    unknown = np.full_like(world.violence, np.nan)
    bare = replace(world, violence=unknown, violence_measured=np.isfinite(unknown))
    compare(compared(bare, ["random"], episodes=2, seeds=1, evaluation_episodes=2), tmp_path)
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert summary["violence"].isna().all()
    assert (summary["coverage"] > 0).all()
    (first, *_) = sorted((tmp_path / "runs").iterdir())
    for name in ("config.json", "result.json", "sessions.json"):
        json.loads((first / name).read_text(), parse_constant=pytest.fail)  # NaN is not JSON
    assert "NaN" not in (first / "metrics.csv").read_text()
    shown = json.loads((first / "sessions.json").read_text())["sessions"][0]["steps"][0]["shown"][0]
    assert (shown["violence"], shown["measured"]) == (None, False)


@pytest.mark.slow
def test_a_run_that_fails_for_whatever_reason_does_not_stop_the_others(world: World, tmp_path: Path) -> None:
    comparison = compared(world, ["contracts.own:Failing", "random"], episodes=4, seeds=2, evaluation_episodes=2)
    failures: Failures = {}
    summary = compare(comparison, tmp_path, failures=failures).set_index("agent")
    failed = tmp_path / "runs" / "contracts.own.Failing-1"
    why = f"ZeroDivisionError: it is of seed 1; 'pydeeprecsys resume {failed}' shows where"
    assert failures == {("contracts.own:Failing", 1): why}
    assert summary.loc["contracts.own:Failing", ["seeds", "failed"]].tolist() == [1, 1]
    assert summary.loc["contracts.own:Failing", "failure"] == f"{why} (seed 1)"
    assert summary.loc["random", "seeds"] == 2
    with pytest.raises(ZeroDivisionError):
        run(comparison.run("contracts.own:Failing", 1), failed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["result.json", "metrics.csv", "evaluation.csv"])
def test_a_run_whose_files_are_damaged_does_not_stop_the_others(world: World, tmp_path: Path, name: str) -> None:
    comparison = compared(world, ["win-stay"], episodes=2, seeds=2, evaluation_episodes=2)
    compare(comparison, tmp_path)
    (tmp_path / "runs" / "win-stay-0" / name).write_text("a;b\n")
    failures: Failures = {}
    summary = compare(comparison, tmp_path, failures=failures).set_index("agent")
    assert [*failures] == [("win-stay", 0)]
    assert name in failures["win-stay", 0]
    assert summary["seeds"].to_dict() == {"oracle": 2, "win-stay": 1, "random": 2}


def test_a_figure_that_cannot_be_drawn_costs_no_result(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("there is no\nscreen")

    monkeypatch.setattr("pydeeprecsys.experiments.compare.learning_curves", fail)
    with pytest.warns(UserWarning, match=r"learning_curves.png was not drawn: there is no screen$"):
        summary = compare(compared(world, ["random"], episodes=2, seeds=1, evaluation_episodes=2), tmp_path)
    assert summary["agent"].tolist() == ["oracle", "random"]
    assert {path.name for path in tmp_path.iterdir()} == FILES - CURVES


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"agents": []}, "each once"),
        ({"agents": ["random", "random"]}, "each once"),
        ({"agents": ["randm"]}, "did you mean 'random'"),
        ({"hyperparameters": {"dqm": {}}}, "no agent 'dqm'"),
        ({"episodes": 0}, "episodes must be at least 1, it is 0"),
        ({"seeds": 0}, "seeds must be at least 1, it is 0"),
        ({"n_envs": -1}, "n_envs must be at least 1, it is -1"),
        ({"evaluation_episodes": 0}, "evaluation_episodes must be at least 1, it is 0"),
        ({"evaluate_every": 301}, "evaluate_every is 301, above the 300 training episodes"),
    ],
)
def test_comparisons_that_cannot_be(world: World, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        Comparison(**({"task": Task(world=world), "agents": ["random"]} | changes))


@pytest.mark.slow
def test_what_has_no_users_is_compared_without_the_oracle(tmp_path: Path) -> None:
    task = Task(env="contracts.own:OwnCorridor-v0", env_options={"length": 4})
    right = "contracts.own:Right"
    settings = {"task": task, "agents": [right, "reinforce"], "episodes": 4, "seeds": 2, "evaluation_episodes": 3}
    comparison = Comparison(**settings, hyperparameters={right: {"action": 1}, "reinforce": {"hidden_layers": [4]}})
    alone = compare(comparison, tmp_path / "one")
    assert alone["agent"].iloc[0] == right
    assert set(alone["agent"]) == {right, "reinforce", "random"}
    assert alone["violence"].isna().all()
    assert alone.set_index("agent").loc[right, ["median", "session_length"]].tolist() == pytest.approx([0.7, 4])
    # In processes of their own, the agent and the environment are imported again.
    together = compare(comparison, tmp_path / "two", jobs=2)
    pd.testing.assert_frame_equal(
        alone.drop(columns="steps_per_second"), together.drop(columns="steps_per_second"), check_exact=True
    )


def test_an_agent_that_cannot_learn_in_the_environment_is_refused_before_any_run_begins(
    world: World, tmp_path: Path
) -> None:
    # SlateQ models the choice of one item, and the users of v0 consume the whole slate: its first step shows it.
    task = Task(world=world, env_options={"slate_size": 3})
    comparison = Comparison(task=task, agents=["popular", "slate-q"], episodes=2, seeds=1, evaluation_episodes=2)
    with pytest.raises(InputError, match="several items of a slate are consumed"):
        compare(comparison, tmp_path / "out")
    assert not (tmp_path / "out" / "runs").exists()
