"""Sweeps: agents compared at several values of an option."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.quick import QUICK
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.fronts import front_table
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.summary import Failures, summarize_sweep, sweep_points
from pydeeprecsys.experiments.sweep import Sweep
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.metrics.harm import cvar

V0 = "MovieLensFairness-v0"


@pytest.mark.parametrize(
    ("text", "target", "values"),
    [
        ("lambda_non_violent=0:1:0.25", "lambda_non_violent", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("lambda_non_violent=0:0.3:0.1", "lambda_non_violent", [0.0, 0.1, 0.2, 0.3]),
        ("lambda-non-violent=1:0:-0.5", "lambda_non_violent", [1.0, 0.5, 0.0]),
        ("lambda_non_violent=0:1:0.4", "lambda_non_violent", [0.0, 0.4, 0.8]),
        ("lambda_non_violent=.5, 1e-2", "lambda_non_violent", [0.5, 0.01]),
        ("slate_size=1:5:2", "slate_size", [1, 3, 5]),
        ("session_length=10,50", "session_length", [10, 50]),
        ("ppo.entropy-coefficient=0,0.1", "ppo.entropy_coefficient", [0.0, 0.1]),
        ("contracts.own:Right.action=0:1:1", "contracts.own:Right.action", [0, 1]),
    ],
)
def test_a_sweep_is_read_from_a_range_or_from_values(text: str, target: str, values: list[float]) -> None:
    sweep = Sweep.read(text, V0)
    assert sweep.target == target
    assert sweep.values == values
    assert list(map(type, sweep.values)) == list(map(type, values))
    assert Sweep.parse(text).names(["ppo"]).keys() == sweep.names(["ppo"]).keys()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        *[
            (text, f"a sweep is NAME=FROM:TO:STEP or NAME=VALUE,VALUE,..., such as .*, not {re.escape(repr(text))}")
            for text in ("", "delta", "delta=", "=0:1:0.5", "delta=0:1", "delta=0:1:1:1", "delta=a,b", "delta=0,,1")
        ],
        ("delta=0,nan", "a sweep is NAME=FROM:TO:STEP"),
        ("delta=0,1e999", "a sweep is NAME=FROM:TO:STEP"),
        ("delta=0:1:0", "the step 0 of a sweep does not lead from 0 to 1; give another STEP"),
        ("delta=1:0:0.1", "the step 0.1 of a sweep does not lead from 1 to 0; give another STEP"),
        ("delta=1", "has one value; give two or more, or set the option without a sweep"),
        ("delta=0:1:3", "has one value"),
        ("delta=0.5,1,.50", "has the value 0.5 twice; give each value once"),
        ("delta=0:1:1e-9", "has more than 100 values; give fewer"),
        ("delta=0:inf:1", "has more than 100 values; give fewer"),
        ("lambda_non_violent=0:1.5:0.5", r"lambda_non_violent must be in \[0, 1\], it is 1.5"),
        ("slate_size=1:2:0.5", "slate_size must be an integer, it is 1.5"),
        ("session_length=0,1", "session_length must be at least 1, it is 0"),
        ("lambda=0,1", "has no option 'lambda'; .*"),
        ("episodes=10,20", "has no option 'episodes'"),
        ("pool=1,2", "the pool of users is no option of the environment"),
        ("observe_time=0,1", "observe_time is no number"),
        ("observation=0,1", "observation is no number"),
        ("dynamics=0,1", "dynamics is no number"),
        ("ppo.actor_hidden_layers=8,16", "actor_hidden_layers is no number"),
        ("ppo.epoch=1,2", "the agent 'ppo' has no option 'epoch'; .* did you mean 'epochs'"),
        ("pppo.epochs=1,2", "there is no agent 'pppo'; .* did you mean 'ppo'"),
        ("random.epochs=1,2", "the agent 'random' has no option 'epochs'"),
    ],
)
def test_what_is_no_sweep_is_said_in_a_line(text: str, match: str) -> None:
    with pytest.raises(InputError, match=match) as refused:
        Sweep.read(text, V0)
    assert "\n" not in str(refused.value)


def test_trainings_are_named_by_their_values_and_found_again_from_their_settings() -> None:
    of_world, of_agent = Sweep.read("delta=0.5,1", V0), Sweep.read("ppo.epochs=2,4", V0)
    assert list(of_world.names(["ppo", "dqn"])) == ["ppo@delta=0.5", "dqn@delta=0.5", "ppo@delta=1", "dqn@delta=1"]
    assert list(of_agent.names(["ppo", "dqn"])) == ["ppo@epochs=2", "dqn", "ppo@epochs=4"]
    config: dict[str, Any] = {"agent": "dqn", "env_options": {"delta": 1.0}, "hyperparameters": {"epochs": 9}}
    assert (of_world.name(config), of_world.value(config)) == ("dqn@delta=1", 1.0)
    assert (of_agent.name(config), of_agent.value(config)) == ("dqn", None)


def swept(world: World, sweep: str, agents: list[str], env_options: dict[str, Any] | None = None, **more: Any) -> Any:
    settings = {"episodes": 6, "seeds": 1, "evaluation_episodes": 20, "evaluation_envs": 10, "n_envs": 3} | more
    return Comparison(task=Task(world=world, env_options=env_options or {}), agents=agents, sweep=sweep, **settings)


@pytest.mark.parametrize(
    ("sweep", "settings", "match"),
    [
        ("ppo.epochs=1,2", {}, "ppo.epochs is swept, and ppo is not compared; add it to the agents"),
        ("delta=0,1", {"env_options": {"delta": 2.0}}, "delta is swept, and set to 2.0; leave one of both out"),
        (
            "dqn.learning_rate=0.1,0.2",
            {"agents": ["dqn"], "hyperparameters": {"dqn": {"learning_rate": 0.3}}},
            "dqn.learning_rate is swept, and set to 0.3; leave one of both out",
        ),
        ("delta=0,-1", {}, "delta"),
    ],
)
def test_a_sweep_that_does_not_fit_its_comparison_is_refused(
    world: World, sweep: str, settings: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        swept(world, **{"sweep": sweep, "agents": ["random"], **settings})


def test_without_known_violence_there_is_no_front(world: World) -> None:
    nothing = np.full_like(world.violence, np.nan)
    bare = replace(world, violence=nothing, violence_measured=np.zeros(world.n_items, dtype=np.bool_))
    with pytest.raises(InputError, match=r"the violence of the items of .* is not known, so there is no front to draw"):
        swept(bare, "delta=0,1", ["random"])
    with pytest.raises(InputError, match="CartPole-v1 shows no items with violence, so there is no front to draw"):
        Comparison(task=Task(env="CartPole-v1"), agents=["dqn"], sweep="dqn.learning_rate=0.1,0.2")


def test_a_value_that_the_world_does_not_allow_is_refused_before_anything_is_trained(
    world: World, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="slate_size"):
        compare(swept(world, "slate_size=1,1000", ["random"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_sweep_is_the_comparisons_at_its_values(world: World, tmp_path: Path) -> None:
    quick = {"reinforce": QUICK["reinforce"]}
    agents = ["reinforce", "best-rated"]
    summary = compare(
        swept(world, "lambda_non_violent=0:1:0.5", agents, seeds=3, hyperparameters=quick), tmp_path / "sweep"
    )
    front = RunFolder(tmp_path / "sweep").front
    for weight in (0.0, 0.5, 1.0):
        alone = swept(world, "delta=1,2", agents, {"lambda_non_violent": weight}, seeds=3, hyperparameters=quick)
        one = tmp_path / f"{weight:g}"
        expected = compare(replace(alone, sweep=None), one).drop(columns="steps_per_second")
        found = summary[summary["value"] == weight].drop(columns=["value", "steps_per_second"])
        pd.testing.assert_frame_equal(found.reset_index(drop=True), expected, check_exact=True)
        rows = front[front["value"] == weight].set_index("agent")
        for agent in expected["agent"]:
            runs = [RunFolder(one).run(agent, seed) for seed in range(3)]
            sessions = [run.evaluation for run in runs]
            assert rows.loc[agent, "rating"] == pytest.approx(np.median([each["rating"].mean() for each in sessions]))
            harms = [cvar(each["violence"], 0.95) for each in sessions]
            assert rows.loc[agent, "cvar"] == pytest.approx(np.median(harms))
            name = f"{agent}@lambda_non_violent={weight:g}"
            own = RunFolder(tmp_path / "sweep").run(name, 2)
            assert own.evaluation.equals(runs[2].evaluation)
    files = {path.name for path in (tmp_path / "sweep").iterdir()}
    assert files == {".lock", ".begun.json", "config.json", "runs", "all_metrics.csv", "summary.csv"} | {
        "front.csv",
        "front.png",
    }
    assert (tmp_path / "sweep" / "front.png").read_bytes().startswith(b"\x89PNG")
    metrics = pd.read_csv(tmp_path / "sweep" / "all_metrics.csv")
    assert sorted(metrics["value"].unique()) == [0.0, 0.5, 1.0]
    # Nothing that it shows depends on the weight of the reward.
    best_rated = front[front["agent"] == "best-rated"]
    assert best_rated["rating"].nunique() == best_rated["violence"].nunique() == 1
    assert best_rated["return"].nunique() == 3


@pytest.mark.slow
def test_an_agents_option_is_swept_for_this_agent_alone(world: World, tmp_path: Path) -> None:
    quick = {name: QUICK[name] for name in ("reinforce", "dqn")}
    comparison = swept(world, "reinforce.learning_rate=0.001,0.1", ["reinforce", "dqn"], hyperparameters=quick)
    summary = compare(comparison, tmp_path)
    runs = {path.name for path in (tmp_path / "runs").iterdir()}
    assert runs == {
        *("reinforce@learning_rate=0.001-0", "reinforce@learning_rate=0.1-0", "dqn-0", "random-0", "oracle-0"),
    }
    front = RunFolder(tmp_path).front.set_index("agent")
    assert front.loc["reinforce", "value"].tolist() == [0.001, 0.1]
    assert np.isnan(front.loc["dqn", "value"])
    # The others are part of the comparison at either value.
    assert summary.groupby("value")["agent"].agg(set).tolist() == [{"reinforce", "dqn", "random", "oracle"}] * 2


@pytest.mark.slow
def test_processes_and_added_values_give_the_same_numbers(world: World, tmp_path: Path) -> None:
    whole = swept(world, "slate_size=1,2,3", ["best-rated", "random"], seeds=2)
    compare(whole, tmp_path / "whole")
    compare(replace(whole, sweep="slate_size=1,3"), tmp_path / "added")
    before = (tmp_path / "added/runs/random@slate_size=3-0/result.json").stat().st_mtime_ns
    compare(whole, tmp_path / "added", jobs=2)
    assert (tmp_path / "added/runs/random@slate_size=3-0/result.json").stat().st_mtime_ns == before
    for name in ("front.csv", "all_metrics.csv", "relevance_metrics.csv"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "added" / name).read_text()
    columns = pd.read_csv(tmp_path / "whole" / "relevance_metrics.csv", index_col=0).columns
    assert set(columns) == {
        f"{metric}_{agent}@slate_size={size}"
        for metric in ("dcg", "ndcg")
        for agent in ("best-rated", "random")
        for size in (2, 3)
    }
    for other in ("delta=1,2", None):
        with pytest.raises(InputError, match="is of another sweep: slate_size=1,2,3; give another folder"):
            compare(replace(whole, sweep=other), tmp_path / "whole")


@pytest.mark.slow
def test_what_fails_at_one_value_leaves_the_others(world: World, tmp_path: Path) -> None:
    failures: Failures = {}
    comparison = swept(world, "delta=1,2", ["contracts.own:Failing", "random"], episodes=4, seeds=2)
    summary = compare(comparison, tmp_path, failures=failures)
    assert {name for name, _ in failures} == {"contracts.own:Failing@delta=1", "contracts.own:Failing@delta=2"}
    failing = summary[summary["agent"] == "contracts.own:Failing"]
    assert failing["value"].tolist() == [1.0, 2.0]
    assert failing[["seeds", "failed"]].to_numpy().tolist() == [[1, 1], [1, 1]]
    front = RunFolder(tmp_path).front.set_index("agent")
    assert front.loc["contracts.own:Failing", "seeds"].tolist() == [1, 1]
    assert front.loc["random", "seeds"].tolist() == [2, 2]


@pytest.mark.slow
def test_what_was_evaluated_before_ratings_were_kept_is_no_point(world: World, tmp_path: Path) -> None:
    compare(swept(world, "delta=1,2", ["random"], episodes=1), tmp_path)
    folder, sweep = RunFolder(tmp_path), Sweep.read("delta=1,2", V0)
    assert len(front_table(sweep_points(sweep, folder.runs))) == 4
    path = folder.runs[0].path / "evaluation.csv"
    pd.read_csv(path).drop(columns="rating").to_csv(path, index=False)
    assert np.isnan((folder.runs[0].measures or {})["rating"])
    with pytest.raises(InputError, match=r"the rating of what .* showed is not known; .* remove its result.json"):
        sweep_points(sweep, folder.runs)
    assert len(summarize_sweep(sweep, folder.runs, {})) == 4
